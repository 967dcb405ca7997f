"""Signed shifts: sums over pairs of the candidate's differences with their sign.

A mean of distances is the same for a candidate that is always higher and for one that is sometimes higher, sometimes
lower.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

SHIFT_UNIT = 2.0**-32
Doubles = npt.NDArray[np.float64]


def signed_shares(production: Doubles, shadow: Doubles, bound: float) -> Doubles:
    """Return shadow minus production as a share of `bound`, within [-1, 1]; NaN unless both are finite.

    >>> signed_shares(np.array([1.0, 1.0, np.nan]), np.array([1.5, -9.0, 1.0]), 2.0).tolist()
    [0.25, -1.0, nan]
    """
    with np.errstate(all="ignore"):
        found: Doubles = np.clip((shadow - production) / bound, -1.0, 1.0)
    found[~(np.isfinite(production) & np.isfinite(shadow))] = np.nan
    return found


class ShiftSums:
    """Sums by path of one window and revision: pairs with a higher or lower candidate, and the sum in `SHIFT_UNIT`."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[str, Counter[str]] = {}

    def add(self, shifts: Mapping[str, Doubles], mask: npt.NDArray[np.bool_]) -> None:
        """Add the pairs of `mask`. Each difference is rounded before the sum, so that order has no effect."""
        for path, values in shifts.items():
            known = values[mask & ~np.isnan(values)]
            sums = self._sums.setdefault(path, Counter())
            sums["higher"] += int(np.count_nonzero(known > 0))
            sums["lower"] += int(np.count_nonzero(known < 0))
            sums["shift"] += int(np.rint(known / SHIFT_UNIT).astype(np.int64).sum())

    def of(self, path: str) -> dict[str, Any]:
        found = self._sums.get(path, Counter())
        return {name: found[name] for name in ("higher", "lower", "shift")}
