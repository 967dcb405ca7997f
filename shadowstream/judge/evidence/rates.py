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

Every function takes scalars or numpy arrays (broadcast against each other) and gives a scalar for scalars; only the
values of `grid_sums` and `log_e_grid` are an array always, and their mean one number. Counts are exact up to n = 1e9
and more: nothing is computed as a difference of large logarithms.
"""

import math
from functools import lru_cache

import numpy as np

from shadowstream.judge.evidence.binomial_mixture import check, expit, limit_logit, log_e, vectorised
from shadowstream.judge.evidence.bounded_mean import GridSums, log_e_grid
from shadowstream.protocol.mean_sums import check_rate, grid_sums

__all__ = [
    "GridSums",
    "alpha_of_attempt",
    "critical_n",
    "false_promotion",
    "grid_sums",
    "least_caught_rate",
    "log_e_above",
    "log_e_below",
    "log_e_grid",
    "log_e_mcnemar",
    "lower_limit",
    "planned_n",
    "promotion_probability",
    "upper_limit",
]


@vectorised
def log_e_below(n: int, s: int, p0: float) -> float:
    """Return the natural log of the evidence that the rate lies below `p0`, after `s` bad units in `n`.

    H0: rate >= p0. E = (1/p0) * integral over p in (0, p0) of (p/p0)^s ((1-p)/(1-p0))^(n-s). It grows with `n` and
    `p0`, falls with `s`, and is 0 at n = 0. Raises ValueError unless 0 <= s <= n and 0 < p0 < 1.

    >>> round(log_e_below(1000, 3, 0.01), 10)
    2.5935579004
    >>> bool(log_e_below(449, 0, 0.01) >= math.log(1 / 0.05) > log_e_below(448, 0, 0.01))
    True
    """
    check(n, s, "p0", p0)
    return log_e(n, s, p0, 1.0 - p0)


@vectorised
def log_e_above(n: int, s: int, p1: float, b: float = 1.0) -> float:
    """Return the natural log of the evidence that the rate lies above `p1`: mirror image of `log_e_below` on (p1, 1).

    H0: rate <= p1. The prior is Beta(1, b) cut to (p1, 1): uniform at b = 1, and near p1 if b is large (`b_of`).
    Raises ValueError unless 0 <= s <= n and 0 < p1 < 1.

    >>> round(log_e_above(1000, 3, 0.01), 9)
    -6.596810844
    """
    check(n, s, "p1", p1)
    return log_e(n, n - s, 1.0 - p1, p1, b)


def b_of(p1: float) -> float:
    """Return the b of the prior Beta(1, b) that rejects by: excesses are a few limits, and rarely near 1.

    Cut to (p1, 1), b = 1 / (2 p1) has its mean at three limits for a small limit. The uniform prior has a hundredth of
    its weight under 1 % of all, so it takes twice the records to show a rate at two limits.

    >>> b_of(0.01), b_of(0.5), b_of(0.6)
    (50.0, 1.0, 1.0)
    """
    return max(1.0, 1.0 / (2.0 * p1))


@vectorised
def upper_limit(n: int, s: int, alpha: float) -> float:
    """Return the one-sided upper limit of the rate, valid at all times at once: sup{p : E_below(n, s, p) < 1/alpha}.

    It is 1 if no rate can be excluded (n = s), and under `p0` exactly when `log_e_below` reaches ln(1/alpha) there.

    >>> round(upper_limit(1000, 0, 0.05), 9)
    0.004502094
    """
    check(n, s, "alpha", alpha)
    return expit(limit_logit(n, s, -math.log(alpha)))


@vectorised
def lower_limit(n: int, s: int, alpha: float) -> float:
    """Return the one-sided lower limit of the rate, valid at all times at once: inf{p : E_above(n, s, p) < 1/alpha}.

    It is 0 at s = 0.

    >>> round(lower_limit(50, 15, 0.05), 9)
    0.133398249
    """
    check(n, s, "alpha", alpha)
    return expit(-limit_logit(n, n - s, -math.log(alpha)))


@vectorised
def critical_n(s: int, p0: float, alpha: float) -> int:
    """Return the least n at which `s` bad units show a rate below `p0`: E_below(n, s, p0) >= 1/alpha from there on.

    >>> critical_n(0, 0.01, 0.05), critical_n(10, 0.01, 0.05)
    (449, 2174)
    """
    check_rate("alpha", alpha)
    check(s + 1, s, "p0", p0)
    need = -math.log(alpha)
    low, high = s, s + 1
    while log_e(high, s, p0, 1.0 - p0) < need:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if log_e(middle, s, p0, 1.0 - p0) < need else (low, middle)
    return high


@vectorised
def false_promotion(p0: float, alpha: float, n_max: int) -> float:
    """Return the exact probability that a candidate *at* the limit is ever shown below it within `n_max` units.

    It is at most alpha.

    >>> round(false_promotion(0.05, 0.05, 2000), 8)
    0.03810178
    """
    return promotion_probability(p0, p0, alpha, n_max)


@vectorised
def promotion_probability(p: float, p0: float, alpha: float, n_max: int) -> float:
    """Return the exact probability that E_below(., ., p0) reaches 1/alpha within `n_max` units of independent rate `p`.

    Dynamic programming over (n, s), which only adds and so loses nothing. A path ends at the cells
    (critical_n(s), s); one with more bad units than the last of them cannot end within `n_max` and is dropped.
    Time grows with n_max * n_max * p0: 0.1 s at n_max 20,000 and p0 .01.

    >>> promotion_probability(0.0025, 0.01, 0.05, 1600) > 0.92
    True
    """
    check_rate("p", p)
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


@vectorised
def planned_n(p: float, p0: float, alpha: float) -> float:
    """Return about how many units show a true rate `p` below `p0`: (ln(1/alpha) + 0.7) / KL(p || p0), rounded up.

    For plans only, and low for small counts: `critical_n` is the exact number for a given s. Infinite if p >= p0.

    >>> planned_n(0.0025, 0.01, 0.05)
    910.0
    """
    from scipy import special  # slow to import, and few commands get here

    check_rate("alpha", alpha)
    check_rate("p0", p0)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if p >= p0:
        return math.inf
    divergence = float(special.xlogy(p, p / p0) + special.xlog1py(1.0 - p, (p0 - p) / (1.0 - p0)))
    return float(math.ceil((0.7 - math.log(alpha)) / divergence))


@vectorised
def least_caught_rate(n: int, p1: float, alpha: float, power: float = 0.9, b: float = 1.0) -> float:
    """Return the least true rate whose excess over `p1` E_above shows at n: smaller ones a verdict may miss.

    "Shows" means E_above(n, s, p1, b) >= 1/alpha with a probability of at least `power` when s ~ Binomial(n, rate), in
    a single look at n. Repeated looks have at least this power. NaN if no count would have been enough.

    >>> round(least_caught_rate(1000, 0.01, 0.05), 4)
    0.0315
    """
    return _least_caught(n, p1, alpha, power, b)


@lru_cache(maxsize=4_096)
def _least_caught(n: int, p1: float, alpha: float, power: float, b: float) -> float:
    from scipy import special  # slow to import, and few commands get here

    check_rate("alpha", alpha)
    check_rate("power", power)
    low, high = -1, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        shown = log_e_above(n, middle, p1, b) >= -math.log(alpha)
        low, high = (low, middle) if shown else (middle, high)
    return math.nan if high > n else float(special.betaincinv(high, n - high + 1, power))


@vectorised
def log_e_mcnemar(b: int, c: int) -> float:
    """Return the paired evidence for the candidate: H0 "the share of b among discordant pairs is at least 1/2".

    b: production right and candidate wrong; c: the reverse. Concordant pairs carry no evidence (McNemar 1947). The
    discordant ones are Bernoulli(1/2) under equality, so this is `log_e_below` at 1/2. Swap b and c for "worse".

    >>> round(log_e_mcnemar(10, 25), 8)
    2.33594015
    """
    return log_e_below(b + c, b, 0.5)


@vectorised
def alpha_of_attempt(alpha: float, attempt: int) -> float:
    """Return the level of the k-th attempt at one release: alpha * 6 / (pi^2 k^2).

    The levels add up to alpha over all attempts: the sum of 1/k^2 is pi^2/6 (Euler), and wrong promotes add up over
    attempts at most (Boole). Raises ValueError unless attempts are counted from 1.

    >>> round(alpha_of_attempt(0.05, 1), 6), round(alpha_of_attempt(0.05, 2), 6)
    (0.030396, 0.007599)
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    check_rate("alpha", alpha)
    return alpha * 6.0 / (math.pi * attempt) ** 2
