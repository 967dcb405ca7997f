"""How many inputs the candidate is given at once, so that a slow one holds up neither commits nor probes.

What is read in one turn of the loop is run before the next commit and before SIGTERM is heard. The time that a value
takes is not known before it was taken, so it begins with one value and grows as long as the calls stay short.
"""

from __future__ import annotations

GOAL_S = 0.25
GROWTH = 8


class Pace:
    """Values in one call, from how long the last calls took.

    >>> pace = Pace(1_000)
    >>> pace.most
    1
    >>> pace.took(1, 0.001); pace.took(8, 0.008); pace.most
    64
    >>> pace.took(64, 64.0); pace.most
    1
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.most = 1

    def took(self, values: int, seconds: float) -> None:
        """A call with so many values took so long."""
        if not values:
            return
        fitting = int(GOAL_S * values / seconds) if seconds > 0 else self._limit
        self.most = max(1, min(self._limit, fitting, self.most * GROWTH))
