"""Rate of each criterion by event-time window, from statistics, as they come."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.config import Config
from shadowstream.judge.criteria import Counts, figures_of, rate_of
from shadowstream.judge.verdict.guard_criteria import declared
from shadowstream.judge.windows import sequence_numbers
from shadowstream.records import REVISION_BYTES

WINDOWS_MAX = 10_000
"""Windows that are kept: those with the newest event time."""


class WindowRate(NamedTuple):
    """Units and bad units of one criterion in one window, open or closed, corrections included."""

    start_ms: int
    n: int
    s: int


def merged(windows: Sequence[WindowRate], points_max: int) -> list[WindowRate]:
    """Merge neighbouring windows where there are more than `points_max`, each as many but the last.

    >>> merged([WindowRate(0, 10, 1), WindowRate(60, 20, 2), WindowRate(120, 5, 0)], 2)
    [WindowRate(start_ms=0, n=30, s=3), WindowRate(start_ms=120, n=5, s=0)]
    """
    every = max(1, -(-len(windows) // points_max))
    parts = (windows[at : at + every] for at in range(0, len(windows), every))
    return [WindowRate(part[0].start_ms, sum(one.n for one in part), sum(one.s for one in part)) for part in parts]


class RateCourse:
    """Counts by window of one revision, for the criteria that count bad units.

    A record that comes twice counts once. A window that was not read from its beginning has a part of its counts.
    """

    def __init__(self, config: Config, revision: str, windows_max: int = WINDOWS_MAX) -> None:
        rows = {one.id: rate_of(one, config) for one in declared(config).judge.criteria}
        self._rates = {name: row for name, row in rows.items() if row.s}
        self._names = revision, revision[: 2 * REVISION_BYTES]
        self._windows_max = windows_max
        self._windows: dict[int, dict[str, Counts]] = {}
        self._from_ms: int | None = None
        self._seen: dict[str, sequence_numbers.Sequence] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a stats record (schemas/stats.avsc)."""
        if not self._seen.setdefault(record["task"], sequence_numbers.Sequence()).take(record["seq"]):
            return
        for delta in record["windows"]:
            if delta["revision"] in self._names and (self._from_ms is None or delta["start_ms"] >= self._from_ms):
                self._add_window(delta)

    def _add_window(self, delta: Mapping[str, Any]) -> None:
        figures, start_ms = figures_of(delta), delta["start_ms"]
        counts = self._windows.setdefault(start_ms, {})
        for name, row in self._rates.items():
            new, old = row.counts(figures), counts.get(name, Counts(0, 0))
            counts[name] = Counts(old.n + new.n, old.s + new.s)
        if len(self._windows) > self._windows_max:
            oldest_ms = min(self._windows)
            del self._windows[oldest_ms]
            self._from_ms = oldest_ms + 1

    def rates(self) -> dict[str, list[WindowRate]]:
        """Return the windows with units of each criterion, in time order."""
        starts = sorted(self._windows)
        return {
            name: [
                WindowRate(start_ms, *counts)
                for start_ms in starts
                if (counts := self._windows[start_ms].get(name, Counts(0, 0))).n > 0 and counts.possible
            ]
            for name in self._rates
        }
