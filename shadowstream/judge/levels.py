"""Whether a criterion has been shown bad, by its level or by an incident that stays, by what is known now.

A reject is latched: whoever was shown to be bad at any closing stays so for this revision, whatever good comes later.
But a record that was said missing may come after all; its correction says that the candidate was not bad there. So
what is latched is not the sentence but the closings: the running totals of each closing are kept for as long as a
correction may still reach its windows (`correctable_ms`), and are looked at again with what has been corrected.

Worked: at 11:00 the totals hold 30 missing of 100, an excess, and the candidate is rejected. At 14:00 the 30 have come
and were equal. The totals at 11:00 are now 0 of 100: no closing shows an excess, and the reject is withdrawn, as in a
run in which they had come in order (tests/judge/test_levels.py). Had 20 of them come, 10 of 100 would stay a reject.

Why this is the safer of the two ways: a promote needs every criterion shown good over the corrected totals and over
the trailing windows, whether or not there was a reject, so withdrawing one lets nothing pass that is not proven; while
keeping it would hold a fault against the candidate that it does not have. What has left the horizon is settled.

Detectors are never fed again, so an incident that rests on such records stays open until it is quiet. Its reject is
withdrawn where corrections have brought the windows since it opened under the rate at which an incident ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import Counts, counts, rates_of
from shadowstream.judge.incidents import EXIT_SHARE
from shadowstream.judge.verdict import excess
from shadowstream.judge.windows import END, NEVER, Closed


class Lasting(NamedTuple):
    """An incident that has not gone away: why that rejects, and the windows from its opening to that closing."""

    why: str
    opened_ms: int
    end_ms: int


class Level:
    """One critical criterion. Give it each closed window, in the order in which they close."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        self.reason: str | None = None
        """Why the candidate is rejected, by what is known now."""
        self.withdrawn: str | None = None
        """The last reject that corrections have undone."""
        self._criterion, self._config = criterion, config
        self._rates = rates_of(config)
        self._kept_ms = config.correctable_ms + 2 * config.judge.window_ms
        # Start, units, bad units, whether corrected; sorted. What came before them is one sum, which nothing undoes.
        self._windows: list[list[int]] = []
        self._before = [0, 0]
        self._from_ms = NEVER
        self._settled: str | None = None
        self._lasting: Lasting | None = None

    def close(self, window: Closed, lasting: Lasting | None) -> None:
        """Take a window with the corrections that close with it, and what an incident says now."""
        self._add(window.start_ms, window.outcomes, corrected=False)
        for start_ms, outcomes in window.corrections.items():
            self._add(start_ms, outcomes, corrected=True)
        if self._lasting is None or not self._stands(self._lasting):
            self._lasting = lasting if lasting is not None and self._stands(lasting) else None
        said, self.reason = self.reason, self._judged(whole=bool(window.corrections))
        if said is not None and self.reason is None:
            self.withdrawn = said
        if window.start_ms != END:
            self._settle(window.start_ms - self._kept_ms)

    def _add(self, start_ms: int, outcomes: Mapping[str, int], *, corrected: bool) -> None:
        n, s = counts(self._criterion.rate, outcomes, self._rates)
        if not n and not s:
            return
        if start_ms < self._from_ms:
            self._before = [self._before[0] + n, self._before[1] + s]
            return
        at = bisect_left(self._windows, start_ms, key=itemgetter(0))
        if at < len(self._windows) and self._windows[at][0] == start_ms:
            _, units, bad, before = self._windows[at]
            self._windows[at] = [start_ms, units + n, bad + s, int(before or corrected)]
        else:
            self._windows.insert(at, [start_ms, n, s, int(corrected)])

    def _judged(self, *, whole: bool) -> str | None:
        """The first closing that shows an excess; without corrections only the newest can be new."""
        if self._settled is not None:
            return self._settled
        if self.reason is not None and not whole:
            return self.reason
        n, s = self._before
        for index, (_, more, bad, _) in enumerate(self._windows, start=1):
            n, s = n + more, s + bad
            if whole or index == len(self._windows):
                shown = self._excess(n, s)
                if shown is not None:
                    return shown
        return self._lasting.why if self._lasting is not None else None

    def _excess(self, n: int, s: int) -> str | None:
        # At or under the limit no evidence can speak for more than the limit.
        return excess(self._criterion, Counts(n, s), self._config) if s > n * self._criterion.limit else None

    def _stands(self, lasting: Lasting) -> bool:
        """Whether corrections have left the windows of an incident bad."""
        if lasting.opened_ms < self._from_ms:
            return True
        inside = [window for window in self._windows if lasting.opened_ms <= window[0] < lasting.end_ms]
        n, s = sum(window[1] for window in inside), sum(window[2] for window in inside)
        return not any(window[3] for window in inside) or s >= n * EXIT_SHARE * self._criterion.limit

    def _settle(self, horizon_ms: int) -> None:
        """Forget windows that no correction reaches any more; what they showed stays."""
        while self._windows and self._windows[0][0] < horizon_ms:
            _, n, s, _ = self._windows.pop(0)
            self._before = [self._before[0] + n, self._before[1] + s]
            self._settled = self._settled or self._excess(*self._before)
        self._from_ms = max(self._from_ms, horizon_ms)
        if self._lasting is not None and self._lasting.opened_ms < self._from_ms:
            self._settled = self._settled or self._lasting.why

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "windows": [list(window) for window in self._windows],
            "before": [*self._before, self._from_ms],
            "said": [self.reason, self.withdrawn, self._settled],
            "lasting": self._lasting,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up a snapshot."""
        self._windows = [list(window) for window in snapshot["windows"]]
        *self._before, self._from_ms = snapshot["before"]
        self.reason, self.withdrawn, self._settled = snapshot["said"]
        self._lasting = Lasting(*snapshot["lasting"]) if snapshot["lasting"] is not None else None
