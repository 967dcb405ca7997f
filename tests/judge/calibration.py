"""What the judge promises, against what it does: seeded runs through its real step, looked at after every window.

`make calibrate` runs all of it and prints each share beside the exact probability of the evidence alone, found by
dynamic programming over the windows. A run is one candidate of a known rate; it is *promoted* if any of its verdicts
says so, for who looks all day stops at the first.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest

from shadowstream.config import Config
from shadowstream.judge.evidence.rates import b_of, log_e_above, log_e_below, promotion_probability
from shadowstream.judge.step import JudgeStep
from tests.judge.calibration_of_auc import AUC_PARTS
from tests.judge.calibration_of_clusters import CASES, lines
from tests.judge.calibration_of_distributions import PARTS as DISTRIBUTIONS
from tests.judge.calibration_of_distributions import lines as lines_of_distributions
from tests.judge.calibration_of_looks import Planned, of_looks
from tests.judge.calibration_of_losses import LOSS_PARTS
from tests.judge.calibration_of_pairs import PARTS as PAIRED
from tests.judge.calibration_of_quantiles import PARTS as QUANTILES
from tests.judge.calibration_of_quantiles import lines as lines_of_quantiles
from tests.judge.calibration_of_slices import SliceSummary, at_the_limit_in_slices, one_bad_slice
from tests.judge.power import POWER
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
BUCKETS = 1_024
# A right judge fails a check at this level once in a thousand seeds.
DOUBT = 0.001
CLUSTER = 10
ICC = 0.5

Window: TypeAlias = Sequence[tuple[int, int, int]]
"""Buckets of keys: which, pairs, and how many of them differ."""
Draw: TypeAlias = Callable[[np.random.Generator], Window]


class Watched(NamedTuple):
    """What ever happened in one run. `good`, `bad`: the evidence alone. `hasty`: only the least duration held promote
    back."""

    promoted: bool
    rejected: bool
    good: bool
    bad: bool
    hasty: bool


def independent(rate: float, units: int) -> Draw:
    """Windows of so many pairs, each of a key of its own and bad by itself."""

    def draw(dice: np.random.Generator) -> Window:
        return _bucketed(dice.integers(BUCKETS, size=units), (dice.random(units) < rate).astype(np.int64))

    return draw


def clustered(rate: float, units: int) -> Draw:
    """Windows of so many pairs in clusters of `CLUSTER` of one key, whose intraclass correlation is `ICC`: each
    cluster's own rate is Beta distributed around `rate` (beta-binomial)."""
    size = (1.0 - ICC) / ICC

    def draw(dice: np.random.Generator) -> Window:
        clusters = units // CLUSTER
        bad = dice.binomial(CLUSTER, dice.beta(rate * size, (1.0 - rate) * size, clusters))
        return _bucketed(dice.integers(BUCKETS, size=clusters), bad, CLUSTER)

    return draw


def _bucketed(buckets: npt.NDArray[np.int64], bad: npt.NDArray[np.int64], each: int = 1) -> Window:
    found, where = np.unique(buckets, return_inverse=True)
    n = each * np.bincount(where)
    s = np.bincount(where, weights=bad).astype(np.int64)
    return list(zip(found.tolist(), n.tolist(), s.tolist(), strict=True))


def judge_of(limit: float, **judge: Any) -> Config:
    """A judge of mismatches alone: beside other criteria it would promote and reject less, never more."""
    return config(criteria=[{"rate": "mismatch", "limit": limit}], **judge)


def watched(settings: Config, windows: Iterable[Window]) -> Watched:
    """One run, with a verdict after each window."""
    step = JudgeStep(settings, REVISION, [TASK])
    promoted = rejected = good = bad = hasty = False
    for index, window in enumerate(windows):
        step.step(0, index, _record(index, window))
        verdict = step.verdict(0)
        mismatch = verdict["criteria"][0]
        promoted |= verdict["decision"] == "promote"
        rejected |= verdict["decision"] == "reject"
        good |= mismatch["shown_good"]
        bad |= mismatch["log_e_above"] >= -np.log(settings.judge.alpha)
        hasty |= all("judge.min_duration_ms" in reason for reason in verdict["reasons"])
    return Watched(promoted, rejected, good, bad, hasty)


def _record(index: int, window: Window) -> dict[str, Any]:
    n, s = sum(one[1] for one in window), sum(one[2] for one in window)
    held = cell(index * HOUR_MS, match=n - s, mismatch=s, input=n)
    held["buckets"] = [dict(zip(("bucket", "n", "s"), one, strict=True)) for one in window]
    return stats(TASK, index + 1, held, watermark_ms=(index + 1) * HOUR_MS)


