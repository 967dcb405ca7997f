"""Records of a side that nobody could read with their identity, and the records without a partner that they explain.

A record that cannot be decompressed, one whose identity lies inside a value that cannot be decoded, and one that
compaction has removed have a partner that nobody can name. So as many records of the other side as there are of them
end as `evicted` in place of missing or extra. Which ones does not matter: each may be the partner of one. A count, and
no range of event time, because production may write its outputs long after the time of their inputs.

A record of the candidate without a readable identity waits under an id of its own (`Unreadable`). It is the candidate's
fault only if production has no such record that it can stand beside: a candidate that is identical to production must
not pay for what production writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shadowstream.records import Side


class Unreadable(NamedTuple):
    """The id of a record whose own id could not be read: no other record has it, so it never meets a partner."""

    side: Side
    offset: int
    reason: str


class Unread:
    """How many records of each side could not be read, and how many of each side they have explained.

    >>> unread = Unread()
    >>> unread.add(Side.PRODUCTION)
    >>> unread.explains(Side.PRODUCTION, Side.SHADOW), unread.explains(Side.PRODUCTION, Side.SHADOW)
    (True, False)
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Side, 0)
        self._explained = dict.fromkeys(Side, 0)

    def add(self, side: Side, records: int = 1) -> None:
        """Count records of a side that could not be read."""
        self._counts[side] += records

    def explains(self, awaited: Side, of: Side, records: int = 1) -> bool:
        """Whether so many records of side `of` may lack their partners because those of `awaited` could not be read.

        These are explained from now on, and what is left explains others.
        """
        if self._counts[awaited] - self._explained[of] < records:
            return False
        self._explained[of] += records
        return True

    def take_back(self, of: Side) -> None:
        """A record of side `of` that was explained has met its partner after all."""
        self._explained[of] -= 1

    def settled(self, side: Side) -> None:
        """A record of a side that could not be read stands beside one of the other side: it explains nothing more."""
        self._counts[side] -= 1

    def snapshot(self) -> dict[str, int]:
        """What a restart needs, by names of the state record."""
        found = {f"unread:{side.word}": n for side, n in self._counts.items() if n}
        return found | {f"unread_explained:{side.word}": n for side, n in self._explained.items() if n}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Go on from the counts of a state record."""
        for side in Side:
            self._counts[side] = counts.get(f"unread:{side.word}", 0)
            self._explained[side] = counts.get(f"unread_explained:{side.word}", 0)
