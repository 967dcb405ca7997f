"""The candidate as it is now: the shortest run of last closed windows that holds enough units of one criterion."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from shadowstream.judge.measures import Measure, Numbers, added


class Trailing:
    """The shortest run of last closed windows that holds at least `measure.trailing_units` units.

    Which windows belong to it follows from what they held on time, so a correction that comes sooner or later
    changes the counts and never the choice. Windows before the run are forgotten: memory is bounded by the units.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.units = measure.trailing_units
        self._windows: deque[tuple[int, int, Numbers]] = deque()  # start, units on time, raw
        self._held = 0

    def close(self, start_ms: int, raw: Numbers) -> None:
        """Append the next closed window with what it held on time."""
        held = self.measure.amount(raw)[0]
        if held <= 0:
            return
        self._windows.append((start_ms, held, raw))
        self._held += held
        while self._held - self._windows[0][1] >= self.units:
            self._held -= self._windows.popleft()[1]

    def correct(self, start_ms: int, raw: Numbers) -> None:
        """Add a correction to a window of the run; corrections of forgotten windows do nothing."""
        for index, (start, held, before) in enumerate(self._windows):
            if start == start_ms:
                self._windows[index] = (start, held, added(before, raw))

    @property
    def full(self) -> bool:
        """Whether the run holds as many units as it must."""
        return self._held >= self.units

    @property
    def amount(self) -> Numbers:
        """What the windows of the run add up to, corrections included."""
        total = self.measure.nothing
        for _, _, raw in self._windows:
            total = added(total, self.measure.amount(raw))
        return total

    def snapshot(self) -> list[list[Any]]:
        """The run as JSON."""
        return [list(window) for window in self._windows]

    def restore(self, windows: Iterable[Any]) -> None:
        """Take up a snapshot."""
        self._windows = deque((start, held, tuple(raw)) for start, held, raw in windows)
        self._held = sum(window[1] for window in self._windows)
