"""Counts of evicted records by side, and of those that a limit shed, by window and revision since the last commit."""

from collections import Counter, defaultdict

from shadowstream.joiner.accounting.reason_counts import At
from shadowstream.protocol.count_names import BY_LIMIT
from shadowstream.records import Side

SHED = "shed: pending_bytes_max"  # reason of a record that a limit shed


class EvictionCounts:
    """Counts between two commits, as in schemas/stats.avsc.

    >>> counts = EvictionCounts()
    >>> counts.add((0, "ab"), Side.SHADOW, SHED)
    >>> counts.of((0, "ab"))
    {'shadow': 1, 'shadow:limit': 1}
    """

    def __init__(self) -> None:
        self._cells = defaultdict[At, Counter[str]](Counter)

    def add(self, at: At, side: Side, reason: str | None, n: int = 1) -> None:
        """Count an evicted record of a side; `n` is -1 for a corrected one."""
        self._cells[at][side.word] += n
        if reason == SHED:
            self._cells[at][side.word + BY_LIMIT] += n

    def of(self, at: At) -> dict[str, int]:
        counts = self._cells.get(at)
        return {name: n for name, n in counts.items() if n} if counts else {}

    def clear(self) -> None:
        self._cells.clear()
