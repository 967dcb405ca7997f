"""Reject latch: whether a criterion has been shown bad, by its evidence or by a lasting incident.

A reject is latched: a candidate that was shown bad at any closing stays rejected for this revision, whatever good comes
later. But a record that was reported missing may still arrive, and its correction then removes the fault. So the latch
holds the closings and not the sentence: it keeps the running totals of each closing for as long as corrections may
reach its windows (`correctable_ms`), and evaluates them again after each correction.

Worked: at 11:00 the totals hold 30 missing of 100, an excess, and the candidate is rejected. At 14:00 the 30 have
arrived and were equal. The totals at 11:00 are now 0 of 100: no closing shows an excess, and the reject is withdrawn,
as in a run in which the records came in order (tests/judge/verdict/test_reject_latch.py). If only 20 had arrived, 10 of
100 would remain a reject.

This is the safer of the two ways. A promote needs every criterion shown good over the corrected totals and over the
recent windows, with or without an earlier reject, so withdrawing one promotes nothing unproven. Keeping it would hold a
fault against the candidate that it does not have. Beyond the horizon of corrections a reject is final.

Where bad records cluster, a reject counts fewer of them (`running_evidence`), an incident's own windows as well.

Detectors do not read corrections, so an incident that rests on corrected records stays open until it is quiet. Its
reject is withdrawn once corrections bring the windows since its opening under the rate at which incidents close.
"""

from bisect import bisect_left
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from shadowstream.config import Config
from shadowstream.judge.coverage.explained_absences import EXCUSED_MAX
from shadowstream.judge.drift.rate_monitor import EXIT_SHARE
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.verdict.criterion_units import Measure, Numbers
from shadowstream.judge.verdict.running_evidence import UNKNOWN, RunningEvidence
from shadowstream.judge.windows.closed_window import END, ClosedWindow
from shadowstream.judge.windows.task_state import NEVER

Window: TypeAlias = tuple[int, bool, Numbers, float]
"""Start, whether corrected, raw numbers, and the design effect by key at its closing (`running_evidence`)."""


class LastingIncident(NamedTuple):
    """Lasting incident: the reason by which it rejects, and its windows from the opening to this closing."""

    why: str
    opened_ms: int
    end_ms: int


