"""Decisions that wait for a schema which the registry cannot give now. All other decisions continue.

Their records stay pending, in numbers, bytes and windows. Every commit holds them as pending, so that a restart reads
them again. They keep their windows open and count for backpressure, as any pending record does.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import NamedTuple, TypeVar

from shadowstream.compare.comparer import Comparing
from shadowstream.joiner.matching.matches import Decision, OutputGroup, ShedRule, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.outcomes.corrections import FetchedCorrection
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Partition, Side

T = TypeVar("T")


def rows_of(decision: Decision) -> Iterator[tuple[Side, PendingRecord]]:
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
    """Decisions and corrections whose schemas are available now. `has_more`: more of them may be left."""

    decisions: list[Decision]
    corrected: list[FetchedCorrection]
    has_more: bool


class AwaitedSchemas:
    """The decisions and corrections of one task that wait for a schema, in the order of their arrival."""

    def __init__(self, held: PendingTotals, compare: Comparing) -> None:
        self._held, self._compare = held, compare
        self._decisions: list[Decision] = []
        self._corrected: list[FetchedCorrection] = []

    def __len__(self) -> int:
        return len(self._decisions) + len(self._corrected)

    def add(self, decision: Decision) -> None:
        self._decisions.append(decision)
        for side, row in rows_of(decision):
            self._held.enter(side, row)

    def add_corrected(self, corrected: FetchedCorrection) -> None:
        """Let a correction wait; its records are pending as part of `Corrections` already."""
        self._corrected.append(corrected)

    def can_resume(self, decision: Decision) -> bool:
        """Return whether all values of a decision can be decoded now, or never."""
        return all(all(self._compare.available(side, [row.value])) for side, row in rows_of(decision))

    def take(self, limit: int = sys.maxsize) -> Resumed:
        """Remove and return the decisions and corrections that can be resumed, at most `limit` of each.

        While the first of a kind must wait, all others of that kind wait too: this limits requests to the registry.
        """
        decisions, self._decisions = _split(self._decisions, self.can_resume, limit)
        corrected, self._corrected = _split(self._corrected, lambda one: self.can_resume(one.pair), limit)
        for side, row in chain(*map(rows_of, decisions)):
            self._held.leave(side, row)
        return Resumed(decisions, corrected, len(decisions) >= limit or len(corrected) >= limit)

    def shed(self, sheds: ShedRule, corrected: Collection[tuple[Partition, int]]) -> list[Unmatched]:
        """Remove all rows with shed ids and return each as unmatched; remove the given corrections too."""
        shed = [one for one in self._decisions if sheds(one.id)]
        self._decisions = [one for one in self._decisions if not sheds(one.id)]
        self._corrected = [one for one in self._corrected if (one.earlier.place, one.earlier.offset) not in corrected]
        found = [Unmatched(side, row, decision.id) for decision in shed for side, row in rows_of(decision)]
        for side, row, *_ in found:
            self._held.leave(side, row)
        return found

    def offsets(self, side: Side) -> Iterator[int]:
        return (row.offset for one, row in chain(*map(rows_of, self._decisions)) if one is side)


def _split(waiting: list[T], can_resume: Callable[[T], bool], limit: int) -> tuple[list[T], list[T]]:
    """Split into at most `limit` items that can be resumed, and the rest, both in order."""
    resumed: list[T] = []
    if not waiting or not can_resume(waiting[0]):
        return resumed, waiting
    left: list[T] = []
    for n, one in enumerate(waiting):
        if len(resumed) >= limit:
            return resumed, left + waiting[n:]
        (resumed if can_resume(one) else left).append(one)
    return resumed, left
