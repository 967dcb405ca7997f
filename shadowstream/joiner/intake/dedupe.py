"""Duplicate detection for one partition: an id seen again within `span` offsets, and whether its content is equal.

A repeat depends on one partition only, not on how the sides interleave. After a restart, reading the last `span`
offsets again restores what was known. A repeat is *equal* if any record with its id and content lies within the span,
the previous one or an earlier one:

====================  =============================================================
contents of one id    repeats
====================  =============================================================
1, 1                  the second is equal
1, 2                  the second is not equal
1, 2, 1, 2            the second is not equal; the others are, as after a producer's reset
====================  =============================================================

Each id is kept as a 64-bit hash in a ring, with its offset and a 64-bit digest of the content. The ids themselves, of
200,000 records of each partition, would take most of the joiner's memory. The probability that two ids of one span
share a hash is 1 in 10^14 records. A content that another content of the same id has followed is kept in a dictionary.

Nearly every id is new, and that case must be cheap. So whole batches are looked up at once, in a hash table with
chaining (Knuth, TAOCP 3, 6.4). Buckets and links are arrays, newest record first; an overwritten record ends a chain.
The kernel does the same on the same arrays, record by record (native/dedupe.h).
"""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from shadowstream.native.dedupe_table import DedupeTable, RingColumns
from shadowstream.native.library import Hashes, Kernel

FIRST_RECORDS = 4_096
_LOW = 2**32 - 1
_ONE_BY_ONE = 16
PRUNE_AT = 4_096  # the number of superseded contents beyond which those out of the span are dropped
Digests = NDArray[np.int64]
_Ints = NDArray[np.int64]


