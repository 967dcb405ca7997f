"""Varying rates: tell a rate that moves under its limit from bad units that come in clusters.

The design effect by window (`design_effect`) is large in both cases, and only clusters are a fault of the unit. A
candidate of 0.8 % for days that is fixed to 0.1 % has a large one, and so has a rate with a season. Both are under a
limit of 1 %, and neither proves less for it. Two sums tell them apart, over closed windows in time order:

- *Local* is the design effect of neighbours only: the mean of (p1 - p2)^2 / (1/n1 + 1/n2) over consecutive windows,
  divided by p (1 - p) (von Neumann's ratio). Units that cluster within windows spread neighbours as far apart as any
  two windows. A rate that moves slowly, or in one step, hardly does. With m pairs of neighbours its standard error is
  sqrt(3 / m), which is subtracted: chance alone must not take a promote back for good.
- *Over* is whether the rate was ever over the limit for a stretch: s - n p0 beyond `OVER_SD` standard deviations of a
  rate at the limit, for stretches that hold 20, 40, ... 640 bad units at the limit.

While the rate was never over, the smaller of both design effects counts. Afterwards the whole one counts: a rate that
was over the limit for hours may be so again, and a mean under the limit shows nothing (outages, seasons around the
limit; `make calibrate`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OVER_SD = 3.0
LEAST_BAD = 20
STRETCHES = 6
NEIGHBOURS_MIN = 6
"""With fewer pairs of neighbours the local design effect is not used."""


@dataclass(slots=True)
class VaryingRate:
    """Sums over closed windows in time order. `limit`: the limit of the rate."""

    limit: float
    over: bool = False
    _spread: float = 0.0
    _pairs: int = 0
    _last: tuple[int, int] | None = None
    _stretches: list[list[int]] = field(default_factory=lambda: [[0, 0] for _ in range(STRETCHES)])

    def add(self, counts: Sequence[int]) -> None:
        """Add the next window: units and bad units. Counts of another form are not of records and are ignored."""
        if len(counts) != 2:
            return
        n, s = counts
        if not 0 <= s <= n or n == 0:
            return
        if self._last is not None:
            before, bad = self._last
            self._spread += (s / n - bad / before) ** 2 / (1 / n + 1 / before)
            self._pairs += 1
        self._last = (n, s)
        for scale, stretch in enumerate(self._stretches):
            stretch[0] += n
            stretch[1] += s
            expected = stretch[0] * self.limit
            if expected < LEAST_BAD * 2**scale:
                continue
            self.over |= stretch[1] - expected > OVER_SD * math.sqrt(expected * (1.0 - self.limit))
            stretch[:] = 0, 0

    def design_effect(self, whole: float, n: int, s: int) -> float:
        """Return the design effect that counts; `whole`: the one by window of n units, s of them bad."""
        return whole if self.over else self.local(whole, n, s)

    def local(self, whole: float, n: int, s: int) -> float:
        """Return the smaller of the whole and the local design effect."""
        if self._pairs < NEIGHBOURS_MIN or not 0 < s < n:
            return whole
        p = s / n
        local = self._spread / self._pairs / (p * (1.0 - p)) - math.sqrt(3.0 / self._pairs)
        return min(whole, max(0.0, local))

    def copy(self) -> VaryingRate:
        """Return a copy of the sums."""
        stretches = [list(stretch) for stretch in self._stretches]
        return VaryingRate(self.limit, self.over, self._spread, self._pairs, self._last, stretches)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "over": self.over,
            "spread": [self._spread, self._pairs, self._last],
            "stretches": self._stretches,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self.over = snapshot["over"]
        self._spread, self._pairs, last = snapshot["spread"]
        self._last = None if last is None else (last[0], last[1])
        self._stretches = [list(stretch) for stretch in snapshot["stretches"]]
