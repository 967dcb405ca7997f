"""The ids of the last records of one log: which record is one that was there already.

A duplicate is a property of one log alone: the same id at most `span` offsets before. So it does not matter how the
sides are interleaved, and a restart that reads the last `span` offsets again knows what was known before.

Ids are kept as 64-bit hashes with their offsets in a ring: the ids of 200,000 records of each log would be the larger
part of the joiner's memory. That two ids of one span have one hash is a matter of one in 10^14 records.

Nearly every id is new, and that must be cheap, so whole batches are looked up at once: a hash table with chaining
(Knuth, TAOCP 3, 6.4), its buckets and links in arrays, newest record first. What the ring has overwritten ends a chain.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

FIRST_RECORDS = 4_096
_LOW = 2**32 - 1
_ONE_BY_ONE = 16
_Ints = NDArray[np.int64]


class Seen:
    """Ids within `span` offsets; a None is nobody's id.

    >>> seen = Seen(10)
    >>> seen.repeats(["a", "b", "a", None], [1, 2, 3, 4])
    {2}
    >>> seen.repeats(["b", "a"], [12, 14])
    {0}
    """

    def __init__(self, span: int, first_records: int = FIRST_RECORDS) -> None:
        self._span = span
        self._taken = 0
        """Records ever taken. The n-th, from 1, has the number n and lies in the ring at n modulo its size."""
        self._kept_from = 1
        self._make(max(1, first_records))

    def _make(self, records: int) -> None:
        """An empty ring for so many records, rounded up to a power of two, and as many buckets."""
        size = 1 << (records - 1).bit_length()
        self._mask = size - 1
        self._hashes, self._offsets = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._before, self._newest = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
        """Of each record the number of the one before it in its chain, and of each bucket that of its newest; the low
        32 bits, for nothing is kept so long that they come again."""

    def __len__(self) -> int:
        """How many ids are kept."""
        return self._taken + 1 - self._kept_from

    def add(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> None:
        """Records that are not to be judged (read again after a restart), in offset order."""
        if None in ids:
            known = [(id_, at) for id_, at in zip(ids, offsets, strict=True) if id_ is not None]
            ids, offsets = [id_ for id_, _ in known], [at for _, at in known]
        self._take(_hashes(ids), np.array(offsets, np.int64))

    def repeats(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        """Take the next records of the log, in offset order; the positions of those that are duplicates."""
        hashes, at = _hashes(ids), np.array(offsets, np.int64)
        found = self._among_kept(hashes, at)
        if len(set(ids)) < len(ids):
            found |= self._within(ids, offsets)
        if None in ids:
            found -= {i for i, id_ in enumerate(ids) if id_ is None}
            self.add(ids, offsets)
        else:
            self._take(hashes, at)
        return found

    def _among_kept(self, hashes: _Ints, offsets: _Ints) -> set[int]:
        """Positions whose id stands in the ring, close enough: along all chains at once, a link at a time."""
        found: set[int] = set()
        chain = self._newest[hashes & self._mask]
        open_ = np.flatnonzero(self._live(chain))
        chain = chain[open_]
        while len(open_):
            slots = chain & self._mask
            hit = self._hashes[slots] == hashes[open_]
            if hit.any():
                near = hit & (offsets[open_] - self._offsets[slots] <= self._span)
                found.update(open_[near].tolist())
            chain = self._before[slots]
            on = self._live(chain) & ~hit
            open_, chain = open_[on], chain[on]
        return found

    def _live(self, numbers: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which numbers are of records in the ring."""
        found: NDArray[np.bool_] = np.uint32(self._taken & _LOW) - numbers < len(self)
        return found

    def _take(self, hashes: _Ints, offsets: _Ints) -> None:
        if not len(hashes):
            return
        self._forget(int(offsets[-1]) - self._span)
        if len(self) + len(hashes) > len(self._hashes):
            kept = np.arange(self._kept_from, self._taken + 1) & self._mask
            old = self._hashes[kept], self._offsets[kept]
            self._make(2 * (len(self) + len(hashes)))
            self._taken, self._kept_from = 0, 1
            self._enter(*old)
        self._enter(hashes, offsets)

    def _enter(self, hashes: _Ints, offsets: _Ints) -> None:
        """Put records at the heads of their chains."""
        numbers = np.arange(self._taken + 1, self._taken + 1 + len(hashes))
        slots, buckets, low = numbers & self._mask, hashes & self._mask, numbers.astype(np.uint32)
        self._hashes[slots], self._offsets[slots] = hashes, offsets
        self._before[slots] = self._newest[buckets]
        self._newest[buckets] = low
        # Of several records of one bucket the last has won: each goes before the next of them.
        lost = np.flatnonzero(self._newest[buckets] != low)
        if len(lost) <= _ONE_BY_ONE:
            for i in lost.tolist():
                self._before[slots[i + 1 + int(np.argmax(buckets[i + 1 :] == buckets[i]))]] = low[i]
        else:
            order = np.argsort(buckets, kind="stable")
            same = buckets[order[1:]] == buckets[order[:-1]]
            self._before[slots[order[1:][same]]] = low[order[:-1][same]]
        self._taken += len(hashes)

    def _forget(self, least: int) -> None:
        """Drop records below this offset."""
        while self._kept_from <= self._taken:
            end = min(self._taken + 1, (self._kept_from | self._mask) + 1)
            first, last = self._kept_from & self._mask, (end - 1) & self._mask
            below = int(np.searchsorted(self._offsets[first : last + 1], least))
            self._kept_from += below
            if below <= last - first:
                return

    def _within(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        """Positions whose id stands in the batch itself, close enough before them."""
        last: dict[Hashable, int] = {}
        found = set()
        for i, (id_, offset) in enumerate(zip(ids, offsets, strict=True)):
            if id_ is not None and id_ in last and offset - last[id_] <= self._span:
                found.add(i)
            last[id_] = offset
        return found


def _hashes(ids: Sequence[Hashable]) -> _Ints:
    return np.fromiter(map(hash, ids), np.int64, len(ids))
