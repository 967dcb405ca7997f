"""Counts of the compared pairs of one window and revision."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.commit_records import BucketRows
from shadowstream.compare.dimension_codes import Ints
from shadowstream.joiner.accounting.pair_metrics import MetricSums
from shadowstream.joiner.accounting.part_counts import FieldDifferences, PartCounts, Scope
from shadowstream.joiner.accounting.value_distributions import BinSums
from shadowstream.records import KEY_BUCKETS

Slices = dict[tuple[int, ...], dict[tuple[str, ...], list[int]]]
"""By the places of some dimensions, and by the values of these: the pairs and the bad ones."""


class BucketSums:
    """Pairs and bad pairs by bucket of their key. One addition is kept as it came: it may have few of the buckets.

    >>> sums = BucketSums()
    >>> for _ in range(2):
    ...     sums.add(np.array([3, 801]), np.array([2, 1]), np.array([1, 0]))
    >>> list(sums.record())
    [{'bucket': 3, 'n': 4, 's': 2}, {'bucket': 801, 'n': 2, 's': 0}]
    """

    __slots__ = ("_first", "_sums")

    def __init__(self) -> None:
        self._first: tuple[Ints, Ints, Ints] | None = None
        self._sums: npt.NDArray[np.int64] | None = None

    def add(self, buckets: Ints, n: Ints, s: Ints) -> None:
        """Add counts of some buckets, which ascend."""
        if self._sums is None:
            if self._first is None:
                self._first = buckets, n, s
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
        return BucketRows(*(self._first or [np.zeros(0, np.int64)] * 3))


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
        self.slices: Slices = {}
        self.more: MoreCounts | None = None

    def begin_more(self) -> MoreCounts:
        if self.more is None:
            self.more = MoreCounts(self._scopes)
        return self.more
