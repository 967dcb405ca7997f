"""Steadiness of a rate: whether it has moved more than chance alone explains.

The index of dispersion over stretches of 1, 2, 4 and 8 windows, as in `evidence.design_effect`: a season of a day shows
in stretches of hours long before it shows in single windows.
"""

import math
from collections.abc import Iterable
from typing import Any

STRETCHES = (1, 2, 4, 8)
STANDARD_ERRORS = 2.0
BLOCKS_MIN = 4
"""Stretches of one length below which nothing is known of them."""


class SteadyRate:
    """Sums over windows in time order, by length of stretch.

    >>> flat, season = SteadyRate(), SteadyRate()
    >>> for hour in range(96):
    ...     flat.add(500, 3 + hour % 2)
    ...     season.add(500, 7 if hour % 24 < 12 else 0)
    >>> flat.moves, season.moves
    (False, True)
    """

    def __init__(self) -> None:
        # Per length: sum of s*s/n, bad units, units, number of stretches; units, bad units, windows of the next one.
        self._sums = [[0.0] * 7 for _ in STRETCHES]

    def add(self, n: float, s: float) -> None:
        """Add the next window of n > 0 units, s of them bad."""
        for length, sums in zip(STRETCHES, self._sums, strict=True):
            units, bad, windows = sums[4] + n, sums[5] + s, sums[6] + 1
            if windows < length:
                sums[4:] = units, bad, windows
            else:
                sums[:] = sums[0] + bad * bad / units, sums[1] + bad, sums[2] + units, sums[3] + 1, 0, 0, 0

    @property
    def moves(self) -> bool:
        """Whether stretches of some length differ by more than chance explains."""
        return any(_moves(*sums[:4]) for sums in self._sums)

    def snapshot(self) -> list[list[float]]:
        """Return the state as JSON."""
        return [list(sums) for sums in self._sums]

    def restore(self, snapshot: Iterable[Iterable[Any]]) -> None:
        """Restore the state from a snapshot."""
        self._sums = [list(sums) for sums in snapshot]


def _moves(squares: float, s: float, n: float, blocks: float) -> bool:
    if blocks < BLOCKS_MIN or not 0.0 < s < n:
        return False
    p = s / n
    dispersion = (squares - p * s) / (p * (1.0 - p) * (blocks - 1))
    return dispersion > 1.0 + STANDARD_ERRORS * math.sqrt(2.0 / blocks + 1.0 / s)
