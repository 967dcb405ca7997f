"""Where values of waiting records lie that memory has no room for (`limits.overflow: spill`).

Only values go: ids, offsets and times are what pairing looks at. What waits is pending in every commit, spilled or not,
so a restart reads it again from its topic and nothing that was spilled is ever needed by another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

NO_VALUE = -1
"""The size of the value of a tombstone."""
GAPS_MAX = 2
"""Values with gaps between them are read as one piece up to so many times their own size, else one by one."""


class Spill(Protocol):
    """Bytes that lie outside of memory, of one process and for its lifetime."""

    def put(self, pieces: Sequence[bytes], size: int) -> int | None:
        """Where these now lie behind one another, `size` bytes in all; None where there is no room for them."""
        ...

    def get(self, begin: int, size: int) -> bytes:
        """So many bytes from there on; raises `StoreError` where they cannot be read."""
        ...

    def free(self, begin: int, size: int) -> None:
        """What `put` has taken is needed no more."""
        ...


class Extent(NamedTuple):
    """What one `put` has taken."""

    spill: Spill
    begin: int
    size: int

    def free(self) -> None:
        """It is needed no more."""
        self.spill.free(self.begin, self.size)


class SpilledValues(NamedTuple):
    """Where the values of rows lie within one extent, in the order of the rows."""

    extent: Extent
    begins: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def at(self, places: slice | npt.NDArray[np.generic]) -> SpilledValues:
        """Those at places, or at which a mask is true."""
        return SpilledValues(self.extent, self.begins[places], self.sizes[places])

    def total(self) -> int:
        """How many bytes these values take."""
        return int(self.sizes[self.sizes > 0].sum())

    def values(self) -> list[bytes | None]:
        """They themselves."""
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


def spilled(values: Sequence[bytes | None], spill: Spill) -> SpilledValues | None:
    """Put values where memory is not; None where there is no room. All of them tombstones or empty: nothing to put."""
    sizes = np.array([NO_VALUE if value is None else len(value) for value in values], np.int64)
    taken = np.maximum(sizes, 0)
    size = int(taken.sum())
    begin = spill.put(list(filter(None, values)), size) if size else None
    if begin is None:
        return None
    return SpilledValues(Extent(spill, begin, size), begin + np.cumsum(taken) - taken, sizes)
