"""How far one side of a task has been read, and what recovery still owes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from shadowstream.joiner.intake.dedupe import Seen

UNREAD_MS = 2**63 - 1
"""Later than any event time."""


class SideState:
    """One side of one task; all numbers but `watermark_ms` and `read` are offsets.

    ``low``: everything below it had ended at the last commit. ``high``: everything below it has been accounted for;
    ``committed_high`` is that of the last commit. ``first``: where reading began. ``announced``: offsets below high
    that still wait and have not been read again. ``read_to``: the position. ``ended_at``: where the end was last told.
    ``read``: records ever read. ``watermark_ms``: the watermark before a restart, until everything that it spoke of has
    been read again. ``seen``: ids of the dedupe span. ``lost``: offsets that retention deleted before they were read.
    ``gone_ms``: event time up to which records of this side may have been deleted before they met a partner, ms; None:
    none has been; `UNREAD_MS` until what lies behind them has been read.
    """

    def __init__(self, span: int) -> None:
        self.low = 0
        self.high = 0
        self.committed_high = 0
        self.first = 0
        self.announced: set[int] = set()
        self.read = 0
        self.read_to = 0
        self.ended_at: int | None = None
        self.watermark_ms: int | None = None
        self.seen = Seen(span)
        self.lost = 0
        self.gone_ms: int | None = None

    def gaps(self, offsets: Sequence[int]) -> int:
        """Offsets without a record between what has been accounted for and the end of these, which are read next."""
        begin, end = max(self.read_to, self.high), offsets[-1] + 1
        return max(0, end - begin - (len(offsets) - bisect_left(offsets, begin)))

    def note_gone(self) -> None:
        """To be called where reading begins: it may be behind records that nobody has read, or that still wait."""
        if self.first > self.high or any(offset < self.first for offset in self.announced):
            self.gone_ms = UNREAD_MS
