"""What waits for what: rows in lanes, each lane a heap by threshold, so that nothing is ever scanned.

A lane stands for one condition that moves forward only, such as "the runner is done with in/3 below offset o" or "both
watermarks have passed time t". A row waits in one lane or in several; the first whose bound passes the row's threshold
brings it up, and whoever owns the row then asks again. Rows that met their partner leave their entries behind: they
are dropped as they come up, or all together once they outnumber the living.

The cost of a record that waits is one push; of a look at what is due, one comparison a lane.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from shadowstream.records import Place, Side


class Lane(NamedTuple):
    """One condition: its kind, the side that it speaks of and, where it is about one input or about outputs of one
    side, that; see `clocks`."""

    kind: str
    side: Side = Side.PRODUCTION
    input: Place | None = None
    of: Side = Side.PRODUCTION


Lanes = Sequence[tuple[Lane, int]]
"""Lanes that a row waits in, each with the row's threshold in it."""

SWEEP_AT = 10_000


class Deadlines:
    """Entries (side, id, offset) by lane. `alive` tells whether an entry's row still waits.

    >>> deadlines = Deadlines(lambda side, id_, offset: True)
    >>> deadlines.push(Lane("time"), 30, Side.SHADOW, b"k", 7)
    >>> list(deadlines.due(lambda lane: 30)), list(deadlines.due(lambda lane: 31))
    ([], [(<Side.SHADOW: 1>, b'k', 7)])
    """

    def __init__(self, alive: Callable[[Side, Hashable, int], bool]) -> None:
        self._alive = alive
        self._heaps: dict[tuple[Lane, Side], list[tuple[int, int, Hashable]]] = {}
        self._sweep_at: dict[tuple[Lane, Side], int] = {}

    def push(self, lane: Lane, threshold: int, side: Side, id_: Hashable, offset: int) -> None:
        """An entry that is due once the lane's bound exceeds `threshold`."""
        # Offsets are unique within a side, so that ids, which need not have an order, are never compared.
        at = lane, side
        heap = self._heaps.setdefault(at, [])
        heappush(heap, (threshold, offset, id_))
        if len(heap) > self._sweep_at.get(at, SWEEP_AT):
            heap[:] = {one for one in heap if self._alive(side, one[2], one[1])}
            heapify(heap)
            self._sweep_at[at] = max(SWEEP_AT, 2 * len(heap))

    def due(self, bound: Callable[[Lane], float]) -> Iterator[tuple[Side, Hashable, int]]:
        """Remove and give what is due."""
        for (lane, side), heap in self._heaps.items():
            if not heap:
                continue
            limit = bound(lane)
            while heap and heap[0][0] < limit:
                _, offset, id_ = heappop(heap)
                yield side, id_, offset
