"""Rows of varints: seven bits a byte, the lowest first; all bytes of a number but its last have the high bit."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_BYTES_MAX = 9
"""Bytes of a number: 63 bits, as many as an offset has."""
_FEW = 100
"""Numbers below which arrays cost more than they save."""
_LEAST = [1 << 7 * n for n in range(1, _BYTES_MAX)]


def varints_of(numbers: Iterable[int]) -> bytes:
    """Encode numbers from 0 to 2^63 - 1.

    >>> varints_of([1, 127, 300]), numbers_of(varints_of([1, 127, 300]))
    (b'\\x01\\x7f\\xac\\x02', [1, 127, 300])
    """
    array: npt.NDArray[np.int64] | list[int] = numbers if isinstance(numbers, np.ndarray) else list(numbers)
    if len(array) < _FEW:
        return b"".join(map(_one, array.tolist() if isinstance(array, np.ndarray) else array))
    array = np.asarray(array, np.int64)
    longer = np.flatnonzero(array > 127)  # few: most gaps and lengths are short
    sizes = np.ones(len(array), np.int64)
    for least in _LEAST:
        sizes[longer] += array[longer] >= least
    ends = np.cumsum(sizes)
    out = array.astype(np.uint8) if not len(longer) else np.empty(ends[-1], np.uint8)
    out[ends - 1] = array & 127
    at, left = ends[longer] - sizes[longer], array[longer]
    while len(at):
        more = left > 127
        out[at] = (left & 127) | (more.astype(np.int64) << 7)
        at, left = at[more] + 1, left[more] >> 7
    return out.tobytes()


def _one(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def numbers_of(data: bytes) -> list[int]:
    """Decode a row of varints, without a number that is cut off at the end; raise `ValueError` beyond 63 bits."""
    raw: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 128)
    first = np.concatenate(([0], last + 1))  # one more than `last`: it may be cut off
    sizes = np.diff(np.concatenate((first, [len(raw)])))
    if len(sizes) and int(sizes.max()) > _BYTES_MAX:  # the time to add to a number grows with its length
        raise ValueError("it holds a number beyond all offsets")
    numbers, at, sizes = np.zeros(len(last), np.int64), first[:-1], sizes[:-1]
    for place in range(_BYTES_MAX):
        longer = np.flatnonzero(sizes > place)
        if not len(longer):
            break
        numbers[longer] |= (raw[at[longer] + place].astype(np.int64) & 127) << 7 * place
    return numbers.tolist()
