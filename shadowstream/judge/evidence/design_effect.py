"""Design effect: whether bad units cluster, by window and by bucket of keys.

deff = sum_b (s_b - n_b p)^2 / (p (1-p) sum_b n_b) over blocks b, with p = s/n over all of them. It is 1 if units are
bad independently of their block, and m if they come in blocks of m that are bad as a whole (Kish, "Survey sampling",
1965). By chance alone its standard error is sqrt(2 / blocks + 1 / s): the variance of (x - mu)^2 / mu for a Poisson
count x is 2 + 1 / mu. Fewer than `BLOCKS_MIN` windows or `KEYS_MIN` buckets tell nothing: the design effect is unknown.

Units that cluster are the wrong units for `unit: record`. Such a criterion cannot promote: mismatches that come in tens
make a gate at 5 % promote wrongly 70 % of the time, and dividing n by an estimated deff does not repair it (26-37 %).
It rejects by n / deff units, s / deff of them bad, so that one key with fifty bad records is one piece of evidence.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

DEFF_MAX = 1.5
STANDARD_ERRORS = 3.0
BLOCKS_MIN, KEYS_MIN = 12, 30
Squares: TypeAlias = tuple[int, ...]
"""Sums over blocks of s*s, s*n and n*n, and the number of blocks with units."""
NO_SQUARES: Squares = (0, 0, 0, 0)


class Clusters(NamedTuple):
    """Design effect of s bad units over `blocks` blocks.

    >>> Clusters(1.8, 24, 60).by_chance, Clusters(1.8, 240, 60).by_chance
    (1.9486832980505138, 1.5)
    """

    deff: float
    blocks: int
    s: int

    @property
    def error(self) -> float:
        """Three standard errors of the design effect."""
        return STANDARD_ERRORS * math.sqrt(2.0 / self.blocks + 1.0 / self.s) if self.s > 0 else 0.0

    @property
    def by_chance(self) -> float:
        """The greatest design effect that chance alone explains, or that does no harm."""
        return max(DEFF_MAX, 1.0 + self.error)

    @property
    def counted(self) -> float:
        """The number of records that count as one for a reject: 1 unless they cluster beyond chance."""
        return self.deff if self.shown else 1.0

    @property
    def shown(self) -> bool:
        """Whether the bad units cluster beyond chance."""
        return self.deff > self.by_chance


def squared(squares: Squares, counts: Sequence[int]) -> Squares:
    """Return the sums with one more block of `counts` (units and bad units)."""
    n, s = counts[:2]
    return squares[0] + s * s, squares[1] + s * n, squares[2] + n * n, squares[3] + (n > 0)


def design_effect(n: int, s: int, squares: Squares) -> float:
    """Return the deff of n units, s of them bad, from the sums over their blocks; 1 if none or all are bad.

    >>> design_effect(100, 10, squared(squared(NO_SQUARES, (50, 10)), (50, 0)))
    5.555555555555555
    """
    if not 0 < s < n:
        return 1.0
    p = s / n
    return (squares[0] - 2.0 * p * squares[1] + p * p * squares[2]) / (p * (1.0 - p) * n)


def clusters_by_key(n: npt.NDArray[np.int64], s: npt.NDArray[np.int64]) -> Clusters | None:
    """Return the clusters of units and bad units by bucket of keys; None if fewer than `KEYS_MIN` buckets hold any.

    >>> clusters_by_key(np.full(50, 100), np.full(50, 1))
    Clusters(deff=0.0, blocks=50, s=50)
    """
    keys = int(np.count_nonzero(n > 0))
    if keys < KEYS_MIN:
        return None
    units, bad = n.astype(np.float64), s.astype(np.float64)
    squares = (int((bad * bad).sum()), int((bad * units).sum()), int((units * units).sum()), keys)
    total = int(s.sum())
    return Clusters(design_effect(int(n.sum()), total, squares), keys, total)
