"""Position of one side of one task, and the records that recovery must read again."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from shadowstream.joiner.completeness.observed_offsets import highest

UNREAD_MS = 2**63 - 1  # later than any event time


@dataclass(slots=True)
class SidePosition:
    """The position of one side of one task, in offsets. At the last commit, all records below `pending_from` had ended.

    `retention_gap_until_ms`: retention may have deleted unmatched records up to this event time; None if it has not.
    It is `UNREAD_MS` until a record after the gap has been read.
    """

    pending_from: int = 0
    accounted_to: int = 0  # all records below it have been accounted for
    committed_to: int = 0  # `accounted_to` at the last commit
    read_from: int = 0  # where reading began
    read_to: int = 0
    to_reread: set[int] = field(default_factory=set)  # pending records below `accounted_to`, to be read again
    end_seen: int | None = None  # the last reported end of the partition
    records_read: int = 0  # a count, over all restarts
    lost: int = 0  # a count of offsets that retention deleted before they were read
    restored_watermark_ms: int | None = None  # from before a restart, until all records below it are read again
    retention_gap_until_ms: int | None = None

    def begin(self, start: int, accounted_to: int | None = None, pending: Collection[int] = ()) -> None:
        """Begin at offset `start`, with the content of the last commit; `accounted_to` is None without a commit."""
        self.accounted_to = self.committed_to = start if accounted_to is None else accounted_to
        self.to_reread = set(pending)
        self.read_from = self.read_to = start
        # Deleted before they were read: the number of records is unknown, so the ledger keeps a remainder.
        self.lost = max(0, start - self.accounted_to)
        self._note_gap()

    def gaps(self, offsets: Sequence[int]) -> int:
        """Count the offsets without a record from the accounted ones to the end of `offsets`, which are read next."""
        begin, end = max(self.read_to, self.accounted_to), offsets[-1] + 1
        return max(0, end - begin - (len(offsets) - bisect_left(offsets, begin)))

    def _note_gap(self) -> None:
        """Note a retention gap if reading begins after records that were never read, or that are pending."""
        if self.read_from > self.accounted_to or any(offset < self.read_from for offset in self.to_reread):
            self.retention_gap_until_ms = UNREAD_MS

    @property
    def is_reread(self) -> bool:
        return self.read_to >= self.accounted_to

    @property
    def is_at_end(self) -> bool:
        return self.end_seen is not None and self.end_seen >= self.read_to

    def snapshot(self, side: str, watermark_ms: int | None) -> dict[str, int]:
        """Return counts for the state record, given the side's name and its present watermark."""
        read, lost, gone_ms, newest = _names(side)
        counts = {read: self.records_read}
        if self.lost:
            counts[lost] = self.lost
        if self.retention_gap_until_ms is not None:
            counts[gone_ms] = self.retention_gap_until_ms
        if (newest_ms := highest(watermark_ms, self.restored_watermark_ms)) is not None:
            counts[newest] = newest_ms
        return counts

    def restore(self, side: str, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record; `begin` must have been called before."""
        read, lost, gone_ms, newest = _names(side)
        self.records_read = counts.get(read, 0)
        self.lost += counts.get(lost, 0)
        self.restored_watermark_ms = counts.get(newest)
        self.retention_gap_until_ms = counts.get(gone_ms)
        self._note_gap()


@cache
def _names(side: str) -> tuple[str, str, str, str]:
    """Return the names of a side's counts in the state record."""
    return f"read:{side}", f"lost:{side}", f"gone_ms:{side}", f"watermark_ms:{side}"
