"""Wait queue: rows in lanes, and each lane a heap by threshold, so that nothing is ever scanned.

A lane stands for one condition that only moves forward. Examples: "the runner is done with in/3 below offset o", "both
watermarks have passed time t". A row waits in one or more lanes. The first lane whose bound passes the row's threshold
returns the row, and the row's owner then checks it again. A row that has been matched leaves its entries behind. They
are dropped when they are due, or all together once they outnumber the entries of waiting rows.

The cost: one push for a waiting record, or one for a whole batch in the same lane; one comparison a lane for each look
at the due rows.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import compress, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.records import Partition, Side


class WaitCondition(NamedTuple):
    """The condition of a lane (`completeness`): kind, side and, by kind, an `input` or the side `of` outputs."""

    kind: str
    side: Side = Side.PRODUCTION
    input: Partition | None = None
    of: Side = Side.PRODUCTION


Numbers = npt.NDArray[np.int64]

Waits = Sequence[tuple[WaitCondition, int]]  # the lanes of a row, each with the row's threshold

LanesOfAll = Sequence[tuple[WaitCondition, Sequence[int]]]
"""The lanes of many rows, each with a column of their thresholds."""

SWEEP_AT = 10_000


def least(thresholds: Sequence[int] | Numbers) -> int:
    """Return the least of some thresholds: `min` would make a number of Python of each in an array."""
    return int(thresholds.min()) if isinstance(thresholds, np.ndarray) else min(thresholds)


_Entry = tuple[int, int, Hashable]
"""Threshold, offset, id. Offsets are unique within a side, so ids are never compared: they need not have an order."""

Alive = Callable[[Side, Sequence[Hashable], Sequence[int]], Iterable[object]]
"""Of entries of one side, given as ids and offsets: whether each one's row still waits."""


class _Run(NamedTuple):
    """Entries in the order of their thresholds, of rows whose offsets are their ids."""

    thresholds: Numbers
    offsets: Numbers

    def at(self, places: slice | Numbers | npt.NDArray[np.bool_]) -> _Run:
        return _Run(self.thresholds[places], self.offsets[places])


class _Waiting:
    """The entries of one side in one lane: a heap of single entries, and a heap of sorted runs by their next entry."""

    __slots__ = ("_pushed", "runs", "singles", "size", "sweep_at")

    def __init__(self) -> None:
        self.singles: list[_Entry] = []
        self.runs: list[tuple[int, int, int, _Run]] = []
        self.size = 0
        self.sweep_at = SWEEP_AT
        self._pushed = 0

    def push_run(self, run: _Run, begin: int = 0) -> None:
        if begin < len(run.thresholds):
            self._pushed += 1  # so that no two runs are ever compared
            heappush(self.runs, (int(run.thresholds[begin]), self._pushed, begin, run))

    def due(self, limit: float, maximum: int) -> tuple[list[Hashable], list[int]]:
        """Remove and return ids and offsets of at most `maximum` entries below the limit."""
        ids: list[Hashable] = []
        offsets: list[int] = []
        while len(ids) < maximum and self.singles and self.singles[0][0] < limit:
            _, offset, id_ = heappop(self.singles)
            ids.append(id_)
            offsets.append(offset)
        while len(ids) < maximum and self.runs and self.runs[0][0] < limit:
            _, _, begin, run = heappop(self.runs)
            below = len(run.thresholds) if limit == math.inf else int(run.thresholds.searchsorted(math.ceil(limit)))
            end = min(below, begin + maximum - len(ids))
            self.push_run(run, end)
            due = run.offsets[begin:end].tolist()
            ids += due
            offsets += due
        self.size -= len(ids)
        return ids, offsets

    def sweep(self, side: Side, alive: Alive) -> None:
        """Drop entries whose rows no longer wait, and duplicates."""
        singles = list(set(self.singles))
        still = alive(side, [id_ for _, _, id_ in singles], [offset for _, offset, _ in singles])
        self.singles[:] = compress(singles, still)
        heapify(self.singles)
        runs, self.runs = self.runs, []
        for _, _, begin, run in runs:
            left = run.at(slice(begin, None))
            offsets: Any = left.offsets  # an array, which is read as a sequence is
            still = alive(side, offsets, offsets)
            self.push_run(left.at(still if isinstance(still, np.ndarray) else np.fromiter(still, np.bool_)))
        self.size = len(self.singles) + sum(len(run.offsets) for _, _, _, run in self.runs)
        self.sweep_at = max(SWEEP_AT, 2 * self.size)


class WaitQueue:
    """Entries (side, id, offset) by lane. `alive` checks which entries' rows still wait.

    >>> deadlines = WaitQueue(lambda side, ids, offsets: [True] * len(ids))
    >>> deadlines.push(WaitCondition("time"), 30, Side.SHADOW, b"k", 7)
    >>> deadlines.due(lambda lane: 30), deadlines.due(lambda lane: 31)
    ([], [(<Side.SHADOW: 1>, b'k', 7)])
    """

    def __init__(self, alive: Alive) -> None:
        self._alive = alive
        self._lanes: defaultdict[tuple[WaitCondition, Side], _Waiting] = defaultdict(_Waiting)

    def __len__(self) -> int:
        """Return the number of entries, those of rows that no longer wait included."""
        return sum(waiting.size for waiting in self._lanes.values())

    def push(self, lane: WaitCondition, threshold: int, side: Side, id_: Hashable, offset: int) -> None:
        """Add an entry that is due once the lane's bound exceeds `threshold`."""
        waiting = self._lanes[lane, side]
        heappush(waiting.singles, (threshold, offset, id_))
        self._grown(waiting, side, 1)

    def push_all(
        self, lane: WaitCondition, thresholds: Sequence[int] | Numbers, side: Side, offsets: Sequence[int] | Numbers
    ) -> None:
        """Add entries whose offsets are their ids."""
        waiting = self._lanes[lane, side]
        run = _Run(np.asarray(thresholds, np.int64), np.asarray(offsets, np.int64))
        if (np.diff(run.thresholds) < 0).any():
            run = run.at(np.argsort(run.thresholds, kind="stable"))
        waiting.push_run(run)
        self._grown(waiting, side, len(run.offsets))

    def _grown(self, waiting: _Waiting, side: Side, n: int) -> None:
        waiting.size += n
        if waiting.size > waiting.sweep_at:
            waiting.sweep(side, self._alive)

    def due(
        self, bound: Callable[[WaitCondition], float], maximum: int = sys.maxsize
    ) -> list[tuple[Side, Hashable, int]]:
        """Remove and return at most `maximum` due entries whose rows still wait."""
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
