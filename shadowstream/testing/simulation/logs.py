"""Kafka's part: logs with gaps, high watermarks ahead of what a read_committed reader sees, retention."""

from collections.abc import Iterable
from typing import NamedTuple

from shadowstream.records import Batch, Headers, Partition, Side

BROKEN = "the client cannot decompress it"


class Record(NamedTuple):
    """One record of a log."""

    key: bytes | None
    value: bytes | None
    time_ms: int
    headers: Headers = None


class Label(NamedTuple):
    """What a record is in truth: the k-th output of an input on a side; `copy` tells repeats from the first."""

    number: int
    side: Side
    k: int
    copy: int = 0


class Logs:
    """Logs by place. A log holds None where Kafka has something that no reader sees."""

    def __init__(self, places: Iterable[Partition]) -> None:
        self.records: dict[Partition, list[Record | None]] = {place: [] for place in places}
        self.frozen: dict[Partition, int] = {}
        self.lost: set[tuple[int, Side]] = set()
        """Outputs that nobody can read, by number of the input and side; those of `removed` are not there any more."""
        self.removed: set[tuple[int, Side]] = set()
        self.broken: set[tuple[Partition, int]] = set()
        self.lows: dict[Partition, int] = {}
        self.labels: dict[tuple[Partition, int], Label] = {}
        self.values: dict[tuple[Partition, int], bytes | None] = {}
        """As they were written: those of a topic that was made again are not there any more."""
        self.offsets: dict[Label, tuple[Partition, int]] = {}

    def append(self, place: Partition, record: Record, label: Label | None = None) -> int:
        offset = len(self.records[place])
        self.records[place].append(record)
        if label is not None and label[:2] in self.removed:
            self.records[place][-1] = None
        elif label is not None:
            if label[:2] in self.lost:
                self.broken.add((place, offset))
            self.labels[place, offset] = label
            self.values[place, offset] = record.value
            self.offsets[label] = place, offset
        return offset

    def marker(self, place: Partition) -> None:
        """A control record, or an aborted one."""
        self.records[place].append(None)

    def end(self, place: Partition) -> int:
        """The high watermark, as list_offsets with READ_UNCOMMITTED tells it: what all marks are made of."""
        return len(self.records[place])

    def ends(self, places: Iterable[Partition]) -> dict[Partition, int]:
        return {place: self.end(place) for place in places}

    def stable(self, place: Partition) -> int:
        """To where a read_committed reader sees: below the high watermark while markers are on their way."""
        return self.frozen.get(place, len(self.records[place]))

    def low(self, place: Partition) -> int:
        """The first offset that retention has left."""
        return self.lows.get(place, 0)

    def batch(self, place: Partition, begin: int, n: int) -> tuple[Batch | None, int]:
        """Records of at most n offsets from `begin` on, and the position after them."""
        to = max(begin, min(begin + n, self.stable(place)))
        readable = range(max(begin, self.low(place)), to)
        broken = next((offset for offset in readable if (place, offset) in self.broken), to)
        if broken < to and all(record is None for record in self.records[place][begin:broken]):
            return Batch(place, [broken], [0], [None], [None], [None], BROKEN), broken + 1
        return self.at(place, range(begin, broken)), broken

    def at(self, place: Partition, offsets: Iterable[int]) -> Batch | None:
        log, low = self.records[place], self.low(place)
        found = {offset: record for offset in offsets if offset >= low and (record := log[offset]) is not None}
        if not found:
            return None
        keys, values, times_ms, headers = map(list, zip(*found.values(), strict=True))
        return Batch(place, list(found), times_ms, keys, values, headers)
