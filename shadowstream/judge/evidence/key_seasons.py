"""Keys as evidence: a bucket of keys counts once a season, by its share of bad units when it first comes.

A key that is wrong is often wrong each time. Fifty keys seen in 24 windows are fifty pieces of evidence, not 1,200. So
the first window of a bucket in a season is its unit, and its later windows there count for the rate of all records only
(`criterion_status`). The shares need not be independent over time. They must be bad with a probability of at least (at
most) the limit given all earlier ones: keys must not depend on each other, nor on themselves a season ago.

A correction takes records back: one that was missing has come. It changes the share of the window in which its bucket
last counted. What a correction adds changes no share, because a share that grows with each look is no evidence.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shadowstream.judge.windows.window_counts import Pair


class KeySeasons:
    """Buckets that have counted: when, and by which units. `season_ms`: length of a season; 0: the trial is one.

    >>> seasons = KeySeasons(1000)
    >>> [sorted(seasons.due(start_ms, {7: (5, 1), 8: (2, 0)})) for start_ms in (0, 500, 1000)], seasons.distinct
    ([[7, 8], [], [7, 8]], 2)
    """

    def __init__(self, season_ms: int) -> None:
        self._season_ms = season_ms
        self._counted: dict[int, tuple[int, int, int]] = {}

    @property
    def distinct(self) -> int:
        """Number of buckets that have counted."""
        return len(self._counted)

    def due(self, start_ms: int, buckets: Mapping[int, Pair]) -> dict[int, Pair]:
        """Return the buckets of a window that count now, and note them. Windows come in the order of closing."""
        due = {bucket: pair for bucket, pair in buckets.items() if 0 <= pair[1] <= pair[0] and pair[0]}
        due = {bucket: pair for bucket, pair in due.items() if self._is_due(bucket, start_ms)}
        self._counted |= {bucket: (start_ms, *pair) for bucket, pair in due.items()}
        return due

    def late(self, start_ms: int, buckets: Mapping[int, Pair]) -> dict[int, Pair]:
        """Return the buckets of a correction that count now, and the changed units of those that have counted.

        A share that is taken back has its units and bad units below zero, behind the complement of its bucket.

        >>> seasons = KeySeasons(1000)
        >>> seasons.due(0, {7: (5, 2)}), seasons.late(0, {7: (0, -1)})
        ({7: (5, 2)}, {-8: (-5, -2), 7: (5, 1)})
        """
        found = {}
        for bucket, (n, s) in buckets.items():
            counted_ms, units, bad = self._counted.get(bucket, (None, 0, 0))
            if counted_ms != start_ms or not units or (n >= 0 and s >= 0):
                continue
            now = units + min(n, 0), bad + min(s, 0)
            if 0 <= now[1] <= now[0]:
                found[~bucket] = -units, -bad
                self._counted[bucket] = (start_ms, *now)
                if now[0]:
                    found[bucket] = now
        return found | self.due(start_ms, {bucket: pair for bucket, pair in buckets.items() if bucket not in found})

    def _is_due(self, bucket: int, start_ms: int) -> bool:
        counted = self._counted.get(bucket)
        return counted is None or 0 < self._season_ms <= start_ms - counted[0]

    def snapshot(self) -> list[list[int]]:
        """Return the state as JSON."""
        return [[bucket, *counted] for bucket, counted in sorted(self._counted.items())]

    def restore(self, snapshot: Iterable[Any]) -> None:
        """Restore the state from a snapshot."""
        self._counted = {bucket: (start_ms, n, s) for bucket, start_ms, n, s in snapshot}
