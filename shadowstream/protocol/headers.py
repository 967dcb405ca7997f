"""Headers that one role writes and another reads: where a record comes from.

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
from typing import NamedTuple

from shadowstream.errors import RecordError
from shadowstream.records import REVISION_BYTES, Headers, InputCoordinate

PACKED_HEADER = "s"
_PACKED = struct.Struct(">B8sHIQIqq")
_PACKED_VERSION = 1
_PACKED_IN_WARM_UP = 2
ORIGIN_HEADER = "p"
_ORIGIN = struct.Struct(">BIQ")
_ORIGIN_VERSION = 1
COMMIT_HEADER = "c"
"""Of rows under at_least_once: sequence number, incarnation and task of their commit, with spaces between."""
_DIGITS_MAX = 19  # of a 64-bit offset; beyond some thousands of digits Python refuses to read a number at all
NO_K = -1


class PackedHeader(NamedTuple):
    """The unpacked header ``s``. `revision` is the first 16 hex digits of the revision; times in ms; `warm` says that
    the candidate had not got its state together again."""

    revision: str
    coordinate: InputCoordinate
    input_time_ms: int
    emit_time_ms: int
    warm: bool = False


def pack(
    revision: str, coordinate: InputCoordinate, input_time_ms: int, emit_time_ms: int, *, warm: bool = False
) -> bytes:
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


def unpack(raw: bytes) -> PackedHeader:
    """Unpack the header ``s``; raises `RecordError` for another length or version."""
    if len(raw) != _PACKED.size or raw[0] not in (_PACKED_VERSION, _PACKED_IN_WARM_UP):
        raise _odd(raw, PACKED_HEADER, _PACKED, _PACKED_VERSION)
    version, revision, topic, partition, offset, k, input_time_ms, emit_time_ms = _PACKED.unpack(raw)
    at, warm = InputCoordinate(topic, partition, offset, k), version == _PACKED_IN_WARM_UP
    return PackedHeader(revision.hex(), at, input_time_ms, emit_time_ms, warm)


def _odd(raw: bytes, name: str, layout: struct.Struct, version: int) -> RecordError:
    """What is wrong with a header of ours of another length or version."""
    return RecordError(
        f"header {name!r} has {len(raw)} bytes, version {raw[:1].hex() or 'none'}; "
        f"expected {layout.size} bytes of version {version}",
        reason="framing",
    )


class OriginHeader(NamedTuple):
    """The unpacked header ``p``: where the copied record lies in production's own topic."""

    partition: int
    offset: int


def pack_origin(partition: int, offset: int) -> bytes:
    """Pack the header ``p``.

    >>> unpack_origin(pack_origin(3, 12))
    Origin(partition=3, offset=12)
    """
    return _ORIGIN.pack(_ORIGIN_VERSION, partition, offset)


def unpack_origin(raw: bytes) -> OriginHeader:
    """Unpack the header ``p``; raises `RecordError` for another length or version."""
    if len(raw) != _ORIGIN.size or raw[0] != _ORIGIN_VERSION:
        raise _odd(raw, ORIGIN_HEADER, _ORIGIN, _ORIGIN_VERSION)
    _, partition, offset = _ORIGIN.unpack(raw)
    return OriginHeader(partition, offset)


def header(headers: Headers, name: str) -> bytes | None:
    """The last header of that name, as Kafka clients read it."""
    for key, value in reversed(headers or ()):
        if key == name:
            return value
    return None


def packed_of(headers: Headers) -> PackedHeader | None:
    """The packed header, or None where there is none or it is broken."""
    raw = header(headers, PACKED_HEADER)
    if raw is None:
        return None
    try:
        return unpack(raw)
    except RecordError:
        return None


def text_coordinate(raw: bytes | None, inputs: Sequence[str]) -> InputCoordinate | None:
    """Production's own header ``topic/partition/offset`` or ``topic/partition/offset/k``; k is `NO_K` in the first.

    >>> text_coordinate(b"clicks/3/17/0", ["clicks"])
    Coordinate(topic=0, partition=3, offset=17, k=0)
    >>> text_coordinate(b"other/3/17", ["clicks"]) is None
    True
    """
    parts = (raw or b"").decode("utf-8", "replace").split("/")
    if len(parts) not in (3, 4) or parts[0] not in inputs:
        return None
    if not all(p.isdecimal() and len(p) <= _DIGITS_MAX for p in parts[1:]):
        return None
    numbers = [int(p) for p in parts[1:]]
    return InputCoordinate(inputs.index(parts[0]), numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else NO_K)
