"""Matches of a task (pairs, unmatched records, groups), and the protocol of the stores that find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
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
        return Pair(self.production.row(i), self.shadow.row(i), None, False, self.ids[i])

    def at(self, places: Sequence[int]) -> PairBatch:
        """Return the pairs at some places, ascending."""
        if len(places) == len(self.ids):
            return self
        return PairBatch(self.production.at(places), self.shadow.at(places), [self.ids[i] for i in places])


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


ShedRule = Callable[[Hashable], bool]  # a function that decides whether records with an id are shed


class Store(Protocol):
    """The pending records of one task, under one kind of identity."""

    held: PendingTotals

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records of one side, in offset order; return the matches that are certain on arrival."""

    def match_columns(
        self, side: Side, ids: Sequence[Hashable], rows: PendingColumns
    ) -> Sequence[Decision | PairBatch]:
        """Do as `match_rows` with columns."""
        return self.match_rows(side, ids, rows.rows())

    def take_decidable(self, rules: Completeness, limit: int = sys.maxsize) -> Decisions:
        """Remove and return the matches that can be decided now, until there are `limit` of them or slightly more."""

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        """Remove all pending rows with such ids, and return each as unmatched."""

    def offsets(self, side: Side) -> Iterable[int]:
        """Return the offsets of a side's pending rows; the spans of them, if the store keeps these."""

    def buffer(self, side: Side) -> ColumnBuffer | None:
        """Return the buffer with all of a side's pending rows, if there is one."""
        return None


SideRows = tuple[list[PendingRecord], list[PendingRecord]]  # the rows of one id, of production and of the shadow


class KeyedStore(Store):
    """A store of two sides that keeps the pending rows of each id in lists."""

    def __init__(self, window_ms: int) -> None:
        self.held = PendingTotals(window_ms)
        self._rows: dict[Hashable, SideRows] = {}

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        found: list[Unmatched] = []
        for id_ in list(filter(sheds, self._rows)):
            for side, rows in zip(Side, self._rows.pop(id_), strict=False):
                for row in rows:
                    self.held.leave(side, row)
                    found.append(Unmatched(side, row, id_))
        return found

    def offsets(self, side: Side) -> Iterable[int]:
        return (row.offset for rows in self._rows.values() for row in rows[side])
