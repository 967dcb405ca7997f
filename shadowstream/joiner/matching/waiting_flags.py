"""Flags of the offsets that wait, side by side in memory: whether a row waits is seen without a search for its slot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
ROOM_MIN = 1_024
SPARSE_MAX = 64
"""Bytes for each offset that waits, above which there are no flags: a few rows that are left would cost too many."""
DENSE_MAX = 16
"""The same, below which there are flags again."""


class WaitingFlags:
    """The offsets that wait: each that enters is above all earlier ones, and each that leaves has entered.

    >>> flags = WaitingFlags()
    >>> flags.enter(np.array([3, 4, 6]))
    >>> flags.leave(np.array([4]))
    >>> flags.of(np.array([2, 3, 4, 5, 6, 7])).tolist()
    [False, True, False, False, True, False]
    """

    def __init__(self) -> None:
        self._flags: Flags | None = np.zeros(0, np.bool_)
        self._begin = self._end = 0
        """The offset of the first flag, or one that none of those that wait is below; the one after the last flag."""
        self._count = 0

    def enter(self, offsets: Offsets) -> None:
        first, end = int(offsets[0]), int(offsets[-1]) + 1
        if not self._count:
            self._begin = self._end = first
            if self._flags is None:
                self._flags = np.zeros(0, np.bool_)
        self._count += len(offsets)
        if self._flags is not None and end - self._begin > len(self._flags):
            self._make_room(end)
        if self._flags is not None:
            self._flags[offsets - self._begin] = True
        self._end = end

    def leave(self, offsets: Offsets | int) -> None:
        self._count -= np.size(offsets)
        if self._flags is not None:
            self._flags[offsets - self._begin] = False

    def of(self, offsets: Offsets) -> Flags | None:
        """Return whether each offset waits; None if there are no flags."""
        if self._flags is None:
            return None
        places = offsets - self._begin
        inside = (places >= 0) & (places < self._end - self._begin)
        if inside.all():
            found: Flags = self._flags[places]
            return found
        inside[inside] = self._flags[places[inside]]
        return inside

    @property
    def are_due(self) -> bool:
        """Whether there are no flags although there should be: so many offsets wait by now."""
        return self._flags is None and self._end - self._begin <= DENSE_MAX * self._count

    def restart(self, offsets: Offsets) -> None:
        """Begin with all offsets that wait, ascending."""
        self._count = 0
        self.enter(offsets)

    def _make_room(self, end: int) -> None:
        """See to room for all below `end`: from the lowest offset that waits on, with as much to spare."""
        before = np.empty(0, np.bool_) if self._flags is None else self._flags[: self._end - self._begin]
        lowest = int(before.argmax()) if before.any() else len(before)
        self._begin += lowest
        if end - self._begin > SPARSE_MAX * self._count + ROOM_MIN:
            self._flags = None
            return
        self._flags = np.zeros(max(ROOM_MIN, 2 * (end - self._begin)), np.bool_)
        self._flags[: len(before) - lowest] = before[lowest:]
