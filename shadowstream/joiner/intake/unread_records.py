"""Unread records of a side: no reader gets their identity, and they explain records of the other side without partner.

A record is unread if compaction has removed it, or if it cannot be decompressed. So is a record whose identity lies
inside a value that cannot be decoded. Its partner cannot be found. So for each unread record, one unmatched record of
the other side ends as `evicted` instead of missing or extra. Any of them may be the partner, so it does not matter
which one. The rule is a count, not a range of event time: production may write its outputs long after their inputs.

A record of the candidate without a readable identity waits under an id of its own (`UnreadableId`). It counts against
the candidate only if production has no such record that it can be set against. Otherwise a candidate that is identical
to production would pay for what production writes.
"""

from collections.abc import Mapping
from typing import NamedTuple

from shadowstream.records import Side


class UnreadableId(NamedTuple):
    """The substitute id of a record whose own id cannot be read. No other record has it, so it finds no partner."""

    side: Side
    offset: int
    reason: str


class UnreadRecords:
    """The number of unread records of each side, and the number of records of each side that they have explained.

    >>> unread = UnreadRecords()
    >>> unread.add(Side.PRODUCTION)
    >>> unread.explains(Side.PRODUCTION, Side.SHADOW), unread.explains(Side.PRODUCTION, Side.SHADOW)
    (True, False)
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Side, 0)
        self._explained = dict.fromkeys(Side, 0)

    def add(self, side: Side, records: int = 1) -> None:
        self._counts[side] += records

    def explains(self, awaited: Side, of: Side, records: int = 1) -> bool:
        """Use up unread records of side `awaited` for records of side `of`; return False if too few are left."""
        if self._counts[awaited] - self._explained[of] < records:
            return False
        self._explained[of] += records
        return True

    def take_back(self, of: Side) -> None:
        """Free one unread record again: an explained record of side `of` has found its partner."""
        self._explained[of] -= 1

    def settled(self, side: Side) -> None:
        """Remove one unread record of a side: it has been set against one of the other side."""
        self._counts[side] -= 1

    def snapshot(self) -> dict[str, int]:
        if not (any(self._counts.values()) or any(self._explained.values())):
            return {}
        found = {f"unread:{side.word}": n for side, n in self._counts.items() if n}
        return found | {f"unread_explained:{side.word}": n for side, n in self._explained.items() if n}

    def restore(self, counts: Mapping[str, int]) -> None:
        for side in Side:
            self._counts[side] = counts.get(f"unread:{side.word}", 0)
            self._explained[side] = counts.get(f"unread_explained:{side.word}", 0)
