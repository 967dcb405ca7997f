"""What it takes until a criterion is shown good: how many units, where they go on to come as they have come."""

from __future__ import annotations

import math

from shadowstream.judge.evidence import critical_n


def units_needed(n: int, s: int, limit: float, alpha: float, every: int = 1) -> int | None:
    """Least number of units at which s bad ones in n, coming on evenly, are shown to lie under `limit`.

    `every`: it is looked at each time that so many more have come (a window's worth).

    That is the least N >= n with E_below(N, floor(s N / n), limit) >= 1/alpha: between two bad units the evidence
    only grows, so for each number of bad units k it is `critical_n(k)`, unless the next bad one comes before. None
    where the share itself reaches the limit (no number is enough then) or n is 0 with s above it.

    >>> units_needed(100, 0, 0.01, 0.05), units_needed(400, 1, 0.01, 0.05), units_needed(400, 4, 0.01, 0.05)
    (449, 683, None)
    >>> units_needed(400, 1, 0.01, 0.05, every=200)
    1000
    """
    found = _needed(n, s, limit, alpha)
    if found is None or every <= 1 or found <= n:
        return found
    units = n + -(-(found - n) // every) * every
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

    # How long the k-th wait may be less what it must be is convex in k: once it is too short it is so up to one k only.
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
    """After how many units the k-th bad one has come."""
    return -(-k * n // s)


def units_needed_by_growth(n: int, log_e: float, log_at: float) -> int | None:
    """The same for evidence that is no function of two counts (betting on means): its log grows in proportion to n.

    None where it does not grow.

    >>> units_needed_by_growth(100, 1.5, 3.0), units_needed_by_growth(100, -0.1, 3.0)
    (200, None)
    """
    if n <= 0 or log_e <= 0:
        return None
    return max(n, math.ceil(n * log_at / log_e))
