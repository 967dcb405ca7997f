"""Counts of compared pairs by slice and by bucket of their key, column by column, window by window.

Batches and commits do not change the sums of a window and revision. `compare.dimension_codes` describes the values that
have no cell of their own. The sum over the cells of one dimension is the window's n and s of the mismatch rate.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.commit_records import SliceGroup, SliceRows
from shadowstream.compare.dimension_codes import OTHER, Ints, folded, least
from shadowstream.config import Config
from shadowstream.joiner.accounting.eviction_counts import EvictionCounts
from shadowstream.joiner.accounting.pair_cells import Dimensions, count_buckets, count_slices
from shadowstream.joiner.accounting.pair_columns import PairColumns, PairPlace
from shadowstream.joiner.accounting.part_counts import (
    CountedPairs,
    DimensionReader,
    Mask,
    fields_of,
    scopes_of,
)
from shadowstream.joiner.accounting.reason_counts import At, ReasonCounts
from shadowstream.joiner.accounting.task_windows import TaskWindows
from shadowstream.joiner.accounting.window_tally import SliceSums, Tally
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.native.counts import buckets_of
from shadowstream.protocol.count_names import part_figures
from shadowstream.protocol.key_buckets import BY_BUCKET, KeyOutcomes, bucket_of
from shadowstream.protocol.outcomes import DIFFERS, ENDS_UNMATCHED, PAIRS, PAIRS_UNREAD, Outcome
from shadowstream.records import KEY_BUCKETS, Side

_COMPARED = frozenset(PAIRS)


class SliceCounts:
    """Counts of slices, reasons and evictions since the last commit."""

    def __init__(self, config: Config) -> None:
        self._window_ms = config.judge.window_ms
        self._latency = config.compare.latency
        self._values_max = config.compare.values_max
        self._names = [dimension.name for dimension in config.compare.dimensions]
        places = range(len(self._names))
        groups = [*((place,) for place in places), *combinations(places, 2)]
        self._groups = [Dimensions(group, tuple(self._names[place] for place in group)) for group in groups]
        self._paths, self._scopes = fields_of(config), scopes_of(config)
        self.values: DimensionReader | None = None
        """Reader of unmatched records' dimensions; if None, their slices are not counted."""
        self._tallies = defaultdict[At, Tally](lambda: Tally(self._scopes))
        self.reasons, self.evictions, self.keyed = ReasonCounts(), EvictionCounts(), KeyOutcomes()

    def add(self, pairs: PairColumns) -> None:
        """Count pairs; those that could not be compared count only for the values of dimensions."""
        if n := len(pairs.outcomes.codes):
            add_together([self], pairs, TaskWindows.of([n], pairs.times_ms, pairs.revisions, self._window_ms))

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
        names, parts = self.values(side, row), self._tallies[at].begin_more().parts
        for name in part_figures(outcome, shadow=side is Side.SHADOW):
            parts.unmatched(names, name, n)
        return {name: value for name, value in zip(self._names, names, strict=True) if value is not None}

    def joint(self, production: PendingRecord, revision: str, name: str) -> None:
        """Count which of shadow and twin differ from a production record."""
        self._add_keyed(production.time_ms, revision, name, production.key)

    def _add_keyed(self, time_ms: int, revision: str, name: str, key: bytes | None, n: int = 1) -> None:
        if name in BY_BUCKET:
            self.keyed.add((time_ms - time_ms % self._window_ms, revision), name, bucket_of(key), n)

    def _is_folded(self, pairs: PairColumns) -> bool:
        """Return whether a value of a dimension may have no cell of its own."""
        return any(len(column.values) > self._values_max for column in pairs.dimensions)

    def _counts_more(self, pairs: PairColumns) -> bool:
        """Return whether more is counted of compared pairs than buckets and slices."""
        measured = pairs.measured
        return bool(self._paths or self._scopes) or measured.latencies is not None or any(measured[1:])

    def _count_cells(
        self, tallies: Sequence[Tally], groups: Ints, pairs: PairColumns, masks: tuple[Mask, Mask]
    ) -> None:
        """Count pairs by bucket and slice. `masks`: the compared pairs, and the bad ones."""
        compared, bad = masks
        count_buckets(tallies, groups, buckets_of(pairs.keys, KEY_BUCKETS), compared, bad)
        if not self._is_folded(pairs):
            for of in self._groups:
                count_slices(tallies, groups, pairs.dimensions, of, masks)
            return
        # The exact values belong to the window, so the batch must not decide them.
        for group in range(len(tallies)):
            mask = compared & (groups == group)
            dimensions = [folded(column, mask, self._values_max) for column in pairs.dimensions]
            for of in self._groups:
                count_slices(tallies, groups, dimensions, of, (mask, bad))

    def _count_more(self, tally: Tally, pairs: PairColumns, window: Mask, compared: Mask) -> None:
        """Count the pairs of one window by all but bucket and slice."""
        mask, more = window & compared, tally.begin_more()
        more.measures.add(pairs.measured, mask, self._latency)
        more.bins.add(pairs.measured.bins, mask)
        more.named.add(mask, pairs.touched)
        if pairs.dimensions:
            of_parts = CountedPairs(pairs.outcomes, pairs.dimensions, compared, pairs.measured, pairs.touched)
            # Without a pair that could not be compared, both masks are equal.
            dimensions = [folded(column, window, self._values_max) for column in pairs.dimensions]
            more.parts.add(of_parts, window, dimensions, self._latency)

    def record(self, at: At) -> dict[str, Any]:
        """Return the fields of a window beside outcomes and fields; those of pairs only if it has any."""
        tally = self._tallies.get(at)
        counted: dict[str, Any] = {}
        if reasons := self.reasons.of(at):
            counted["reasons"] = reasons
        if evictions := self.evictions.of(at):
            counted["evictions"] = evictions
        if keyed := self.keyed.of(at):
            counted["outcome_buckets"] = keyed
        if tally is None:
            return counted
        counted["buckets"], counted["slices"] = tally.buckets.record(), self._slices(tally)
        if (more := tally.more) is None:
            return counted
        return {
            **counted,
            "named": more.named.record(self._paths),
            "values": more.parts.by_value(self._names, self._single(tally), self._values_max),
            "scopes": more.parts.record(self._paths),
            **more.measures.record(),
            "distributions": more.bins.record(),
        }

    def outcomes(self, at: At) -> Mapping[str, int]:
        """Return the figures of a window that stats records hold among its outcomes."""
        tally = self._tallies.get(at)
        return tally.more.measures.outcomes if tally and tally.more else {}

    def _slices(self, tally: Tally) -> SliceRows:
        if not self._groups:
            return SliceRows(())
        of_groups = [tally.slices_of(group.places) for group in self._groups]
        singles = of_groups[: len(self._names)]
        if any(len(one) > self._values_max for one in singles):
            exact = [least(one, self._values_max) for one in self._single(tally)]
            of_groups = [
                _folded_cells(sums, [exact[place] for place in group.places])
                for group, sums in zip(self._groups, of_groups, strict=True)
            ]
        encoded = [sums.encoded for sums in of_groups]
        found: list[SliceGroup] = [
            (group.names, *sums.columns()) for group, sums in zip(self._groups, of_groups, strict=True)
        ]
        return SliceRows(found, encoded)

    def _single(self, tally: Tally) -> list[list[str]]:
        return [[value for (value,) in tally.slices_of((place,)).names()] for place in range(len(self._names))]

    def latencies(self) -> Counter[tuple[str, int]]:
        """Return the latencies since the last commit by side and bucket, of all windows and revisions."""
        return sum(
            (tally.more.measures.latencies for tally in self._tallies.values() if tally.more),
            Counter[tuple[str, int]](),
        )

    def bin_bytes(self) -> int:
        """Return about how many bytes the distributions take in the stats record of the next commit."""
        return sum(tally.more.bins.size for tally in self._tallies.values() if tally.more)

    def clear(self) -> None:
        self._tallies.clear()
        self.reasons.clear()
        self.evictions.clear()
        self.keyed.clear()


