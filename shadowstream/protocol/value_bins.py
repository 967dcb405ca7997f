"""Bins of the values at a path, as the joiner counts them and the judge reads them.

A bin has a name, so that counts of any commits, tasks and partitions add up:

==============================  =====================================================================
field                           names
==============================  =====================================================================
numbers, `edges`                0 to the number of edges: values below the first edge are in bin 0
numbers, bins to be learnt      fine bins, 16 an octave (3 to 6 % wide), from -FINE_MAX to FINE_MAX
categories                      the value as slices name it (`compare.dimension_codes.name_of`)
any                             one of the bins without a number: `SPECIAL`
==============================  =====================================================================

The edges of fine bins are binary fractions, so no rounding moves a value. Bin 0 holds what is nearer to zero than
2**-41; all beyond 2**40 shares the last bin.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ABSENT, UNDECODABLE = "(absent)", "(undecodable)"
NULL, NAN, OTHER = "null", "(nan)", "(other)"
SPECIAL = (NULL, ABSENT, NAN, OTHER, UNDECODABLE)
"""Bins without a number: null, no such field, not a number of IEEE 754, no number or another value, undecodable."""
VALUES_MAX = 200
"""Values of a field that are counted by name; where a window has more, those with the greatest hashes are other."""
_PER_OCTAVE, _OCTAVES = 16, 40
FINE_MAX = (2 * _OCTAVES + 1) * _PER_OCTAVE
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def fine_bins(values: Doubles) -> Ints:
    """Return the fine bin of each finite or infinite number; it grows with the number.

    >>> fine_bins(np.array([0.0, 0.5, 1.0, 1.0625, -1.0, np.inf])).tolist()
    [0, 641, 657, 658, -657, 1296]
    """
    with np.errstate(invalid="ignore"):
        mantissas, exponents = np.frexp(np.where(np.isfinite(values), np.abs(values), 2.0 ** (_OCTAVES + 1)))
        exponents = exponents.astype(np.int64)
        parts = np.clip((mantissas - 0.5) * (2 * _PER_OCTAVE), 0, _PER_OCTAVE - 1).astype(np.int64)
        found = 1 + (exponents + _OCTAVES) * _PER_OCTAVE + parts
    found = np.where((exponents < -_OCTAVES) | (values == 0), 0, np.minimum(found, FINE_MAX))
    signed: Ints = np.where(values < 0, -found, found)
    return signed


def fine_of(name: str) -> int | None:
    """Return the fine bin of a name; None if the name is that of no fine bin.

    >>> fine_of("-657"), fine_of("null"), fine_of("--5"), fine_of("9" * 5000)
    (-657, None, None, None)
    """
    try:
        found = int(name)
    except ValueError:
        return None
    return found if abs(found) <= FINE_MAX else None


def upper_edge(fine_bin: int) -> float:
    """Return the number at which the next fine bin begins.

    >>> upper_edge(657), upper_edge(-657), upper_edge(0) == 2.0**-41
    (1.0625, -1.0, True)
    """
    return _lower(fine_bin + 1) if fine_bin >= 0 else -_lower(-fine_bin)


def _lower(positive: int) -> float:
    octave, part = divmod(positive - 1, _PER_OCTAVE)
    return float((1.0 + part / _PER_OCTAVE) * 2.0 ** (octave - _OCTAVES - 1))


def edge_bins(values: Doubles, edges: Sequence[float]) -> Ints:
    """Return the bin of each number among rising edges.

    >>> edge_bins(np.array([-1.0, 0.0, 5.0, 10.0, np.inf]), [0.0, 10.0]).tolist()
    [0, 1, 1, 2, 2]
    """
    return np.searchsorted(np.array(edges, np.float64), values, side="right").astype(np.int64)
