"""The rows of `protocol.varints` by arrays, for the many numbers of a large pending set."""

import numpy as np
import numpy.typing as npt

from shadowstream.protocol import varints

FEW = 100
"""Numbers or bytes below which arrays cost more than they save."""
_BYTES_MAX = 9
_LEAST = [1 << 7 * n for n in range(1, _BYTES_MAX)]
Numbers = npt.NDArray[np.int64]


def varints_of(numbers: Numbers) -> bytes:
    """Encode as `varints.varints_of` does."""
    if len(numbers) < FEW:
        return varints.varints_of(numbers.tolist())
    longer = np.flatnonzero(numbers > 127)  # few: most gaps and lengths are short
    sizes = np.ones(len(numbers), np.int64)
    for least in _LEAST:
        sizes[longer] += numbers[longer] >= least
    ends = np.cumsum(sizes)
    out = np.empty(ends[-1], np.uint8)
    out[ends - 1] = numbers & 127
    at, left = ends[longer] - sizes[longer], numbers[longer]
    while len(at):
        more = left > 127
        out[at] = (left & 127) | (more.astype(np.int64) << 7)
        at, left = at[more] + 1, left[more] >> 7
    return out.tobytes()


def numbers_of(data: bytes) -> list[int]:
    """Decode as `varints.numbers_of` does, and raise the same `ValueError`."""
    if len(data) < FEW:
        return varints.numbers_of(data)
    raw: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 128)
    first = np.concatenate(([0], last + 1))  # one more than `last`: it may be cut off
    sizes = np.diff(np.concatenate((first, [len(raw)])))
    if int(sizes.max()) > _BYTES_MAX:
        raise ValueError("it holds a number beyond all offsets")
    numbers, at, sizes = np.zeros(len(last), np.int64), first[:-1], sizes[:-1]
    for place in range(_BYTES_MAX):
        longer = np.flatnonzero(sizes > place)
        if not len(longer):
            break
        numbers[longer] |= (raw[at[longer] + place].astype(np.int64) & 127) << 7 * place
    return numbers.tolist()
