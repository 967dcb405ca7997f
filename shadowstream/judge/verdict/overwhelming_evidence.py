"""Evidence beyond doubt: from there on chance may take the recent windows over the limit.

The recent windows must be under the limit, by their estimate. Evidence beyond doubt begins `BEYOND_DOUBT` above the ln
E that promotes: of candidates at the limit that are promoted, at most one in 55 reaches it. The bad units of the recent
windows then are at most `LATELY_SD` standard deviations above those of a rate at the limit. Otherwise a rate that moves
under its limit with a season would lose each morning the promote of the night.
"""

import math

BEYOND_DOUBT = 4.0
LATELY_SD = 2.0


def speaks_against(n: int, bad: float, limit: float) -> bool:
    """Return whether `bad` of the last n units speak against a rate under the limit.

    >>> speaks_against(1000, 16, 0.01), speaks_against(1000, 17, 0.01)
    (False, True)
    """
    return bad > n * limit + LATELY_SD * math.sqrt(n * limit * (1.0 - limit))
