"""How far one side of one task has been read, and what recovery still owes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

UNREAD_MS = 2**63 - 1
"""Later than any event time."""


class SidePosition:
    """One side of one task; all numbers but event times and `records_read` are offsets.

    ``pending_from``: everything below it had ended at the last commit. ``accounted_to``: everything below it has been
    accounted for; ``committed_to`` is that of the last commit. ``read_from``: where reading began. ``read_to``: the
    position. ``to_reread``: offsets below ``accounted_to`` that are pending and have not been read again. ``end_seen``:
    where the end was last reported. ``records_read``: records ever read. ``lost``: offsets that retention deleted
    before they were read.

    ``restored_watermark_ms``: the watermark of before a restart, until everything below it has been read again.
    ``retention_gap_until_ms``: event time up to which records of this side may have been deleted before they met a
    partner; None: none has been; `UNREAD_MS` until a record behind the gap has been read.
    """

    def __init__(self) -> None:
        self.pending_from = 0
        self.accounted_to = 0
        self.committed_to = 0
        self.read_from = 0
        self.read_to = 0
        self.to_reread: set[int] = set()
        self.end_seen: int | None = None
        self.records_read = 0
        self.lost = 0
        self.restored_watermark_ms: int | None = None
        self.retention_gap_until_ms: int | None = None

    def begin(self, start: int, accounted_to: int | None = None, pending: Collection[int] = ()) -> None:
        """Begin at offset `start`, with what the last commit says (`accounted_to` is None: nothing committed yet)."""
        self.accounted_to = self.committed_to = start if accounted_to is None else accounted_to
        self.to_reread = set(pending)
        self.read_from = self.read_to = start
        # Deleted before anybody read them: how many records they were nobody knows, so the ledger stays open.
        self.lost = max(0, start - self.accounted_to)
        self._note_gap()

    def gaps(self, offsets: Sequence[int]) -> int:
        """Count offsets without a record between what has been accounted for and the end of these, read next."""
        begin, end = max(self.read_to, self.accounted_to), offsets[-1] + 1
        return max(0, end - begin - (len(offsets) - bisect_left(offsets, begin)))

    def _note_gap(self) -> None:
        """Reading begins: it may be behind records that nobody has read, or that are pending."""
        if self.read_from > self.accounted_to or any(offset < self.read_from for offset in self.to_reread):
            self.retention_gap_until_ms = UNREAD_MS

    @property
    def is_reread(self) -> bool:
        """Whether everything that had been read before a restart has been read again."""
        return self.read_to >= self.accounted_to

    @property
    def is_at_end(self) -> bool:
        """Whether the position has reached the end that was last reported."""
        return self.end_seen is not None and self.end_seen >= self.read_to

    def snapshot(self, side: str, watermark_ms: int | None) -> dict[str, int]:
        """Counts for the state record, given the side's name and its present watermark."""
        counts = {f"read:{side}": self.records_read}
        if self.lost:
            counts[f"lost:{side}"] = self.lost
        if self.retention_gap_until_ms is not None:
            counts[f"gone_ms:{side}"] = self.retention_gap_until_ms
        watermarks = [time_ms for time_ms in (watermark_ms, self.restored_watermark_ms) if time_ms is not None]
        if watermarks:
            counts[f"watermark_ms:{side}"] = max(watermarks)
        return counts

    def restore(self, side: str, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record; `begin` and the pending offsets came before."""
        self.records_read = counts.get(f"read:{side}", 0)
        self.lost += counts.get(f"lost:{side}", 0)
        self.restored_watermark_ms = counts.get(f"watermark_ms:{side}")
        self.retention_gap_until_ms = counts.get(f"gone_ms:{side}")
        self._note_gap()
