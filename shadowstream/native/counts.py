"""Buckets of keys, by the kernel where it is there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from shadowstream.native import library

Buckets = npt.NDArray[np.int64]


def buckets_of(keys: Sequence[bytes | None], buckets: int) -> Buckets:
    """The bucket of each key, by its CRC-32; -1 for None.

    >>> buckets_of([b"user-7", None], 1_024).tolist()
    [801, -1]
    """
    present = cast("Sequence[bytes]", keys)
    try:
        if (kernel := library.state().kernel) is not None:
            return kernel.buckets(kernel.laid(present), buckets)
        return np.fromiter(map(zlib.crc32, present), np.int64, len(present)) % buckets
    except TypeError:  # None is among the keys
        found = np.full(len(keys), -1, np.int64)
        known = [place for place, key in enumerate(keys) if key is not None]
        found[known] = buckets_of([present[place] for place in known], buckets)
        return found
