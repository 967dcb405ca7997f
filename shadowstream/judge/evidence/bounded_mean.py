"""Evidence about the mean of values in [0, 1], free of order: a grid of bets fixed beforehand.

H0: E[y | past] >= m. E = mean over j of prod_i (1 - lambda_j (y_i - m)), lambda_j = 0.999/(1-m) * linspace(0.1, 1, 10):
Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (arXiv 2010.09686) section 4. Evidence
*above* m is the same for 1 - y and 1 - m. For differences with a sign (`protocol.signed_means`), whose mean lies near
1/2, the bets are `wide`: lambda_j = 0.999/(1-m) * 2**-j for j = 9 ... 0. Any bets fixed beforehand are valid.

The state is a few sums of logarithms, kept as integers, since sums of floats would depend on order. Each term is
rounded *down*, so that the evidence is never more than the exact one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowstream.protocol.mean_sums import BETS, STORED_BITS, SUMS, Array, check_rate, checked, grid_sums, log_wealth

# For sums that are not stored: as fine as 64 bits hold for a chunk; a term is under 40 nats.
_FINE_BITS = 42


def log_e_grid(y: Array, m: float, *, wide: bool = False) -> float:
    """Return the natural log of the evidence that the mean of values in [0, 1] lies below `m`. H0: E[y | past] >= m.

    >>> round(log_e_grid(np.tile([0, .02, 0, 0, .01, 0, .05, 0, 0, 0], 40), 0.05), 10)
    15.1403996184
    """
    return _mixed(log_wealth(checked(y, m), m, _FINE_BITS, wide=wide), _FINE_BITS)


@dataclass(frozen=True, slots=True)
class GridSums:
    """Additive state against the mean `m`: how many values, and their `grid_sums`.

    Python integers: a stream has no end, 64 bits do. `log_e_below` lies at most n * 2**-32 under `log_e_grid`.
    """

    m: float
    n: int
    sums: tuple[int, ...]

    @classmethod
    def of(cls, y: Array, m: float, *, wide: bool = False) -> GridSums:
        """Return the state after the values `y`; raises as `grid_sums`."""
        return cls(m, int(np.size(y)), grid_sums(y, m, wide=wide))

    @classmethod
    def stored(cls, m: float, n: int, sums: Sequence[int]) -> GridSums:
        """Return the state from a stats record. ValueError if it does not have `SUMS` sums."""
        if len(sums) != SUMS:
            raise ValueError(f"a grid has {SUMS} sums, got {len(sums)}")
        return cls(m, n, tuple(sums))

    def __add__(self, other: GridSums) -> GridSums:
        if self.m != other.m:
            raise ValueError(f"sums against the mean {self.m} cannot be added to sums against {other.m}")
        return GridSums(self.m, self.n + other.n, tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)))

    @property
    def log_e_below(self) -> float:
        """Natural log of the evidence that the mean lies below `m`; 0 at n = 0."""
        return _mixed(self.sums[:BETS], STORED_BITS)

    @property
    def log_e_above(self) -> float:
        """Natural log of the evidence that the mean lies above `m`; 0 at n = 0."""
        return _mixed(self.sums[BETS : 2 * BETS], STORED_BITS)

    @property
    def total(self) -> float:
        """Sum of the values."""
        return self.sums[-1] / float(1 << STORED_BITS)


def critical_grid_n(
    m: float, alpha: float, collected: GridSums | None = None, further: float = 0.0, *, wide: bool = False
) -> int:
    """Return the least number of values that shows the mean below `m` if all values after `collected` are `further`.

    Raises ValueError if `further` is no less than `m`: no number is enough then.

    >>> critical_grid_n(0.05, 0.05), critical_grid_n(0.01, 0.05)
    (83, 424)
    >>> critical_grid_n(0.505, 0.05, further=0.5, wide=True)
    515
    """
    check_rate("alpha", alpha)
    if further >= m:
        raise ValueError(f"values of {further} never show a mean below {m}")
    collected = collected or GridSums(m, 0, (0,) * SUMS)
    each = grid_sums(np.array([further]), m, wide=wide)

    def shown(more: int) -> bool:
        return (
            _mixed([a + more * b for a, b in zip(collected.sums[:BETS], each[:BETS], strict=True)], STORED_BITS) >= need
        )

    need = -math.log(alpha)
    low, high = -1, 1
    while not shown(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return collected.n + high


def _mixed(sums: Sequence[int], bits: int) -> float:
    # Ten numbers: SciPy's logsumexp takes thirty times as long, and a verdict asks a hundred times.
    wealth = np.array([total / 2**bits for total in sums])
    return float(np.logaddexp.reduce(wealth)) - math.log(BETS)
