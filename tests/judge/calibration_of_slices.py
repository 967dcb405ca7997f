"""The level that all slices share, measured: every value of every dimension exactly at the limit, looked at after each
window. Part of `make calibrate` (tests/judge/calibration.py)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.slice_guard import guard
from tests.judge.claims import Line, Part, bounded, share_of
from tests.judge.stats_records import HOUR_MS, REVISION, stats
from tests.judge.trials_by_slice import TASK, hour, sliced


@dataclass(frozen=True)
class SliceSummary:
    """Runs of one kind: so many values of one dimension with so many pairs each in every window."""

    limit: float
    values: int
    units: int
    windows: int
    runs: int
    rate: float | None = None
    bad_value: float | None = None
    alpha: float = 0.05

    def held(self, seed: int) -> int:
        """In how many runs some slice ever held a promote back."""
        return sum(self.one(seed, run) for run in range(self.runs))

    def one(self, seed: int, run: int) -> bool:
        """Whether it did in the run of that number. The first value is bad at `bad_value`, where that is given."""
        dice = np.random.default_rng([seed, run])
        criteria = [{"rate": "mismatch", "limit": self.limit}, {"rate": "missing", "limit": self.limit}]
        step = JudgeStep(sliced(criteria=criteria, alpha=self.alpha), REVISION, [TASK])
        rates = np.full(self.values, self.limit if self.rate is None else self.rate)
        if self.bad_value is not None:
            rates[0] = self.bad_value
        for index in range(self.windows):
            lost = dice.binomial(self.units, rates if self.bad_value is None else np.zeros(self.values))
            bad = dice.binomial(self.units - lost, rates)
            values = {
                f"t{place}": {"n": self.units - int(gone), "s": int(s), "missing": int(gone)}
                for place, (s, gone) in enumerate(zip(bad, lost, strict=True))
            }
            n, s = (sum(one[name] for one in values.values()) for name in "ns")
            held = hour(index, values, match=n - s, mismatch=s, missing=int(lost.sum()), input=n)
            step.step(0, index, stats(TASK, index + 1, held, watermark_ms=(index + 1) * HOUR_MS))
            # What `evaluate` asks: a verdict would leave it out where the whole is rejected already.
            if guard(step.config, self.alpha, step.measures, step.windows.figures).bad:
                return True
        return False


def at_the_limit_in_slices(setting: SliceSummary, seed: int) -> Iterator[Line]:
    """Where every slice lies exactly at the limit, one of them is shown bad in at most alpha of all runs."""
    yield f"slices: {setting.values} values, each at p = p0 = {setting.limit:g} of two criteria, {_size(setting)}", True
    assumed = "pairs do not depend on each other"
    yield bounded("falsely held back by some slice", setting.held(seed), setting.runs, setting.alpha, assumed)


def one_bad_slice(setting: SliceSummary, seed: int) -> Iterator[Line]:
    """Where one slice is wrong and the others are good, it holds the promote back."""
    held = setting.held(seed)
    yield (
        f"slices: one of {setting.values} at {setting.bad_value:g}, the others at {setting.rate:g}, {_size(setting)}: "
        f"held back in {share_of(held, setting.runs)}; claim: in all",
        held == setting.runs,
    )


def _size(setting: SliceSummary) -> str:
    return f"{setting.runs} runs of {setting.windows} windows of {setting.units} pairs a value"


PARTS = (
    Part("slices", at_the_limit_in_slices, SliceSummary(0.01, values=8, units=200, windows=24, runs=2_000)),
    Part("slices", at_the_limit_in_slices, SliceSummary(0.05, values=40, units=20, windows=24, runs=2_000)),
    Part(
        "slices", one_bad_slice, SliceSummary(0.01, values=20, units=5, windows=24, runs=200, rate=0.0, bad_value=0.5)
    ),
)
