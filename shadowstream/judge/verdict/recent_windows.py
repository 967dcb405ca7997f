"""Recent windows: the shortest run of last closed windows with enough units of one criterion.

They show the candidate as it is now.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from shadowstream.judge.verdict.criterion_units import Measure, Numbers
from shadowstream.judge.windows.closed_window import END


class RecentWindows:
    """The shortest run of last closed windows that holds at least `measure.trailing_units` units.

    On-time units determine which windows belong to the run, so a correction at any time changes the counts and never
    the choice. Earlier windows are dropped: the units bound the memory. Labels are never on time, so for them all units
    so far determine the run, and no window is dropped that may still get labels.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.units = measure.trailing_units
        self._windows: deque[tuple[int, int, Numbers]] = deque()  # start, units on time or so far, raw
        self._held = 0

    def close(self, start_ms: int, raw: Numbers, settled_ms: int = END) -> None:
        """Append the next closed window with its on-time counts.

        `settled_ms`: event time below which no more labels come.
        """
        window_units = self.measure.amount(raw)[0]
        if window_units > 0:
            self._windows.append((start_ms, window_units, raw))
            self._held += window_units
        while self._windows and self._held - self._windows[0][1] >= self.units:
            if self.measure.late and self._windows[0][0] >= settled_ms:
                break
            self._held -= self._windows.popleft()[1]

    def correct(self, start_ms: int, raw: Numbers) -> None:
        """Add a correction to a window of the run; ignore corrections of dropped windows."""
        index = bisect_left(self._windows, start_ms, key=itemgetter(0))
        known = index < len(self._windows) and self._windows[index][0] == start_ms
        if self.measure.late:
            _, units, before = self._windows[index] if known else (start_ms, 0, self.measure.untouched)
            raw = self.measure.added(before, raw)
            more = self.measure.amount(raw)[0]
            self._held += more - units
            if known:
                self._windows[index] = (start_ms, more, raw)
            elif more > 0:
                self._windows.insert(index, (start_ms, more, raw))
        elif known:
            _, units, before = self._windows[index]
            self._windows[index] = (start_ms, units, self.measure.added(before, raw))

    @property
    def full(self) -> bool:
        """Whether the run has the units that the config asks for."""
        return self._held >= self.measure.criterion.trailing_units

    @property
    def amount(self) -> Numbers:
        """Sum of the windows of the run, corrections included."""
        total, total_units = self.measure.nothing, 0
        for _, units, raw in reversed(self._windows):
            if total_units >= self.units:
                break
            total, total_units = self.measure.added(total, self.measure.amount(raw)), total_units + units
        return total

    def snapshot(self) -> list[list[Any]]:
        """Return the run as JSON."""
        return [list(window) for window in self._windows]

    def restore(self, windows: Iterable[Any]) -> None:
        """Restore the state from a snapshot."""
        self._windows = deque((start, units, tuple(raw)) for start, units, raw in windows)
        self._held = sum(window[1] for window in self._windows)
