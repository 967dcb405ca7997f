"""Candidates at their limit: seeded runs through the judge's real step, looked at after every window.

Each share is beside the exact probability of the evidence alone, found by dynamic programming over the windows. A run
is one candidate of a known rate; it is *promoted* if any of its verdicts says so, for who looks all day stops at the
first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from shadowstream.config import Config
from shadowstream.judge.evidence.rates import b_of, log_e_above, log_e_below, promotion_probability
from shadowstream.judge.step import JudgeStep
from tests.judge.claims import Line, Part, bounded, just, shown_only
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

TASK = "scores/0"
BUCKETS = 1_024
CLUSTER = 10
ICC = 0.5
INDEPENDENT = "pairs do not depend on each other"

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


def at_the_limit(setting: Setting, seed: int) -> Iterator[Line]:
    """A candidate exactly at the limit is wrongly promoted at most alpha, and wrongly rejected at most alpha."""
    runs = setting.all(seed)
    yield f"at the limit: p = p0 = {setting.limit:g}, alpha {setting.alpha:g}, {_size(setting)}", True
    for word, by_itself, exact in (
        ("promoted", "good", setting.exactly_good),
        ("rejected", "bad", setting.exactly_bad),
    ):
        yield bounded(f"falsely {word}", share(runs, word), setting.runs, setting.alpha, INDEPENDENT)
        evidence = share(runs, by_itself)
        yield just("its evidence alone, at window ends", evidence, setting.runs, exact, exact_max=setting.alpha)
    every = promotion_probability(setting.limit, setting.limit, setting.alpha, setting.units * setting.windows)
    yield (
        f"    looked at after every pair: exact {every:.8f}; claim: at most alpha {setting.alpha:g}",
        every <= setting.alpha,
    )


def in_clusters(setting: Setting, seed: int, *, never: bool = True) -> Iterator[Line]:
    """Where mismatches come in clusters, `unit: record` never promotes.

    `never` holds where a day brings enough bad units to show that they cluster. With some fifty at the limit a run in a
    thousand has seven by luck, each in a cluster of its own; there it is far under alpha, and no more can be promised.
    """
    runs = setting.all(seed)
    promoted, good, hasty = (share(runs, what) for what in ("promoted", "good", "hasty"))
    hours = setting.min_duration_ms // HOUR_MS
    yield (
        f"clusters of {CLUSTER}, ICC {ICC:g}, unit: record: p = p0 = {setting.limit:g}, alpha {setting.alpha:g}, "
        f"{_size(setting)}",
        True,
    )
    assumed = f"bad records cluster, and {hours} h show it"
    line, rare = bounded("promoted", promoted, setting.runs, setting.alpha, assumed)
    yield (f"{line}; claim: never", promoted == 0) if never else (line, rare)
    line, _ = shown_only("  by the evidence alone", good, setting.runs, f"but over alpha {setting.alpha:g}")
    yield line, good > setting.alpha * setting.runs
    yield shown_only("  by all but the least duration", hasty, setting.runs, "the assumption is broken")


def within_sixteen(setting: Setting, seed: int) -> Iterator[Line]:
    """A candidate at a quarter of the limit is shown good within 16/p0 pairs with a probability of .92 and more."""
    runs = setting.all(seed)
    units = setting.units * setting.windows
    every = promotion_probability(setting.rate, setting.limit, setting.alpha, units)
    promoted, good = share(runs, "promoted"), share(runs, "good")
    yield f"a quarter of the limit: p = {setting.rate:g}, p0 = {setting.limit:g}, {_size(setting)} = 16/p0", True
    exact = f"  E_below reaches 1/alpha, looked at after every pair: exact {every:.6f}"
    yield f"{exact}; claim: at least .92", every >= 0.92
    yield just("at window ends", good, setting.runs, setting.exactly_good)
    line, _ = shown_only("the whole rule promotes", promoted, setting.runs, "but no more than the evidence")
    yield line, promoted <= good


def _size(setting: Setting) -> str:
    return f"{setting.runs} runs of {setting.windows} windows of {setting.units} pairs"


IN_CLUSTERS = Setting(0.01, 0.01, units=500, windows=36, runs=2_000, clusters=True, min_duration_ms=24 * HOUR_MS)


PARTS = (
    Part("limit", at_the_limit, Setting(0.05, 0.05, units=50, windows=40, runs=2_000)),
    Part("limit", at_the_limit, Setting(0.01, 0.01, units=300, windows=40, runs=2_000)),
    Part("limit", in_clusters, replace(IN_CLUSTERS, units=500)),
    Part("limit", in_clusters, replace(IN_CLUSTERS, units=200), {"never": False}),
    Part("limit", within_sixteen, Setting(0.01, 0.0025, units=100, windows=16, runs=2_000)),
)
