"""Matches of a task (pairs, unmatched records, groups), and the protocol of the stores that find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from shadowstream.joiner.completeness.wait_queue import LanesOfAll, WaitCondition, Waits
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side


class Pair(NamedTuple):
    """A production record with the shadow record of the same id, and the twin's record if it came."""

    production: PendingRecord
    shadow: PendingRecord
    twin: PendingRecord | None = None
    ambiguous: bool = False
    id: Hashable = None


class PairBatch(NamedTuple):
    """Many pairs as columns, none ambiguous and none with a twin's record."""

    production: PendingColumns
    shadow: PendingColumns
    ids: Sequence[Hashable]

    def pair(self, i: int) -> Pair:
        """The i-th pair."""
        return Pair(self.production.row(i), self.shadow.row(i), None, False, self.ids[i])


class Unmatched(NamedTuple):
    """A record whose partner can no longer come; production's record may come with the twin's."""

    side: Side
    row: PendingRecord
    id: Hashable
    twin: PendingRecord | None = None
    ambiguous: bool = False


class OutputGroup(NamedTuple):
    """All outputs of one input, at least one on each side."""

    production: list[PendingRecord]
    shadow: list[PendingRecord]
    id: Hashable = None


Decision = Pair | Unmatched | OutputGroup


class Decisions(NamedTuple):
    """The matches of one call. `has_more`: the next call may find more at once."""

    matches: list[Decision]
    has_more: bool


ShedRule = Callable[[Hashable], bool]
"""A function that decides whether records with an id are shed."""


class WaitRules(Protocol):
    """The part of `completeness` that a store needs."""

    def lanes(self, side: Side, awaited: Side, row: PendingRecord) -> Waits:
        """Return the lanes in which a row waits for a record of side `awaited`; empty if none can come any more."""

    def lanes_of_all(self, side: Side, awaited: Side, rows: PendingColumns) -> LanesOfAll:
        """Return the lanes in which all rows wait; empty if each row needs a call of `lanes`."""

    def bound(self, lane: WaitCondition) -> float:
        """The bound of a lane: entries with a threshold below it are due."""

    def frontier(self) -> float | None:
        """The event time to which all sides have been read, with records out of order by up to the grace."""


class Store(Protocol):
    """The pending records of one task, under one kind of identity."""

    held: PendingTotals

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records of one side, in offset order; return the matches that are certain on arrival."""

    def match_columns(
        self, side: Side, ids: Sequence[Hashable], rows: PendingColumns
    ) -> Sequence[Decision | PairBatch]:
        """Do as `match_rows` with columns."""

    def take_decidable(self, rules: WaitRules, limit: int = sys.maxsize) -> Decisions:
        """Remove and return about `limit` matches that can be decided now."""

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        """Remove all pending rows with such ids, and return each as unmatched."""

    def offsets(self, side: Side) -> Iterator[int]:
        """The offsets of a side's pending rows."""
