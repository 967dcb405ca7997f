"""Planned looks against their exact probability: seeded bounded trials through the judge, a verdict each window."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shadowstream.config import Config
from shadowstream.judge.evidence.group_sequential import Look, boundaries, promotion_probability
from shadowstream.judge.step import JudgeStep
from tests.judge.claims import Line, Part, just, shown_only
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
ALPHA = 0.05


def planned(limit: float, units: int, looks: int = 5, **judge: object) -> Config:
    """A trial whose corrections reach no window back, so that looks happen two windows after their units."""
    plan = {"units": units, "looks": looks, **({"spending": judge.pop("spending")} if "spending" in judge else {})}
    criteria = [{"rate": "mismatch", "limit": limit}]
    settings = config(**{"criteria": criteria, "min_duration_ms": 0, "group_sequential": plan, **judge})
    return settings.model_copy(update={"correctable_ms": 0})


def window(step: JudgeStep, index: int, n: int, bad: int) -> None:
    """Let the judge read one window."""
    held = cell(index * HOUR_MS, match=n - bad, mismatch=bad, input=n)
    step.step(0, index, stats(TASK, index + 1, held, watermark_ms=(index + 1) * HOUR_MS))


def end(step: JudgeStep, windows: int) -> None:
    """Let the judge read the end of the trial."""
    step.step(0, windows, stats(TASK, windows + 1, complete=True))


@dataclass(frozen=True)
class Planned:
    """Trials of one rate; the real end has `units * windows`, as planned or not."""

    limit: float
    rate: float
    units: int
    windows: int
    runs: int
    plan: int
    looks: int = 5

    def judged(self, seed: int, run: int) -> tuple[bool, bool]:
        """Whether any verdict of a run promotes, and whether any look shows the rate under its limit."""
        step = JudgeStep(planned(self.limit, self.plan, self.looks), REVISION, [TASK])
        verdicts = []
        for index, bad in enumerate(np.random.default_rng([seed, run]).binomial(self.units, self.rate, self.windows)):
            window(step, index, self.units, int(bad))
            verdicts.append(step.verdict(0))
        end(step, self.windows)
        verdicts.append(step.verdict(0))
        promoted = any(verdict["decision"] == "promote" for verdict in verdicts)
        return promoted, any(verdict["criteria"][0]["shown_good"] for verdict in verdicts)

    @property
    def exact(self) -> float:
        """The probability that some look promotes."""
        total = self.units * self.windows
        due = [-(-self.plan * look // self.looks) for look in range(1, self.looks + 1)]
        units = sorted({-(-n // self.units) * self.units for n in due if n <= total} | {min(total, self.plan)})
        units = [*units[:-1], total] if total < self.plan else units
        looks = tuple(Look(n, 1.0 if n == units[-1] else n / self.plan) for n in units)
        bounds = boundaries(looks, self.limit, ALPHA, "obrien_fleming")
        return promotion_probability(units, bounds, self.rate)


def of_looks(setting: Planned, seed: int) -> Iterator[Line]:
    """As often as the exact probability tells, a look shows the rate under its limit: at the limit at most alpha."""
    promoted, shown = np.sum([setting.judged(seed, run) for run in range(setting.runs)], axis=0).tolist()
    size = f"{setting.runs} runs of {setting.windows} windows of {setting.units} pairs, {setting.plan} planned"
    yield f"planned looks: p = {setting.rate:g}, p0 = {setting.limit:g}, {setting.looks} looks, {size}", True
    exact_max = ALPHA if setting.rate >= setting.limit else 1.0
    yield just("shown by a look", shown, setting.runs, setting.exact, exact_max=exact_max)
    line, _ = shown_only("promoted by the whole rule", promoted, setting.runs, "but no more than shown by a look")
    yield line, promoted <= shown


PARTS = (
    Part("looks", of_looks, Planned(0.01, 0.01, units=250, windows=20, runs=1_000, plan=5_000)),
    Part("looks", of_looks, Planned(0.05, 0.05, units=70, windows=20, runs=1_000, plan=1_000, looks=3)),
    Part("looks", of_looks, Planned(0.01, 0.005, units=250, windows=12, runs=200, plan=2_700)),
)
