"""The pairs of several tasks by task, window and revision, as codes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shadowstream.compare.dimension_codes import Coded, Ints
from shadowstream.joiner.accounting.pair_cells import CELLS_MAX
from shadowstream.joiner.accounting.part_counts import Mask
from shadowstream.joiner.accounting.reason_counts import At
from shadowstream.records import SUB_WINDOWS


class TaskWindows(NamedTuple):
    """For each pair its task, the start of its window as a code, its sub-window, and its revision as a code."""

    sizes: Sequence[int]
    tasks: Ints
    windows: Ints
    starts: Sequence[int]
    numbers: Ints
    revisions: Coded

    @classmethod
    def of(cls, sizes: Sequence[int], times_ms: Ints, revisions: Coded, window_ms: int) -> "TaskWindows":
        """Return the windows of the pairs of several tasks, one task after the other; `sizes`: the pairs of each."""
        tasks = np.repeat(np.arange(len(sizes)), sizes)
        places, numbers = windows_of(times_ms, window_ms)
        starts = places * window_ms
        if len(starts) and (starts == starts[0]).all():
            found, windows = starts[:1], np.zeros(len(starts), np.int64)
        else:
            found, windows = np.unique(starts, return_inverse=True)
        return cls(sizes, tasks, windows, found.tolist(), numbers, revisions)

    @property
    def size(self) -> int:
        """A number above all codes of `sub_windows`."""
        return len(self.sizes) * len(self.starts) * len(self.revisions.values) * SUB_WINDOWS

    def _cells(self) -> Ints:
        cells = self.tasks * len(self.starts) + self.windows
        return cells * len(self.revisions.values) + self.revisions.codes

    def window(self, code: int) -> tuple[int, At]:
        """Return the task and the window of a code of `sub_windows`, divided by `SUB_WINDOWS`."""
        rest, revision = divmod(code, len(self.revisions.values))
        task, window = divmod(rest, len(self.starts))
        return task, (self.starts[window], self.revisions.values[revision])

    def sub_windows(self) -> Ints:
        """Return a code of each pair's task, window, revision and sub-window; the last one is its remainder."""
        return self._cells() * SUB_WINDOWS + self.numbers

    def cells(self, counted: Mask) -> tuple[list[tuple[int, At]], Ints]:
        """Return the task and window of each cell with counted pairs, and the cell of each pair; -1 for the others."""
        joint = self._cells()
        if self.size <= CELLS_MAX:
            found = np.flatnonzero(np.bincount(joint[counted], minlength=1))
            inverse = np.searchsorted(found, joint[counted])
        else:
            found, inverse = np.unique(joint[counted], return_inverse=True)
        groups = np.full(len(joint), -1, np.int64)
        groups[counted] = inverse
        return list(map(self.window, found.tolist())), groups


def windows_of(times_ms: Ints, window_ms: int) -> tuple[Ints, Ints]:
    """Return the window of each event time, counted from the epoch, and its sub-window, counted in the window.

    >>> [column.tolist() for column in windows_of(np.array([3_600_000 + 299_999, -1]), 3_600_000)]
    [[1, -1], [0, 11]]
    """
    windows = times_ms // window_ms
    return windows, (times_ms - windows * window_ms) * SUB_WINDOWS // window_ms
