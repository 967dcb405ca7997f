"""Numbers that look random and are the same in every run: a choice by hash.

The hash is the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied to a whole column.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_RANGE = 2.0**64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(numbers: Sequence[int], seed: np.uint64 | npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) for each of `numbers`, by their value and `seed`, which may be one for each.

    >>> uniform([1, 2], np.uint64(0)).tolist() == uniform([1, 2, 3], np.uint64(0)).tolist()[:2]
    True
    """
    x = np.fromiter(numbers, np.int64, len(numbers)).view(np.uint64) * _GOLDEN + seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn: npt.NDArray[np.float64] = (x ^ (x >> np.uint64(31))) / _RANGE
    return drawn
