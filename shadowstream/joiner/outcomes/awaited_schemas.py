"""Decisions whose comparison needs a schema that the registry cannot tell now. All others go on meanwhile.

What waits here counts as unpaired still, in numbers, bytes and windows: it is pending in every commit, so that a
restart reads it again, and it holds windows open and its side back like anything that waits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import NamedTuple, TypeVar

from shadowstream.compare.comparer import Comparing
from shadowstream.joiner.matching.matches import Decision, OutputGroup, ShedRule, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.outcomes.corrections import Corrected
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Partition, Side

T = TypeVar("T")


def rows_of(decision: Decision) -> Iterator[tuple[Side, PendingRecord]]:
    """The records of a decision."""
    if isinstance(decision, OutputGroup):
        yield from ((Side.PRODUCTION, row) for row in decision.production)
        yield from ((Side.SHADOW, row) for row in decision.shadow)
        return
    if isinstance(decision, Unmatched):
        yield decision.side, decision.row
    else:
        yield Side.PRODUCTION, decision.production
        yield Side.SHADOW, decision.shadow
    if decision.twin is not None:
        yield Side.TWIN, decision.twin


class Resumed(NamedTuple):
    """Decisions and corrections whose schemas can be had now. `has_more`: more of them may be left."""

    decisions: list[Decision]
    corrected: list[Corrected]
    has_more: bool


class AwaitedSchemas:
    """What waits of one task, in the order in which it came."""

    def __init__(self, held: PendingTotals, compare: Comparing) -> None:
        self._held, self._compare = held, compare
        self._decisions: list[Decision] = []
        self._corrected: list[Corrected] = []

    def __len__(self) -> int:
        return len(self._decisions) + len(self._corrected)

    def add(self, decision: Decision) -> None:
        """It waits from now on."""
        self._decisions.append(decision)
        for side, row in rows_of(decision):
            self._held.enter(side, row)

    def add_corrected(self, corrected: Corrected) -> None:
        """A correction; its rows are pending as such already."""
        self._corrected.append(corrected)

    def can_resume(self, decision: Decision) -> bool:
        """Whether all values of a decision can be decoded now, or never."""
        return all(all(self._compare.available(side, [row.value])) for side, row in rows_of(decision))

    def take(self, limit: int = sys.maxsize) -> Resumed:
        """Remove and return what can be resumed, at most `limit` of each kind.

        While the first of a kind cannot be resumed none of it is, so that a registry is asked about few.
        """
        decisions, self._decisions = _split(self._decisions, self.can_resume, limit)
        corrected, self._corrected = _split(self._corrected, lambda one: self.can_resume(one.pair), limit)
        for side, row in chain(*map(rows_of, decisions)):
            self._held.leave(side, row)
        return Resumed(decisions, corrected, len(decisions) >= limit or len(corrected) >= limit)

    def shed(self, sheds: ShedRule, corrected: Collection[tuple[Partition, int]]) -> list[Unmatched]:
        """Remove all rows with such ids, each alone, and the corrections of these records."""
        found: list[Unmatched] = []
        waiting, self._decisions = self._decisions, []
        for decision in waiting:
            if not sheds(decision.id):
                self._decisions.append(decision)
                continue
            for side, row in rows_of(decision):
                self._held.leave(side, row)
                found.append(Unmatched(side, row, decision.id))
        self._corrected = [one for one in self._corrected if (one.earlier.place, one.earlier.offset) not in corrected]
        return found

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the rows of a side that wait here."""
        for decision in self._decisions:
            for one, row in rows_of(decision):
                if one is side:
                    yield row.offset


def _split(waiting: list[T], can_resume: Callable[[T], bool], limit: int) -> tuple[list[T], list[T]]:
    """The first that can go on and the rest, both in order; all wait while the first does."""
    gone: list[T] = []
    if not waiting or not can_resume(waiting[0]):
        return gone, waiting
    left: list[T] = []
    for n, one in enumerate(waiting):
        if len(gone) >= limit:
            return gone, left + waiting[n:]
        (gone if can_resume(one) else left).append(one)
    return gone, left
