"""Group-sequential test of a rate: few looks up to a known end, with more power than evidence that is always valid.

H0: each unit is bad with a probability of at least the limit p0, given the past. Look j has n_j units so far and
promotes if at most c_j are bad. A spending function (Lan & DeMets, Biometrika 70, 1983) gives the part of alpha that is
spent by a look, from the share of the planned units that have come. c_j is the greatest count at which the exact
probability, at p0, of a promote at this look or an earlier one stays within that part. It is found by dynamic
programming over (look, bad units), so for binomial counts nothing is approximated: whatever the looks were,
P(ever promoted | p >= p0) <= alpha. What whole counts leave unspent goes to the next look.

The units of a look may depend on traffic, not on which units are bad. A greater rate promotes less: with the same
chances each path holds at least as many bad units.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Spending = Literal["obrien_fleming", "pocock"]
NONE = -1
"""Count of bad units at which no result of a look promotes."""
_CUT = 1e-25  # smaller probabilities than this share of the greatest are left out, and accounted for by:
_LEFT_OUT = 1e-12


class Look(NamedTuple):
    """Look: all units so far, and their share of the units at the end, at most 1."""

    n: int
    share: float


class Law(NamedTuple):
    """Probabilities of first, first + 1, ... bad units."""

    first: int
    chances: Array


def spent_by(share: float, alpha: float, spending: Spending) -> float:
    """Return the part of alpha that is spent once this share of the units has come.

    >>> [round(spent_by(share, 0.05, "obrien_fleming"), 6) for share in (0.2, 0.5, 1.0)]
    [1.2e-05, 0.005575, 0.05]
    >>> [round(spent_by(share, 0.05, "pocock"), 6) for share in (0.2, 0.5, 1.0)]
    [0.01477, 0.031006, 0.05]
    """
    if share <= 0.0:
        return 0.0
    if share >= 1.0:
        return alpha
    if spending == "pocock":
        return alpha * math.log1p(math.expm1(1.0) * share)
    normal = NormalDist()
    return 2.0 * normal.cdf(normal.inv_cdf(alpha / 2.0) / math.sqrt(share))


@lru_cache(maxsize=4096)
def boundaries(looks: tuple[Look, ...], limit: float, alpha: float, spending: Spending) -> tuple[int, ...]:
    """Return for each look the greatest number of bad units that promotes; `NONE` where none does.

    >>> boundaries((Look(299, 1.0),), 0.01, 0.05, "pocock"), boundaries((Look(298, 1.0),), 0.01, 0.05, "pocock")
    ((0,), (-1,))
    """
    alive, n, spent = Law(0, np.ones(1)), 0, 0.0
    found: list[int] = []
    bound = NONE
    for look in looks:
        alive = _after(alive, look.n - n, limit)
        n = look.n
        sums = np.cumsum(alive.chances)
        budget = spent_by(look.share, alpha, spending) - spent - _LEFT_OUT
        stops = int(np.searchsorted(sums, budget, side="right"))
        # No more bad units than an earlier look allowed: that look had no more of them, so it has promoted already.
        bound = max(bound, alive.first + stops - 1) if stops else bound
        found.append(bound)
        spent += float(sums[stops - 1]) if stops else 0.0
        alive = Law(alive.first + stops, alive.chances[stops:])
    return tuple(found)


def promotion_probability(looks: Sequence[int], bounds: Sequence[int], rate: float) -> float:
    """Return the exact probability that some look, of so many units, has at most its bound of bad ones.

    >>> round(promotion_probability((299,), (0,), 0.01), 6)
    0.049536
    """
    alive, n, promoted = Law(0, np.ones(1)), 0, 0.0
    for look, bound in zip(looks, bounds, strict=True):
        alive = _after(alive, look - n, rate)
        n = look
        stops = max(0, bound + 1 - alive.first)
        promoted += float(alive.chances[:stops].sum())
        alive = Law(alive.first + stops, alive.chances[stops:])
    return promoted


def planned_looks(units: int, looks: int) -> tuple[Look, ...]:
    """Return evenly spaced looks; the last one has all units.

    >>> planned_looks(1000, 3)
    (Look(n=334, share=0.334), Look(n=667, share=0.667), Look(n=1000, share=1.0))
    """
    return tuple(Look(n, n / units) for n in (-(-units * look // looks) for look in range(1, looks + 1)))


def least_units(limit: float, alpha: float) -> int:
    """Return the units with which a single look at the end promotes a candidate without a bad one.

    >>> least_units(0.01, 0.05)
    299
    """
    return math.ceil(math.log(alpha - _LEFT_OUT) / math.log1p(-limit))


def _after(alive: Law, units: int, rate: float) -> Law:
    """Return the law after further units."""
    if units <= 0 or not len(alive.chances):
        return alive
    more = binomial_law(units, rate)
    return Law(alive.first + more.first, np.convolve(alive.chances, more.chances))


def binomial_law(n: int, p: float) -> Law:
    """Return the binomial law without its far tails.

    Neighbouring probabilities have a known ratio. So the law follows from its greatest one, and no power underflows.

    >>> law = binomial_law(2, 0.5)
    >>> law.first, law.chances.tolist()
    (0, [0.25, 0.5, 0.25])
    """
    mode = min(n, int((n + 1) * p))
    reach = int(14.0 * math.sqrt(n * p * (1.0 - p)) + 100.0)
    up = np.arange(mode, min(n, mode + reach))
    down = np.arange(mode, max(0, mode - reach), -1)
    odds = p / (1.0 - p)
    above = np.cumprod((n - up) / (up + 1.0) * odds)
    below = np.cumprod(down / (n - down + 1.0) / odds)[::-1]
    weights = np.concatenate([below, [1.0], above])
    kept = np.flatnonzero(weights >= _CUT)
    weights = weights[kept[0] : kept[-1] + 1]
    return Law(mode - len(below) + int(kept[0]), weights / weights.sum())