@dataclass(frozen=True)
class Setting:
    """Runs of one kind. `limit`: p0; `rate`: the true one; so many windows of so many pairs."""

    limit: float
    rate: float
    units: int
    windows: int
    runs: int
    clusters: bool = False
    alpha: float = 0.05
    min_duration_ms: int = 0

    def all(self, seed: int) -> list[Watched]:
        """Each run by its own seed, so that any of them can be looked at alone."""
        return [self.one(seed, run) for run in range(self.runs)]

    def one(self, seed: int, run: int) -> Watched:
        """The run of that number."""
        settings = judge_of(self.limit, alpha=self.alpha, min_duration_ms=self.min_duration_ms)
        draw = (clustered if self.clusters else independent)(self.rate, self.units)
        dice = np.random.default_rng([seed, run])
        return watched(settings, (draw(dice) for _ in range(self.windows)))

    @property
    def exactly_good(self) -> float:
        """The exact probability that E_below reaches 1/alpha at the end of some window."""
        return ever(self, lambda n, s: log_e_below(n, s, self.limit), least=True)

    @property
    def exactly_bad(self) -> float:
        """The same of E_above."""
        return ever(self, lambda n, s: log_e_above(n, s, self.limit, b_of(self.limit)), least=False)


def ever(setting: Setting, log_e: Callable[[int, int], float], *, least: bool) -> float:
    """Dynamic programming over windows: what has not ended, by bad units; ends where log_e reaches ln(1/alpha).

    `least`: whether few bad units end it, or many.
    """
    need = -np.log(setting.alpha)
    step = binom.pmf(np.arange(setting.units + 1), setting.units, setting.rate)
    alive, ended = np.ones(1), 0.0
    for window in range(1, setting.windows + 1):
        alive, n = np.convolve(alive, step), window * setting.units
        low, high = (-1, n + 1)
        while high - low > 1:  # the greatest s at which it ends, or the least
            middle = (low + high) // 2
            low, high = (middle, high) if (log_e(n, middle) >= need) == least else (low, middle)
        stops = slice(0, low + 1) if least else slice(high, None)
        ended += float(alive[stops].sum())
        alive[stops] = 0.0
    return ended


def share(runs: Sequence[Watched], what: str) -> int:
    """In how many runs it ever happened."""
    return sum(getattr(run, what) for run in runs)


def rate_max(happened: int, runs: int, alpha: float) -> float:
    """p-value of the exact binomial test of "at most alpha": small where it happened too often."""
    return float(binomtest(happened, runs, alpha, alternative="greater").pvalue)


def agrees(happened: int, runs: int, exact: float) -> float:
    """p-value of the exact binomial test of "just this probability"."""
    return float(binomtest(happened, runs, exact).pvalue)


def at_the_limit(setting: Setting, seed: int) -> Iterator[tuple[str, bool]]:
    """A candidate exactly at the limit is wrongly promoted at most alpha, and wrongly rejected at most alpha."""
    runs = setting.all(seed)
    yield f"at the limit: p = p0 = {setting.limit:g}, alpha {setting.alpha:g}, {_size(setting)}", True
    for word, by_itself, exact in (
        ("promoted", "good", setting.exactly_good),
        ("rejected", "bad", setting.exactly_bad),
    ):
        whole, evidence = share(runs, word), share(runs, by_itself)
        p_max, p_exact = rate_max(whole, setting.runs, setting.alpha), agrees(evidence, setting.runs, exact)
        yield (
            f"  falsely {word}: {whole} of {setting.runs} ({whole / setting.runs:.4f}), at most {setting.alpha:g}: "
            f"binomial test p = {p_max:.3g}",
            p_max >= DOUBT,
        )
        yield (
            f"    its evidence alone, at window ends: {evidence} ({evidence / setting.runs:.4f}); exact {exact:.6f}, "
            f"p = {p_exact:.3g}",
            p_exact >= DOUBT and exact <= setting.alpha,
        )
    every = promotion_probability(setting.limit, setting.limit, setting.alpha, setting.units * setting.windows)
    yield f"    looked at after every pair: exact {every:.8f}", every <= setting.alpha


