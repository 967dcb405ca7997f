"""Rows of varints: seven bits a byte, the lowest first; all bytes of a number but its last have the high bit."""

from collections.abc import Iterable

_BITS_MAX = 63
"""As many as an offset has."""


def varints_of(numbers: Iterable[int]) -> bytes:
    """Encode numbers from 0 to 2^63 - 1.

    >>> varints_of([1, 127, 300]), numbers_of(varints_of([1, 127, 300]))
    (b'\\x01\\x7f\\xac\\x02', [1, 127, 300])
    """
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


def numbers_of(data: bytes) -> list[int]:
    """Decode a row of varints, without a number that is cut off at the end; raise `ValueError` beyond 63 bits."""
    numbers, number, shift = [], 0, 0
    for byte in data:
        if shift >= _BITS_MAX:  # the time to add to a number grows with its length
            raise ValueError("it holds a number beyond all offsets")
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    return numbers
