"""Parts of Avro's encoding, for records that are written in large numbers.

A text that many records hold, such as the name of a topic, is encoded once.
"""

import struct
from collections.abc import Callable

NULL, PRESENT = b"\x00", b"\x02"
"""Branches of a union with null; null is the first."""
FALSE, TRUE = b"\x00", b"\x01"
END = b"\x00"
"""The end of an array or a map."""
KEPT_CHARS = 256
TEXTS_MAX = 8_192
pack_delta = struct.Struct("<Bd").pack
LAST = [bytes([n]) for n in range(128)]
LAST += [bytes([n & 127 | 128, n >> 7]) for n in range(128, 1 << 14)]
"""The last 14 bits of a varint."""
MORE = [bytes([n & 127 | 128, n >> 7 | 128]) for n in range(1 << 14)]
"""14 bits of a varint with bits above them."""


def varint(number: int) -> bytes:
    if number < 1 << 14:
        return LAST[number]
    if number >> 64:
        raise OverflowError(f"Avro has no integer of more than 64 bits, such as {number} after zigzag")
    out = b""
    while number >= 1 << 14:
        out += MORE[number & 16_383]
        number >>= 14
    return out + LAST[number]


class _Longs(dict[int, bytes]):
    """Numbers in Avro's encoding: the small ones are kept, and found in half the time of a call."""

    def __missing__(self, number: int) -> bytes:
        return varint((number << 1) ^ (number >> 63))


class _Texts(dict[str, bytes]):
    """Texts in Avro's encoding, the last `TEXTS_MAX` at most."""

    def __missing__(self, value: str) -> bytes:
        encoded = text(value)
        if len(value) <= KEPT_CHARS:  # a key of a map may be of any length
            if len(self) >= TEXTS_MAX:
                self.clear()
            self[value] = encoded
        return encoded


long: Callable[[int], bytes] = _Longs({zigzag >> 1: LAST[zigzag] for zigzag in range(0, len(LAST), 2)}).__getitem__


def sized(value: bytes) -> bytes:
    return long(len(value)) + value


def text(text: str) -> bytes:
    return sized(text.encode())


repeated: Callable[[str], bytes] = _Texts().__getitem__
"""Encode a text that other records have too, such as a path."""
