"""Least limit of a criterion by `unit: key`: its buckets are a fixed number, so they cannot show every rate."""

import math
from functools import lru_cache

from shadowstream.records import KEY_BUCKETS


# Each criterion of each config asks, mostly for one alpha.
@lru_cache(maxsize=256)
def least_limit_by_key(alpha: float) -> float:
    """Return the least limit, in steps of 0.0001, that all buckets of keys can show not to be reached at level alpha.

    That is by the bets of `judge.evidence.bounded_mean`, if no bucket has a bad record.

    >>> least_limit_by_key(0.05)
    0.0042
    """

    def wealth(limit: float) -> float:
        bets = (0.0999 * part / (1.0 - limit) for part in range(1, 11))
        return sum(math.exp(KEY_BUCKETS * math.log1p(bet * limit)) for bet in bets) / 10

    return next(step / 10_000 for step in range(1, 10_000) if wealth(step / 10_000) >= 1.0 / alpha)
