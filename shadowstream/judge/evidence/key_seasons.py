"""Keys as evidence: a bucket of keys counts once a season, by its share of bad units when it first comes.

A key that is wrong is often wrong each time. Fifty keys seen in 24 windows are fifty pieces of evidence, not 1,200. So
the first window of a bucket in a season is its unit, and its later windows there count for the rate of all records only
(`criterion_status`). The shares need not be independent over time. They must be bad with a probability of at least (at
most) the limit given all earlier ones: keys must not depend on each other, nor on themselves a season ago.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.judge.windows.window_counts import Pair


class KeySeasons:
    """Buckets that have counted, and when. `season_ms`: the length of a season; 0: the whole trial is one.

    >>> seasons = KeySeasons(1000)
    >>> [sorted(seasons.due(start_ms, {7: (5, 1), 8: (2, 0)})) for start_ms in (0, 500, 1000)], seasons.distinct
    ([[7, 8], [], [7, 8]], 2)
    """

    def __init__(self, season_ms: int) -> None:
        self._season_ms = season_ms
        self._counted_ms: dict[int, int] = {}

    @property
    def distinct(self) -> int:
        """Number of buckets that have counted."""
        return len(self._counted_ms)

    def due(self, start_ms: int, buckets: Mapping[int, Pair]) -> dict[int, Pair]:
        """Return the buckets of a window that count now, and note them. Windows come in the order of closing."""
        due = {bucket: pair for bucket, pair in buckets.items() if 0 <= pair[1] <= pair[0] and pair[0]}
        due = {bucket: pair for bucket, pair in due.items() if self._is_due(bucket, start_ms)}
        self._counted_ms |= dict.fromkeys(due, start_ms)
        return due

    def _is_due(self, bucket: int, start_ms: int) -> bool:
        counted_ms = self._counted_ms.get(bucket)
        return counted_ms is None or 0 < self._season_ms <= start_ms - counted_ms

    def snapshot(self) -> list[list[int]]:
        """Return the state as JSON."""
        return [[bucket, counted_ms] for bucket, counted_ms in sorted(self._counted_ms.items())]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self._counted_ms = dict(snapshot)
