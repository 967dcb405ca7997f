"""The matches of a task: pairs, records without a partner, groups; and the protocol of the stores that find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from shadowstream.joiner.completeness.wait_queue import Lane, Lanes, LanesOfAll
from shadowstream.joiner.matching.pending import Held
from shadowstream.joiner.pending_record import Row, Rows
from shadowstream.records import Side


class Pair(NamedTuple):
    """A production record and the shadow record with its id; the twin's, where there is one and it came."""

    production: Row
    shadow: Row
    twin: Row | None = None
    ambiguous: bool = False
    id: Hashable = None


class Met(NamedTuple):
    """Many plain pairs at once, as columns: no twin beside them, and none ambiguous."""

    production: Rows
    shadow: Rows
    ids: Sequence[Hashable]

    def pair(self, i: int) -> Pair:
        """The i-th as a pair."""
        return Pair(self.production.row(i), self.shadow.row(i), None, False, self.ids[i])


class Alone(NamedTuple):
    """A record whose partner can no longer come; of production it may have met its twin."""

    side: Side
    row: Row
    id: Hashable
    twin: Row | None = None
    ambiguous: bool = False


class Many(NamedTuple):
    """All outputs of one input, on both sides at least one."""

    production: list[Row]
    shadow: list[Row]
    id: Hashable = None


Decision = Pair | Alone | Many


class Decided(NamedTuple):
    """The matches that a store has made for one commit. `has_more`: it may have left some for the next one."""

    matches: list[Decision]
    has_more: bool


Sheds = Callable[[Hashable], bool]
"""Whether records with an id are shed."""


class Asks(Protocol):
    """Completeness rules, as a store asks for them."""

    def lanes(self, side: Side, awaited: Side, row: Row) -> Lanes:
        """Where `row` of `side` waits for a record of `awaited`; nothing where none can come any more."""
        ...

    def lanes_of_all(self, side: Side, awaited: Side, rows: Rows) -> LanesOfAll:
        """Lanes that all these rows wait in; nothing where that cannot be said of all of them alike."""
        ...

    def bound(self, lane: Lane) -> float:
        """What waits in the lane with a threshold below this is due."""
        ...

    def frontier(self) -> float | None:
        """Event time up to which everything of all sides has been read, disorder within the grace allowed for."""
        ...


class Store(Protocol):
    """What waits under one identity."""

    held: Held

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[Row]) -> Sequence[Decision]:
        """Store new records of one side, in offset order; return the matches that are certain on arrival."""
        ...

    def match_columns(self, side: Side, ids: Sequence[Hashable], rows: Rows) -> Sequence[Decision | Met]:
        """Do as `match_rows` with columns."""
        ...

    def take_decidable(self, rules: Asks, limit: int = sys.maxsize) -> Decided:
        """Remove and return the matches that can be decided now, about `limit` of them at most."""
        ...

    def shed(self, sheds: Sheds) -> list[Alone]:
        """Remove all waiting rows with such ids, each alone."""
        ...

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the waiting rows of a side."""
        ...
