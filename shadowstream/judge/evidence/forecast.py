"""Forecast: how many units a criterion needs to be shown good if further units are like the present ones."""

import math

from shadowstream.judge.evidence.rates import critical_n
from shadowstream.protocol.mean_sums import bets

_HALVINGS = 50
_UNITS_MAX = 10**12
BAD_MAX = 2_000


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


def units_that_show(rate: float, limit: float, alpha: float, power: float) -> int | None:
    """Return the units of which a run at `rate` shows the rate under `limit` with this probability, in a single look.

    With k bad ones it is shown from `critical_n(k)` on, so at that many units by k or fewer: the first of those N (k
    growing by a tenth) with P(Binomial(N, rate) <= k) >= power. None if that takes more than `BAD_MAX` bad ones.

    >>> units_that_show(0.004, 0.01, 0.05, 0.9), units_that_show(0.0099, 0.01, 0.05, 0.9)
    (3302, None)
    """
    from scipy import special  # slow to import, and few commands get here

    k = 0
    while k <= BAD_MAX:
        units = critical_n(k, limit, alpha)
        if special.bdtr(k, units, rate) >= power:
            return units
        k += 1 + k // 10
    return None


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
