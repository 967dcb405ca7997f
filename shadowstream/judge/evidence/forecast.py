"""Forecast: how many units a criterion needs to be shown good if further units are like the present ones."""

import math

from shadowstream.judge.evidence.rates import critical_n
from shadowstream.protocol.mean_sums import bets

_HALVINGS = 50
_UNITS_MAX = 10**12
MORE_BAD_MAX = 100


def units_needed(n: int, s: int, limit: float, alpha: float, every: int = 1) -> int | None:
    """Return the least number of units that shows s bad ones in n, coming on evenly, under `limit`.

    The judge evaluates after each `every` further units (one window). The result is the least N >= n with E_below(N,
    floor(s N / n), limit) >= 1/alpha. Between two bad units the evidence only grows, so for each number of bad units k
    it is `critical_n(k)`, unless the next bad one comes before. None if the share itself reaches the limit (no number
    is enough then), or if n is 0 with s above it.

    >>> units_needed(100, 0, 0.01, 0.05), units_needed(400, 1, 0.01, 0.05), units_needed(400, 4, 0.01, 0.05)
    (449, 683, None)
    >>> units_needed(400, 1, 0.01, 0.05, every=200)
    1000
    """
    needed = _needed(n, s, limit, alpha)
    if needed is None or every <= 1 or needed <= n:
        return needed
    units = n + -(-(needed - n) // every) * every
    while critical_n(s * units // n if n else 0, limit, alpha) > units:
        units += every
    return units


def chance_under(n: int, s: int, limit: float) -> float:
    """Return the chance that the rate is under `limit` after s bad units in n, by a uniform prior: for display only.

    It is the posterior Beta(s + 1, n - s + 1) up to the limit. No look at it is valid at all times.

    >>> round(chance_under(1000, 3, 0.01), 4), round(chance_under(0, 0, 0.01), 4)
    (0.99, 0.01)
    """
    from scipy import special  # slow to import, and few commands get here

    return float(special.betainc(s + 1.0, n - s + 1.0, limit))


def likely_units(n: int, s: int, limit: float, alpha: float) -> tuple[int | None, int | None]:
    """Return the units at which a look shows the rate under `limit` with a chance of 10 %, and of 90 %.

    The number of bad ones to come is beta-binomial, by the posterior of `chance_under`. None: it takes more than
    `MORE_BAD_MAX` further bad ones.

    >>> likely_units(600, 1, 0.01, 0.05), likely_units(400, 3, 0.01, 0.05)
    ((683, 4237), (1875, None))
    """
    import numpy as np
    from scipy import special  # slow to import, and few commands get here

    a, b = s + 1.0, n - s + 1.0
    low = None
    for more in range(MORE_BAD_MAX):
        units = max(n, critical_n(s + more, limit, alpha))
        come = np.arange(min(more, units - n) + 1)
        rest = units - n - come
        ways = special.gammaln(units - n + 1) - special.gammaln(come + 1) - special.gammaln(rest + 1)
        shown = float(np.exp(ways + special.betaln(a + come, b + rest) - special.betaln(a, b)).sum())
        low = units if low is None and shown >= 0.1 else low
        if shown >= 0.9:
            return low, units
    return low, None


def _needed(n: int, s: int, limit: float, alpha: float) -> int | None:
    if s == 0:
        return max(n, critical_n(0, limit, alpha))
    if n <= 0 or s >= n * limit:
        return None

    def in_time(k: int) -> bool:
        return critical_n(k, limit, alpha) < _bad_at(k + 1, n, s)

    # The slack of the k-th wait is convex in k: once it is too short, it stays so up to a single k.
    low, step = s, 1
    if not in_time(low):
        while not in_time(low + step):
            low, step = low + step, 2 * step
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if in_time(middle) else (middle, high)
        low = high
    return max(n, critical_n(low, limit, alpha), _bad_at(low, n, s))


def _bad_at(k: int, n: int, s: int) -> int:
    """Return the number of units at which the k-th bad one comes."""
    return -(-k * n // s)


class Shares:
    """Forecast of evidence from shares (`bounded_mean`) that continue like the present ones.

    A verdict holds n shares, their mean and ln E, and not each share. The forecast assumes shares that are c or 0 with
    that mean, where c gives n of them exactly this ln E. The more the bad ones cluster, the greater c is and the slower
    ln E grows.
    """

    def __init__(self, n: int, mean: float, log_e: float, limit: float, *, wide: bool = False) -> None:
        self._n, self._limit, self._bets = n, limit, bets(limit, wide=wide).tolist()
        low, high = mean, 1.0
        for _ in range(_HALVINGS if 0.0 < mean < 1.0 else 0):
            middle = (low + high) / 2
            low, high = (middle, high) if self._log_e(n, mean, middle) > log_e else (low, middle)
        self._mean, self._c = mean, high

    def _log_e(self, units: int, mean: float, c: float) -> float:
        bad, limit = min(1.0, mean / c), self._limit
        logs = [
            units * (bad * math.log1p(-bet * (c - limit)) + (1.0 - bad) * math.log1p(bet * limit)) for bet in self._bets
        ]
        greatest = max(logs)
        return greatest + math.log(sum(math.exp(log - greatest) for log in logs) / len(logs))

    def log_e(self, units: int) -> float:
        """Return ln E against "the mean reaches the limit" at `units` units."""
        return self._log_e(units, self._mean, self._c)

    def needed(self, log_at: float) -> int | None:
        """Return the least number of units, at least the present, with ln E >= `log_at`; None if ln E does not grow.

        >>> Shares(40, 0.0, 1.6, 0.05).needed(3.0), Shares(100, 0.06, -1.0, 0.05).needed(3.0)
        (83, None)
        """
        if self._n <= 0 or self._mean >= self._limit:
            return None
        if self.log_e(self._n) >= log_at:
            return self._n
        low, step = self._n, 1
        while self.log_e(low + step) < log_at:
            low, step = low + step, 2 * step
            if step > _UNITS_MAX:
                return None
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.log_e(middle) < log_at else (low, middle)
        return high
