"""Headers that name the origin of a record, written by one role and read by another.

Every candidate output has the packed header ``s``, which names its input. Its layout is ``version u8 | revision 8 bytes
| topic index u16 | partition u32 | offset u64 | k u32 | input time ms i64 | emit time ms i64``, big endian, 43 bytes.
One header replaces several, because reading a header costs more than all other columns of a record together
(docs/decisions/0004). Version 2 marks an output that a candidate with state wrote during its warm-up.

Every record of a repartition topic has the header ``p``, which names the copied record in production's own topic. Its
layout is ``version u8 | partition u32 | offset u64``, big endian, 13 bytes.
"""

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
"""Header of diff rows under at_least_once: sequence number, incarnation and task of their commit, space-separated."""
_DIGITS_MAX = 19  # digits of a 64-bit offset; Python refuses to parse numbers of several thousand digits
NO_K = -1


class PackedHeader(NamedTuple):
    """The unpacked header ``s``. `revision`: its first 16 hex digits; `warm`: the candidate's state was incomplete."""

    revision: str
    coordinate: InputCoordinate
    input_time_ms: int
    emit_time_ms: int
    warm: bool = False


def pack(
    revision: str, coordinate: InputCoordinate, input_time_ms: int, emit_time_ms: int, *, warm: bool = False
) -> bytes:
    """Pack the header ``s``.

    >>> at = InputCoordinate(0, 3, 12, 0)
    >>> unpack(pack("00ff00ff00ff00ff", at, 5, 6)).coordinate == at
    True
    """
    version = _PACKED_IN_WARM_UP if warm else _PACKED_VERSION
    head = bytes.fromhex(revision[: 2 * REVISION_BYTES])
    return _PACKED.pack(version, head, *coordinate, input_time_ms, emit_time_ms)


def pack_many(
    revision: str, of: tuple[int, int], offsets: Sequence[int], times_ms: Sequence[int], emit_time_ms: int
) -> list[bytes]:
    """Pack headers of inputs of one partition with one output each; `of`: index of the input topic, and partition.

    >>> pack_many("00" * 8, (0, 3), [12], [5], 6) == [pack("00" * 8, InputCoordinate(0, 3, 12, 0), 5, 6)]
    True
    """
    head = bytes.fromhex(revision[: 2 * REVISION_BYTES])
    (topic, partition), packed = of, _PACKED.pack
    return [
        packed(_PACKED_VERSION, head, topic, partition, offset, 0, time_ms, emit_time_ms)
        for offset, time_ms in zip(offsets, times_ms, strict=True)
    ]


def unpack(raw: bytes) -> PackedHeader:
    """Unpack the header ``s``; raise `RecordError` for another length or version."""
    if len(raw) != _PACKED.size or raw[0] not in (_PACKED_VERSION, _PACKED_IN_WARM_UP):
        raise _malformed(raw, PACKED_HEADER, _PACKED, _PACKED_VERSION)
    version, revision, topic, partition, offset, k, input_time_ms, emit_time_ms = _PACKED.unpack(raw)
    at, warm = InputCoordinate(topic, partition, offset, k), version == _PACKED_IN_WARM_UP
    return PackedHeader(revision.hex(), at, input_time_ms, emit_time_ms, warm)


def _malformed(raw: bytes, name: str, layout: struct.Struct, version: int) -> RecordError:
    return RecordError(
        f"header {name!r} has {len(raw)} bytes, version {raw[:1].hex() or 'none'}; "
        f"expected {layout.size} bytes of version {version}",
        reason="framing",
    )


def pack_origin(partition: int, offset: int) -> bytes:
    """Pack the header ``p``.

    >>> unpack_origin(pack_origin(3, 12))
    (3, 12)
    """
    return _ORIGIN.pack(_ORIGIN_VERSION, partition, offset)


def unpack_origin(raw: bytes) -> tuple[int, int]:
    """Return the partition and offset in the header ``p``; raise `RecordError` for another length or version."""
    if len(raw) != _ORIGIN.size or raw[0] != _ORIGIN_VERSION:
        raise _malformed(raw, ORIGIN_HEADER, _ORIGIN, _ORIGIN_VERSION)
    _, partition, offset = _ORIGIN.unpack(raw)
    return partition, offset


def header(headers: Headers, name: str) -> bytes | None:
    """Return the last header of a name, as Kafka clients do; None if there is none."""
    return next((value for key, value in reversed(headers or ()) if key == name), None)


def packed_of(headers: Headers) -> PackedHeader | None:
    """Return the packed header; None if it is absent or malformed."""
    raw = header(headers, PACKED_HEADER)
    try:
        return None if raw is None else unpack(raw)
    except RecordError:
        return None


def text_coordinate(raw: bytes | None, inputs: Sequence[str]) -> InputCoordinate | None:
    """Parse production's own header ``topic/partition/offset[/k]``; None if it names no input. Without k, k is `NO_K`.

    >>> text_coordinate(b"clicks/3/17/0", ["clicks"]), text_coordinate(b"other/3/17", ["clicks"])
    (InputCoordinate(topic=0, partition=3, offset=17, k=0), None)
    """
    topic, *rest = (raw or b"").decode("utf-8", "replace").split("/")
    if len(rest) not in (2, 3) or topic not in inputs:
        return None
    if not all(p.isdecimal() and len(p) <= _DIGITS_MAX for p in rest):
        return None
    partition, offset, k = (*map(int, rest), NO_K)[:3]
    return InputCoordinate(inputs.index(topic), partition, offset, k)
