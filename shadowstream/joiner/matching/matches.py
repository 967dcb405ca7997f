"""The matches of a task: pairs, records without a partner, groups; and the protocol of the stores that find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from shadowstream.joiner.completeness.wait_queue import LanesOfAll, WaitCondition, Waits
from shadowstream.joiner.matching.pending import Held
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side


class Pair(NamedTuple):
    """A production record and the shadow record with its id; the twin's, where there is one and it came."""

    production: PendingRecord
    shadow: PendingRecord
    twin: PendingRecord | None = None
    ambiguous: bool = False
    id: Hashable = None


class PairBatch(NamedTuple):
    """Many plain pairs at once, as columns: no twin beside them, and none ambiguous."""

    production: PendingColumns
    shadow: PendingColumns
    ids: Sequence[Hashable]

    def pair(self, i: int) -> Pair:
        """The i-th as a pair."""
        return Pair(self.production.row(i), self.shadow.row(i), None, False, self.ids[i])


class Unmatched(NamedTuple):
    """A record whose partner can no longer come; of production it may have met its twin."""

    side: Side
    row: PendingRecord
    id: Hashable
    twin: PendingRecord | None = None
    ambiguous: bool = False


class Many(NamedTuple):
    """All outputs of one input, on both sides at least one."""

    production: list[PendingRecord]
    shadow: list[PendingRecord]
    id: Hashable = None


Decision = Pair | Unmatched | Many


class Decided(NamedTuple):
    """The matches that a store has made for one commit. `has_more`: it may have left some for the next one."""

    matches: list[Decision]
    has_more: bool


Sheds = Callable[[Hashable], bool]
"""Whether records with an id are shed."""


class CompletenessRules(Protocol):
    """Completeness rules, as a store asks for them."""

    def lanes(self, side: Side, awaited: Side, row: PendingRecord) -> Waits:
        """Where `row` of `side` waits for a record of `awaited`; nothing where none can come any more."""
        ...

    def lanes_of_all(self, side: Side, awaited: Side, rows: PendingColumns) -> LanesOfAll:
        """Lanes that all these rows wait in; nothing where that cannot be said of all of them alike."""
        ...

    def bound(self, lane: WaitCondition) -> float:
        """What waits in the lane with a threshold below this is due."""
        ...

    def frontier(self) -> float | None:
        """Event time up to which everything of all sides has been read, disorder within the grace allowed for."""
        ...


class Store(Protocol):
    """What waits under one identity."""

    held: Held

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records of one side, in offset order; return the matches that are certain on arrival."""
        ...

    def match_columns(
        self, side: Side, ids: Sequence[Hashable], rows: PendingColumns
    ) -> Sequence[Decision | PairBatch]:
        """Do as `match_rows` with columns."""
        ...

    def take_decidable(self, rules: CompletenessRules, limit: int = sys.maxsize) -> Decided:
        """Remove and return the matches that can be decided now, about `limit` of them at most."""
        ...

    def shed(self, sheds: Sheds) -> list[Unmatched]:
        """Remove all waiting rows with such ids, each alone."""
        ...

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the waiting rows of a side."""
        ...
