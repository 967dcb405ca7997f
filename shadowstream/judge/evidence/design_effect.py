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
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

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


class KeyCounts:
    """Units and bad units by bucket of keys, over all windows.

    >>> keys = KeyCounts()
    >>> for bucket in range(50):
    ...     keys.add(bucket, 100, 1)
    >>> keys.clusters
    Clusters(deff=0.0, blocks=50, s=50)
    """

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[int, int]] = {}
        self._n = self._s = 0
        self._squares = NO_SQUARES

    def add(self, bucket: int, n: int, s: int) -> None:
        """Add units and bad units of a bucket, also negative ones of a correction."""
        former = self._buckets.get(bucket, (0, 0))
        now = self._buckets[bucket] = former[0] + n, former[1] + s
        self._n, self._s = self._n + n, self._s + s
        more, less = squared(NO_SQUARES, now), squared(NO_SQUARES, former)
        self._squares = tuple(old + new - gone for old, new, gone in zip(self._squares, more, less, strict=True))

    @property
    def units(self) -> int:
        """Number of units with a bucket."""
        return self._n

    @property
    def keys(self) -> int:
        """Number of buckets with a unit."""
        return self._squares[3]

    @property
    def clusters(self) -> Clusters | None:
        """The clusters by bucket; None if fewer than `KEYS_MIN` hold any."""
        if self.keys < KEYS_MIN:
            return None
        return Clusters(design_effect(self._n, self._s, self._squares), self.keys, self._s)

    @property
    def effect(self) -> float:
        """The number of records that count as one for a reject; 0 without a key.

        Few buckets show no clusters, so each of them is one piece of evidence.
        """
        if self.clusters is None:
            return self._n / self.keys if self.keys else 0.0
        return self.clusters.counted

    def snapshot(self) -> list[list[int]]:
        """Return the state as JSON."""
        return [[bucket, *pair] for bucket, pair in sorted(self._buckets.items())]

    def restore(self, snapshot: Iterable[Sequence[int]]) -> None:
        """Restore the state from a snapshot."""
        self._buckets, self._n, self._s, self._squares = {}, 0, 0, NO_SQUARES
        for bucket, n, s in snapshot:
            self.add(bucket, n, s)
