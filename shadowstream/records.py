"""Records in batches, their sides and positions, and the writes and commits of a step.

A `Batch` holds columns of one topic partition, so that stages work on whole columns at C speed, and never on Kafka's
message objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

METADATA_CHARS_MAX = 4_000  # the broker refuses 4,096, and one refused partition fails the whole commit
REVISION_BYTES = 8
OWN_HEADERS = ("s", "p")
"""Headers that shadowstream writes into records of a trial: an output's input, and a copy's original."""
KEY_BUCKETS = 1_024  # buckets of keys, by hash, in which bad records are counted
SUB_WINDOWS = 12  # parts of a window, which detectors read before the window closes


class Side(IntEnum):
    """The side of a record in a comparison. A task has the first two or, with a twin, all three."""

    PRODUCTION = 0
    SHADOW = 1
    TWIN = 2

    @property
    def word(self) -> str:
        """The side's name in topics, metrics and reports."""
        return _WORDS[self]


_WORDS = tuple(side.name.lower() for side in Side)


class Partition(NamedTuple):
    """A topic partition."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class InputCoordinate(NamedTuple):
    """The k-th output of one input record: input topic index in the config, partition, offset, k."""

    topic: int
    partition: int
    offset: int
    k: int


Headers = list[tuple[str, bytes]] | None


@dataclass(slots=True, frozen=True)
class Batch:
    """Columns of records of one partition, in offset order. All columns have the same length.

    `times_ms` are the records' timestamps (event time). `headers` has one entry a record, or is empty if no reader
    needs them (reading headers is expensive). `lost` is the reason why none of the records can be read; then only
    their offsets are known.
    """

    place: Partition
    offsets: Sequence[int]
    times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] = ()
    lost: str | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def below(self, offset: int) -> Batch:
        return self.part(0, sum(record_offset < offset for record_offset in self.offsets))

    def part(self, begin: int, end: int) -> Batch:
        offsets, times_ms = self.offsets[begin:end], self.times_ms[begin:end]
        keys, values = self.keys[begin:end], self.values[begin:end]
        return Batch(self.place, offsets, times_ms, keys, values, self.headers[begin:end], self.lost)


class Write(NamedTuple):
    """A record that a step wants written. `partition` is always explicit; -1 leaves it to the client."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    time_ms: int = 0
    headers: Headers = None


class Commit(NamedTuple):
    """An offset to commit for a place, with the metadata that recovery reads."""

    place: Partition
    offset: int
    metadata: str


class Prepared(NamedTuple):
    """Effects of one transaction. `has_more`: there are further effects, which did not fit into it."""

    writes: list[Write]
    commits: list[Commit]
    has_more: bool = False
