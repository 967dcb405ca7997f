"""Batch sizes for two speeds that are not known beforehand: the candidate's and the sink's.

The loop processes all records of a turn before it commits or reacts to SIGTERM, so a slow candidate would delay both. A
transaction must end within its timeout; with a slow sink each one would fail, again after each restart. Both sizes
therefore begin small, and grow while calls and transactions stay short.
"""

GOAL_S = 0.25
GROWTH = 8
FIRST_RECORDS = 128  # Records in the first transaction of a process. A larger one may have failed and caused its start.


class CallSize:
    """Number of values in one call, from the duration of the last calls; never fewer than `smallest`.

    >>> size = CallSize(1_000)
    >>> size.limit
    1
    >>> size.took(1, 0.001); size.took(8, 0.008); size.limit
    64
    >>> size.took(64, 64.0); size.limit
    1
    >>> size = CallSize(1_000, smallest=32)
    >>> size.took(32, 64.0); size.limit
    32
    """

    def __init__(self, largest: int, smallest: int = 1) -> None:
        self._largest, self._smallest = largest, smallest
        self.limit = smallest

    def took(self, values: int, seconds: float) -> None:
        """Adapt `limit` to a call with this number of values and this duration."""
        if not values:
            return
        fitting = int(GOAL_S * values / seconds) if seconds > 0 else self._largest
        self.limit = max(self._smallest, min(self._largest, fitting, self.limit * GROWTH))


class CommitSize:
    """Number of records in one transaction, from the duration of the last transactions.

    `goal_s` is the expected duration of a larger transaction, if duration is proportional to records. A slow
    transaction that ends does not lower the size: a distant or busy broker takes its time for each.

    >>> size = CommitSize(50_000, goal_s=2.5)
    >>> size.took(128, 0.02); size.took(1_024, 0.04); size.limit
    8192
    >>> size.took(8_192, 4.0); size.took(4_096, 2.0); size.limit
    8192
    >>> size.took(8_192, 9.0); size.limit
    8192
    >>> size.failed(); size.limit
    1024
    """

    def __init__(self, largest: int, goal_s: float) -> None:
        self._largest, self._goal_s = largest, goal_s
        self.limit = min(largest, FIRST_RECORDS)

    def took(self, records: int, seconds: float) -> None:
        """Raise `limit` after a transaction with this number of records and this duration."""
        fitting = int(self._goal_s * records / seconds) if seconds > 0 else self._largest
        self.limit = max(self.limit, min(self._largest, fitting, self.limit * GROWTH))

    def failed(self) -> None:
        """Lower `limit` after an aborted transaction, so that the next one does not fail for the same reason."""
        self.limit = max(1, self.limit // GROWTH)
