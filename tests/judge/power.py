"""How soon the judge decides, beside tests that know the true rate: SPRT for a rate, CUSUM for a change.

The medians are of records until the decision, looked at after every window of `UNITS`. A bound on the ratio of medians
is a promise of the judge; `make calibrate` prints it and fails beyond it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from shadowstream.config import Drift
from shadowstream.judge.drift.rate_monitor import FALSE_ALARMS, HORIZON_WINDOWS, RateMonitor, Subject
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.step import JudgeStep
from tests.judge.calibration_of_clusters import BUCKETS, TASK, Case, records_of
from tests.judge.stats_records import HOUR_MS, REVISION, config

UNITS = 50
WINDOWS_MAX = 600
RECORDS_MAX = 60_000
CRITERIA = 5
"""A config of one criterion has four guards beside it."""


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
    runs: int = 120

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
            if step.verdict(0)["decision"] == self.decision:
                return (hour + 1) * self.units
        return RECORDS_MAX

    def sprt(self, seed: int, run: int) -> int:
        """Return the units until the likelihood ratio of the true rate to the limit is as certain."""
        dice = np.random.default_rng([seed, run, 1])
        alpha = 0.05 / (CRITERIA if self.decision == "reject" else 1)
        bad = dice.random(RECORDS_MAX) < self.true
        ratio = np.cumsum(
            np.where(bad, math.log(self.true / self.limit), math.log1p(-self.true) - math.log1p(-self.limit))
        )
        return int(np.argmax(ratio >= -math.log(alpha))) + 1


def raced(race: Race, seed: int) -> Iterator[tuple[str, bool]]:
    """The medians of both, and whether their ratio holds."""
    judged = np.median([race.judged(seed, run) for run in range(race.runs)])
    best = np.median([race.sprt(seed, run) for run in range(4_000)])
    ratio = judged / best
    yield (
        f"{race.name}: median {judged:.0f} units in windows of {race.units}, SPRT that knows the rate {best:.0f}: "
        f"ratio {ratio:.2f}, at most {race.ratio_max:g}",
        bool(ratio <= race.ratio_max),
    )


def detected(units: int, ratio_max: float | None, seed: int, runs: int = 100) -> Iterator[tuple[str, bool]]:
    """1 % to 5 % after 200 windows, limit 2 %: records until an incident, and until CUSUM at the same alarm rate."""
    before, after, limit = 0.01, 0.05, 0.02
    level = alarm_level(CRITERIA, HORIZON_WINDOWS, FALSE_ALARMS)
    judged, early = [], 0
    for run in range(runs):
        dice = np.random.default_rng([seed, run])
        monitor = RateMonitor(Subject("mismatch", "pairs", limit), Drift(), REVISION, level, history_max=400)

        def opened(hour: int, rate: float, monitor: RateMonitor = monitor, dice: np.random.Generator = dice) -> bool:
            events = monitor.feed(hour * HOUR_MS, (hour + 1) * HOUR_MS, units, int(dice.binomial(units, rate)))
            return any(event["event"] == "opened" for event in events)

        early += sum(opened(hour, before) for hour in range(200))
        judged.append(next((hour + 1 for hour in range(200) if opened(200 + hour, after)), 200) * units)
    good, bad = math.log1p(-after) - math.log1p(-before), math.log(after / before)
    drift = -(before * bad + (1 - before) * good)
    threshold = math.log(level * units * drift)  # Siegmund, "Sequential analysis", 1985: run length e^h / drift
    dice = np.random.default_rng(seed)
    walks = np.cumsum(np.where(dice.random((4_000, 3_000)) < after, bad, good), axis=1)
    walks -= np.minimum.accumulate(np.minimum(walks, 0.0), axis=1)
    cusum = float(np.median(np.argmax(walks >= threshold, axis=1) + 1))
    ratio = float(np.median(judged)) / cusum
    bound = "" if ratio_max is None else f", at most {ratio_max:g}"
    yield (
        f"1 % to 5 %, limit 2 %, {units} an hour: an incident after {np.median(judged):.0f} records (median), CUSUM "
        f"that knows both rates {cusum:.0f}: ratio {ratio:.2f}{bound}; {early} early in {200 * runs} windows",
        (ratio_max is None or ratio <= ratio_max) and early == 0,
    )


def quiet(share: float, season: float, units: int, seed: int, windows: int = 12_500) -> Iterator[tuple[str, bool]]:
    """Windows without a change: a rate under the limit, flat or with a day's season up to the limit."""
    limit, opened = 0.01, 0
    dice = np.random.default_rng(seed)
    level = alarm_level(CRITERIA, HORIZON_WINDOWS, FALSE_ALARMS)
    monitor = RateMonitor(Subject("mismatch", "pairs", limit), Drift(), REVISION, level, history_max=400)
    for hour in range(windows):
        rate = limit * share * (1.0 + season * math.sin(2.0 * math.pi * hour / 24))
        events = monitor.feed(hour * HOUR_MS, (hour + 1) * HOUR_MS, units, int(dice.binomial(units, rate)))
        opened += sum(event["event"] == "opened" for event in events)
    named = f"{share:g} of the limit, season +-{season:.0%}, {units} an hour"
    yield f"no change, {named}: {opened} incidents in {windows} windows", not opened


RACES = (
    Race("a quarter of the limit, promoted", "promote", 0.01, 0.0025, 1.5),
    Race("half the limit, promoted", "promote", 0.01, 0.005, 1.5),
    Race("twice the limit, rejected", "reject", 0.01, 0.02, 1.4),
    Race("five times the limit, rejected", "reject", 0.01, 0.05, 1.4, units=10),
    Race("an equal candidate, twin at 0.6, promoted", "promote", 0.6, 0.5, 2.5, rate="twin", units=10),
)
POWER = (
    *(partial(raced, race) for race in RACES),
    *(partial(detected, units, ratio_max) for units, ratio_max in ((38, None), (100, None), (500, 1.6))),
    *(partial(quiet, *kind) for kind in (
        (1.0, 0.0, 500), (1.0, 0.0, 5_000), (0.9, 0.0, 500), (0.5, 0.0, 100), (0.55, 0.8, 500), (0.55, 0.8, 5_000),
        (0.3, 0.9, 200), (0.5, 1.0, 1_000),
    )),
)  # fmt: skip
