"""Counts of compared pairs by slice and by bucket of their key, column by column, window by window.

Batches and commits do not change the sums of a window and revision. `compare.dimension_codes` describes the values that
have no cell of their own. The sum over the cells of one dimension is the window's n and s of the mismatch rate.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import ABSENT, OTHER, UNDECODABLE, Coded, Ints, coded, folded, least
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting import pair_metrics
from shadowstream.joiner.accounting.eviction_counts import EvictionCounts
from shadowstream.joiner.accounting.pair_metrics import MetricReader, PairMetrics
from shadowstream.joiner.accounting.part_counts import (
    CountedPairs,
    DimensionReader,
    FieldDifferences,
    PartCounts,
    fields_of,
    scopes_of,
)
from shadowstream.joiner.accounting.reason_counts import At, ReasonCounts
from shadowstream.joiner.accounting.value_distributions import BinSums
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native.counts import buckets_of
from shadowstream.protocol.count_names import part_figures
from shadowstream.protocol.key_buckets import BY_BUCKET, KeyOutcomes, bucket_of
from shadowstream.protocol.outcomes import DIFFERS, ENDS_UNMATCHED, PAIRS, PAIRS_UNREAD, Outcome
from shadowstream.records import KEY_BUCKETS, Side

CELLS_MAX = 65_536
"""The largest number of combinations of values that is counted in a table; more are counted by sorting."""

_COMPARED = frozenset(PAIRS)
_Mask = npt.NDArray[np.bool_]


class PairColumns(NamedTuple):
    """Compared pairs as columns: production's times (ms) and keys, revisions, outcomes, and one column a dimension."""

    times_ms: Ints
    keys: Sequence[bytes | None]
    revisions: Coded
    outcomes: Coded
    dimensions: Sequence[Coded] = ()
    measured: PairMetrics = PairMetrics()
    touched: Mapping[str, _Mask] = {}
    """The pairs that differ at the path of a `field` criterion, by path (`part_counts.touched_of`)."""

    def part(self, begin: int, end: int) -> "PairColumns":
        """Return the pairs from `begin` up to `end`."""
        rows = slice(begin, end)
        return PairColumns(
            self.times_ms[rows],
            self.keys[rows],
            self.revisions.at(rows).by_appearance(),
            self.outcomes.at(rows).by_appearance(),
            [column.part(begin, end) for column in self.dimensions],
            self.measured.part(rows),
            {path: mask[rows] for path, mask in self.touched.items()},
        )


PairPlace = tuple[PairColumns, int]
"""One of the pairs of columns."""


class ColumnReader:
    """Reader of compared pairs as columns."""

    def __init__(self, config: Config) -> None:
        self._dimensions, self._redactor = config.compare.dimensions, Redactor.of(config)
        self._metrics = MetricReader(config)

    def read(
        self, production: PendingColumns, shadow: PendingColumns, compare: Comparing, outcomes: Coded, revisions: Coded
    ) -> PairColumns:
        """Return the columns of pairs. Raises as `compare` does: call it before counting."""
        fields, header_places = iter(_of_fields(compare, production, shadow)), count()
        infos = shadow.header_fields or [None] * len(shadow)
        columns = []
        for one in self._dimensions:
            if one.header is None:
                columns.append(next(fields))
            else:
                place = next(header_places)
                values = coded(ABSENT if info is None else info.values[place] for info in infos)
                columns.append(self._redactor.by_header(one.header, values))
        infos_of_both = production.header_fields or [None] * len(production), infos
        times_ms = production.times_ms
        measured = self._metrics.of(compare, (production.values, shadow.values), times_ms, infos_of_both)
        times = np.fromiter(times_ms, np.int64, len(times_ms))
        return PairColumns(times, production.keys, revisions, outcomes, columns, measured)


def _of_fields(compare: Comparing, production: PendingColumns, shadow: PendingColumns) -> Iterable[Coded]:
    """Yield the columns of dimensions in fields: production's values, or the candidate's for undecodable ones."""
    columns = compare.dimensions(production.values)
    for place, column in enumerate(columns):
        if UNDECODABLE not in column.values:
            yield column
            continue
        instead = compare.dimensions(shadow.values, Side.SHADOW)[place]
        texts = (column.values[code] for code in column.codes.tolist())
        others = (instead.values[code] for code in instead.codes.tolist())
        yield coded(other if text == UNDECODABLE else text for text, other in zip(texts, others, strict=True))


class _Tally:
    """Counts of one window and revision."""

    __slots__ = ("bins", "buckets", "measures", "named", "parts", "slices")

    def __init__(self, parts: PartCounts) -> None:
        self.named, self.parts = FieldDifferences(), parts
        self.buckets = np.zeros((2, KEY_BUCKETS), np.int64)
        self.measures, self.bins = pair_metrics.MetricSums(), BinSums()
        self.slices: dict[tuple[int, ...], dict[tuple[str, ...], list[int]]] = {}


