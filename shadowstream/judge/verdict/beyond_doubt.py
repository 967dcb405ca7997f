"""From where on a criterion is shown good beyond doubt, so that its last windows need not show it once more.

Beyond doubt is ln E `BEYOND_DOUBT` further than what promotes: of candidates at the limit that may be promoted, one in
55 at most comes so far. From there on it is enough that the last windows do not speak against it: their bad units are
at most `LATELY_SD` standard deviations above what a rate at the limit brings. Were they to show it anew, a rate that
moves under its limit, by a season, would take back each morning what the night has promoted.
"""

from __future__ import annotations

import math

BEYOND_DOUBT = 4.0
LATELY_SD = 2.0


def speaks_against(n: int, bad: float, limit: float) -> bool:
    """Whether so many bad ones of the last n units speak against a rate under the limit.

    >>> speaks_against(1000, 16, 0.01), speaks_against(1000, 17, 0.01)
    (False, True)
    """
    return bad > n * limit + LATELY_SD * math.sqrt(n * limit * (1.0 - limit))
