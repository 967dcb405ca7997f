"""How soon the judge decides, beside tests that know the true rate: SPRT for a rate, CUSUM for a change.

The medians are of records until the decision, looked at after every window of `UNITS`. A bound on the ratio of medians
is a promise of the judge; `make calibrate` prints it and fails beyond it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from shadowstream.config import Drift
from shadowstream.judge.drift.rate_monitor import FALSE_ALARMS, HORIZON_WINDOWS, RateMonitor, Subject
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.evidence.rates import critical_n
from shadowstream.judge.step import JudgeStep
from shadowstream.records import SUB_WINDOWS
from tests.judge.calibration_of_clusters import BUCKETS, TASK, Case, records_of
from tests.judge.claims import Line, Part, share_of
from tests.judge.stats_records import HOUR_MS, REVISION, config

UNITS = 50
WINDOWS_MAX = 600
RECORDS_MAX = 60_000
DRAWN = 500
"""Records of the SPRT drawn in one go."""
ALPHA = 0.05
SEASON_MS = 24 * HOUR_MS
CRITERIA = 5
"""A config of one criterion has four guards beside it."""


class Compared(NamedTuple):
    """The units of each run in order, and the median of a test that knows the rates. `early`: incidents before."""

    judged: Sequence[int]
    best: float
    early: int = 0

    @property
    def median(self) -> float:
        """That of the judge."""
        return float(np.median(self.judged))

    @property
    def ratio(self) -> float:
        """The judge's median by the best."""
        return self.median / self.best

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the ratio, by the exact distribution of ranks around a median."""
        low, high = (int(place) for place in binom.interval(0.95, len(self.judged) - 1, 0.5))
        return self.judged[low] / self.best, self.judged[high] / self.best


@dataclass(frozen=True)
class Race:
    """Runs of a candidate of the rate `true`, until `decision`. `ratio_max`: the greatest ratio of medians."""

    name: str
    decision: str
    limit: float
    true: float
    ratio_max: float
    rate: str = "mismatch"
    units: int = UNITS
    runs: int = 500

    def judged(self, seed: int, run: int) -> int:
        """Return the units until the judge's decision; `RECORDS_MAX` if it does not come."""
        dice = np.random.default_rng([seed, run])
        criteria = [{"rate": self.rate, "limit": self.limit}]
        step = JudgeStep(config(criteria=criteria, min_duration_ms=0), REVISION, [TASK])
        case = Case(self.name, "", "", (), rate=self.rate, units=self.units)
        for hour in range(WINDOWS_MAX):
            buckets, bad = dice.integers(BUCKETS, size=self.units), dice.random(self.units) < self.true
            for record in records_of(case, hour, buckets, bad):
                step.step(0, record["seq"], record)
            # One verdict costs more than all else; none can promote before.
            if self.decision == "promote" and (hour + 1) * self.units < critical_n(0, self.limit, ALPHA):
                continue
            if step.verdict(0)["decision"] == self.decision:
                return (hour + 1) * self.units
        return RECORDS_MAX

    def sprt(self, seed: int, run: int) -> int:
        """Return the units until the likelihood ratio of the true rate to the limit is as certain."""
        dice = np.random.default_rng([seed, run, 1])
        alpha = ALPHA / (CRITERIA if self.decision == "reject" else 1)
        if_bad, if_good = math.log(self.true / self.limit), math.log1p(-self.true) - math.log1p(-self.limit)
        ratio = 0.0
        # In parts, since the decision comes long before the last: the draws and sums are those of one go.
        for begin in range(0, RECORDS_MAX, DRAWN):
            bad = dice.random(min(DRAWN, RECORDS_MAX - begin)) < self.true
            ratios = np.cumsum(np.concatenate(([ratio], np.where(bad, if_bad, if_good))))[1:]
            passed = np.flatnonzero(ratios >= -math.log(alpha))
            if passed.size:
                return begin + int(passed[0]) + 1
            ratio = float(ratios[-1])
        return 1

    @property
    def words(self) -> str:
        """The setting as text."""
        return f"{self.name}, windows of {self.units}"

    def found(self, seed: int) -> Compared:
        """The units until a decision of all runs, beside the median of the test that knows the rate."""
        judged = sorted(self.judged(seed, run) for run in range(self.runs))
        return Compared(judged, float(np.median([self.sprt(seed, run) for run in range(4_000)])))


