"""Dependence of neighbouring windows: the correlation of their shares of bad units at lag 1.

`unit: block` counts each window as one piece of evidence, so windows must not depend on each other. An outage of three
windows is one fault and not three. Under independence the correlation is near 0, with a standard error of 1 / sqrt(m)
for m windows (Bartlett, 1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STANDARD_ERRORS = 2.0


@dataclass(slots=True)
class WindowDependence:
    """Sums over the shares of windows in time order.

    >>> windows = WindowDependence()
    >>> for share in (0.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0):
    ...     windows.add(share)
    >>> round(windows.correlation or 0.0, 3)
    0.392
    """

    windows: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _products: float = 0.0
    _first: float = 0.0
    _last: float = 0.0

    def add(self, share: float) -> None:
        """Add the next window."""
        if self.windows:
            self._products += self._last * share
        else:
            self._first = share
        self.windows += 1
        self._sum += share
        self._squares += share * share
        self._last = share

    @property
    def correlation(self) -> float | None:
        """The correlation at lag 1; None if all shares are alike."""
        if self.windows < 2:
            return None
        mean = self._sum / self.windows
        spread = self._squares - self.windows * mean * mean
        if spread <= 1e-12 * self._squares or spread <= 0.0:
            return None
        neighbours = 2.0 * self._sum - self._first - self._last
        return (self._products - mean * neighbours + (self.windows - 1) * mean * mean) / spread

    @property
    def by_chance(self) -> float:
        """The greatest correlation that chance alone explains."""
        return STANDARD_ERRORS / math.sqrt(self.windows) if self.windows else math.inf

    def snapshot(self) -> list[float]:
        """Return the state as JSON."""
        return [self.windows, self._sum, self._squares, self._products, self._first, self._last]

    @classmethod
    def of(cls, snapshot: Sequence[Any]) -> WindowDependence:
        """Restore the state from a snapshot."""
        return cls(*snapshot)
