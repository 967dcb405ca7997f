"""Sub-windows of open windows: the counts that detectors read before a window closes.

A sub-window closes as a window does, when the watermark of every task has reached its end, and for the same reason a
delta is late by the watermark of its own task (`event_windows`). A late delta is in no sub-window. If its window is
still open it counts there, and detectors read it with the rest of the window; so arrival order changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shadowstream.judge.criteria import figures_of
from shadowstream.protocol.sub_windows import end_of, index_of
from shadowstream.records import SUB_WINDOWS


@dataclass(slots=True, frozen=True)
class ClosedSubWindow:
    """Closed sub-window with its figures."""

    start_ms: int
    end_ms: int
    outcomes: dict[str, int]


class SubWindows:
    """Counts of the open sub-windows.

    >>> sub_windows = SubWindows(1200)
    >>> delta = {"start_ms": 0, "width_ms": 1200, "sub_windows": [{"number": 3, "outcomes": {"match": 5}}]}
    >>> sub_windows.add(delta, passed_ms=0)
    >>> sub_windows.due(399), sub_windows.due(400)
    ([], [ClosedSubWindow(start_ms=300, end_ms=400, outcomes={'match': 5})])
    """

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._outcomes: dict[int, Counter[str]] = {}

    def add(self, delta: Mapping[str, Any], passed_ms: int) -> None:
        """Add the sub-windows of a window of a stats record; `passed_ms`: event time below which they are late.

        Those of a window of another length are ignored.
        """
        if delta.get("width_ms") != self._window_ms:
            return
        first = index_of(delta["start_ms"], self._window_ms)
        for sub_window in delta.get("sub_windows", ()):
            index = first + sub_window["number"]
            if end_of(index, self._window_ms) > passed_ms:
                self._outcomes.setdefault(index, Counter()).update(sub_window["outcomes"])

    def due(self, boundary_ms: int) -> list[ClosedSubWindow]:
        """Remove and return the sub-windows that end at `boundary_ms` or before, in time order."""
        due = sorted(index for index in self._outcomes if end_of(index, self._window_ms) <= boundary_ms)
        return [self._closed(index, self._outcomes.pop(index)) for index in due]

    def _closed(self, index: int, outcomes: Counter[str]) -> ClosedSubWindow:
        figures = figures_of({"outcomes": outcomes, "fields": {}})
        return ClosedSubWindow(end_of(index - 1, self._window_ms), end_of(index, self._window_ms), figures)

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [[index, dict(outcomes)] for index, outcomes in sorted(self._outcomes.items())]

    def restore(self, snapshot: Iterable[Any]) -> None:
        """Restore the state from a snapshot."""
        self._outcomes = {index: Counter(outcomes) for index, outcomes in snapshot}


def widened(window: Mapping[str, Any], window_ms: int) -> dict[str, Any]:
    """Return a window of a stats record as a part of the window of `window_ms` that holds it.

    >>> window = {"start_ms": 1200, "width_ms": 1200, "sub_windows": [{"number": 7, "outcomes": {"match": 5}}]}
    >>> widened(window, 2400)["sub_windows"]
    [{'number': 9, 'outcomes': {'match': 5}}]
    """
    start_ms, width_ms = window["start_ms"], window.get("width_ms", 0)
    moved = {**window, "start_ms": start_ms - start_ms % window_ms}
    if not width_ms or window_ms % width_ms:
        return moved
    first = index_of(start_ms, width_ms)
    starts = (end_of(first + one["number"] - 1, width_ms) for one in window["sub_windows"])
    numbers = [index_of(one, window_ms) % SUB_WINDOWS for one in starts]
    found = [{**one, "number": number} for one, number in zip(window["sub_windows"], numbers, strict=True)]
    return moved | {"width_ms": window_ms, "sub_windows": found}
