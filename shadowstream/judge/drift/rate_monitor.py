"""Monitor of one rate: detectors read each closed window, and a change that matters opens an incident.

The subject is a criterion, a field, or a slice of the mismatch rate. `incident_groups` decides which monitors share an
incident.

==========  ====================================================================  ==========
state       event                                                                 next state
==========  ====================================================================  ==========
quiet       a detector fires, the rate went up, by `min_effect` x limit or more   open
quiet       a detector fires otherwise (an improvement, or too small)             quiet
quiet       the alarm persists, and the change has grown beyond doubt             open
open        a detector fires: the first flag of each detector is reported, the    open
            others are only counted
open        `WINDOWS` consecutive windows under `EXIT_SHARE` x limit              quiet
open        no unit of the subject for a season and `WINDOWS` windows             quiet
==========  ====================================================================  ==========

A window is here a merged one: consecutive event-time windows that together hold `drift.min_records` records. ADWIN
reads the rate over these records. Shiryaev-Roberts reads the units of the criterion, which may be shares: for x in [0,
1] the ratio L(x) lies under the chord between L(0) and L(1), so its expectation is at most 1 all the same.

A second Shiryaev-Roberts reads records against the subject's own rate so far (`rise_detector`). Both read sub-windows,
where there are any, before the window closes (`feed_sub_window`), and the rest of the units with the window.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from shadowstream.config import Drift as Settings
from shadowstream.judge.drift.adwin import AdwinDetector, AdwinParams, Drift, Trimmed
from shadowstream.judge.drift.extent import Extent, Row, counted_since, over_limit_since
from shadowstream.judge.drift.monitor_incident import Detector, Flag, Incident
from shadowstream.judge.drift.rise_detector import RiseDetector
from shadowstream.judge.drift.sealed_state import StateRefused
from shadowstream.judge.drift.shiryaev_roberts import ShiryaevRoberts
from shadowstream.judge.drift.window_merger import Merged, WindowMerger
from shadowstream.judge.evidence.rate_bounds import percent, rate_in_words
from shadowstream.judge.evidence.rates import log_e_above
from shadowstream.judge.utc_text import utc_text
from shadowstream.records import SUB_WINDOWS

# Half the limit, in three windows: a rate at the limit of 1 % has no bad unit among 200 in one window of seven, so
# three such windows in a row happen by chance once in 400.
EXIT_SHARE = 0.5
WINDOWS = 3
REVISION_DIGITS = 12

# Shiryaev-Roberts may raise one false alarm in this many windows (over a year of hours): one over all criteria, one
# over all fields, one over all slices.
HORIZON_WINDOWS = 10_000
FALSE_ALARMS = 1.0
# Values kept by ADWIN: the maximum, and the minimum when many criteria share one state record.
HISTORY_MAX = 10_000
HISTORY_MIN = 200

BLIND_UP_TO = AdwinParams(p_ref=1.0).grace_period
"""With at most this many values ADWIN cannot detect a change."""


class Subject(NamedTuple):
    """Monitored rate: its name, the plural of its units, and its limit."""

    name: str
    units: str
    limit: float


class RateMonitor:
    """Monitor of one subject of one revision.

    `level`: alarm level of Shiryaev-Roberts (`shiryaev_roberts.alarm_level`). `season_ms`: as in `RiseDetector`.

    >>> watch = RateMonitor(Subject("mismatch", "pairs", 0.01), Settings(), "ab", level=40_000)
    >>> events = [event for hour in range(90) for event in watch.feed(hour, hour + 1, 500, 0 if hour < 40 else 25)]
    >>> [(event["event"], event["detector"], event["window_start_ms"]) for event in events]
    [('flag', 'sr', 40), ('opened', 'sr', 40), ('flag', 'adwin', 63)]
    """

    def __init__(
        self,
        subject: Subject,
        settings: Settings,
        revision: str,
        level: float,
        history_max: int = HISTORY_MAX,
        season_ms: int = 0,
    ) -> None:
        self._units = subject.units
        self.subject = subject
        self.revision = revision
        self.incident: Incident | None = None
        self.merged = False
        """Whether the last window completed a merged window."""
        self._effect = settings.min_effect * subject.limit
        self._merger = WindowMerger(settings.min_records)
        self._adwin = AdwinDetector(AdwinParams(p_ref=subject.limit, delta=settings.delta, history_max=history_max))
        self._sr = ShiryaevRoberts(subject.limit, level)
        self._rise = RiseDetector(subject.limit, level, season_ms)
        self._armed = True
        # Units and bad units of the next merged window, and those of them that came in sub-windows.
        self._counted: list[float] = [0, 0]
        self._shown: list[float] = [0, 0]
        self._stretch_ms = 0
        # Records, bad records and length of the last windows; windows, records and bad records of all earlier ones.
        self._recent: deque[list[float]] = deque()
        self._earlier: list[float] = [0, 0, 0]
        self._last_ms = [0, 0]
        # End of the last window with a record, and the number of windows without one since then.
        self._absent = [0, 0]

    @property
    def past(self) -> tuple[int, float]:
        """Number of merged windows so far, and their records."""
        return int(self._earlier[0]) + len(self._recent), self._earlier[1] + sum(row[0] for row in self._recent)

    def begin_after(self, other: "RateMonitor", records: float) -> None:
        """Start with the history of `other`, `records` records, without a bad one.

        A subject that first goes bad later has then changed.
        """
        self._earlier = [other.past[0], records, 0]
        self._rise.span_ms = other._rise.span_ms

    @property
    def blind(self) -> bool:
        """Whether ADWIN's history is too short to detect a change, although the subject has had records."""
        return self._adwin.width <= BLIND_UP_TO and (self._last_ms[1] > 0 or self._counted[0] > 0)

    @property
    def refused(self) -> int:
        """Number of values withheld from ADWIN because they are not finite."""
        return self._adwin.refused

    @property
    def log_evidence(self) -> float:
        """Natural log of the evidence of Shiryaev-Roberts against the subject now."""
        return self._sr.log_evidence

    @property
    def lasting(self) -> str | None:
        """Reason by which the open incident shows the candidate bad, or None.

        There is one if Shiryaev-Roberts is at its alarm level and the incident has been open for `WINDOWS` windows.
        """
        if self.incident is None or self.incident.windows < WINDOWS or not self._sr.alarm:
            return None
        return f"{self.incident.reason}; it has not gone away in {WINDOWS} windows"

    def feed(
        self, start_ms: int, end_ms: int, n: int, s: float, counted: tuple[int, float] | None = None
    ) -> list[dict[str, Any]]:
        """Feed the next closed window and return drift events as in schemas/drift.avsc.

        The window has n > 0 records, s of them bad. `counted`: units and bad units if units are not records.
        """
        self._absent = [end_ms, 0]
        units, bad = (n, s) if counted is None else counted
        self._counted = [self._counted[0] + units, self._counted[1] + bad]
        merged = self._merger.add(start_ms, end_ms, n, s)
        self.merged = merged is not None
        if merged is None:
            return []
        self._last_ms = [merged.start_ms, merged.end_ms]
        self._remember(merged)
        flags = [flag for flag in (self._feed_adwin(merged), self._feed_sr(merged)) if flag is not None]
        events = self._age(merged)
        for flag in flags:
            events += self._raise(flag)
        return events

    def _remember(self, merged: Merged) -> None:
        self._recent.append([merged.n, merged.s, merged.start_ms, merged.end_ms])
        if len(self._recent) > WINDOWS:
            n, s, first_ms, last_ms = self._recent.popleft()
            self._earlier = [self._earlier[0] + 1, self._earlier[1] + n, self._earlier[2] + s]
            self._rise.learn(n, s, int(last_ms - first_ms))

    def _feed_adwin(self, merged: Merged) -> Flag | None:
        change = self._adwin.update(merged.start_ms, merged.s / merged.n)
        if isinstance(change, Trimmed) and change.drifts:
            change = change.drifts[-1]  # the shorter memory has detected a change that the longer one hid
        if not isinstance(change, Drift):
            return None
        # ADWIN computes its direction from values cut at 1; here the rates themselves count.
        direction = "up" if change.after > change.before else "down"
        text = f"{self.subject.name} went {direction} from {percent(change.before, 3)} to {percent(change.after, 3)}"
        reason = f"{text} since {utc_text(change.since)} (ADWIN)"
        numbers = (change.before, change.after, change.width, change.estimation)
        return Flag("adwin", direction, *numbers, reason, change.since)

    def feed_sub_window(self, start_ms: int, end_ms: int, n: int, s: float) -> list[dict[str, Any]]:
        """Feed n > 0 records of a window that is still open, s of them bad, and return drift events.

        They are units of the criterion. `feed` gets the whole window once it has closed.
        """
        begins = self._shown[0] == 0
        if not self._rise.stretch[0]:
            self._stretch_ms = start_ms
        self._shown = [self._shown[0] + n, self._shown[1] + s]
        self._last_ms = [start_ms, end_ms]
        self._sr.update(n, s, windows=float(begins))
        self._rise.update(n, s, self._earlier, windows=1.0 / SUB_WINDOWS)
        flag = self._sr_flag(end_ms, self._rise.stretch) if self._rise.stretch[0] else None
        return self._raise(flag) if flag is not None else []

    def _feed_sr(self, merged: Merged) -> Flag | None:
        (units, bad), (shown, shown_bad) = self._counted, self._shown
        self._counted, self._shown = [0, 0], [0, 0]
        of_records = int(units) == merged.n
        rest = max(0, int(units) - int(shown))
        bad = min(max(0, bad - shown_bad), rest)
        if rest or not shown:
            begins = float(not shown)
            self._sr.update(rest, bad, windows=begins)
            if of_records:
                if not self._rise.stretch[0]:
                    self._stretch_ms = merged.start_ms
                self._rise.update(rest, bad, self._earlier, windows=begins)
        return self._sr_flag(merged.end_ms)

    def _sr_flag(self, end_ms: int, stretch: tuple[float, float] | None = None) -> Flag | None:
        """Return the flag of an alarm that is new, or whose change has grown.

        `stretch`: units since the rate was last under the limit, in an open window; otherwise the recent windows count.
        """
        alarm = self._sr.alarm or self._rise.alarm
        if not alarm:
            self._armed |= self._sr.log_evidence < 0
            return None
        n, s = stretch or (sum(row[0] for row in self._recent), sum(row[1] for row in self._recent))
        windows, n_earlier, s_earlier = self._earlier
        # A rate that was high from the start is no change; the criterion's reject latch covers it.
        before = s_earlier / n_earlier if windows >= WINDOWS else s / n
        if not (self._armed or (stretch is None and self._has_grown(n, s, before))):
            return None
        self._armed = False
        since = utc_text(int(self._recent[0][2]) if stretch is None else self._stretch_ms)
        found = rate_in_words(self.subject.name, s, n, self._units)
        reason = (
            f"{self.subject.name}: {found} since {since}, limit {percent(self.subject.limit)}, {percent(before, 3)} "
            f"before (at {utc_text(end_ms)}; Shiryaev-Roberts, one false alarm in {HORIZON_WINDOWS:,} windows)"
        )
        extent = () if stretch is None else (self._stretch_ms, stretch)
        return Flag("sr", "up", before, s / n, len(self._recent), self._sr.log_evidence, reason, *extent)

    def _has_grown(self, n: float, s: float, before: float) -> bool:
        """Return whether a persisting alarm now shows a change large enough to open an incident.

        The rates themselves do not decide this, because they go up and down during any alarm. The evidence against the
        raised limit must reach the alarm level, which by chance happens as rarely as an alarm.
        """
        raised_limit = before + self._effect
        if self.incident is not None or not (0.0 < raised_limit < 1.0 and s > n * raised_limit):
            return False
        return log_e_above(int(n), int(s), raised_limit) >= math.log(self._sr.level)

    def _raise(self, flag: Flag) -> list[dict[str, Any]]:
        if self.incident is not None:
            self.incident.flags += 1
            return [self._event("flag", flag)] if self._shown_first(self.incident, flag.detector) else []
        if flag.after - flag.before < self._effect:
            return [self._event("flag", flag)]
        # The name contains the revision's first digits: two revisions that read the same data must not share an
        # incident.
        name = f"{self.subject.name}-{self._last_ms[0]}-{self.revision[:REVISION_DIGITS]}"
        self.incident = Incident(name, self._last_ms[0], flag.detector, flag.before, flag.after, flag.reason)
        self._shown_first(self.incident, flag.detector)
        return [self._event("flag", flag), self._event("opened", flag)]

    @staticmethod
    def _shown_first(incident: Incident, detector: Detector) -> bool:
        shown = incident.adwin_shown if detector == "adwin" else incident.sr_shown
        if detector == "adwin":
            incident.adwin_shown = True
        else:
            incident.sr_shown = True
        return not shown

    def _age(self, merged: Merged) -> list[dict[str, Any]]:
        """Count a window of the open incident, and close the incident after enough quiet windows."""
        incident = self.incident
        # The window in which it opened is no later one.
        if incident is None or incident.opened_ms >= merged.start_ms:
            return []
        incident.windows += 1
        exit_rate = EXIT_SHARE * self.subject.limit
        incident.quiet = incident.quiet + 1 if merged.s / merged.n < exit_rate else 0
        if incident.quiet < WINDOWS:
            return []
        n, s = sum(row[0] for row in self._recent), sum(row[1] for row in self._recent)
        found = rate_in_words(self.subject.name, s, n, f"newest {self._units}")
        reason = (
            f"{self.subject.name} is back: {found}, {WINDOWS} windows each under {percent(exit_rate)}; open for "
            f"{incident.windows} windows, {incident.flags} flags"
        )
        return [self._closed(incident, reason, [len(self._recent), n, s])]

    def absent(self, end_ms: int, season_ms: int) -> list[dict[str, Any]]:
        """Count a window, ending at `end_ms`, without a unit of the subject.

        For a slice this is a merged window of the criterion. An open incident closes after a season of such windows,
        because no window could ever show it quiet.
        """
        self._absent[1] += 1
        incident, (heard_ms, windows) = self.incident, self._absent
        if incident is None or windows < WINDOWS or end_ms - heard_ms < season_ms:
            return []
        reason = (
            f"{self.subject.name} is gone: none of its {self._units} have come since {utc_text(heard_ms)}, "
            f"{windows} windows; open for {incident.windows} windows, {incident.flags} flags"
        )
        # If the rate becomes as bad again, that is a change against its baseline before the incident.
        n = sum(row[0] for row in self._recent)
        return [self._closed(incident, reason, [WINDOWS, n, n * incident.before])]

    def _closed(self, incident: Incident, reason: str, quiet: list[float]) -> dict[str, Any]:
        """Close the incident. `quiet`: windows, records and bad records as the baseline of the next alarm."""
        n, s = sum(row[0] for row in self._recent), sum(row[1] for row in self._recent)
        flag = Flag(incident.detector, "down", incident.after, s / n, self._adwin.width, self._adwin.estimation, reason)
        event = self._event("closed", flag)
        self.incident = None
        # The next alarm is counted from here.
        self._sr.reset()
        self._rise.reset()
        self._armed = True
        self._earlier, self._recent = quiet, deque()
        return event

    def _event(self, event: str, flag: Flag) -> dict[str, Any]:
        start_ms, end_ms = self._last_ms
        return {
            "event": event,
            "incident": self.incident.id if self.incident is not None else "",
            "revision": self.revision,
            "criterion": self.subject.name,
            "detector": flag.detector,
            "direction": flag.direction,
            "window_start_ms": start_ms,
            "window_end_ms": end_ms,
            "before": flag.before,
            "after": flag.after,
            "width": flag.width,
            "estimation": flag.estimation,
            "reason": flag.reason,
            "subject": self.subject.name,
            "units": self._units,
            "limit": self.subject.limit,
            **self._extent(flag)._asdict(),
        }

    def _extent(self, flag: Flag) -> Extent:
        if flag.counted is not None and flag.since_ms is not None:
            return Extent(flag.since_ms, *flag.counted)
        since_ms = over_limit_since(self.recent, self.subject.limit) if flag.since_ms is None else flag.since_ms
        return counted_since(self.recent, since_ms)

    @property
    def recent(self) -> list[Row]:
        """Last merged windows."""
        return [(int(row[2]), row[0], row[1]) for row in self._recent]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "merger": self._merger.snapshot(),
            "adwin": self._adwin.snapshot(),
            "sr": self._sr.snapshot(),
            "rise": self._rise.snapshot(),
            "armed": [self._armed, *self._counted, *self._shown, self._stretch_ms],
            "recent": [list(row) for row in self._recent],
            "earlier": self._earlier,
            "last_ms": self._last_ms,
            "absent": self._absent,
            "incident": asdict(self.incident) if self.incident is not None else None,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Restore the state from a snapshot.

        A detector whose state is refused starts anew, and the returned events report it.
        """
        self._armed, *counted = snapshot["armed"]
        self._counted, self._shown, self._stretch_ms = counted[:2], counted[2:4], int(counted[4])
        self._recent = deque(list(row) for row in snapshot["recent"])
        self._earlier, self._last_ms = list(snapshot["earlier"]), list(snapshot["last_ms"])
        self._absent = list(snapshot["absent"])
        self.incident = Incident(**snapshot["incident"]) if snapshot["incident"] is not None else None
        events = []
        detectors = (("merger", self._merger), ("adwin", self._adwin), ("sr", self._sr), ("rise", self._rise))
        for name, detector in detectors:
            try:
                detector.restore(snapshot[name])
            except StateRefused as refused:
                kind: Detector = "sr" if name in ("sr", "rise") else "adwin"
                flag = Flag(kind, "up", 0.0, 0.0, 0, 0.0, f"began anew: {refused}")
                events.append(self._event("restarted", flag))
        return events