def in_clusters(setting: Setting, seed: int, *, never: bool = True) -> Iterator[tuple[str, bool]]:
    """Where mismatches come in clusters, `unit: record` never promotes.

    `never` holds where a day brings enough bad units to show that they cluster. With some fifty at the limit a run in a
    thousand has seven by luck, each in a cluster of its own; there it is far under alpha, and no more can be promised.
    """
    runs = setting.all(seed)
    promoted, good, hasty = (share(runs, what) for what in ("promoted", "good", "hasty"))
    hours = setting.min_duration_ms // HOUR_MS
    p_max = rate_max(promoted, setting.runs, setting.alpha)
    yield (
        f"clusters of {CLUSTER}, ICC {ICC:g}, unit: record: p = p0 = {setting.limit:g}, alpha {setting.alpha:g}, "
        f"{_size(setting)}",
        True,
    )
    yield (
        f"  promoted: {promoted} of {setting.runs}, after the least duration of {hours} h"
        + ("" if never else f"; at most {setting.alpha:g}: binomial test p = {p_max:.3g}"),
        promoted == 0 if never else p_max >= DOUBT,
    )
    yield f"    by the evidence alone: {good} ({good / setting.runs:.4f})", good > setting.alpha * setting.runs
    yield f"    by all but the least duration: {hasty} ({hasty / setting.runs:.4f})", True


def within_sixteen(setting: Setting, seed: int) -> Iterator[tuple[str, bool]]:
    """A candidate at a quarter of the limit is shown good within 16/p0 pairs with a probability of .92 and more."""
    runs = setting.all(seed)
    units = setting.units * setting.windows
    every = promotion_probability(setting.rate, setting.limit, setting.alpha, units)
    promoted, good = share(runs, "promoted"), share(runs, "good")
    p_exact = agrees(good, setting.runs, setting.exactly_good)
    yield f"a quarter of the limit: p = {setting.rate:g}, p0 = {setting.limit:g}, {_size(setting)} = 16/p0", True
    yield f"  E_below reaches 1/alpha, looked at after every pair: exact {every:.6f}, at least .92", every >= 0.92
    yield (
        f"    at window ends: {good} of {setting.runs} ({good / setting.runs:.4f}); exact {setting.exactly_good:.6f}, "
        f"p = {p_exact:.3g}",
        p_exact >= DOUBT,
    )
    yield f"  the whole rule promotes: {promoted} ({promoted / setting.runs:.4f})", promoted <= good


def _size(setting: Setting) -> str:
    return f"{setting.runs} runs of {setting.windows} windows of {setting.units} pairs"


IN_CLUSTERS = Setting(0.01, 0.01, units=500, windows=36, runs=2_000, clusters=True, min_duration_ms=24 * HOUR_MS)


PARTS: tuple[Callable[[int], Iterator[tuple[str, bool]]], ...] = (
    lambda seed: at_the_limit(Setting(0.05, 0.05, units=50, windows=40, runs=2_000), seed),
    lambda seed: at_the_limit(Setting(0.01, 0.01, units=300, windows=40, runs=2_000), seed),
    lambda seed: in_clusters(replace(IN_CLUSTERS, units=500), seed),
    lambda seed: in_clusters(replace(IN_CLUSTERS, units=200), seed, never=False),
    lambda seed: within_sixteen(Setting(0.01, 0.0025, units=100, windows=16, runs=2_000), seed),
    lambda seed: at_the_limit_in_slices(SliceSummary(0.01, values=8, units=200, windows=24, runs=2_000), seed),
    lambda seed: at_the_limit_in_slices(SliceSummary(0.05, values=40, units=20, windows=24, runs=2_000), seed),
    lambda seed: one_bad_slice(
        SliceSummary(0.01, values=20, units=5, windows=24, runs=200, rate=0.0, bad_value=0.5), seed
    ),
    *(partial(lines, case) for case in CASES),
    *POWER,
    *LOSS_PARTS,
    *PAIRED,
    *AUC_PARTS,
    lambda seed: of_looks(Planned(0.01, 0.01, units=250, windows=20, runs=1_000, plan=5_000), seed),
    lambda seed: of_looks(Planned(0.05, 0.05, units=70, windows=20, runs=1_000, plan=1_000, looks=3), seed),
    lambda seed: of_looks(Planned(0.01, 0.005, units=250, windows=12, runs=200, plan=2_700), seed),
    *(partial(lines_of_quantiles, part) for part in range(len(QUANTILES))),
    *(partial(lines_of_distributions, part) for part in range(len(DISTRIBUTIONS))),
)


def lines_of(part: int, seed: int) -> list[tuple[str, bool]]:
    """The lines of one part, and whether each holds."""
    return list(PARTS[part](seed=seed))


def main(seed: int = 8) -> int:
    """All of it on all cores, printed; 1 where something is not as it must be."""
    began, failed = time.monotonic(), 0
    with ProcessPoolExecutor() as pool:
        for lines in pool.map(lines_of, range(len(PARTS)), repeat(seed)):
            for line, holds in lines:
                failed += not holds
                print(line if holds else f"{line}   <- FAILED", flush=True)
    print(f"{time.monotonic() - began:.0f} s; {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
