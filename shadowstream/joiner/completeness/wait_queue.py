"""What waits for what: rows in lanes, each lane a heap by threshold, so that nothing is ever scanned.

A lane stands for one condition that moves forward only, such as "the runner is done with in/3 below offset o" or "both
watermarks have passed time t". A row waits in one lane or in several; the first whose bound passes the row's threshold
brings it up, and whoever owns the row then asks again. Rows that met their partner leave their entries behind: they
are dropped as they come up, or all together once they outnumber the living.

The cost of a record that waits is one push, or of a whole batch in the same lane one push together; of a look at what
is due, one comparison a lane.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import compress, islice, repeat
from operator import gt, itemgetter
from typing import Any, NamedTuple

from shadowstream.records import Partition, Side


class WaitCondition(NamedTuple):
    """One condition: its kind, the side that it speaks of and, where it is about one input or about outputs of one
    side, that; see `clocks`."""

    kind: str
    side: Side = Side.PRODUCTION
    input: Partition | None = None
    of: Side = Side.PRODUCTION


Waits = Sequence[tuple[WaitCondition, int]]
"""Lanes that a row waits in, each with the row's threshold in it."""

LanesOfAll = Sequence[tuple[WaitCondition, Sequence[int]]]
"""Lanes that many rows wait in, each with a column of their thresholds in it."""

SWEEP_AT = 10_000


_Entry = tuple[int, int, Hashable]
"""Threshold, offset, id. Offsets are unique within a side, so that ids, which need not have an order, are never
compared."""

Alive = Callable[[Side, Sequence[Hashable], Sequence[int]], Iterable[object]]
"""Of entries of one side, ids and offsets, which still wait."""


class _Run(NamedTuple):
    """Entries in order of their thresholds."""

    thresholds: Sequence[int]
    ids: Sequence[Hashable]
    offsets: Sequence[int]

    def of(self, change: Callable[[Sequence[Any]], Sequence[Any]]) -> _Run:
        """The run with each column changed."""
        return _Run(*map(change, self))


class _Waiting:
    """What one side has in one lane: single entries as a heap, and runs of sorted entries as a heap by their next."""

    __slots__ = ("_pushed", "runs", "singles", "size", "sweep_at")

    def __init__(self) -> None:
        self.singles: list[_Entry] = []
        self.runs: list[tuple[int, int, int, _Run]] = []
        self.size = 0
        self.sweep_at = SWEEP_AT
        self._pushed = 0

    def push_run(self, run: _Run, begin: int = 0) -> None:
        """The entries from `begin` on."""
        if begin < len(run.thresholds):
            self._pushed += 1  # so that no two runs are ever compared
            heappush(self.runs, (run.thresholds[begin], self._pushed, begin, run))

    def due(self, limit: float, maximum: int) -> tuple[list[Hashable], list[int]]:
        """Remove and give ids and offsets of what lies below the limit, of so many at most."""
        ids: list[Hashable] = []
        offsets: list[int] = []
        while len(ids) < maximum and self.singles and self.singles[0][0] < limit:
            _, offset, id_ = heappop(self.singles)
            ids.append(id_)
            offsets.append(offset)
        while len(ids) < maximum and self.runs and self.runs[0][0] < limit:
            _, _, begin, run = heappop(self.runs)
            end = min(bisect_left(run.thresholds, limit, begin), begin + maximum - len(ids))
            self.push_run(run, end)
            ids += run.ids[begin:end]
            offsets += run.offsets[begin:end]
        self.size -= len(ids)
        return ids, offsets

    def sweep(self, side: Side, alive: Alive) -> None:
        """Drop entries whose rows wait no longer, and whatever stands twice."""
        singles = list(set(self.singles))
        still = alive(side, [id_ for _, _, id_ in singles], [offset for _, offset, _ in singles])
        self.singles[:] = compress(singles, still)
        heapify(self.singles)
        runs, self.runs = self.runs, []
        for _, _, begin, run in runs:
            left = run.of(itemgetter(slice(begin, None)))
            self.push_run(left.of(partial(_kept, list(alive(side, left.ids, left.offsets)))))
        self.size = len(self.singles) + sum(len(run.ids) for _, _, _, run in self.runs)
        self.sweep_at = max(SWEEP_AT, 2 * self.size)


def _kept(keep: Sequence[object], column: Sequence[Any]) -> list[Any]:
    return list(compress(column, keep))


class WaitQueue:
    """Entries (side, id, offset) by lane. `alive` tells which entries' rows still wait.

    >>> deadlines = Deadlines(lambda side, ids, offsets: [True] * len(ids))
    >>> deadlines.push(Lane("time"), 30, Side.SHADOW, b"k", 7)
    >>> deadlines.due(lambda lane: 30), deadlines.due(lambda lane: 31)
    ([], [(<Side.SHADOW: 1>, b'k', 7)])
    """

    def __init__(self, alive: Alive) -> None:
        self._alive = alive
        self._lanes: dict[tuple[WaitCondition, Side], _Waiting] = {}

    def __len__(self) -> int:
        """How many entries there are, those included whose rows wait no longer."""
        return sum(waiting.size for waiting in self._lanes.values())

    def push(self, lane: WaitCondition, threshold: int, side: Side, id_: Hashable, offset: int) -> None:
        """An entry that is due once the lane's bound exceeds `threshold`."""
        waiting = self._lane(lane, side)
        heappush(waiting.singles, (threshold, offset, id_))
        self._grown(waiting, side, 1)

    def push_all(
        self,
        lane: WaitCondition,
        thresholds: Sequence[int],
        side: Side,
        ids: Sequence[Hashable],
        offsets: Sequence[int],
    ) -> None:
        """Entries in the same lane, each with its threshold."""
        waiting = self._lane(lane, side)
        run = _Run(thresholds, ids, offsets)
        if any(map(gt, thresholds, islice(thresholds, 1, None))):
            order = sorted(range(len(ids)), key=thresholds.__getitem__)
            run = run.of(lambda column: [column[i] for i in order])
        waiting.push_run(run)
        self._grown(waiting, side, len(ids))

    def _lane(self, lane: WaitCondition, side: Side) -> _Waiting:
        waiting = self._lanes.get((lane, side))
        if waiting is None:
            waiting = self._lanes[lane, side] = _Waiting()
        return waiting

    def _grown(self, waiting: _Waiting, side: Side, n: int) -> None:
        waiting.size += n
        if waiting.size > waiting.sweep_at:
            waiting.sweep(side, self._alive)

    def due(
        self, bound: Callable[[WaitCondition], float], maximum: int = sys.maxsize
    ) -> list[tuple[Side, Hashable, int]]:
        """Remove and give what is due and still waits, so many at most."""
        found: list[tuple[Side, Hashable, int]] = []
        for (lane, side), waiting in self._lanes.items():
            if not waiting.size or len(found) >= maximum:
                continue
            limit = bound(lane)
            while (left := maximum - len(found)) > 0:
                ids, offsets = waiting.due(limit, left)
                if not ids:
                    break
                still = list(self._alive(side, ids, offsets))
                found += zip(repeat(side), compress(ids, still), compress(offsets, still))
        return found
