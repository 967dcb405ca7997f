"""A record of one of two compared topics, and its bytes in a bucket."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = struct.Struct("<BiqqIiiB")
"""Side, partition, offset, time, and the lengths of id, key and value (-1: None) and the number of headers."""
_LENGTH = struct.Struct("<i")


class StoredRecord(NamedTuple):
    """One record. `side` is 0 for the first topic and 1 for the second. `headers` holds the values of the compared
    headers, in the order of their names; None where the record lacks one."""

    side: int
    partition: int
    offset: int
    time_ms: int
    id: bytes
    key: bytes | None
    value: bytes | None
    headers: tuple[bytes | None, ...] = ()

    def pack(self) -> bytes:
        """Return the record's bytes.

        >>> record = StoredRecord(1, 3, 12, 5, b"id", None, b"{}", (b"h", None))
        >>> list(unpack(record.pack() + record.pack())) == [record, record]
        True
        """
        key, value = self.key, self.value
        head = _HEAD.pack(
            self.side,
            self.partition,
            self.offset,
            self.time_ms,
            len(self.id),
            -1 if key is None else len(key),
            -1 if value is None else len(value),
            len(self.headers),
        )
        parts = [head, self.id, key or b"", value or b""]
        for one in self.headers:
            parts += [_LENGTH.pack(-1 if one is None else len(one)), one or b""]
        return b"".join(parts)


def unpack(raw: bytes) -> Iterator[StoredRecord]:
    """Yield the records of a bucket in the order in which they were added."""
    at, end = 0, len(raw)
    while at < end:
        side, partition, offset, time_ms, of_id, of_key, of_value, of_headers = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        id_ = raw[at : at + of_id]
        at += of_id
        key, at = _part(raw, at, of_key)
        value, at = _part(raw, at, of_value)
        headers: list[bytes | None] = []
        for _ in range(of_headers):
            (length,) = _LENGTH.unpack_from(raw, at)
            header, at = _part(raw, at + _LENGTH.size, length)
            headers.append(header)
        yield StoredRecord(side, partition, offset, time_ms, id_, key, value, tuple(headers))


def _part(raw: bytes, at: int, length: int) -> tuple[bytes | None, int]:
    return (None, at) if length < 0 else (raw[at : at + length], at + length)
