"""Varints by arrays: seven bits a byte, the lowest first; all bytes of a number but its last have the high bit."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.uint64]


def varints(numbers: Numbers) -> tuple[bytes, npt.NDArray[np.bool_]]:
    """Encode numbers from 0 on; return their bytes, and which of as many bytes as the longest takes each has.

    The cost grows with the longest number.

    >>> encoded, used = varints(np.array([1, 127, 300]))
    >>> encoded, used.sum(axis=1).tolist()
    (b'\\x01\\x7f\\xac\\x02', [1, 1, 2])
    """
    longest = max(1, -(-int(numbers.max(initial=0)).bit_length() // 7))
    out, used = np.empty((len(numbers), longest), np.uint8), np.empty((len(numbers), longest), np.bool_)
    used[:, 0] = True
    for place in range(longest):
        if place + 1 == longest:
            out[:, place] = numbers
            break
        more = np.greater(numbers, 127, out=used[:, place + 1])
        out[:, place] = numbers & 127 | more.view(np.uint8) << np.uint8(7)
        numbers = numbers >> 7
    encoded: bytes = (out if longest == 1 else out[used]).tobytes()
    return encoded, used
