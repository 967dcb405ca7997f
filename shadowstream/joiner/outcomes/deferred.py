"""What is to be entered and would make one commit too large: it waits for a later one.

So much at once comes from records that are read again after a restart, whose partners may all be there by then; from
values read again for corrections; and from a task that sheds half of what waits. Everything here is pending in every
commit until it is entered, so that a restart finds it again, and holds its windows open.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, TypeVar

from shadowstream.joiner.matching.matches import Pair, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.outcomes.corrections import Corrected
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side

T = TypeVar("T")


class Due(NamedTuple):
    """What one commit takes of a backlog."""

    pairs: list[Pair]
    evicted: list[Unmatched]
    corrected: list[Corrected]


class Backlog:
    """Each kind in the order in which it came.

    >>> backlog = Backlog(1_000)
    >>> for n in range(3):
    ...     backlog.evict(Alone(Side.SHADOW, Row(n, 0, None, None), b"k"))
    >>> [len(backlog.take(2).evicted) for _ in range(3)], len(backlog)
    ([2, 1, 0], 0)
    """

    def __init__(self, window_ms: int) -> None:
        self.held = PendingTotals(window_ms)
        self._pairs: deque[Pair] = deque()
        self._evicted: deque[Unmatched] = deque()
        self._corrected: deque[Corrected] = deque()

    def __len__(self) -> int:
        return len(self._pairs) + len(self._evicted) + len(self._corrected)

    def pair(self, pair: Pair) -> None:
        """It has met and is not compared yet."""
        self._pairs.append(pair)
        for side, row in _rows(pair):
            self.held.enter(side, row)

    def evict(self, end: Unmatched) -> None:
        """It is shed."""
        self._evicted.append(end)
        self.held.enter(end.side, end.row)

    def correct(self, one: Corrected) -> None:
        """Its values have been read again, or will not be."""
        self._corrected.append(one)

    def take(self, maximum: int = sys.maxsize) -> Due:
        """What comes first, so many of each kind at most."""
        due = Due(_first(self._pairs, maximum), _first(self._evicted, maximum), _first(self._corrected, maximum))
        for side, row in chain(*map(_rows, due.pairs)):
            self.held.leave(side, row)
        for end in due.evicted:
            self.held.leave(end.side, end.row)
        return due

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the rows of a side that wait here and nowhere else."""
        yield from (row.offset for one, row in chain(*map(_rows, self._pairs)) if one is side)
        yield from (end.row.offset for end in self._evicted if end.side is side)


def _rows(pair: Pair) -> Iterator[tuple[Side, PendingRecord]]:
    yield Side.PRODUCTION, pair.production
    yield Side.SHADOW, pair.shadow
    if pair.twin is not None:
        yield Side.TWIN, pair.twin


def _first(waiting: deque[T], maximum: int) -> list[T]:
    return [waiting.popleft() for _ in range(min(maximum, len(waiting)))]