class SliceCounts:
    """Counts of slices, reasons and evictions since the last commit."""

    def __init__(self, config: Config) -> None:
        self._window_ms = config.judge.window_ms
        self._latency = config.compare.latency
        self._values_max = config.compare.values_max
        self._names = [dimension.name for dimension in config.compare.dimensions]
        places = range(len(self._names))
        self._groups = [*((place,) for place in places), *combinations(places, 2)]
        self._paths, self._scopes = fields_of(config), scopes_of(config)
        self.values: DimensionReader | None = None
        """Reader of unmatched records' dimensions; if None, their slices are not counted."""
        self._tallies = defaultdict[At, _Tally](lambda: _Tally(PartCounts(self._scopes)))
        self.reasons, self.evictions, self.keyed = ReasonCounts(), EvictionCounts(), KeyOutcomes()

    def add(self, pairs: PairColumns) -> None:
        """Count pairs; those that could not be compared count only for the values of dimensions."""
        for place in np.flatnonzero(pairs.outcomes.among((Outcome.UNDECODABLE_SHADOW,))).tolist():
            time_ms, outcome = int(pairs.times_ms[place]), pairs.outcomes.text(place)
            self._add_keyed(time_ms, pairs.revisions.text(place), outcome, pairs.keys[place])
        compared = pairs.outcomes.among(_COMPARED)
        counted = compared | pairs.outcomes.among(PAIRS_UNREAD) if self._names else compared
        if not counted.any():
            return
        differs, buckets = pairs.outcomes.among(DIFFERS), buckets_of(pairs.keys, KEY_BUCKETS)
        of_parts = CountedPairs(pairs.outcomes, pairs.dimensions, compared, pairs.measured, pairs.touched)
        for at, window in self._windows(pairs, counted):
            tally, mask = self._tallies[at], window & compared
            tally.measures.add(pairs.measured, mask, self._latency)
            tally.bins.add(pairs.measured.bins, mask)
            tally.named.add(mask, pairs.touched)
            rows, bad = _rows(mask), np.flatnonzero(mask & differs)
            for sums, some in zip(tally.buckets, (buckets[rows], buckets[bad]), strict=True):
                sums += np.bincount(some + 1, minlength=KEY_BUCKETS + 1)[1:]  # -1: without a key
            # The exact values belong to the window, so the batch must not decide them.
            dimensions = [folded(column, mask, self._values_max) for column in pairs.dimensions]
            for group in self._groups if dimensions else ():
                _count(tally.slices.setdefault(group, {}), [dimensions[place] for place in group], rows, bad)
            if dimensions:
                unread = np.count_nonzero(window) > np.count_nonzero(mask)
                of_all = [folded(one, window, self._values_max) for one in pairs.dimensions] if unread else dimensions
                tally.parts.add(of_parts, window, of_all, self._latency)

    def named(self, at: PairPlace | None) -> dict[str, str]:
        """Return the values of the dimensions of a pair by name; none if the pair has no columns."""
        if at is None:
            return {}
        columns, place = at
        found = zip(self._names, columns.dimensions, strict=False)
        return {name: column.values[column.codes[place]] for name, column in found}

    def named_columns(self, pairs: PairColumns, places: npt.NDArray[np.int64]) -> list[tuple[str, list[str]]]:
        """Return what `named` returns for pairs at some places: the name of each dimension, and its values."""
        found = zip(self._names, pairs.dimensions, strict=False)
        return [(name, list(map(one.values.__getitem__, one.codes[places].tolist()))) for name, one in found]

    def unmatched(self, side: Side, row: PendingRecord, outcome: str, revision: str, n: int = 1) -> dict[str, str]:
        """Count an unmatched record by bucket and by its values of the dimensions; `n` is -1 for a corrected one.

        Returns the values by name; none of an outcome that slices do not count.
        """
        self._add_keyed(row.time_ms, revision, outcome, row.key, n)
        if not self._names or self.values is None or outcome not in ENDS_UNMATCHED:
            return {}
        # A deleted record belongs to no part; an evicted record of the twin is no side's loss.
        if outcome == Outcome.EVICTED and (side is Side.TWIN or row.value is None):
            return {}
        at = (row.time_ms - row.time_ms % self._window_ms, revision)
        names, parts = self.values(side, row), self._tallies[at].parts
        for name in part_figures(outcome, shadow=side is Side.SHADOW):
            parts.unmatched(names, name, n)
        return {name: value for name, value in zip(self._names, names, strict=True) if value is not None}

    def joint(self, production: PendingRecord, revision: str, name: str) -> None:
        """Count which of shadow and twin differ from a production record."""
        self._add_keyed(production.time_ms, revision, name, production.key)

    def _add_keyed(self, time_ms: int, revision: str, name: str, key: bytes | None, n: int = 1) -> None:
        if name in BY_BUCKET:
            self.keyed.add((time_ms - time_ms % self._window_ms, revision), name, bucket_of(key), n)

    def _windows(self, pairs: PairColumns, compared: _Mask) -> Iterable[tuple[At, _Mask]]:
        revisions, times = pairs.revisions, pairs.times_ms
        first, last = (one - one % self._window_ms for one in (int(times.min()), int(times.max())))
        if first == last and len(revisions.values) == 1:
            yield (first, revisions.values[0]), compared
            return
        starts = times - times % self._window_ms
        for start in np.unique(starts).tolist():
            for code, revision in enumerate(revisions.values):
                mask = compared & (starts == start) & (revisions.codes == code)
                if mask.any():
                    yield (start, revision), mask

    def record(self, at: At) -> dict[str, Any]:
        """Return the fields of a window beside outcomes and fields; those of pairs only if it has any."""
        tally = self._tallies.get(at)
        reasons, evictions, keyed = self.reasons.of(at), self.evictions.of(at), self.keyed.of(at)
        unmatched = {"reasons": reasons, "evictions": evictions, "outcome_buckets": keyed}
        plain = {name: counts for name, counts in unmatched.items() if counts}
        if tally is None:
            return plain
        n, s = tally.buckets
        buckets = np.flatnonzero(n)
        of_buckets = zip(buckets.tolist(), n[buckets].tolist(), s[buckets].tolist(), strict=True)
        return {
            **plain,
            "buckets": [{"bucket": bucket, "n": units, "s": bad} for bucket, units, bad in of_buckets],
            "slices": self._slices(tally),
            "named": tally.named.record(self._paths),
            "values": tally.parts.by_value(self._names, self._single(tally), self._values_max),
            "scopes": tally.parts.record(self._paths),
            **tally.measures.record(),
            "distributions": tally.bins.record(),
        }

    def outcomes(self, at: At) -> dict[str, int]:
        """Return the figures of a window that stats records hold among its outcomes."""
        tally = self._tallies.get(at)
        return dict(tally.measures.outcomes) if tally else {}

    def _slices(self, tally: _Tally) -> list[dict[str, Any]]:
        values = self._single(tally)
        is_folded = any(len(one) > self._values_max for one in values)
        exact = [least(one, self._values_max) for one in values] if is_folded else []
        found = []
        for group, cells in sorted(tally.slices.items(), key=lambda item: (len(item[0]), item[0])):
            sums = _folded_cells(cells, [exact[place] for place in group]) if is_folded else cells
            dimensions = [self._names[place] for place in group]
            for names, (n, s) in sorted(sums.items()):
                found.append({"dimensions": dimensions, "values": list(names), "n": n, "s": s})
        return found

    def _single(self, tally: _Tally) -> list[list[str]]:
        return [[value for (value,) in tally.slices.get((place,), ())] for place in range(len(self._names))]

    def latencies(self) -> Counter[tuple[str, int]]:
        """Return the latencies since the last commit by side and bucket, of all windows and revisions."""
        return sum((tally.measures.latencies for tally in self._tallies.values()), Counter[tuple[str, int]]())

    def bin_bytes(self) -> int:
        """Return about how many bytes the distributions take in the stats record of the next commit."""
        return sum(tally.bins.size for tally in self._tallies.values())

    def clear(self) -> None:
        self._tallies.clear()
        self.reasons.clear()
        self.evictions.clear()
        self.keyed.clear()


