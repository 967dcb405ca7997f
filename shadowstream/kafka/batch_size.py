"""How much is done at once where somebody else's speed is not known: a candidate's, and the sink's.

What is read in one turn of the loop is run before the next commit and before SIGTERM is heard, so a slow candidate
would hold up both. What one transaction holds must pass within its timeout, so a slow sink would let each of them
fail, and the same again after each restart. The time that it takes is not known before it was taken, so both begin
with few and grow as long as it stays short.
"""

from __future__ import annotations

GOAL_S = 0.25
GROWTH = 8
FIRST_RECORDS = 128
"""In the first transaction of a process, which may have been started because a larger one had failed."""


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


class CommitPace:
    """Records in one transaction, from how long the last ones took. `goal_s`: so long a larger one may be expected to
    take, were all of it what it holds. One that is slow and ends is no reason for smaller ones: a broker that is far
    away or busy takes its time for each.

    >>> pace = CommitPace(50_000, goal_s=2.5)
    >>> pace.took(128, 0.02); pace.took(1_024, 0.04); pace.most
    8192
    >>> pace.took(8_192, 4.0); pace.took(4_096, 2.0); pace.most
    8192
    >>> pace.took(8_192, 9.0); pace.most
    8192
    >>> pace.failed(); pace.most
    1024
    """

    def __init__(self, limit: int, goal_s: float) -> None:
        self._limit, self._goal_s = limit, goal_s
        self.most = min(limit, FIRST_RECORDS)

    def took(self, records: int, seconds: float) -> None:
        """A transaction with so many records took so long."""
        fitting = int(self._goal_s * records / seconds) if seconds > 0 else self._limit
        self.most = max(self.most, min(self._limit, fitting, self.most * GROWTH))

    def failed(self) -> None:
        """A transaction was aborted: the next one is smaller, lest it fails for the same reason."""
        self.most = max(1, self.most // GROWTH)
