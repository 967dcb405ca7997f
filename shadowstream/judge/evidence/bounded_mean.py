"""Evidence about the mean of values in [0, 1], free of order: a grid of bets fixed beforehand.

H0: E[y | past] >= m. E = mean over j of prod_i (1 - lambda_j (y_i - m)), lambda_j = 0.999/(1-m) * linspace(0.1, 1, 10):
Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (arXiv 2010.09686) section 4. Evidence
*above* m is the same for 1 - y and 1 - m.

The state is a few sums of logarithms, kept as integers, since sums of floats would depend on order. Each term is
rounded *down*, so that the evidence is never more than the exact one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shadowstream.judge.evidence.rate_bounds import check_rate

Array: TypeAlias = npt.NDArray[Any]

BETS = 10
SUMS = 2 * BETS + 1
"""Number of sums: ten for evidence below m, ten for evidence above it, and the sum of the values."""

# 2**-32 of a nat: 300 million of the worst values fit 64 bits, and a million values lose less than 3e-4 nats.
_STORED_BITS = 32
# For sums that are not stored: as fine as 64 bits hold for a chunk; a term is under 40 nats.
_FINE_BITS = 42
_CHUNK = 50_000


def grid_sums(y: Array, m: float) -> tuple[int, ...]:
    """Return the sums of the values `y` (shape (n,), each in [0, 1]) against the mean `m`, as stats records carry them.

    `SUMS` integers, each in units of 2**-32: per bet the sum of its log wealth below `m`, the same above it, and the
    sum of the values. Sums of parts are added number by number; order and split change no bit. ValueError on values
    outside [0, 1], NaN among them: scale them, and drop and count what is no number, beforehand.

    >>> one, other = grid_sums(np.array([0.0, 0.3]), 0.1), grid_sums(np.array([1.0]), 0.1)
    >>> tuple(map(sum, zip(one, other))) == grid_sums(np.array([1.0, 0.0, 0.3]), 0.1)
    True
    """
    values = _checked(y, m)
    below, above = _log_wealth(values, m, _STORED_BITS), _log_wealth(1.0 - values, 1.0 - m, _STORED_BITS)
    total = int(np.rint(np.ldexp(values, _STORED_BITS)).astype(np.int64).sum())
    return (*below, *above, total)


def log_e_grid(y: Array, m: float) -> float:
    """Return the natural log of the evidence that the mean of values in [0, 1] lies below `m`. H0: E[y | past] >= m.

    >>> round(log_e_grid(np.tile([0, .02, 0, 0, .01, 0, .05, 0, 0, 0], 40), 0.05), 10)
    15.1403996184
    """
    return _mixed(_log_wealth(_checked(y, m), m, _FINE_BITS), _FINE_BITS)


@dataclass(frozen=True, slots=True)
class GridSums:
    """Additive state against the mean `m`: how many values, and their `grid_sums`.

    Python integers: a stream has no end, 64 bits do. `log_e_below` lies at most n * 2**-32 under `log_e_grid`.
    """

    m: float
    n: int
    sums: tuple[int, ...]

    @classmethod
    def of(cls, y: Array, m: float) -> GridSums:
        """Return the state after the values `y`; raises as `grid_sums`."""
        return cls(m, int(np.size(y)), grid_sums(y, m))

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
        return _mixed(self.sums[:BETS], _STORED_BITS)

    @property
    def log_e_above(self) -> float:
        """Natural log of the evidence that the mean lies above `m`; 0 at n = 0."""
        return _mixed(self.sums[BETS : 2 * BETS], _STORED_BITS)

    @property
    def total(self) -> float:
        """Sum of the values."""
        return self.sums[-1] / float(1 << _STORED_BITS)


def critical_grid_n(m: float, alpha: float, collected: GridSums | None = None) -> int:
    """Return the least number of values that shows the mean below `m` if all values after `collected` are 0.

    >>> critical_grid_n(0.05, 0.05), critical_grid_n(0.01, 0.05)
    (83, 424)
    """
    check_rate("alpha", alpha)
    collected = collected or GridSums(m, 0, (0,) * SUMS)
    (zero,) = (grid_sums(np.zeros(1), m),)

    def shown(more: int) -> bool:
        return (
            _mixed([a + more * b for a, b in zip(collected.sums[:BETS], zero[:BETS], strict=True)], _STORED_BITS)
            >= need
        )

    need = -math.log(alpha)
    low, high = -1, 1
    while not shown(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return collected.n + high


def bets(m: float) -> npt.NDArray[np.float64]:
    """Return the fractions lambda_j bet on each value's being less than `m`."""
    fractions: npt.NDArray[np.float64] = (0.999 / (1.0 - m)) * np.linspace(0.1, 1.0, BETS)
    return fractions


def _checked(y: Array, m: float) -> npt.NDArray[np.float64]:
    check_rate("m", m)
    values = np.asarray(y, dtype=np.float64).ravel()
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("values of a bounded mean must lie in [0, 1]; scale them and drop NaN (and count it) first")
    return values


def _log_wealth(values: npt.NDArray[np.float64], m: float, bits: int) -> list[int]:
    sums = [0] * BETS
    for start in range(0, len(values), _CHUNK):
        excess = values[start : start + _CHUNK] - m
        for j, bet in enumerate(bets(m)):
            sums[j] += int(np.floor(np.ldexp(np.log1p(-bet * excess), bits)).astype(np.int64).sum())
    return sums


def _mixed(sums: Sequence[int], bits: int) -> float:
    from scipy import special  # SciPy is a third of the joiner's import time, and the joiner never gets here

    wealth = np.array([total / 2**bits for total in sums])
    return float(special.logsumexp(wealth) - math.log(BETS))
