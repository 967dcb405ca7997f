"""Evidence beyond doubt: from there on the recent windows need not show a criterion good once more.

It begins `BEYOND_DOUBT` above the ln E that promotes: of candidates at the limit that are promoted, at most one in 55
reaches it. The recent windows then only must not speak against the criterion: their bad units are at most `LATELY_SD`
standard deviations above those of a rate at the limit. If they had to show it anew, a rate that moves under its limit
with a season would lose each morning the promote of the night.
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
