"""A record of one of two compared topics, and the places of a pair: both with their bytes in a bucket."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = struct.Struct("<BiqqIiiI")
"""Side, partition, offset, time, and the lengths of id, key and value (-1: None) and the number of headers."""
_HEADER = struct.Struct("<Bi")
"""Index of a header's name, and the length of its value (-1: None)."""
_PLACES = struct.Struct("<iqiqI")
"""Partition and offset in the first topic, then in the second, and the length of the key."""


class StoredRecord(NamedTuple):
    """One record. `side` is 0 for the first topic and 1 for the second. `headers`: the compared headers, each as the
    index of its name and its value (`compare.record_parts.KeptHeaders`)."""

    side: int
    partition: int
    offset: int
    time_ms: int
    id: bytes
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[int, bytes | None], ...] = ()

    def pack(self) -> bytes:
        """Return the record's bytes.

        >>> record = StoredRecord(1, 3, 12, 5, b"id", None, b"{}", ((0, b"h"), (0, None)))
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
        for name, one in self.headers:
            parts += [_HEADER.pack(name, -1 if one is None else len(one)), one or b""]
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
        headers: list[tuple[int, bytes | None]] = []
        for _ in range(of_headers):
            name, length = _HEADER.unpack_from(raw, at)
            header, at = _part(raw, at + _HEADER.size, length)
            headers.append((name, header))
        yield StoredRecord(side, partition, offset, time_ms, id_, key, value, tuple(headers))


class PairPlaces(NamedTuple):
    """The places of both records of a pair. `id` is the key of the record in the first topic."""

    id: bytes
    partition: int
    offset: int
    other_partition: int
    other_offset: int

    def pack(self) -> bytes:
        return _PLACES.pack(*self[1:], len(self.id)) + self.id


def unpack_places(raw: bytes) -> Iterator[PairPlaces]:
    """Yield the pairs of a bucket in the order in which they were added.

    >>> places = PairPlaces(b"key", 3, 2**40, 0, 7)
    >>> list(unpack_places(places.pack() * 2)) == [places] * 2
    True
    """
    at = 0
    while at < len(raw):
        *places, length = _PLACES.unpack_from(raw, at)
        at += _PLACES.size + length
        yield PairPlaces(raw[at - length : at], *places)


def _part(raw: bytes, at: int, length: int) -> tuple[bytes | None, int]:
    return (None, at) if length < 0 else (raw[at : at + length], at + length)
