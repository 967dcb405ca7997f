"""Counts of the compared pairs of one window and revision."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.commit_records import BucketRows, SliceColumns
from shadowstream.compare.dimension_codes import Ints
from shadowstream.joiner.accounting.pair_metrics import MetricSums
from shadowstream.joiner.accounting.part_counts import FieldDifferences, PartCounts, Scope
from shadowstream.joiner.accounting.value_distributions import BinSums
from shadowstream.records import KEY_BUCKETS


class SliceSums:
    """Pairs and bad pairs by the values of some dimensions. One addition is kept as it came: it is in order.

    >>> sums = SliceSums()
    >>> sums.add([("DE",), ("US",)], [2, 1], [1, 0])
    >>> sums.add([("CH",), ("US",)], [5, 1], [0, 1])
    >>> sums.columns()
    ([('CH',), ('DE',), ('US',)], [5, 2, 2], [0, 1, 1])
    """

    __slots__ = ("_encoded", "_first", "_sums")

    def __init__(self) -> None:
        self._first: SliceColumns | None = None
        self._encoded: bytes | None = b""
        self._sums: dict[tuple[str, ...], list[int]] | None = None

    def __len__(self) -> int:
        return len(self.names())

    @classmethod
    def of(cls, names: Sequence[tuple[str, ...]], n: Sequence[int], s: Sequence[int]) -> SliceSums:
        """Return the sums of values in any order; a value may come more than once."""
        found = cls()
        found._sums = {}
        found.add(names, n, s)
        return found

    def add(
        self, names: Sequence[tuple[str, ...]], n: Sequence[int], s: Sequence[int], encoded: bytes | None = None
    ) -> None:
        """Add counts of some values, which ascend; `encoded`: their bytes in a stats record."""
        if self._sums is None:
            if self._first is None:
                self._first, self._encoded = (names, n, s), encoded
                return
            self._sums = {}
            self._add(self._sums, self._first)
        self._add(self._sums, (names, n, s))

    def _add(self, sums: dict[tuple[str, ...], list[int]], columns: SliceColumns) -> None:
        for name, *counts in zip(*columns, strict=True):
            cell = sums.setdefault(name, [0, 0])
            for place, count in enumerate(counts):
                cell[place] += count

    @property
    def is_new(self) -> bool:
        """Whether nothing was added yet."""
        return self._first is None and self._sums is None

    @property
    def encoded(self) -> bytes | None:
        """The bytes of all values in a stats record, if they are known."""
        return self._encoded if self._sums is None else None

    def names(self) -> Collection[tuple[str, ...]]:
        if self._sums is not None:
            return self._sums
        return self._first[0] if self._first else ()

    def columns(self) -> SliceColumns:
        """Return the values in order, the pairs and the bad pairs of each."""
        if self._sums is None:
            return self._first or ([], [], [])
        cells = sorted(self._sums.items())
        return [name for name, _ in cells], [n for _, (n, _) in cells], [s for _, (_, s) in cells]


class BucketSums:
    """Pairs and bad pairs by bucket of their key. One addition is kept as it came: it may have few of the buckets.

    >>> sums = BucketSums()
    >>> for _ in range(2):
    ...     sums.add(np.array([3, 801]), np.array([2, 1]), np.array([1, 0]))
    >>> list(sums.record())
    [{'bucket': 3, 'n': 4, 's': 2}, {'bucket': 801, 'n': 2, 's': 0}]
    """

    __slots__ = ("_encoded", "_first", "_sums")

    def __init__(self) -> None:
        self._first: tuple[Ints, Ints, Ints] | None = None
        self._encoded: bytes | None = None
        self._sums: npt.NDArray[np.int64] | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing was added yet."""
        return self._first is None

    def add(self, buckets: Ints, n: Ints, s: Ints, encoded: bytes | None = None) -> None:
        """Add counts of some buckets, which ascend; `encoded`: their bytes in a stats record."""
        if self._sums is None:
            if self._first is None:
                self._first, self._encoded = (buckets, n, s), encoded
                return
            self._sums = np.zeros((2, KEY_BUCKETS), np.int64)
            at, *first = self._first
            self._sums[:, at] = first
        self._sums[0, buckets] += n
        self._sums[1, buckets] += s

    def record(self) -> BucketRows:
        """Return the counts as in schemas/stats.avsc."""
        if self._sums is not None:
            buckets = np.flatnonzero(self._sums[0])
            return BucketRows(buckets, *self._sums[:, buckets])
        return BucketRows(*(self._first or ([], [], [])), encoded=self._encoded)


class MoreCounts:
    """Counts of one window and revision beside buckets and slices: most configs ask for none of them."""

    __slots__ = ("bins", "measures", "named", "parts")

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self.named, self.parts = FieldDifferences(), PartCounts(scopes)
        self.measures, self.bins = MetricSums(), BinSums()


class Tally:
    """Counts of one window and revision. `more`: None before the first of them."""

    __slots__ = ("_scopes", "buckets", "more", "slices")

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = scopes
        self.buckets = BucketSums()
        self.slices: dict[tuple[int, ...], SliceSums] = {}
        """By the places of the dimensions."""
        self.more: MoreCounts | None = None

    def slices_of(self, places: tuple[int, ...]) -> SliceSums:
        found = self.slices.get(places)
        if found is None:
            found = self.slices[places] = SliceSums()
        return found

    def begin_more(self) -> MoreCounts:
        if self.more is None:
            self.more = MoreCounts(self._scopes)
        return self.more
