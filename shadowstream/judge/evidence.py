"""Evidence that may be looked at as often as one likes.

Everything here is an *e-value*: under its null hypothesis its expectation is at most 1 at every time, stopped by any
rule, so "reject when E >= 1/alpha" errs with a probability of at most alpha however often somebody looks
(Ville's inequality). The state is two integers (n units, s of them bad), or sums of integers, so that any order,
any split into partitions and any restart gives the same bits.

Rates: the uniform prior cut to one side of the limit, the one-sided beta-binomial mixture of Howard et al.,
"Time-uniform, nonparametric, nonasymptotic confidence sequences" (arXiv 1810.08240) section 3, and
Grunwald & Koolen (arXiv 2502.04208). Means: the betting grid of Waudby-Smith & Ramdas (arXiv 2010.09686).

It asks only that each unit be bad with a probability of at least (at most) the limit *given the past*; units need not
be independent of time. They must be the right units: mismatches that come in clusters make records the wrong ones.

Every function takes scalars or numpy arrays (broadcast against each other) and gives a scalar for scalars. Counts are
exact up to n = 1e9 and more: nothing is computed as a difference of large logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from scipy import special

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Count: TypeAlias = int | Array
Rate: TypeAlias = float | Array

# Below this the incomplete beta function is near the end of the doubles and its continued fraction takes over.
_TINY = 1e-290
_LOGIT_MAX = 100.0
_SCALE_BITS = 42
_BETS = 10
_CHUNK = 50_000


@overload
def log_e_below(n: int, s: int, p0: float) -> float: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def log_e_below(n: Count, s: Count, p0: Rate) -> Floats: ...
def log_e_below(n: Count, s: Count, p0: Rate) -> Any:
    """Natural log of the evidence that the rate lies below `p0`, after `s` bad units in `n`.

    H0: rate >= p0. E = (1/p0) * integral over p in (0, p0) of (p/p0)^s ((1-p)/(1-p0))^(n-s).
    Grows with `n` and `p0`, falls with `s`; 0 at n = 0. Raises ValueError unless 0 <= s <= n and 0 < p0 < 1.

    >>> round(log_e_below(1000, 3, 0.01), 10)
    2.5935579004
    >>> bool(log_e_below(449, 0, 0.01) >= math.log(1 / 0.05) > log_e_below(448, 0, 0.01))
    True
    """
    return _each(_log_e_below, n, s, p0)


@overload
def log_e_above(n: int, s: int, p1: float) -> float: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def log_e_above(n: Count, s: Count, p1: Rate) -> Floats: ...
def log_e_above(n: Count, s: Count, p1: Rate) -> Any:
    """Natural log of the evidence that the rate lies above `p1`: the mirror image of `log_e_below` on (p1, 1).

    H0: rate <= p1. Raises ValueError unless 0 <= s <= n and 0 < p1 < 1.

    >>> round(log_e_above(1000, 3, 0.01), 9)
    -6.596810844
    """
    return _each(_log_e_above, n, s, p1)


@overload
def upper_limit(n: int, s: int, alpha: float) -> float: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def upper_limit(n: Count, s: Count, alpha: Rate) -> Floats: ...
def upper_limit(n: Count, s: Count, alpha: Rate) -> Any:
    """One-sided upper limit of the rate, valid at all times at once: sup{p : E_below(n, s, p) < 1/alpha}.

    1 where no rate can be excluded (n = s). Under `p0` exactly when `log_e_below` reaches ln(1/alpha) there.

    >>> round(upper_limit(1000, 0, 0.05), 9)
    0.004502094
    """
    return _each(_upper_limit, n, s, alpha)


@overload
def lower_limit(n: int, s: int, alpha: float) -> float: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def lower_limit(n: Count, s: Count, alpha: Rate) -> Floats: ...
def lower_limit(n: Count, s: Count, alpha: Rate) -> Any:
    """One-sided lower limit of the rate, valid at all times at once: inf{p : E_above(n, s, p) < 1/alpha}; 0 at s = 0.

    >>> round(lower_limit(50, 15, 0.05), 9)
    0.133398249
    """
    return _each(_lower_limit, n, s, alpha)


@overload
def critical_n(s: int, p0: float, alpha: float) -> int: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def critical_n(s: Count, p0: Rate, alpha: Rate) -> Ints: ...
def critical_n(s: Count, p0: Rate, alpha: Rate) -> Any:
    """The least n at which `s` bad units show a rate below `p0`: E_below(n, s, p0) >= 1/alpha from there on.

    >>> critical_n(0, 0.01, 0.05), critical_n(10, 0.01, 0.05)
    (449, 2174)
    """
    return _each(_critical_n, s, p0, alpha)


def false_promotion(p0: float, alpha: float, n_max: int) -> float:
    """The exact probability that a candidate *at* the limit is ever shown below it within `n_max` units. <= alpha.

    >>> round(false_promotion(0.05, 0.05, 2000), 8)
    0.03810178
    """
    return promotion_probability(p0, p0, alpha, n_max)


def promotion_probability(p: float, p0: float, alpha: float, n_max: int) -> float:
    """The exact probability that E_below(., ., p0) reaches 1/alpha within `n_max` units of independent rate `p`.

    Dynamic programming over (n, s), which only adds and so loses nothing. A path ends at the cells
    (critical_n(s), s); one with more bad units than the last of them cannot end within `n_max` and is dropped.
    Time grows with n_max * n_max * p0: 0.1 s at n_max 20,000 and p0 .01.
    """
    _check_rate("p", p)
    ends = critical_n(np.arange(int(n_max * p0) + 1), p0, alpha)
    ends = ends[ends <= n_max]
    alive = np.zeros(len(ends))
    alive[:1] = 1.0
    promoted, n = 0.0, 0
    for s, end in enumerate(ends.tolist()):
        while n < end:
            carried = alive[:-1] * p
            alive *= 1.0 - p
            alive[1:] += carried
            n += 1
        promoted += float(alive[s])
        alive[s] = 0.0
    return promoted


def planned_n(p: float, p0: float, alpha: float) -> float:
    """About how many units it takes to show a true rate `p` below `p0`: (ln(1/alpha) + 0.7) / KL(p || p0), rounded up.

    For plans only, and low for small counts: `critical_n` is the exact number for a given s. Infinite where p >= p0.

    >>> planned_n(0.0025, 0.01, 0.05)
    910.0
    """
    _check_rate("alpha", alpha)
    _check_rate("p0", p0)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if p >= p0:
        return math.inf
    divergence = float(special.xlogy(p, p / p0) + special.xlog1py(1.0 - p, (p0 - p) / (1.0 - p0)))
    return float(math.ceil((0.7 - math.log(alpha)) / divergence))


def least_caught_rate(n: int, p1: float, alpha: float, power: float = 0.9) -> float:
    """What a verdict could have missed: the least true rate whose excess over `p1` E_above shows at this n.

    "Shows" means E_above(n, s, p1) >= 1/alpha with a probability of at least `power` when s ~ Binomial(n, rate),
    looking once, at n; who looked all along had at least this power. NaN where no count would have been enough.

    >>> round(least_caught_rate(1000, 0.01, 0.05), 4)
    0.0315
    """
    _check_rate("alpha", alpha)
    _check_rate("power", power)
    low, high = -1, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        shown = _log_e_above(n, middle, p1) >= -math.log(alpha)
        low, high = (low, middle) if shown else (middle, high)
    return math.nan if high > n else float(special.betaincinv(high, n - high + 1, power))


@overload
def log_e_mcnemar(b: int, c: int) -> float: ...  # type: ignore[overload-overlap]  # scalars fit both
@overload
def log_e_mcnemar(b: Count, c: Count) -> Floats: ...
def log_e_mcnemar(b: Count, c: Count) -> Any:
    """Paired evidence that the candidate is better: H0 "the share of b among discordant pairs is at least 1/2".

    b: production right and candidate wrong; c: the reverse. Concordant pairs carry nothing (McNemar 1947); the
    discordant ones are Bernoulli(1/2) under equality, so this is `log_e_below` at 1/2. Swap b and c for "worse".

    >>> round(log_e_mcnemar(10, 25), 8)
    2.33594015
    """
    return log_e_below(b + c, b, 0.5)


def alpha_of_attempt(alpha: float, attempt: int) -> float:
    """Level for the k-th attempt at one release: alpha * 6 / (pi^2 k^2), which adds up to alpha over all attempts."""
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    _check_rate("alpha", alpha)
    return alpha * 6.0 / (math.pi * attempt) ** 2


@dataclass(frozen=True, slots=True)
class GridSums:
    """Additive state of the betting grid against the mean `m`: n values and, for each bet, its log wealth.

    `sums` are integers in units of 2**-42: sums of floats would depend on order. Each term is rounded *down*, so that
    the evidence is never more than the exact one. Python integers: a stream has no end, 64 bits do.
    """

    m: float
    n: int = 0
    sums: tuple[int, ...] = (0,) * _BETS

    @classmethod
    def of(cls, y: Array, m: float) -> GridSums:
        """State after the values `y` (shape (n,), each in [0, 1]). ValueError on anything else, NaN included."""
        _check_rate("m", m)
        values = np.asarray(y, dtype=np.float64).ravel()
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError(
                "values of a bounded mean must lie in [0, 1]; scale them and drop NaN (and count it) first"
            )
        bets = (0.999 / (1.0 - m)) * np.linspace(0.1, 1.0, _BETS)
        sums = [0] * _BETS
        # A term is under 40 nats, so that a chunk of 2**-42 units fits 64 bits with room to spare.
        for start in range(0, len(values), _CHUNK):
            excess = values[start : start + _CHUNK] - m
            for j, bet in enumerate(bets):
                sums[j] += int(np.floor(np.ldexp(np.log1p(-bet * excess), _SCALE_BITS)).astype(np.int64).sum())
        return cls(m=m, n=len(values), sums=tuple(sums))

    def __add__(self, other: GridSums) -> GridSums:
        if self.m != other.m:
            raise ValueError(f"sums against the mean {self.m} cannot be added to sums against {other.m}")
        added = tuple(a + b for a, b in zip(self.sums, other.sums, strict=True))
        return GridSums(self.m, self.n + other.n, added)

    @property
    def log_e(self) -> float:
        """Natural log of the evidence that the mean lies below `m`; 0 at n = 0."""
        wealth = np.array([total / 2**_SCALE_BITS for total in self.sums])
        return float(special.logsumexp(wealth) - math.log(_BETS))


def log_e_grid(y: Array, m: float) -> float:
    """Natural log of the evidence that the mean of values in [0, 1] lies below `m`. H0: E[y | past] >= m.

    E = mean over j of prod_i (1 - lambda_j (y_i - m)), lambda_j = 0.999/(1-m) * linspace(0.1, 1, 10): Waudby-Smith &
    Ramdas (arXiv 2010.09686) section 4, with bets fixed beforehand, hence free of order. `GridSums` is the additive
    state. For evidence *above* m give 1 - y and 1 - m.

    >>> round(log_e_grid(np.tile([0, .02, 0, 0, .01, 0, .05, 0, 0, 0], 40), 0.05), 10)
    15.1403996184
    """
    return GridSums.of(y, m).log_e


def _log_e_below(n: int, s: int, p0: float) -> float:
    _check(n, s, "p0", p0)
    return _log_e(n, s, p0, 1.0 - p0)


def _log_e_above(n: int, s: int, p1: float) -> float:
    _check(n, s, "p1", p1)
    return _log_e(n, n - s, 1.0 - p1, p1)


def _upper_limit(n: int, s: int, alpha: float) -> float:
    _check(n, s, "alpha", alpha)
    return _expit(_limit_logit(n, s, -math.log(alpha)))


def _lower_limit(n: int, s: int, alpha: float) -> float:
    _check(n, s, "alpha", alpha)
    return _expit(-_limit_logit(n, n - s, -math.log(alpha)))


def _critical_n(s: int, p0: float, alpha: float) -> int:
    _check_rate("alpha", alpha)
    need = -math.log(alpha)
    low, high = s, s + 1
    while _log_e_below(high, s, p0) < need:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _log_e_below(middle, s, p0) < need else (low, middle)
    return high


def _log_e(n: int, s: int, p: float, q: float) -> float:
    """ln E_below with the limit given as p and q = 1 - p, each as precise as the caller has it.

    Two forms of one integral. Where the beta function is ordinary, with pmf the binomial probability of s:
    E = I_p(s+1, n-s+1) / (p (n+1) pmf). Where it underflows, its continued fraction (DLMF 8.17.22), in which every
    power cancels: E = q / (s+1) * CF. That is far out in the tail, where the fraction converges in a few terms.
    """
    a, b = s + 1.0, n - s + 1.0
    inside = float(special.betainc(a, b, p) if p <= 0.5 else special.betaincc(b, a, q))
    if inside < _TINY:
        return math.log(q) - math.log(a) + math.log(_fraction(a, b, p))
    return math.log(inside) - math.log(p) - math.log(n + 1.0) - _log_pmf(n, s, p, q)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function for x below its mean, by Lentz's method."""
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    value, m = d, 0
    while abs(c * d - 1.0) > 1e-14:
        m += 1
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d, c = 1.0 / (1.0 + term * d), 1.0 + term / c
            value *= d * c
    return value


