"""The ids of the last records of one log: which record is one that was there already.

A duplicate is a property of one log alone: the same id at most `span` offsets before. So it does not matter how the
sides are interleaved, and a restart that reads the last `span` offsets again knows what was known before.

Ids are kept as 64-bit hashes, 16 bytes a record with its offset: the ids of 200,000 records of each log would be the
larger part of the joiner's memory. That two ids of one span have one hash is a matter of one in 10^14 records.

Nearly every id is new, and that must be cheap: two tables of marks, addressed by two parts of the hash, say "surely
not sealed" of 97 in 100 (Bloom 1970, with a byte a mark, so that marks of what is forgotten need no clearing); only
the rest is looked for in the sealed columns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 32_768
_MARKS_A_RECORD = 4
_ROUND = 255
"""A mark is the number of its chunk in a round of so many; 0 is none. Of older rounds a mark may speak falsely, which
costs a search and no more."""
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
        self._fresh: set[int] = set()
        self._unsealed: list[tuple[_Ints, _Ints]] = []
        self._count = 0
        self._sealed: deque[tuple[_Ints, _Ints]] = deque()
        self._marks: tuple[NDArray[np.uint8], ...] = ()
        self._number = 0
        self._bits = max(10, (_MARKS_A_RECORD * span).bit_length())

    def __len__(self) -> int:
        """How many ids are kept."""
        return sum(len(hashes) for hashes, _ in (*self._unsealed, *self._sealed))

    def add(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> None:
        """Records that are not to be judged (read again after a restart), in offset order."""
        if None in ids:
            known = [(id_, at) for id_, at in zip(ids, offsets, strict=True) if id_ is not None]
            ids, offsets = [id_ for id_, _ in known], [at for _, at in known]
        self._take(list(map(hash, ids)), offsets)

    def repeats(self, ids: Sequence[Hashable], offsets: Sequence[int]) -> set[int]:
        """Take the next records of the log, in offset order; the positions of those that are duplicates."""
        hashes = list(map(hash, ids))
        found: set[int] = set()
        if not self._fresh.isdisjoint(hashes):
            known = self._fresh_offsets(set(hashes))
            found |= {i for i, one in enumerate(hashes) if one in known and offsets[i] - known[one] <= self._span}
        if self._sealed:
            found |= self._among_sealed(np.array(hashes, np.int64), offsets)
        if None in ids:
            found -= {i for i, id_ in enumerate(ids) if id_ is None}
        if len(set(ids)) < len(ids):
            found |= self._within(ids, offsets)
        self.add(ids, offsets) if None in ids else self._take(hashes, offsets)
        return found

    def _take(self, hashes: list[int], offsets: Sequence[int]) -> None:
        if not hashes:
            return
        self._fresh.update(hashes)
        self._unsealed.append((np.array(hashes, np.int64), np.array(offsets, np.int64)))
        self._count += len(hashes)
        if self._count >= self._chunk:
            self._seal()
        while self._sealed and self._sealed[0][1].max() < offsets[-1] - self._span:
            self._sealed.popleft()

    def _seal(self) -> None:
        hashes = np.concatenate([one for one, _ in self._unsealed])
        offsets = np.concatenate([one for _, one in self._unsealed])
        order = np.argsort(hashes)
        if (np.diff(hashes[order]) == 0).any():
            order = np.argsort(hashes, kind="stable")  # six times dearer: of one id's records the last must stand last
        self._sealed.append((hashes[order], offsets[order]))
        if not self._marks:
            self._marks = tuple(np.zeros(1 << self._bits, np.uint8) for _ in range(2))
        self._number = self._number % _ROUND + 1
        for marks, at in zip(self._marks, self._at(hashes), strict=True):
            marks[at] = self._number
        self._fresh, self._unsealed, self._count = set(), [], 0

    def _at(self, hashes: _Ints) -> tuple[_Ints, _Ints]:
        mask = (1 << self._bits) - 1
        return hashes & mask, (hashes >> 32) & mask

    def _fresh_offsets(self, hashes: set[int]) -> dict[int, int]:
        """The last offset of each of these that is not sealed yet."""
        return {
            one: at
            for columns in self._unsealed
            for one, at in zip(*(column.tolist() for column in columns), strict=True)
            if one in hashes
        }

    def _among_sealed(self, hashes: _Ints, offsets: Sequence[int]) -> set[int]:
        maybe = np.ones(len(hashes), np.bool_)
        for marks, at in zip(self._marks, self._at(hashes), strict=True):
            told = marks[at]
            age = (self._number - told.astype(np.int16)) % _ROUND
            maybe &= (told > 0) & (age < len(self._sealed))
        places = np.flatnonzero(maybe)
        if not len(places):
            return set()
        wanted, least = hashes[places], np.asarray(offsets, np.int64)[places] - self._span
        found: set[int] = set()
        for known, ats in self._sealed:
            at = np.maximum(np.searchsorted(known, wanted, "right") - 1, 0)
            found.update(places[(known[at] == wanted) & (ats[at] >= least)].tolist())
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
