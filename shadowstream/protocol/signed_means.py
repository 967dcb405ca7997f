"""Signed differences of pairs, as units of evidence about their mean: positive where the candidate is the worse.

A difference d is cut to [-bound, bound] and becomes the unit y = (d/bound + 1)/2 in [0, 1]. "The candidate is worse by
at least the margin on average" is then "the mean of y reaches (margin/bound + 1)/2", which `mean_sums` tests with wide
bets. Cutting hides the size of what is cut, so the pairs are counted on either side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.protocol.mean_sums import SUMS, grid_sums

Doubles = npt.NDArray[np.float64]


class SignedUnits(NamedTuple):
    """Units of pairs, and masks of the differences that were cut: worse and better by more than the bound."""

    values: Doubles
    over: npt.NDArray[np.bool_]
    under: npt.NDArray[np.bool_]


def units_of(differences: Doubles, bound: float) -> SignedUnits:
    """Return the units of differences; NaN stays NaN.

    >>> units = units_of(np.array([0.5, 0.0, -1.0, 9.0, np.nan]), 1.0)
    >>> units.values.tolist(), units.over.tolist()
    ([0.75, 0.5, 0.0, 1.0, nan], [False, False, False, True, False])
    """
    with np.errstate(invalid="ignore", over="ignore"):
        shares = differences / bound
        return SignedUnits((np.clip(shares, -1.0, 1.0) + 1.0) / 2.0, shares > 1.0, shares < -1.0)


def difference_of(mean_unit: float, bound: float) -> float:
    """Return the mean difference of a mean unit.

    >>> difference_of(0.505, 2.0)
    0.02
    """
    return round((2.0 * mean_unit - 1.0) * bound, 12)


def between(production: Doubles, shadow: Doubles) -> Doubles:
    """Return the candidate's losses less production's, where NaN is a side without a usable answer.

    A candidate without one is worse by more than any bound. It gains nothing where production has none. NaN: neither
    has one. Infinite losses of both sides are equal.

    >>> nan = np.nan
    >>> between(np.array([1.0, 1.0, nan, nan]), np.array([3.0, nan, 3.0, nan])).tolist()
    [2.0, inf, 0.0, nan]
    """
    with np.errstate(invalid="ignore"):
        found: Doubles = shadow - production
    found[np.isinf(production) & (production == shadow)] = 0.0
    one, other = np.isnan(production), np.isnan(shadow)
    found[~one & other] = np.inf
    found[one & ~other] = 0.0
    return found


class SignedSums:
    """Sums over pairs, free of order: their number, `grid_sums` with wide bets, and the differences that were cut."""

    __slots__ = ("bound", "limit", "n", "over", "sums", "under")

    def __init__(self, limit: float, bound: float) -> None:
        self.limit, self.bound = limit, bound
        self.n, self.over, self.under = 0, 0, 0
        self.sums: Sequence[int] = (0,) * SUMS

    def add(self, differences: Doubles) -> None:
        """Add differences; NaN are not counted."""
        units = units_of(differences[~np.isnan(differences)], self.bound)
        if not len(units.values):
            return
        self.n += len(units.values)
        self.over += int(np.count_nonzero(units.over))
        self.under += int(np.count_nonzero(units.under))
        more = grid_sums(units.values, self.limit, wide=True)
        self.sums = tuple(one + two for one, two in zip(self.sums, more, strict=True))

    def record(self) -> dict[str, object]:
        """Return the fields of a mean in schemas/stats.avsc, without its name."""
        cut = {"over": self.over, "under": self.under}
        return {"n": self.n, "sums": list(self.sums), "bound": self.bound, "limit": self.limit, **cut}