class DedupeWindow:
    """The ids within the last `span` offsets; None is no id.

    >>> seen = DedupeWindow(10)
    >>> seen.repeats(["a", "b", "a", None], digests("1111"), [1, 2, 3, 4])
    {2: True}
    >>> seen.repeats(["b", "a"], digests("22"), [12, 14])
    {0: False}
    """

    def __init__(self, span: int, first_records: int = FIRST_RECORDS, kernel: Kernel | None = None) -> None:
        self._span = span
        self.kernel = kernel
        self._taken = 0  # The number of records ever entered. Record n, from 1, has the ring's slot n modulo its size.
        self._kept_from = 1
        self._superseded: dict[tuple[int, int], int] = {}
        """The offset of the last record with an id and content, if a record with another content has followed it."""
        self._prune_at = PRUNE_AT
        self._make(max(1, first_records))

    def _make(self, records: int) -> None:
        """Make an empty ring, its size rounded up to a power of two, and as many buckets."""
        size = 1 << (records - 1).bit_length()
        self._mask = size - 1
        self._hashes, self._contents, self._offsets = (np.zeros(size, np.int64) for _ in range(3))
        self._before, self._newest = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
        """The number of each record's predecessor in its chain, and of each bucket's newest record: the low 32 bits,
        which are unique among the kept records."""
        ring = RingColumns(self._hashes, self._contents, self._offsets, self._before, self._newest)
        self._table = DedupeTable(self.kernel, ring, self._span) if self.kernel is not None else None

    def __len__(self) -> int:
        return self._taken + 1 - self._kept_from

    def repeats(self, ids: Sequence[Hashable] | Hashes, contents: Digests, offsets: Sequence[int]) -> dict[int, bool]:
        """Enter the next records in offset order; return the index of each repeat, and whether it is equal.

        `ids` may be hashes that are distinct for distinct ids, if all ids of the window are given so.
        """
        if isinstance(ids, np.ndarray):
            return self._entered(ids.view(np.int64), contents, int_array(offsets))
        if None in ids:
            at = [i for i, id_ in enumerate(ids) if id_ is not None]
            found = self.repeats([ids[i] for i in at], contents[at], [offsets[i] for i in at])
            return {at[i]: equal for i, equal in found.items()}
        return self._entered(digests(ids), contents, int_array(offsets))

    def _entered(self, *columns: _Ints) -> dict[int, bool]:
        if self._table is not None:
            return self._by_kernel(columns)
        near = self._kept_slots(columns[0], columns[2])
        if len(set(columns[0].tolist())) < len(columns[0]):
            found = self._repeats_at(range(len(columns[0])), columns, near)
        else:
            found = self._repeats_at(sorted(near), columns, near) if near else {}
        self._take(columns)
        return found

    def _by_kernel(self, columns: tuple[_Ints, ...]) -> dict[int, bool]:
        found: dict[int, bool] = {}
        begin, size = 0, len(columns[0])
        while begin < size and self._table is not None:
            part = [column[begin:] for column in columns]
            entered, self._taken, self._kept_from, repeats = self._table.enter(part, self._taken, self._kept_from)
            if len(repeats.at):
                ids, contents, offsets = (column[repeats.at].tolist() for column in part)
                before = zip(repeats.before.tolist(), repeats.before_at.tolist(), strict=True)
                records = zip(ids, contents, offsets, before, strict=True)
                equal = [self._is_equal(*record) for record in records]
                found.update(zip((repeats.at + begin).tolist(), equal, strict=True))
            begin += entered
            if begin < size:
                self._grow(size - begin)
        if size:
            self._prune(int(columns[2][-1]))
        return found

    def _repeats_at(
        self, positions: Sequence[int], columns: tuple[_Ints, ...], near: dict[int, int]
    ) -> dict[int, bool]:
        """Return the repeats at these indexes; `near` maps an index to the ring's slot with its id."""
        hashes, contents, offsets = (column.tolist() for column in columns)
        last: dict[int, tuple[int, int]] = {}
        found: dict[int, bool] = {}
        for i in positions:
            id_, content, offset = hashes[i], contents[i], offsets[i]
            before = last.get(id_)
            if before is None and (slot := near.get(i)) is not None:
                before = int(self._contents[slot]), int(self._offsets[slot])
            last[id_] = content, offset
            if before is not None and offset - before[1] <= self._span:
                found[i] = self._is_equal(id_, content, offset, before)
        self._prune(offsets[-1])
        return found

    def _is_equal(self, id_: int, content: int, offset: int, before: tuple[int, int]) -> bool:
        """Return whether a repeat is equal to an earlier record; `before`: content and offset of the last one."""
        if before[0] == content:
            return True
        self._superseded[id_, before[0]] = before[1]
        same_at = self._superseded.get((id_, content))
        return same_at is not None and offset - same_at <= self._span

    def _prune(self, offset: int) -> None:
        if len(self._superseded) > self._prune_at:
            least = offset - self._span
            self._superseded = {key: at for key, at in self._superseded.items() if at >= least}
            self._prune_at = max(PRUNE_AT, 2 * len(self._superseded))

    def _kept_slots(self, hashes: _Ints, offsets: _Ints) -> dict[int, int]:
        """Return the newest slot of each index whose id is in the ring and within the span. All chains are followed
        at once, a link at a time."""
        found: dict[int, int] = {}
        chain = self._newest[hashes & self._mask]
        open_ = np.flatnonzero(self._live(chain))
        chain = chain[open_]
        while len(open_):
            slots = chain & self._mask
            hit = self._hashes[slots] == hashes[open_]
            if hit.any():
                near = hit & (offsets[open_] - self._offsets[slots] <= self._span)
                found.update(zip(open_[near].tolist(), slots[near].tolist(), strict=True))
            chain = self._before[slots]
            on = self._live(chain) & ~hit
            open_, chain = open_[on], chain[on]
        return found

    def _live(self, numbers: NDArray[np.uint32]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.uint32(self._taken & _LOW) - numbers < len(self)
        return found

    def _take(self, columns: tuple[_Ints, ...]) -> None:
        if not len(columns[0]):
            return
        self._forget(int(columns[2][-1]) - self._span)
        if len(self) + len(columns[0]) > len(self._hashes):
            self._grow(len(columns[0]))
        self._enter(columns)

    def _grow(self, more: int) -> None:
        """Make room for more records."""
        kept = np.arange(self._kept_from, self._taken + 1) & self._mask
        old = self._hashes[kept], self._contents[kept], self._offsets[kept]
        self._make(2 * (len(self) + more))
        self._taken, self._kept_from = 0, 1
        self._enter(old)

    def _enter(self, columns: tuple[_Ints, ...]) -> None:
        hashes = columns[0]
        numbers = np.arange(self._taken + 1, self._taken + 1 + len(hashes))
        slots, buckets, low = numbers & self._mask, hashes & self._mask, numbers.astype(np.uint32)
        self._hashes[slots], self._contents[slots], self._offsets[slots] = columns
        self._before[slots] = self._newest[buckets]
        self._newest[buckets] = low
        # With several records in one bucket, only the last is its head: link each of the others before the next one.
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
        while self._kept_from <= self._taken:
            end = min(self._taken + 1, (self._kept_from | self._mask) + 1)
            first, last = self._kept_from & self._mask, (end - 1) & self._mask
            below = int(np.searchsorted(self._offsets[first : last + 1], least))
            self._kept_from += below
            if below <= last - first:
                return


def digests(contents: Iterable[Hashable]) -> Digests:
    """Return 64-bit digests, the same for equal contents within one process."""
    return np.array(list(map(hash, contents)), np.int64)


def int_array(numbers: Sequence[int]) -> NDArray[np.int64]:
    if isinstance(numbers, range):
        return np.arange(numbers.start, numbers.stop, numbers.step)
    return np.array(numbers, np.int64)
