"""Parts of Avro's encoding, for records that are written in large numbers.

A text that many records hold, such as the name of a topic, is encoded once.
"""

import struct
from functools import lru_cache

NULL, PRESENT = b"\x00", b"\x02"
"""Branches of a union with null; null is the first."""
FALSE, TRUE = b"\x00", b"\x01"
END = b"\x00"
"""The end of an array or a map."""
KEPT_CHARS = 256
pack_delta = struct.Struct("<Bd").pack
LAST = [bytes([n]) for n in range(128)]
LAST += [bytes([n & 127 | 128, n >> 7]) for n in range(128, 1 << 14)]
"""The last 14 bits of a varint."""
MORE = [bytes([n & 127 | 128, n >> 7 | 128]) for n in range(1 << 14)]
"""14 bits of a varint with bits above them."""


def long(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    return LAST[zigzag] if zigzag < 1 << 14 else varint(zigzag)


def varint(number: int) -> bytes:
    if number < 1 << 14:
        return LAST[number]
    out = b""
    while number >= 1 << 14:
        out += MORE[number & 16_383]
        number >>= 14
    return out + LAST[number]


def sized(value: bytes) -> bytes:
    return long(len(value)) + value


def text(text: str) -> bytes:
    return sized(text.encode())


@lru_cache(4_096)
def _kept_text(kept: str) -> bytes:
    return text(kept)


def repeated(value: str) -> bytes:
    """Encode a text that other records have too, such as a path; a key of a map may be of any length."""
    return _kept_text(value) if len(value) <= KEPT_CHARS else text(value)
