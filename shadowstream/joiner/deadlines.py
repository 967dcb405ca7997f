"""What waits for what: rows in lanes, each lane a heap by threshold, so that nothing is ever scanned.

A lane stands for one condition that moves forward only, such as "the runner is done with in/3 below offset o" or "both
watermarks have passed time t". A row waits in one lane or in several; the first whose bound passes the row's threshold
brings it up, and whoever owns the row then asks again. Rows that met their partner leave their entries behind: they
are dropped as they come up, or all together once they outnumber the living.

The cost of a record that waits is one push, or of a whole batch in the same lane one push together; of a look at what
is due, one comparison a lane.
"""

from __future__ import annotations

from bisect import bisect_left
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

LanesOfAll = Sequence[tuple[Lane, Sequence[int]]]
"""Lanes that many rows wait in, each with a column of their thresholds in it."""

SWEEP_AT = 10_000


_Entry = tuple[int, int, Hashable]
"""Threshold, offset, id. Offsets are unique within a side, so that ids, which need not have an order, are never
compared."""


class _Waiting:
    """What one side has in one lane: single entries as a heap, and runs of sorted entries as a heap by their next."""

    __slots__ = ("_pushed", "runs", "singles", "size", "sweep_at")

    def __init__(self) -> None:
        self.singles: list[_Entry] = []
        self.runs: list[tuple[int, int, int, list[_Entry]]] = []
        self.size = 0
        self.sweep_at = SWEEP_AT
        self._pushed = 0

    def push_run(self, entries: list[_Entry], begin: int = 0) -> None:
        """The entries from `begin` on, in order."""
        if begin < len(entries):
            self._pushed += 1  # so that no two runs are ever compared
            heappush(self.runs, (entries[begin][0], self._pushed, begin, entries))

    def due(self, limit: float) -> Iterator[_Entry]:
        """Remove and give what lies below the limit."""
        while self.singles and self.singles[0][0] < limit:
            self.size -= 1
            yield heappop(self.singles)
        while self.runs and self.runs[0][0] < limit:
            _, _, begin, entries = heappop(self.runs)
            end = bisect_left(entries, limit, begin, key=_threshold)
            self.push_run(entries, end)
            self.size -= end - begin
            yield from entries[begin:end]

    def sweep(self, alive: Callable[[_Entry], bool]) -> None:
        """Drop entries whose rows wait no longer, and whatever stands twice."""
        self.singles[:] = set(filter(alive, self.singles))
        heapify(self.singles)
        runs, self.runs = self.runs, []
        for _, _, begin, entries in runs:
            self.push_run(list(filter(alive, entries[begin:])))
        self.size = len(self.singles) + sum(len(entries) for _, _, _, entries in self.runs)
        self.sweep_at = max(SWEEP_AT, 2 * self.size)


def _threshold(entry: _Entry) -> int:
    return entry[0]


class Deadlines:
    """Entries (side, id, offset) by lane. `alive` tells whether an entry's row still waits.

    >>> deadlines = Deadlines(lambda side, id_, offset: True)
    >>> deadlines.push(Lane("time"), 30, Side.SHADOW, b"k", 7)
    >>> list(deadlines.due(lambda lane: 30)), list(deadlines.due(lambda lane: 31))
    ([], [(<Side.SHADOW: 1>, b'k', 7)])
    """

    def __init__(self, alive: Callable[[Side, Hashable, int], bool]) -> None:
        self._alive = alive
        self._lanes: dict[tuple[Lane, Side], _Waiting] = {}

    def push(self, lane: Lane, threshold: int, side: Side, id_: Hashable, offset: int) -> None:
        """An entry that is due once the lane's bound exceeds `threshold`."""
        waiting = self._lane(lane, side)
        heappush(waiting.singles, (threshold, offset, id_))
        self._grown(waiting, side, 1)

    def push_all(
        self, lane: Lane, thresholds: Sequence[int], side: Side, ids: Sequence[Hashable], offsets: Sequence[int]
    ) -> None:
        """Entries in the same lane, each with its threshold."""
        waiting = self._lane(lane, side)
        waiting.push_run(sorted(zip(thresholds, offsets, ids, strict=True)))
        self._grown(waiting, side, len(ids))

    def _lane(self, lane: Lane, side: Side) -> _Waiting:
        waiting = self._lanes.get((lane, side))
        if waiting is None:
            waiting = self._lanes[lane, side] = _Waiting()
        return waiting

    def _grown(self, waiting: _Waiting, side: Side, n: int) -> None:
        waiting.size += n
        if waiting.size > waiting.sweep_at:
            waiting.sweep(lambda entry: self._alive(side, entry[2], entry[1]))

    def due(self, bound: Callable[[Lane], float]) -> Iterator[tuple[Side, Hashable, int]]:
        """Remove and give what is due."""
        for (lane, side), waiting in self._lanes.items():
            if waiting.singles or waiting.runs:
                for _, offset, id_ in waiting.due(bound(lane)):
                    yield side, id_, offset
