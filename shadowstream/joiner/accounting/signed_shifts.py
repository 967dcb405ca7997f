"""Which way the candidate's numbers lie: sums over pairs of their differences with the sign.

A mean of distances cannot tell a candidate that is higher in every pair from one that is now higher and now lower.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SHIFT_UNIT = 2.0**-32
Doubles = npt.NDArray[np.float64]


def signed(production: Doubles, shadow: Doubles, bound: float) -> Doubles:
    """Shadow minus production as a share of `bound`, at most 1 either way; NaN where one is no finite number.

    >>> signed(np.array([1.0, 1.0, np.nan]), np.array([1.5, -9.0, 1.0]), 2.0).tolist()
    [0.25, -1.0, nan]
    """
    with np.errstate(all="ignore"):
        found: Doubles = np.clip((shadow - production) / bound, -1.0, 1.0)
    found[~(np.isfinite(production) & np.isfinite(shadow))] = np.nan
    return found


class Shift(NamedTuple):
    """Pairs in which the candidate is higher, in which it is lower, and the sum of differences (`SHIFT_UNIT`)."""

    higher: int = 0
    lower: int = 0
    shift: int = 0


class Shifts:
    """Sums by path of one window and revision."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[str, Counter[str]] = {}

    def add(self, shifts: Mapping[str, Doubles], mask: npt.NDArray[np.bool_]) -> None:
        """Add the pairs of `mask`. Each difference is rounded by itself, so that no order changes the sum."""
        for path, values in shifts.items():
            known = values[mask & ~np.isnan(values)]
            sums = self._sums.setdefault(path, Counter())
            sums["higher"] += int(np.count_nonzero(known > 0))
            sums["lower"] += int(np.count_nonzero(known < 0))
            sums["shift"] += int(np.rint(known / SHIFT_UNIT).astype(np.int64).sum())

    def of(self, path: str) -> dict[str, Any]:
        """Fields of a mean in schemas/stats.avsc."""
        found = self._sums.get(path, Counter())
        return Shift(found["higher"], found["lower"], found["shift"])._asdict()
