"""Bins of answers that are probabilities: a count of labels by bin gives the AUC within bounds, and the calibration.

Bins are 0.01 wide, and finer towards 0 and 1, where scores of rare events lie: there 20 bins cover a factor of ten. A
bin holds its upper edge. Each tenth is an edge, so that the ten bins of a calibration table are made of whole ones.
"""

from bisect import bisect_left

_FINE = [0.01 * 10.0 ** (-step / 20) for step in range(1, 81)]
EDGES = tuple(sorted([*_FINE, *(step / 100 for step in range(1, 100)), *(1.0 - edge for edge in _FINE), 1.0]))
"""Upper edges of the bins of [0, 1]."""
BELOW, ABOVE = -1, len(EDGES)
"""Bins of answers below 0 and above 1, which are no probabilities."""
TENTHS = tuple(step / 10 for step in range(1, 11))
"""Upper edges of the bins of a calibration table."""


def bin_of(score: float) -> int:
    """Return the bin of an answer.

    >>> bin_of(-0.1) == BELOW, bin_of(1.5) == ABOVE, bin_of(0.0), EDGES[bin_of(0.5)], EDGES[bin_of(0.501)]
    (True, True, 0, 0.5, 0.51)
    """
    return BELOW if score < 0.0 else bisect_left(EDGES, score)


def tenth_of(score_bin: int) -> int:
    """Return the bin of a calibration table that holds a bin of [0, 1].

    >>> [tenth_of(bin_of(score)) for score in (0.0, 0.1, 0.11, 1.0)]
    [0, 0, 1, 9]
    """
    return bisect_left(TENTHS, EDGES[score_bin])