def _log_pmf(n: int, s: int, p: float, q: float) -> float:
    """ln of the binomial probability of s in n, by Loader's saddle-point form ("Fast and accurate computation of
    binomial probabilities", 2000): the deviance is computed as such, not as a difference of log-gammas."""
    good = n - s
    if s == 0:
        return n * (math.log1p(-p) if p <= 0.5 else math.log(q))
    if good == 0:
        return n * (math.log(p) if p <= 0.5 else math.log1p(-q))
    excess = s - n * p if p <= 0.5 else n * q - good
    deviance = _deviance(n * p, excess) + _deviance(n * q, -excess)
    corrections = _stirling_error(n) - _stirling_error(s) - _stirling_error(good)
    return corrections - deviance + 0.5 * (math.log(n) - math.log(2.0 * math.pi * s) - math.log(good))


def _deviance(mean: float, excess: float) -> float:
    """x ln(x / mean) - x + mean for x = mean + excess > 0, without their difference."""
    t = excess / mean
    return mean * ((1.0 + t) * math.log1p(t) - t) if t > -1.0 else mean


def _stirling_error(k: int) -> float:
    """ln k! less Stirling's formula."""
    if k < 16:
        return math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2.0 * math.pi)
    r = 1.0 / k
    return r * (1 / 12 - r**2 * (1 / 360 - r**2 * (1 / 1260 - r**2 * (1 / 1680 - r**2 / 1188))))


