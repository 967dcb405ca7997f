"""Scatter of bins between neighbouring blocks: the number of records that count as one where they come in clusters.

Each bin's share in a block is compared with that in the block before it: z² has the mean 1 if records are independent,
and m if they come in clusters of m that share a bin. Neighbours are compared, so a slow change or a season adds little.
By chance alone the mean of k such squares has a standard error of sqrt(3 / k), because neighbours share a block.
Clusters that return in block after block (a key for a whole day) are not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BLOCKS_MIN = 12
STANDARD_ERRORS = 3.0
_POOLED_MIN = 5
"""Least units of a bin in two neighbouring blocks together for which their difference says anything."""


@dataclass(slots=True)
class Scatter:
    """Sum and number of the squares, blocks so far, and units and hits by bin of the last block."""

    squares: float = 0.0
    count: int = 0
    blocks: int = 0
    units: list[int] | None = None
    hits: list[int] | None = None

    @property
    def is_known(self) -> bool:
        """Whether enough blocks have come to see clusters."""
        return self.blocks >= BLOCKS_MIN and self.count > 0

    @property
    def deff(self) -> float:
        """The design effect; 1 where chance explains it."""
        if not self.count:
            return 1.0
        found = self.squares / self.count
        return found if found > 1.0 + STANDARD_ERRORS * math.sqrt(3.0 / self.count) else 1.0

    def add(self, units: Sequence[int], hits: Sequence[int]) -> None:
        """Add a block: by bin the units, and those of them that the bin, or the candidate, holds."""
        if self.units is not None and self.hits is not None:
            for n, s, m, r in zip(self.units, self.hits, units, hits, strict=True):
                share = (s + r) / (n + m) if n and m else 0.0
                if min(s + r, n + m - s - r) < _POOLED_MIN or not n or not m:
                    continue
                self.squares += (s / n - r / m) ** 2 / (share * (1.0 - share) * (1.0 / n + 1.0 / m))
                self.count += 1
        self.units, self.hits, self.blocks = list(units), list(hits), self.blocks + 1
