"""Rows of diff as Avro, by parts: most texts of a row are those of the row before, and are encoded once.

The bytes are those of `fastavro.schemaless_writer` with schemas/diff.avsc (tests/codecs/test_own.py), at a fifth of its
time.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NULL, _PRESENT = b"\x00", b"\x02"
"""Branches of a union with null; null is the first."""
_FALSE, _TRUE = b"\x00", b"\x01"
_END = b"\x00"
"""The end of an array or a map."""
_KEPT_CHARS = 256
_delta = struct.Struct("<Bd").pack
_LAST = [bytes([n]) for n in range(128)]
_LAST += [bytes([n & 127 | 128, n >> 7]) for n in range(128, 1 << 14)]
"""The last 14 bits of a varint."""
_MORE = [bytes([n & 127 | 128, n >> 7 | 128]) for n in range(1 << 14)]
"""14 bits of a varint with bits above them."""


def _long(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    if number < 1 << 14:
        return _LAST[number]
    out = b""
    while number >= 1 << 14:
        out += _MORE[number & 16_383]
        number >>= 14
    return out + _LAST[number]


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value


def _text(text: str) -> bytes:
    return _bytes(text.encode())


@lru_cache(4_096)
def _kept_text(text: str) -> bytes:
    return _text(text)


def _repeated(text: str) -> bytes:
    """Encode a text that other rows have too, such as a path; a key of a map may be of any length."""
    return _kept_text(text) if len(text) <= _KEPT_CHARS else _text(text)


def _or_null(text: str | None) -> bytes:
    return _NULL if text is None else _PRESENT + _text(text)


def _bytes_or_null(value: bytes | None) -> bytes:
    return _NULL if value is None else _PRESENT + _bytes(value)


def _place(record: Mapping[str, Any] | None) -> bytes:
    if record is None:
        return _NULL
    return _PRESENT + _repeated(record["topic"]) + _long(record["partition"]) + _long(record["offset"])


def _differences(differences: list[dict[str, Any]]) -> bytes:
    if not differences:
        return _END
    parts = [_long(len(differences))]
    for one in differences:
        delta = one["delta"]
        parts += (
            _repeated(one["path"]),
            _repeated(one["kind"]),
            _or_null(one["production"]),
            _or_null(one["shadow"]),
            _NULL if delta is None else _delta(2, delta),
        )
    parts.append(_END)
    return b"".join(parts)


def _dimensions(values: Mapping[str, str]) -> bytes:
    if not values:
        return _END
    texts = b"".join([_repeated(name) + _repeated(value) for name, value in values.items()])
    return _long(len(values)) + texts + _END


def encoded(head: bytes, row: Mapping[str, Any]) -> bytes:
    """Encode one row after the head of its encoding."""
    return b"".join(
        (
            head,
            _text(row["pair_id"]),
            _repeated(row["task"]),
            _repeated(row["outcome"]),
            _repeated(row["revision"]),
            _long(row["time_ms"]),
            _bytes_or_null(row["key"]),
            _place(row["production"]),
            _place(row["shadow"]),
            _or_null(row["input"]),
            _differences(row["differences"]),
            _or_null(row["reason"]),
            _TRUE if row["late"] else _FALSE,
            _or_null(row["correction_of"]),
            _place(row["twin"]),
            _repeated(row["identity"]),
            _bytes_or_null(row["id"]),
            _TRUE if row["ambiguous"] else _FALSE,
            _dimensions(row.get("dimensions", {})),
        )
    )