def _limit_logit(n: int, s: int, need: float) -> float:
    """The logit of the p at which ln E_below reaches `need`; infinite where none does.

    E_below grows with p and d ln E / d logit p = q/E - (s+1) q + (n-s) p, so Newton inside a bracket finds it.
    """
    if n == s:
        return math.inf
    low, high = -_LOGIT_MAX, _LOGIT_MAX
    at = math.log((s + 0.5) / (n - s + 0.5)) + 0.5
    while True:
        p, q = _expit(at), _expit(-at)
        log_e = _log_e(n, s, p, q)
        low, high = (at, high) if log_e < need else (low, at)
        slope = q * math.exp(-log_e) - (s + 1.0) * q + (n - s) * p
        after = at - (log_e - need) / slope if slope > 0.0 else math.nan
        if not low < after < high:
            after = (low + high) / 2.0
        if abs(after - at) <= 1e-14 * (1.0 + abs(at)):
            return after
        at = after


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -_LOGIT_MAX else math.exp(x)


def _each(one: Callable[..., Any], *arguments: Count | Rate) -> Any:
    """`one` for scalars, or for each element of the arguments broadcast against each other: the same bits in both."""
    if all(isinstance(argument, int | float) for argument in arguments):
        return one(*arguments)
    arrays = np.broadcast_arrays(*arguments)
    found = [one(*elements) for elements in zip(*(array.ravel().tolist() for array in arrays), strict=True)]
    return np.array(found).reshape(arrays[0].shape) if arrays[0].ndim else found[0]


def _check(n: int, s: int, name: str, rate: float) -> None:
    _check_rate(name, rate)
    if not (isinstance(n, int) and isinstance(s, int) and 0 <= s <= n):
        raise ValueError(f"counts must be whole numbers with 0 <= s (bad units) <= n (units), got s={s!r}, n={n!r}")


def _check_rate(name: str, rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, got {rate!r}")
