"""The candidate as it is now: the shortest run of last closed windows that holds enough units of one criterion."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from shadowstream.judge.verdict.criterion_units import Measure, Numbers, added
from shadowstream.judge.windows.event_windows import END


class RecentWindows:
    """The shortest run of last closed windows that holds at least `measure.trailing_units` units.

    Which windows belong to it follows from what they held on time, so a correction that comes sooner or later
    changes the counts and never the choice. Windows before the run are forgotten: memory is bounded by the units.
    Labels are never on time, so there it follows from what has come, and nothing is forgotten that may still get more.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.units = measure.trailing_units
        self._windows: deque[tuple[int, int, Numbers]] = deque()  # start, units on time or so far, raw
        self._held = 0

    def close(self, start_ms: int, raw: Numbers, settled_ms: int = END) -> None:
        """Append the next closed window with what it held on time. `settled_ms`: event time below which no label comes
        any more."""
        window_units = self.measure.amount(raw)[0]
        if window_units > 0:
            self._windows.append((start_ms, window_units, raw))
            self._held += window_units
        while self._windows and self._held - self._windows[0][1] >= self.units:
            if self.measure.late and self._windows[0][0] >= settled_ms:
                break
            self._held -= self._windows.popleft()[1]

    def correct(self, start_ms: int, raw: Numbers) -> None:
        """Add a correction to a window of the run; corrections of forgotten windows do nothing."""
        index = bisect_left(self._windows, start_ms, key=itemgetter(0))
        known = index < len(self._windows) and self._windows[index][0] == start_ms
        if self.measure.late:
            _, units, before = self._windows[index] if known else (start_ms, 0, self.measure.untouched)
            raw = added(before, raw)
            more = self.measure.amount(raw)[0]
            self._held += more - units
            if known:
                self._windows[index] = (start_ms, more, raw)
            elif more > 0:
                self._windows.insert(index, (start_ms, more, raw))
        elif known:
            _, units, before = self._windows[index]
            self._windows[index] = (start_ms, units, added(before, raw))

    @property
    def full(self) -> bool:
        """Whether the run holds as many units as it must."""
        return self._held >= self.units

    @property
    def amount(self) -> Numbers:
        """What the windows of the run add up to, corrections included."""
        total, total_units = self.measure.nothing, 0
        for _, units, raw in reversed(self._windows):
            if total_units >= self.units:
                break
            total, total_units = added(total, self.measure.amount(raw)), total_units + units
        return total

    def snapshot(self) -> list[list[Any]]:
        """The run as JSON."""
        return [list(window) for window in self._windows]

    def restore(self, windows: Iterable[Any]) -> None:
        """Take up a snapshot."""
        self._windows = deque((start, units, tuple(raw)) for start, units, raw in windows)
        self._held = sum(window[1] for window in self._windows)