@dataclass
class Watched:
    """A monitor of `limit` that reads hours in sub-windows, as the judge does."""

    limit: float
    dice: np.random.Generator
    hours: int = 0

    def __post_init__(self) -> None:
        level = alarm_level(CRITERIA, HORIZON_WINDOWS, FALSE_ALARMS)
        subject = Subject("mismatch", "pairs", self.limit)
        self.monitor = RateMonitor(subject, Drift(), REVISION, level, history_max=400, season_ms=SEASON_MS)

    def opened(self, units: int, rate: float) -> int:
        """Feed the next hour; return the records after which an incident opened, 0 for none."""
        start_ms, n, s, found = self.hours * HOUR_MS, 0, 0, 0
        self.hours += 1
        for part in range(SUB_WINDOWS):
            more = (part + 1) * units // SUB_WINDOWS - part * units // SUB_WINDOWS
            if more:
                bad = int(self.dice.binomial(more, rate))
                n, s = n + more, s + bad
                at_ms = start_ms + part * HOUR_MS // SUB_WINDOWS
                events = self.monitor.feed_sub_window(at_ms, at_ms + HOUR_MS // SUB_WINDOWS, more, bad)
                found = found or n * any(event["event"] == "opened" for event in events)
        events = self.monitor.feed(start_ms, start_ms + HOUR_MS, n, s)
        return found or n * any(event["event"] == "opened" for event in events)


@dataclass(frozen=True)
class Detection:
    """Runs of 1 % to 5 % after 200 windows, limit 2 %, with so many records an hour."""

    units: int
    ratio_max: float = 1.6
    runs: int = 600
    before: float = 0.01
    after: float = 0.05
    limit: float = 0.02

    @property
    def words(self) -> str:
        """The setting as text."""
        return f"{self.before:.0%} to {self.after:.0%}, limit {self.limit:.0%}, {self.units:,} an hour"

    def found(self, seed: int) -> Compared:
        """The records until an incident of all runs, and until CUSUM at the same alarm rate; incidents before."""
        judged, early = [], 0
        for run in range(self.runs):
            watched = Watched(self.limit, np.random.default_rng([seed, run]))
            early += sum(watched.opened(self.units, self.before) > 0 for _ in range(200))
            hours = ((hour, watched.opened(self.units, self.after)) for hour in range(200))
            judged.append(next((hour * self.units + records for hour, records in hours if records), 200 * self.units))
        return Compared(sorted(judged), self.cusum(seed), early)

    def cusum(self, seed: int) -> float:
        """The median of CUSUM, with the judge's mean time between false alarms."""
        run_length = alarm_level(CRITERIA, HORIZON_WINDOWS, FALSE_ALARMS) * self.units
        return cusum_median(self.before, self.after, run_length, seed)


def compared(setting: Race | Detection, seed: int) -> Iterator[Line]:
    """The medians of both, and whether their ratio is within its bound."""
    found, known = setting.found(seed), "SPRT" if isinstance(setting, Race) else "CUSUM"
    low, high = found.interval
    early = f"; {found.early} incidents before, in {200 * setting.runs} windows" if known == "CUSUM" else ""
    yield (
        f"{setting.words}: {found.median:.0f} units (median of {setting.runs}), {known} that knows the rates "
        f"{found.best:.0f}: ratio {found.ratio:.2f} [{low:.2f}, {high:.2f}]; claim: at most "
        f"{setting.ratio_max:g}{early}",
        found.ratio <= setting.ratio_max and not found.early,
    )


def cusum_median(before: float, after: float, run_length: float, seed: int) -> float:
    """Return the median records until CUSUM that knows both rates, one false alarm in `run_length` records."""
    good, bad = math.log1p(-after) - math.log1p(-before), math.log(after / before)
    drift = -(before * bad + (1 - before) * good)
    threshold = math.log(run_length * drift)  # Siegmund, "Sequential analysis", 1985: run length e^h / drift
    dice = np.random.default_rng(seed)
    walks = np.cumsum(np.where(dice.random((4_000, 3_000)) < after, bad, good), axis=1)
    walks -= np.minimum.accumulate(np.minimum(walks, 0.0), axis=1)
    return float(np.median(np.argmax(walks >= threshold, axis=1) + 1))


@dataclass(frozen=True)
class Quiet:
    """Windows without a change. `share` of the limit on average, `season` of a day; each seventh day `jump` times the
    traffic."""

    share: float
    season: float
    units: int
    jump: int = 1
    windows: int = 10_000
    runs: int = 1

    @property
    def words(self) -> str:
        """The setting as text."""
        jumps = f", {self.jump} times that each seventh day" if self.jump > 1 else ""
        return f"{self.share:g} of the limit, season +-{self.season:.0%}, {self.units:,} an hour{jumps}"

    def found(self, seed: int) -> int:
        """The incidents in all windows."""
        dice = np.random.default_rng([seed, self.units, int(1000 * self.share)])
        watched, phase, opened = Watched(0.01, dice), dice.uniform(0, 24), 0
        for hour in range(self.windows):
            rate = watched.limit * self.share * (1.0 + self.season * math.sin(2.0 * math.pi * (hour + phase) / 24))
            opened += watched.opened(self.units * (self.jump if hour // 24 % 7 == 6 else 1), rate) > 0
        return opened


def quiet(setting: Quiet, seed: int) -> Iterator[Line]:
    """Count the incidents, which must be none."""
    opened = setting.found(seed)
    yield (
        f"no change, {setting.words}: incidents in {share_of(opened, setting.windows)} windows; claim: none",
        not opened,
    )


RACES = (
    Race("a quarter of the limit, promoted", "promote", 0.01, 0.0025, 1.5),
    Race("half the limit, promoted", "promote", 0.01, 0.005, 1.5),
    Race("twice the limit, rejected", "reject", 0.01, 0.02, 1.4),
    Race("five times the limit, rejected", "reject", 0.01, 0.05, 1.4, units=10),
    Race("an equal candidate, twin at 0.6, promoted", "promote", 0.6, 0.5, 2.5, rate="twin", units=10),
)
DETECTIONS = tuple(Detection(units) for units in (38, 100, 500, 5_000))
QUIET = (
    *(Quiet(1.0, 0.0, units) for units in (38, 500, 5_000)),
    *(Quiet(0.55, 0.8, units) for units in (38, 500, 5_000)),
    *(Quiet(0.9, 0.0, 500), Quiet(0.5, 0.0, 100), Quiet(0.5, 1.0, 1_000), Quiet(0.9, 0.0, 300, jump=100)),
)
PARTS = (
    *(Part("power", compared, setting, least=setting.runs) for setting in (*RACES, *DETECTIONS)),
    *(Part("power", quiet, setting) for setting in QUIET),
)
"""Never with fewer runs: they cost little, and a median of few is no bound."""