class RejectLatch:
    """Evidence of one criterion over the revision. Its caller closes each window in the order of closing."""

    def __init__(self, measure: Measure, config: Config) -> None:
        self.reason: str | None = None
        """Reason of the reject by the present evidence."""
        self.withdrawn: str | None = None
        """Last reject that corrections have withdrawn."""
        self.measure = measure
        self._rejects = measure.criterion.critical and not measure.criterion.muted
        self._kept_ms = config.correctable_ms + 2 * config.judge.window_ms
        self._window_ms = config.judge.window_ms
        # Sorted by start. No correction changes what came before them.
        self._windows: list[Window] = []
        self._before = RunningEvidence(measure)
        self._now: RunningEvidence | None = None
        self._counted = [0, 0]
        self._from_ms = NEVER
        self._settled: str | None = None
        self._lasting: LastingIncident | None = None
        self.excused = 0
        """Number of bad records so far that need not be the candidate's fault."""

    def excuse(self, lost: Mapping[str, int]) -> None:
        """Update the lost records of all windows: their partners may be the bad records.

        A lost record may be in a later window than its partner, so each closing is evaluated again with all of them.
        """
        excused = self.measure.excused(lost)
        if excused == self.excused:
            return
        self.excused = excused
        if self._lasting is not None and not self._stands(self._lasting):
            self._lasting = None
        if self._rejects and self.reason is not None:
            # This is no caveat: whether a reject existed for a moment depends on which side was read first.
            self.reason = self._judged(all_closings=True)

    def close(self, window: ClosedWindow, lasting: LastingIncident | None, by_key: float = UNKNOWN) -> None:
        """Add a closed window with its corrections, the lasting incident, and the design effect by key so far."""
        for figures in (window.outcomes, *window.corrections.values()):
            n, s = self.measure.counts(figures)
            self._counted = [self._counted[0] + n, self._counted[1] + s]
        self._add((window.start_ms, False, self.measure.raw(window.outcomes, window.buckets), by_key))
        for start_ms, figures in window.corrections.items():
            late = window.late_buckets.get(start_ms, {})
            self._add((start_ms, True, self.measure.raw(figures, late), by_key))
        if self._lasting is None or not self._stands(self._lasting):
            self._lasting = lasting if lasting is not None and self._stands(lasting, opening=True) else None
        if self._rejects:
            former_reason, self.reason = self.reason, self._judged(all_closings=bool(window.corrections))
            # Labels of one window that come before those of another are no correction.
            if former_reason is not None and self.reason is None and not self.measure.late:
                self.withdrawn = former_reason
        # A window with corrections only exists because of their time of arrival.
        if window.start_ms != END and window.outcomes:
            horizon_ms = window.start_ms - self._kept_ms
            self._settle(min(horizon_ms, window.labelled_ms) if self.measure.late else horizon_ms)

    @property
    def undone(self) -> str | None:
        """The reject that corrections have withdrawn, for a caveat.

        None if lost records excuse it: whether that reject ever existed depends on the order of reading, and a replay
        must give the same verdict.
        """
        return self.withdrawn if self.reason is None and not self.excused else None

    @property
    def now(self) -> RunningEvidence:
        """All evidence, corrections included."""
        if self._now is None:
            self._now = self._before.copy()
            for _, _, raw, _ in self._windows:
                self._now.add(raw)
        return self._now

    @property
    def shown_bad(self) -> bool:
        """Whether all evidence, corrections included, shows the criterion bad."""
        return not self._is_excused() and self.now.excess(self.excused, self._effect) is not None

    @property
    def _effect(self) -> float:
        """The design effect by which all evidence rejects."""
        return self.now.effect(self._windows[-1][3] if self._windows else UNKNOWN)

    @property
    def counts(self) -> tuple[int, int]:
        """Records and bad ones, whatever the unit."""
        return self._counted[0], self._counted[1]

    def _add(self, window: Window) -> None:
        start_ms, corrected, raw, _ = window
        if not any(raw):
            return
        if start_ms < self._from_ms:
            # Beyond the horizon no corrections are expected. If one comes, counts are still added, and shares stay.
            if len(raw) == len(self._before.total):
                self._before.add_counts(raw)
                self._now = None
            return
        if not self._windows or self._windows[-1][0] < start_ms:
            self._windows.append(window)
            if self._now is not None:
                self._now.add(raw)
            return
        self._now = None
        index = bisect_left(self._windows, start_ms, key=itemgetter(0))
        if self._windows[index][0] == start_ms:
            _, before, former_raw, effect = self._windows[index]
            self._windows[index] = (start_ms, before or corrected, self.measure.added(former_raw, raw), effect)
        else:
            self._windows.insert(index, window)

    def _judged(self, *, all_closings: bool) -> str | None:
        """Return the reason of the first closing that shows an excess.

        Without corrections only the newest closing can be new; `all_closings` evaluates every one.
        """
        if self._settled is not None:
            return self._settled
        if self._is_excused():
            return None
        if self.reason is not None and not all_closings:
            return self.reason
        if all_closings:
            running = self._before.copy()
            for start_ms, _, raw, effect in self._windows:
                running.add(raw)
                if (shown := running.excess(self.excused, running.effect(effect))) is not None:
                    return f"{shown}, as of {utc_text(start_ms + self._window_ms)}"
        elif self._windows and (shown := self.now.excess(self.excused, self._effect)) is not None:
            return f"{shown}, as of {utc_text(self._windows[-1][0] + self._window_ms)}"
        return self._lasting.why if self._lasting is not None else None

    def _is_excused(self) -> bool:
        """Return whether all records together are under the limit without the excused ones.

        Shares cannot be subtracted one by one: of a mean, by block or by key a tenth of the bad may be excused.
        """
        if not self.excused:
            return False
        if self.measure.is_of_shares:
            return self.excused > EXCUSED_MAX * self.bad
        n, s = self._counted
        return s - self.excused <= n * self.measure.limit

    @property
    def bad(self) -> float:
        """Bad records; of a mean, which has none, the sum of its values."""
        return self._counted[1] if self.measure.rate.s else self.measure.bad(self.now.total)

    def _stands(self, lasting: LastingIncident, *, opening: bool = False) -> bool:
        """Return whether the windows of an incident are still bad after corrections and excuses.

        `opening`: whether it is new; then they must show an excess by themselves if bad records may cluster.
        """
        if self._is_excused():
            return False
        doubtful = opening and self._effect != 1.0
        if lasting.opened_ms < self._from_ms and not doubtful:
            return True
        inside = [window for window in self._windows if lasting.opened_ms <= window[0] < lasting.end_ms]
        evidence = RunningEvidence(self.measure)
        for _, _, raw, _ in inside:
            evidence.add(raw)
        if doubtful and evidence.excess(self.excused, self._effect) is None:
            return False
        total = evidence.total
        bad = self.measure.bad(self.measure.without(total, self.excused))
        as_it_was = bad == self.measure.bad(total) and not any(window[1] for window in inside)
        return as_it_was or bad >= total[0] * EXIT_SHARE * self.measure.limit

    def _settle(self, horizon_ms: int) -> None:
        """Drop windows beyond the reach of corrections and keep their result."""
        while self._windows and self._windows[0][0] < horizon_ms:
            start_ms, _, raw, effect = self._windows.pop(0)
            self._before.add(raw)
            if not self._rejects or self._settled is not None or self._is_excused():
                continue
            shown = self._before.excess(self.excused, self._before.effect(effect))
            self._settled = f"{shown}, as of {utc_text(start_ms + self._window_ms)}" if shown is not None else None
        self._from_ms = max(self._from_ms, horizon_ms)
        if self._rejects and self._lasting is not None and self._lasting.opened_ms < self._from_ms:
            self._settled = self._settled or self._lasting.why

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "windows": [list(window) for window in self._windows],
            "before": [self._from_ms, self._counted, self._before.snapshot()],
            "said": [self.reason, self.withdrawn, self._settled, self.excused],
            "lasting": self._lasting,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self._windows = [
            (start, corrected, tuple(raw), effect) for start, corrected, raw, effect in snapshot["windows"]
        ]
        self._from_ms, self._counted, before = snapshot["before"]
        self._before.restore(before)
        self._now = None
        self.reason, self.withdrawn, self._settled, self.excused = snapshot["said"]
        self._lasting = LastingIncident(*snapshot["lasting"]) if snapshot["lasting"] is not None else None
