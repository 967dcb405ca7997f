"""Latency quantiles: how often equal sides are ever promoted or rejected, and how soon unequal ones are decided.

Part of `make calibrate` (tests/judge/calibration.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.judge.evidence.quantiles import RatioEvidence
from shadowstream.judge.latency_sketch import Sketch
from shadowstream.judge.step import JudgeStep
from shadowstream.protocol.latency_buckets import LOG_GROWTH
from tests.judge.claims import Line, Part, bounded, share_of, shown_only
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
APART = "slow pairs do not come together"
Latencies = npt.NDArray[np.float64]


class Decided(NamedTuple):
    """The pairs at which a run was first promoted and first rejected, and whether its evidence was ever shown good."""

    promoted: int | None
    rejected: int | None
    good: bool


@dataclass(frozen=True)
class Pairs:
    """Runs of paired latencies: lognormal, half of the spread common to both sides, the candidate `slower` times.

    `burst`: so many pairs in a row share the spread of their side.
    """

    ratio: float
    slower: float = 1.0
    quantile: float = 0.99
    units: int = 500
    windows: int = 30
    runs: int = 400
    burst: int = 1
    alpha: float = 0.05

    def window(self, dice: np.random.Generator) -> tuple[Latencies, Latencies]:
        shared, first, second = (dice.standard_normal(self.units // self.burst).repeat(self.burst) for _ in range(3))
        latencies = [np.ceil(50.0 * np.exp(0.5 * (shared + own) / np.sqrt(2.0))) for own in (first, second)]
        return latencies[0], np.ceil(latencies[1] * self.slower)

    def one(self, seed: int, run: int) -> Decided:
        """The run of that number, with a verdict after each window."""
        dice = np.random.default_rng([seed, run])
        criterion = {"rate": "latency", "quantile": self.quantile, "ratio": self.ratio}
        step = JudgeStep(config(criteria=[criterion], alpha=self.alpha, min_duration_ms=0), REVISION, [TASK])
        promoted, rejected, good = None, None, False
        for index in range(self.windows):
            step.step(0, index, record_of(index, *self.window(dice)))
            verdict = step.verdict(0)
            pairs, decision = (index + 1) * self.units, verdict["decision"]
            good |= next(one["shown_good"] for one in verdict["criteria"] if one["rate"].startswith("latency"))
            promoted = pairs if promoted is None and decision == "promote" else promoted
            rejected = pairs if rejected is None and decision == "reject" else rejected
            if decision == "reject":
                break
        return Decided(promoted, rejected, good)

    def evidence(self, seed: int, run: int) -> tuple[bool, bool]:
        """Whether the evidence ever reaches 1/alpha against either claim, looked at after each window."""
        dice, sketch = np.random.default_rng([seed, run]), (Counter[int](), Counter[int]())
        good = bad = False
        for _ in range(self.windows):
            for side, values in zip(sketch, self.window(dice), strict=True):
                side.update(counted(values))
            found = RatioEvidence(Sketch(*sketch), self.quantile, self.ratio)
            good |= found.log_e_below() >= -np.log(self.alpha)
            bad |= found.log_e_above() >= -np.log(self.alpha)
        return good, bad

    def all(self, seed: int) -> list[Decided]:
        """All runs, each by its own seed."""
        return [self.one(seed, run) for run in range(self.runs)]

    @property
    def named(self) -> str:
        kind = f"bursts of {self.burst}" if self.burst > 1 else "no bursts"
        return (
            f"p{100 * self.quantile:g}, ratio {self.ratio:g}, the candidate {self.slower:g} times as slow, {kind}, "
            f"{self.runs} runs of {self.windows} windows of {self.units} pairs"
        )


def record_of(index: int, production: Latencies, candidate: Latencies, seq: int | None = None) -> dict[str, Any]:
    """A stats record of one window of matching pairs with these latencies."""
    n = len(production)
    held = cell(index * HOUR_MS, match=n, input=n, latency_pairs=n)
    held["latencies"] = [
        {"side": side, "bucket": bucket, "n": pairs}
        for side, values in (("production", production), ("shadow", candidate))
        for bucket, pairs in counted(values).items()
    ]
    return stats(TASK, seq or index + 1, held, watermark_ms=(index + 1) * HOUR_MS)


def counted(latencies_ms: Latencies) -> Mapping[int, int]:
    """Pairs by bucket of the sketch; all latencies are above 0."""
    found, n = np.unique(np.ceil(np.log(latencies_ms) / LOG_GROWTH).astype(np.int64), return_counts=True)
    return dict(zip(found.tolist(), n.tolist(), strict=True))


def at_the_ratio(setting: Pairs, seed: int) -> Iterator[Line]:
    """The evidence alone: of a candidate exactly at the ratio it ever errs in at most alpha of all runs, either way."""
    found = [setting.evidence(seed, run) for run in range(setting.runs)]
    yield f"latency at the ratio: {setting.named}", True
    yield bounded("falsely shown good", sum(good for good, _ in found), setting.runs, setting.alpha, APART)
    yield bounded("falsely shown bad", sum(bad for _, bad in found), setting.runs, setting.alpha, APART)


def in_bursts(setting: Pairs, seed: int) -> Iterator[Line]:
    """The whole judge where the assumption is broken: shown, and no promise."""
    runs, broken = setting.all(seed), f"broken: {APART}"
    yield f"latency at the ratio: {setting.named}", True
    for word in ("promoted", "rejected"):
        happened = sum(getattr(run, word) is not None for run in runs)
        yield shown_only(f"falsely {word}", happened, setting.runs, broken)
    yield shown_only("  by the evidence alone shown good", sum(run.good for run in runs), setting.runs, broken)


def power(setting: Pairs, seed: int, word: str, least: float) -> Iterator[Line]:
    """A candidate beside the ratio is promoted, or rejected, in at least that share of all runs."""
    pairs = [getattr(run, word) for run in setting.all(seed)]
    decided = sorted(n for n in pairs if n is not None)
    median = f", median {decided[len(decided) // 2]:,} pairs" if 2 * len(decided) > setting.runs else ""
    found = share_of(len(decided), setting.runs)
    yield (
        f"latency power: {setting.named}: {word} {found}; claim: at least {least:g}{median}",
        len(decided) >= least * setting.runs,
    )


PARTS = (
    Part("latency", at_the_ratio, Pairs(1.0, runs=2_000)),
    Part("latency", at_the_ratio, Pairs(1.0, quantile=0.5, units=100, runs=2_000)),
    Part("latency", at_the_ratio, Pairs(1.2, slower=1.2, runs=2_000)),
    Part("latency", in_bursts, Pairs(1.0, burst=10, runs=100)),
    Part("latency", in_bursts, Pairs(1.0, burst=50, runs=100)),
    Part("latency", power, Pairs(1.2, windows=80, runs=40), {"word": "promoted", "least": 0.9}),
    Part("latency", power, Pairs(1.5, runs=40), {"word": "promoted", "least": 0.9}),
    Part("latency", power, Pairs(2.0, runs=40), {"word": "promoted", "least": 0.9}),
    Part("latency", power, Pairs(1.2, slower=2.0, runs=40), {"word": "rejected", "least": 0.9}),
    Part("latency", power, Pairs(1.2, slower=3.0, runs=40), {"word": "rejected", "least": 0.9}),
)
