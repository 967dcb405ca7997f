"""Records and where they come from. Imports nothing of ours but errors.

A `Batch` holds columns of one topic partition, so that rooms work on whole columns at C speed and
never on Kafka's message objects.

The packed header ``s`` stands on every candidate output and names the input that it came from:
its layout is ``version u8 | revision 8 bytes | topic index u16 | partition u32 | offset u64 | k u32 |
input time ms i64 | emit time ms i64``, big endian, 43 bytes. One header and not several, because a
header read costs more than all other columns of a record together (docs/decisions/0004). Version 2 is version 1 of an
output that a candidate with state made in its warm-up.

The header ``p`` stands on every record of a repartition topic and names the record of production's own topic that it
is a copy of: ``version u8 | partition u32 | offset u64``, big endian, 13 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from shadowstream.errors import RecordError

PACKED_HEADER = "s"
_PACKED = struct.Struct(">B8sHIQIqq")
_PACKED_VERSION = 1
_PACKED_IN_WARM_UP = 2
METADATA_CHARS_MAX = 4_000  # the broker refuses 4,096, and one refused partition fails the whole commit
REVISION_BYTES = 8

ORIGIN_HEADER = "p"
_ORIGIN = struct.Struct(">BIQ")
_ORIGIN_VERSION = 1
COMMIT_HEADER = "c"
"""Of rows under at_least_once: sequence number, incarnation and task of their commit, with spaces between."""


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


class Place(NamedTuple):
    """A topic partition."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Coordinate(NamedTuple):
    """The k-th output of one input record: input topic index in the config, partition, offset, k."""

    topic: int
    partition: int
    offset: int
    k: int


class Packed(NamedTuple):
    """The unpacked header ``s``. `revision` is the first 16 hex digits of the revision; times in ms; `warm` says that
    the candidate had not got its state together again."""

    revision: str
    coordinate: Coordinate
    input_time_ms: int
    emit_time_ms: int
    warm: bool = False


def pack(revision: str, coordinate: Coordinate, input_time_ms: int, emit_time_ms: int, *, warm: bool = False) -> bytes:
    """Pack the header ``s``.

    >>> at = Coordinate(0, 3, 12, 0)
    >>> unpack(pack("00ff00ff00ff00ff", at, 5, 6)).coordinate == at
    True
    """
    version = _PACKED_IN_WARM_UP if warm else _PACKED_VERSION
    return _PACKED.pack(
        version, bytes.fromhex(revision[: 2 * REVISION_BYTES]), *coordinate, input_time_ms, emit_time_ms
    )


def pack_many(
    revision: str, of: tuple[int, int], offsets: Sequence[int], times_ms: Sequence[int], emit_time_ms: int
) -> list[bytes]:
    """As `pack`, of the only outputs of many inputs of one partition; `of` is the input topic's index and partition.

    >>> pack_many("00ff00ff00ff00ff", (0, 3), [12], [5], 6) == [pack("00ff00ff00ff00ff", Coordinate(0, 3, 12, 0), 5, 6)]
    True
    """
    head = bytes.fromhex(revision[: 2 * REVISION_BYTES])
    (topic, partition), packed = of, _PACKED.pack
    return [
        packed(_PACKED_VERSION, head, topic, partition, offset, 0, time_ms, emit_time_ms)
        for offset, time_ms in zip(offsets, times_ms, strict=True)
    ]


def unpack(raw: bytes) -> Packed:
    """Unpack the header ``s``; raises `RecordError` for another length or version."""
    if len(raw) != _PACKED.size or raw[0] not in (_PACKED_VERSION, _PACKED_IN_WARM_UP):
        raise _odd(raw, PACKED_HEADER, _PACKED, _PACKED_VERSION)
    version, revision, topic, partition, offset, k, input_time_ms, emit_time_ms = _PACKED.unpack(raw)
    at, warm = Coordinate(topic, partition, offset, k), version == _PACKED_IN_WARM_UP
    return Packed(revision.hex(), at, input_time_ms, emit_time_ms, warm)


def _odd(raw: bytes, name: str, layout: struct.Struct, version: int) -> RecordError:
    """What is wrong with a header of ours of another length or version."""
    return RecordError(
        f"header {name!r} has {len(raw)} bytes, version {raw[:1].hex() or 'none'}; "
        f"expected {layout.size} bytes of version {version}",
        reason="framing",
    )


class Origin(NamedTuple):
    """The unpacked header ``p``: where the copied record lies in production's own topic."""

    partition: int
    offset: int


def pack_origin(partition: int, offset: int) -> bytes:
    """Pack the header ``p``.

    >>> unpack_origin(pack_origin(3, 12))
    Origin(partition=3, offset=12)
    """
    return _ORIGIN.pack(_ORIGIN_VERSION, partition, offset)


def unpack_origin(raw: bytes) -> Origin:
    """Unpack the header ``p``; raises `RecordError` for another length or version."""
    if len(raw) != _ORIGIN.size or raw[0] != _ORIGIN_VERSION:
        raise _odd(raw, ORIGIN_HEADER, _ORIGIN, _ORIGIN_VERSION)
    _, partition, offset = _ORIGIN.unpack(raw)
    return Origin(partition, offset)


Headers = list[tuple[str, bytes]] | None


@dataclass(slots=True, frozen=True)
class Batch:
    """Columns of records of one partition, in offset order. All columns have the same length.

    `times_ms` are the records' timestamps (event time). `headers` has one entry a record, or is empty if no reader
    needs them (reading headers is expensive). `lost` is the reason why none of the records can be read; then only
    their offsets are known.
    """

    place: Place
    offsets: Sequence[int]
    times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] = ()
    lost: str | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def below(self, offset: int) -> Batch:
        """The records below an offset."""
        return self.part(0, sum(record_offset < offset for record_offset in self.offsets))

    def part(self, begin: int, end: int) -> Batch:
        """The records from index `begin` to before index `end`."""
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

    place: Place
    offset: int
    metadata: str
