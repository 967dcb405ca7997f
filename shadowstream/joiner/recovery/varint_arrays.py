"""The rows of `protocol.varints` by arrays, for the many numbers of a large pending set."""

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.varint_arrays import varints as encoded
from shadowstream.protocol import varints

FEW = 100
"""Numbers or bytes below which arrays cost more than they save."""
_BYTES_MAX = 9
Numbers = npt.NDArray[np.int64]


def varints_of(numbers: Numbers) -> bytes:
    """Encode as `varints.varints_of` does."""
    if len(numbers) < FEW:
        return varints.varints_of(numbers.tolist())
    # The first gap of a pending set is an offset, and would make all others as long.
    return varints.varints_of(numbers[:1].tolist()) + encoded(numbers[1:])[0]


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