def add_together(of_tasks: Sequence[SliceCounts], pairs: PairColumns, windows: TaskWindows) -> None:
    """Count the pairs of several tasks of one config as `SliceCounts.add` counts those of each."""
    first, ends = of_tasks[0], np.cumsum(windows.sizes).tolist()
    parts = list(zip(of_tasks, [0, *ends], ends, strict=False))
    if len(of_tasks) > 1 and first._is_folded(pairs):
        for slices, begin, end in parts:
            slices.add(pairs.part(begin, end))
        return
    outcomes = pairs.outcomes
    for at in np.flatnonzero(outcomes.among((Outcome.UNDECODABLE_SHADOW,))).tolist():
        slices, time_ms = of_tasks[int(windows.tasks[at])], int(pairs.times_ms[at])
        slices._add_keyed(time_ms, pairs.revisions.text(at), outcomes.text(at), pairs.keys[at])
    compared, bad, unread = (outcomes.among(which) for which in (_COMPARED, DIFFERS, PAIRS_UNREAD))
    counted = compared | unread if first._names else compared
    cells, groups = windows.cells(counted)
    tallies = [of_tasks[task]._tallies[at] for task, at in cells]
    if not tallies:
        return
    first._count_cells(tallies, groups, pairs, (compared, bad))
    if not (first._counts_more(pairs) or unread.any()):
        return
    for group, (task, _) in enumerate(cells):
        _, begin, end = parts[task]
        part = pairs if len(parts) == 1 else pairs.part(begin, end)
        first._count_more(tallies[group], part, groups[begin:end] == group, compared[begin:end])


def _folded_cells(sums: SliceSums, exact: Sequence[frozenset[str]]) -> SliceSums:
    """Add the cells of values that are not exact to those of `OTHER`."""
    names, *counts = sums.columns()
    named = (zip(exact, values, strict=True) for values in names)
    folded_names = [tuple(value if value in known else OTHER for known, value in one) for one in named]
    return SliceSums.of(folded_names, *counts)
