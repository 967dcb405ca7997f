"""Spilled values: values of pending records that are stored outside of memory (`limits.overflow: spill`).

Only values are spilled, since matching needs the ids, offsets and times. A spilled record is pending in every commit,
like the others. So a restart reads it again from its topic, and no other process ever needs the spilled bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

NO_VALUE = -1  # the size that stands for a tombstone's value
GAPS_MAX = 2  # values with gaps are read as one piece if it is at most this many times their size, else one by one


class SpillStore(Protocol):
    """Storage for bytes outside of memory, for the lifetime of one process."""

    def put(self, pieces: Sequence[bytes], size: int) -> int | None:
        """Store pieces of `size` bytes in total, one after another; return their begin, or None without room."""

    def get(self, begin: int, size: int) -> bytes:
        """Return `size` bytes from `begin` on; raise `StoreError` if they cannot be read."""

    def free(self, begin: int, size: int) -> None:
        """Release bytes that `put` has stored."""


class SpillRange(NamedTuple):
    """The bytes of one `put`."""

    spill: SpillStore
    begin: int
    size: int


class SpilledValues(NamedTuple):
    """The values of rows as offsets and sizes within one spill range, in the order of the rows."""

    extent: SpillRange
    begins: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def at(self, places: slice | npt.NDArray[np.generic]) -> SpilledValues:
        return SpilledValues(self.extent, self.begins[places], self.sizes[places])

    def total(self) -> int:
        return int(self.sizes[self.sizes > 0].sum())

    def values(self) -> list[bytes | None]:
        spill, size = self.extent.spill, self.total()
        first, end = int(self.begins.min()), int((self.begins + self.sizes).max())
        if end - first <= GAPS_MAX * size:
            piece = spill.get(first, end - first)
            begins, ends = self.begins - first, self.begins - first + self.sizes
            found = [piece[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        else:
            spans = zip(self.begins.tolist(), self.sizes.tolist(), strict=True)
            found = [spill.get(begin, size) if size > 0 else b"" for begin, size in spans]
        if int(self.sizes.min()) == NO_VALUE:
            return [None if size == NO_VALUE else one for one, size in zip(found, self.sizes.tolist(), strict=True)]
        return list(found)


def spilled(values: Sequence[bytes | None], spill: SpillStore) -> SpilledValues | None:
    """Store values in `spill`; return None without room, or if all values are empty or tombstones."""
    sizes = np.array([NO_VALUE if value is None else len(value) for value in values], np.int64)
    taken = np.maximum(sizes, 0)
    size = int(taken.sum())
    begin = spill.put(list(filter(None, values)), size) if size else None
    if begin is None:
        return None
    return SpilledValues(SpillRange(spill, begin, size), begin + np.cumsum(taken) - taken, sizes)
