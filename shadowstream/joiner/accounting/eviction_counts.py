"""Evicted records by side, and those of them that a limit shed: counts by window and revision since the last commit."""

from __future__ import annotations

from collections import Counter

from shadowstream.protocol.count_names import BY_LIMIT
from shadowstream.records import Side

SHED = "shed: pending_bytes_max"
"""Why a record is evicted that a limit shed."""

At = tuple[int, str]
"""Start of a window, ms, and revision."""


class Evictions:
    """Counts between two commits, as in schemas/stats.avsc.

    >>> counts = Evictions()
    >>> counts.add((0, "ab"), Side.SHADOW, SHED)
    >>> counts.of((0, "ab"))
    {'shadow': 1, 'shadow:limit': 1}
    """

    def __init__(self) -> None:
        self._cells: dict[At, Counter[str]] = {}

    def add(self, at: At, side: Side, reason: str | None, n: int = 1) -> None:
        """Count a record of a side that was evicted for a reason; -1: it was not after all."""
        cell = self._cells.setdefault(at, Counter())
        cell[side.word] += n
        if reason == SHED:
            cell[side.word + BY_LIMIT] += n

    def of(self, at: At) -> dict[str, int]:
        """The counts of one window and revision."""
        return {name: n for name, n in self._cells.get(at, Counter()).items() if n}

    def clear(self) -> None:
        """The counts have been committed."""
        self._cells.clear()
