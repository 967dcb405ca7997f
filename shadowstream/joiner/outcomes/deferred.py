"""Deferred work: pairs, evictions and corrections that would make one commit too large.

Such amounts have three causes: records read again after a restart whose partners are all present, values read again for
corrections, and a task that sheds half of its pending records. Each record here is pending in every commit, so that a
restart reads it again, and it keeps its window open.
"""

import sys
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, TypeVar

from shadowstream.joiner.matching.matches import Pair, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.outcomes.awaited_schemas import rows_of
from shadowstream.joiner.outcomes.corrections import FetchedCorrection
from shadowstream.records import Side

T = TypeVar("T")


class DeferredBatch(NamedTuple):
    """The part of a backlog that one commit takes."""

    pairs: list[Pair]
    evicted: list[Unmatched]
    corrected: list[FetchedCorrection]


class Backlog:
    """The deferred work of one task, each kind in the order of its arrival.

    >>> from shadowstream.joiner.pending_record import PendingRecord
    >>> backlog = Backlog(1_000)
    >>> for n in range(3):
    ...     backlog.evict(Unmatched(Side.SHADOW, PendingRecord(n, 0, None, None), b"k"))
    >>> [len(backlog.take(2).evicted) for _ in range(3)], len(backlog)
    ([2, 1, 0], 0)
    """

    def __init__(self, window_ms: int) -> None:
        self.held = PendingTotals(window_ms)
        self._pairs: deque[Pair] = deque()
        self._evicted: deque[Unmatched] = deque()
        self._corrected: deque[FetchedCorrection] = deque()

    def __len__(self) -> int:
        return len(self._pairs) + len(self._evicted) + len(self._corrected)

    def pair(self, pair: Pair) -> None:
        self._pairs.append(pair)
        for side, row in rows_of(pair):
            self.held.enter(side, row)

    def evict(self, end: Unmatched) -> None:
        self._evicted.append(end)
        self.held.enter(end.side, end.row)

    def correct(self, one: FetchedCorrection) -> None:
        self._corrected.append(one)

    def take(self, limit: int = sys.maxsize) -> DeferredBatch:
        due = DeferredBatch(_first(self._pairs, limit), _first(self._evicted, limit), _first(self._corrected, limit))
        for side, row in chain(*map(rows_of, due.pairs)):
            self.held.leave(side, row)
        for end in due.evicted:
            self.held.leave(end.side, end.row)
        return due

    def offsets(self, side: Side) -> Iterator[int]:
        """Yield the offsets of a side's records that only the backlog holds."""
        yield from (row.offset for one, row in chain(*map(rows_of, self._pairs)) if one is side)
        yield from (end.row.offset for end in self._evicted if end.side is side)


def _first(waiting: deque[T], limit: int) -> list[T]:
    return [waiting.popleft() for _ in range(min(limit, len(waiting)))]