def _folded_cells(
    cells: Mapping[tuple[str, ...], Sequence[int]], exact: Sequence[frozenset[str]]
) -> dict[tuple[str, ...], list[int]]:
    """Add the cells of values that are not exact to those of `OTHER`."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for values, (n, s) in cells.items():
        named = zip(exact, values, strict=True)
        total = sums.setdefault(tuple(value if value in known else OTHER for known, value in named), [0, 0])
        total[0] += n
        total[1] += s
    return sums


def _rows(mask: _Mask) -> slice | Ints:
    """Return an index for the rows of a mask; all of them, the usual case, are not copied."""
    return slice(None) if mask.all() else np.flatnonzero(mask)


def _count(cells: dict[tuple[str, ...], list[int]], columns: Sequence[Coded], rows: slice | Ints, bad: Ints) -> None:
    """Add the pairs of `rows`, and the bad ones, to the cells of their values."""
    joint, size = columns[0].codes, len(columns[0].values)
    for column in columns[1:]:
        joint, size = joint * len(column.values) + column.codes, size * len(column.values)
    if size <= CELLS_MAX:
        counts = np.bincount(joint[rows], minlength=size)
        found = np.flatnonzero(counts)
        n, s = counts[found], np.bincount(joint[bad], minlength=size)[found]
    else:
        found, n = np.unique(joint[rows], return_counts=True)
        s = np.bincount(np.searchsorted(found, joint[bad]), minlength=len(found))
    for code, units, bad_units in zip(found.tolist(), n.tolist(), s.tolist(), strict=True):
        values = []
        for column in reversed(columns):
            code, place = divmod(code, len(column.values))
            values.append(column.values[place])
        cell = cells.setdefault(tuple(reversed(values)), [0, 0])
        cell[0] += units
        cell[1] += bad_units
