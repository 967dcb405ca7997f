"""A partition: records, control records, aborted records, and the last stable offset."""

from typing import NamedTuple

from shadowstream.records import Headers

EARLIEST, LATEST, MAX_TIMESTAMP = -2, -1, -3


class Entry(NamedTuple):
    """An entry of the log. `producer` is set within a transaction; `outcome` makes it a control record."""

    key: bytes | None
    value: bytes | None
    time_ms: int
    headers: Headers = None
    producer: int | None = None
    outcome: str | None = None


class Log:
    """Entries by offset. Nothing is compacted; `low` moves where retention deletes."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.low = 0
        self.held: int | None = None
        """Upper limit of the last stable offset, as if a transaction were open there."""
        self._open: dict[int, list[int]] = {}
        self._aborted: set[int] = set()

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable(self) -> int:
        """Return the last stable offset: below it every transaction is decided."""
        opened = min(offsets[0] for offsets in self._open.values()) if self._open else len(self.entries)
        return opened if self.held is None else min(opened, self.held)

    def append(self, entry: Entry) -> int:
        offset = self.end
        self.entries.append(entry)
        if entry.producer is not None:
            self._open.setdefault(entry.producer, []).append(offset)
        return offset

    def decide(self, producer: int, *, commit: bool, time_ms: int) -> None:
        offsets = self._open.pop(producer, [])
        if not commit:
            self._aborted.update(offsets)
        self.entries.append(Entry(None, None, time_ms, outcome="commit" if commit else "abort"))

    def seen(self, offset: int, *, committed: bool = True) -> bool:
        return self.entries[offset].outcome is None and not (committed and offset in self._aborted)

    def read(
        self, begin: int, maximum: int, end: int, *, committed: bool = True
    ) -> tuple[list[tuple[int, Entry]], int]:
        """Return at most `maximum` records of a range, and the position after them."""
        found: list[tuple[int, Entry]] = []
        at = begin
        while at < end:
            if self.seen(at, committed=committed):
                if len(found) == maximum:
                    break
                found.append((at, self.entries[at]))
            at += 1
        return found, at

    def records(self) -> list[tuple[int, Entry]]:
        """Return all records that a read_committed reader gets."""
        return self.read(self.low, self.end, self.stable)[0]

    def listed(self, spec: int, *, committed: bool) -> tuple[int, int]:
        """Return the answer of list_offsets: an offset and its timestamp, -1 where there is none. As on a broker,
        markers count for the greatest timestamp, by the wall clock."""
        if spec == EARLIEST:
            return self.low, -1
        if spec == LATEST:
            return (self.stable if committed else self.end), -1
        if spec >= 0:  # a time: the first record of it or a later one
            later = ((at, entry.time_ms) for at, entry in enumerate(self.entries) if at >= self.low)
            return next(((at, time_ms) for at, time_ms in later if time_ms >= spec), (-1, -1))
        known = [(entry.time_ms, -at) for at, entry in enumerate(self.entries) if at >= self.low]
        if not known:
            return -1, -1
        time_ms, at = max(known)
        return -at, time_ms
