"""Buckets of keys, by the kernel where it is there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from shadowstream.native import library
from shadowstream.native.library import Values

Buckets = npt.NDArray[np.int64]


def buckets_of(keys: Sequence[bytes | None], buckets: int) -> Buckets:
    """The bucket of each key, by its CRC-32; -1 for None.

    >>> buckets_of([b"user-7", None], 1_024).tolist()
    [801, -1]
    """
    kernel = library.state().kernel
    if None in keys:
        known = [key for key in keys if key is not None]
        found = np.full(len(keys), -1, np.int64)
        found[np.fromiter((key is not None for key in keys), np.bool_, len(keys))] = buckets_of(known, buckets)
        return found
    present = cast("Sequence[bytes]", keys)
    if kernel is not None and len(keys):
        return kernel.buckets(Values.of(present), buckets)
    return np.fromiter(map(zlib.crc32, present), np.int64, len(present)) % buckets
