"""The ids of the last records of one log: which record is one that was there already.

A duplicate is a property of one log alone: the same id at most `span` offsets before. So it does not matter how the
sides are interleaved, and a restart that reads the last `span` offsets again knows what was known before.

Ids are kept as 64-bit hashes, 16 bytes a record with its offset: the ids of 200,000 records of each log would be the
larger part of the joiner's memory. That two ids of one span have one hash is a matter of one in 10^14 records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 32_768
_Ints = NDArray[np.int64]


class Seen:
    """Ids within `span` offsets; a None is nobody's id. So many as `chunk` are sealed into sorted columns at a time.

    >>> seen = Seen(10)
    >>> seen.repeats(["a", "b", "a", None], [1, 2, 3, 4])
    {2}
    >>> seen.repeats(["b", "a"], [12, 14])
    {0}
    """

    def __init__(self, span: int, chunk: int = CHUNK) -> None:
        self._span, self._chunk = span, chunk
        self._last: dict[int, int] = {}
        self._chunks: deque[tuple[_Ints, _Ints]] = deque()

    def __len__(self) -> int:
        """How many ids are kept."""
        return len(self._last) + sum(len(hashes) for hashes, _ in self._chunks)

    def add(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> None:
        """Records that are not to be judged (read again after a restart), in offset order."""
        self._last.update((hash(id_), at) for id_, at in zip(ids, offsets, strict=True) if id_ is not None)
        if len(self._last) >= self._chunk:
            hashes = np.fromiter(self._last.keys(), np.int64, len(self._last))
            ats = np.fromiter(self._last.values(), np.int64, len(self._last))
            order = np.argsort(hashes)
            self._chunks.append((hashes[order], ats[order]))
            self._last = {}
        while self._chunks and self._chunks[0][1].max() < offsets[-1] - self._span:
            self._chunks.popleft()

    def repeats(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        """Take the next records of the log, in offset order; the positions of those that are duplicates."""
        last, span = self._last, self._span
        found: set[int] = set()
        for i, (id_, offset) in enumerate(zip(ids, offsets, strict=True)):
            if id_ is not None and offset - last.get(hash(id_), offset - span - 1) <= span:
                found.add(i)
        if self._chunks:
            found |= self._sealed(ids, offsets)
        if len(set(ids)) < len(ids):
            found |= self._within(ids, offsets)
        self.add(ids, offsets)
        return found

    def _sealed(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
        least = np.asarray(offsets, np.int64) - self._span
        found: set[int] = set()
        for known, ats in self._chunks:
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            hits = np.flatnonzero((known[at] == hashes) & (ats[at] >= least))
            found.update(i for i in hits.tolist() if ids[i] is not None)
        return found

    def _within(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        """Positions whose id stands in the batch itself, close enough before them."""
        last: dict[Hashable, int] = {}
        found = set()
        for i, (id_, offset) in enumerate(zip(ids, offsets, strict=True)):
            if id_ is not None and id_ in last and offset - last[id_] <= self._span:
                found.add(i)
            last[id_] = offset
        return found
