"""What each part of `make calibrate` claims: a share of runs, its exact interval, and the bound that may refute it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from scipy.stats import binomtest

DOUBT = 0.001
"""A right judge fails a check at this level once in a thousand seeds."""
RUNS_LEAST = 80
"""With none in so many runs, the interval of a share ends at 0.045: under an alpha of 0.05."""

Line: TypeAlias = tuple[str, bool]
"""A line to print, and whether its claim holds; a line without a claim holds."""


def rate_max(happened: int, runs: int, alpha: float) -> float:
    """p-value of the exact binomial test of "at most alpha": small where it happened too often."""
    return float(binomtest(happened, runs, alpha, alternative="greater").pvalue)


def agrees(happened: int, runs: int, exact: float) -> float:
    """p-value of the exact binomial test of "just this probability"."""
    return float(binomtest(happened, runs, exact).pvalue)


def limits(happened: int, runs: int) -> tuple[float, float]:
    """Exact binomial interval (Clopper and Pearson), 95 %."""
    found = binomtest(happened, runs).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def share_of(happened: int, runs: int) -> str:
    """The count, its share and the exact interval of the share.

    >>> share_of(3, 100)
    '3 of 100 (0.0300 [0.0062, 0.0852])'
    """
    low, high = limits(happened, runs)
    return f"{happened} of {runs} ({happened / runs:.4f} [{low:.4f}, {high:.4f}])"


def bounded(word: str, happened: int, runs: int, alpha: float, assumption: str) -> Line:
    """The claim that something happens in at most alpha of all runs, where its assumption holds."""
    p = rate_max(happened, runs, alpha)
    claim = f"claim: at most alpha {alpha:g}, assumption: {assumption}"
    return f"  {word}: {share_of(happened, runs)}; {claim}; p = {p:.3g}", p >= DOUBT


def shown_only(word: str, happened: int, runs: int, why: str) -> Line:
    """A share without a claim."""
    return f"  {word}: {share_of(happened, runs)}; no claim, {why}", True


def just(word: str, happened: int, runs: int, exact: float, *, exact_max: float = 1.0) -> Line:
    """The claim that something happens with a probability found apart, which is bounded itself."""
    p = agrees(happened, runs, exact)
    bound = f" of at most {exact_max:g}" if exact_max < 1.0 else ""
    claim = f"claim: the exact probability {exact:.6f}{bound}"
    return f"    {word}: {share_of(happened, runs)}; {claim}; p = {p:.3g}", p >= DOUBT and exact <= exact_max


@dataclass(frozen=True)
class Part:
    """A check of one setting.

    `check`: called with the setting, a seed and `more`; gives lines. `least`: as many runs stay at any share, where the
    setting has them.
    """

    subject: str
    check: Callable[..., Iterable[Line]]
    setting: Any
    more: Mapping[str, Any] = field(default_factory=dict)
    least: int = RUNS_LEAST

    @property
    def title(self) -> str:
        """A name for progress and for the choice of parts."""
        return f"{self.subject}: {self.check.__name__} {self.setting}"

    def lines(self, seed: int, share: float = 1.0) -> list[Line]:
        """The lines of that share of the setting's runs."""
        runs = self.setting.runs
        fewer = replace(self.setting, runs=min(runs, max(self.least, round(share * runs))))
        return list(self.check(fewer, seed=seed, **self.more))
