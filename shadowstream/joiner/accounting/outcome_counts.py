"""Outcome counts of one task: each outcome is counted once in its window, and most outcomes write a diff row.

A correction removes an outcome from its window and counts another. The corrected record has ended before, so only the
late record is counted as ended.
"""

import zlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.compare.column_differences import ColumnDifferences, Places
from shadowstream.compare.dimension_codes import Coded, Ints, coded
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import Results
from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import CorrectableRow, is_correctable
from shadowstream.joiner.accounting.outcome_window import SubWindows, WindowCounts
from shadowstream.joiner.accounting.pair_columns import PairColumns, PairPlace
from shadowstream.joiner.accounting.part_counts import touched_by
from shadowstream.joiner.accounting.reason_counts import At
from shadowstream.joiner.accounting.row_writer import (
    NO_DETAILS,
    ComparisonResult,
    RowDetails,
    Rows,
    RowWriter,
    first_of,
)
from shadowstream.joiner.accounting.slice_counts import SliceCounts
from shadowstream.joiner.accounting.task_windows import TaskWindows
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.intake.equivalent_ids import spelling_of
from shadowstream.joiner.matching.matches import Pair, PairBatch
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.protocol.count_names import EXPECTED, EXPECTED_ALSO, JOINT, RECHECKS, TWIN, cost_names
from shadowstream.protocol.outcomes import AGREES, NOT_BESIDE_TWIN, PLAIN, SAMPLED, Outcome, Result, of_twin
from shadowstream.protocol.size_limits import FieldCounts, cut_path
from shadowstream.protocol.sub_windows import index_of
from shadowstream.protocol.uniform_hash import uniform
from shadowstream.records import REVISION_BYTES, SUB_WINDOWS, Partition, Side, Write

COLUMNS_FROM = 6
"""With fewer mismatches in a batch, writing their rows as columns costs more than one by one."""
PATHS_FROM = 32
"""With fewer mismatches of a task in a window, counting their paths by columns costs more than one by one."""
_JOINT = {(False, False): "neither", (True, False): "shadow", (False, True): "twin", (True, True): "both"}
"""The sides that differ from production, given whether the shadow and the twin differ."""


def counted_as(result: ComparisonResult) -> str:
    """Return the name that counts a result: that of its first declared change, as each change has its own bound."""
    return EXPECTED + result.declared[0] if result.declared else result.outcome


def also_counted_as(result: ComparisonResult) -> list[str]:
    """Return the names that count a pair for the bounds of its further declared changes."""
    return [EXPECTED_ALSO + name for name in result.declared[1:]]


class OutcomeCounts:
    """Outcomes of one task since its last commit. `ended`: cumulative counts of ended records by side."""

    def __init__(
        self, config: Config, revision: str, name: str, places: tuple[Partition, ...], progress: MarksLog
    ) -> None:
        self._config, self.window_ms = config, config.judge.window_ms
        self.match_sample = config.compare.match_sample
        self._places, self._progress = places, progress
        self._revision, self._short = revision, revision[: 2 * REVISION_BYTES]
        self.seed = np.uint64(zlib.crc32(name.encode()) << 32)
        self._redactor = Redactor.of(config, spelling_of(config))
        self.rows = RowWriter(config, self._redactor, name, places)
        self.cells: dict[tuple[int, str], WindowCounts] = {}
        self.slices = SliceCounts(config)
        self.writes: list[Write] = []
        self.ended = [0] * len(places)
        self.records: Counter[tuple[str, str]] = Counter()
        self.pairs: Counter[str] = Counter()
        self.paths: Counter[tuple[str, str]] = Counter()
        self.corrections: Counter[tuple[str, str]] = Counter()
        self.changes: Counter[str] = Counter()
        self.rechecks: Counter[str] = Counter()
        self.rows_cut = 0
        self._fields = FieldCounts([one.path for one in config.judge.criteria if one.path is not None])
        self.correctable: list[tuple[Side, PendingRecord, Hashable, str, ComparisonResult]] = []

    def revision_of(self, row: PendingRecord) -> str:
        return self._whole(row.revision)

    def _whole(self, short: str | None) -> str:
        return self._revision if short is None or short == self._short else self._progress.full_revision(short)

    def revisions_of(self, rows: PendingColumns) -> Coded:
        if rows.revisions is None:
            return Coded.of_one(self._revision, len(rows))
        short = coded(rows.revisions)
        whole = coded(map(self._whole, short.values))
        return Coded(whole.codes[short.codes], whole.values)

    def pair(
        self, pair: Pair, result: ComparisonResult, twin: ComparisonResult | None = None, at: PairPlace | None = None
    ) -> None:
        """Count a pair in the window of its production record; `twin`: the result of its twin's record."""
        revision = self.revision_of(pair.shadow)
        self._end(Side.PRODUCTION, result.outcome)
        self._end(Side.SHADOW, result.outcome)
        self._count(result, pair.production.time_ms, revision)
        self.twin(pair.production, revision, result.outcome, pair.twin, twin)
        if result.outcome not in PLAIN or self._sampled((pair.production.offset,)).any():
            details = RowDetails(pair.ambiguous, None, pair.id, None, self.slices.named(at))
            self._row(result, revision, (pair.production, pair.shadow, pair.twin), details)

    def end_pairs(self, outcome: str, n: int) -> None:
        """Count records of pairs that have ended, without their window."""
        self._end(Side.PRODUCTION, outcome, n)
        self._end(Side.SHADOW, outcome, n)
        self.pairs[outcome] += n

    def name_pairs(self, at: At, sub_windows: SubWindows) -> None:
        """Count pairs by name in the sub-windows of a window."""
        self._cell_at(at).add(sub_windows)

    def show(
        self,
        batch: PairBatch,
        results: Results,
        columns: PairColumns,
        places: Places,
        written: tuple[Places, Sequence[Write]],
    ) -> None:
        """Write the rows of the pairs at some places. `written`: the places among them that have rows already, which
        keep the order of pairs."""
        in_columns, rows = written
        if len(in_columns) == len(places):
            self.writes += rows
            return
        begin, ends = 0, [0] * len(places)
        if len(in_columns):
            places = places[~np.isin(places, in_columns)]
            ends = np.searchsorted(in_columns, places).tolist()
        for i, end in zip(places.tolist(), ends, strict=True):
            self.writes += rows[begin:end]
            begin = end
            result, revision = results[i], columns.revisions.text(i)
            if result.outcome == Outcome.MISMATCH:
                self.count_paths(self._paths_of(result), int(columns.times_ms[i]), revision)
            of_pair = batch.production.row(i), batch.shadow.row(i), None
            details = RowDetails(id=batch.ids[i], dimensions=self.slices.named((columns, i)))
            self._row(result, revision, of_pair, details)
        self.writes += rows[begin:]

    def count_paths(self, found: Sequence[tuple[str, str]], time_ms: int, revision: str) -> None:
        """Count path and kind of each difference of a pair."""
        self.paths.update([(cut_path(path), kind) for path, kind in found])
        self._fields.add({path for path, _ in found}, self._cell(time_ms, revision).fields)

    def count_columns(self, differences: ColumnDifferences, times_ms: Ints, revisions: Coded) -> None:
        """Count the paths of mismatches in columns as `count_paths` counts those of each."""
        for (time_ms, revision), some in self._by_cell(times_ms, revisions):
            part = differences if some is None else differences.where(some)
            self._count_fields(part, self._cell(time_ms, revision))

    def windows_of(self, times_ms: Ints) -> int:
        """Return the number of windows that some times are in."""
        return len({*(times_ms // self.window_ms).tolist()})

    def _by_cell(self, times_ms: Ints, revisions: Coded) -> Iterable[tuple[At, Ints | None]]:
        """Yield the pairs of each window and revision: their places, or None for all."""
        windows = TaskWindows.of([len(times_ms)], times_ms, revisions.by_appearance(), self.window_ms)
        cells, groups = windows.cells(np.ones(len(times_ms), np.bool_))
        for group, (_, at) in enumerate(cells):
            yield at, None if len(cells) == 1 else np.flatnonzero(groups == group)

    def _count_fields(self, differences: ColumnDifferences, cell: WindowCounts) -> None:
        """Count the paths of mismatches in columns as `count_paths` counts those of each."""
        found: list[tuple[str, Sequence[int]]] = []
        for field in differences.fields:
            path = self._redactor.difference_path(field.path)
            for kind, n in Counter(field.kinds() or {"value": len(field.pairs)}).items():
                self.paths[cut_path(path), kind] += n
            found.append((path, field.pairs.tolist()))
        self._fields.add_columns(found, cell.fields)

    def unmatched(
        self,
        side: Side,
        row: PendingRecord,
        result: ComparisonResult,
        revision: str | None = None,
        details: RowDetails = NO_DETAILS,
    ) -> None:
        """Count an unmatched record; `revision`: replaces the joiner's, or the shadow record's own."""
        self._end(side, result.outcome)
        revision = revision or (self.revision_of(row) if side is Side.SHADOW else self._revision)
        self._outcomes(row.time_ms, revision)[result.outcome] += 1
        dimensions = self.slices.unmatched(side, row, result.outcome, revision)
        rows: list[PendingRecord | None] = [None, None, None]
        rows[side] = row
        rows[Side.TWIN] = rows[Side.TWIN] or details.twin
        if result.outcome not in SAMPLED or self._sampled((row.offset,)).any():
            self._row(result, revision, rows, details._replace(dimensions=dimensions))
        if is_correctable(result.outcome, result.reason) and side is not Side.TWIN:
            self.correctable.append((side, row, details.id, revision, result))

    def twin(
        self,
        production: PendingRecord,
        revision: str,
        outcome: Outcome,
        row: PendingRecord | None,
        result: ComparisonResult | None,
    ) -> None:
        """Count the twin's `result` beside the `outcome` of a production record, and the joint difference."""
        if len(self._places) <= Side.TWIN:
            return
        if row is not None:
            self._end(Side.TWIN, TWIN + of_twin(result.outcome) if result else Outcome.WARM_UP)
        if outcome in NOT_BESIDE_TWIN:
            return
        twin = of_twin(result.outcome) if result else Outcome.MISSING
        if twin == Outcome.UNCOMPARED:
            return
        joint = _JOINT[outcome not in AGREES, twin not in AGREES]
        self._outcomes(production.time_ms, revision).update([TWIN + twin, JOINT + joint])
        self.slices.joint(production, revision, JOINT + joint)
        if result is not None and result.outcome == Outcome.MISMATCH:
            paths = {self._redactor.path(one) for one in result.differences}
            self._fields.add(paths | touched_by(result), self._cell(production.time_ms, revision).noise)

    def cardinality(
        self, production: Sequence[PendingRecord], shadow: Sequence[PendingRecord], id_: Hashable, columns: PairColumns
    ) -> None:
        """Count different numbers of outputs of one input: one outcome ends them all."""
        result = Result(Outcome.CARDINALITY, f"{len(production)} outputs of production against {len(shadow)}")
        revision = self.revision_of(shadow[0])
        self._end(Side.PRODUCTION, result.outcome, len(production))
        self._end(Side.SHADOW, result.outcome, len(shadow))
        self._count(result, production[0].time_ms, revision)
        details = RowDetails(id=id_, dimensions=self.slices.named((columns, 0)))
        self._row(result, revision, (production[0], shadow[0], None), details)

    def correct(
        self, row: CorrectableRow, pair: Pair, result: ComparisonResult, columns: PairColumns | None = None
    ) -> None:
        """Replace the outcome of a correctable row by the result of its pair; `columns`: of a compared pair."""
        late = Side(1 - row.side)
        self._end(late, result.outcome)
        self.corrections[row.outcome, result.outcome] += 1
        self._outcomes(row.time_ms, row.revision)[row.outcome] -= 1
        first = pair.production if row.side is Side.PRODUCTION else pair.shadow
        of_first = self.slices.unmatched(row.side, first, row.outcome, row.revision, -1)
        revision = self.revision_of(pair.shadow) if late is Side.SHADOW else row.revision
        self._count(result, pair.production.time_ms, revision)
        dimensions = of_first if columns is None else self.slices.named((columns, 0))
        details = RowDetails(pair.ambiguous, row, row.id, None, dimensions)
        self._row(result, revision, (pair.production, pair.shadow, None), details)

    def recheck(self, pair: Pair, result: str) -> None:
        """Count how the recheck of a pair that differs has ended (`outcomes.rechecks`)."""
        self.rechecks[result] += 1
        if result in RECHECKS:
            self._outcomes(pair.production.time_ms, self.revision_of(pair.shadow))[result] += 1

    def inputs(self, window: Mapping[str, Any], revision: str) -> None:
        """Count the inputs of one window of a range mark (schemas/mark.avsc)."""
        outcomes = self._cell(window["start_ms"], revision).outcomes
        undecodable = window.get("undecodable", 0)
        outcomes["input"] += window["read"] - undecodable - window.get("left_out", 0)
        rare = {"input_failed": window["failed"], "input_undecodable": undecodable}
        if cost := window.get("cost"):
            measured, over = cost_names(cost["over_ns"])
            outcomes[measured] += cost["measured"]
            rare[over] = cost["over"]
        outcomes.update({name: n for name, n in rare.items() if n})

    def windows(self) -> list[dict[str, Any]]:
        return [
            {
                "start_ms": start,
                "revision": revision,
                "outcomes": {**cell.sums(), **self.slices.outcomes((start, revision))},
                "fields": dict(cell.fields),
                "noise": dict(cell.noise),
                "width_ms": self.window_ms,
                "sub_windows": [
                    {"number": number, "outcomes": outcomes} for number, outcomes in sorted(cell.sub_windows.items())
                ],
                **self.slices.record((start, revision)),
            }
            for (start, revision), cell in sorted(self.cells.items())
        ]

    def clear(self) -> None:
        for counts in (self.records, self.pairs, self.paths, self.corrections, self.changes, self.rechecks):
            if counts:
                counts.clear()
        self.cells.clear()
        self.slices.clear()
        self.writes.clear()
        self.rows_cut = 0
        self._fields.clear()
        self.correctable.clear()

    def _end(self, side: Side, outcome: str, n: int = 1) -> None:
        self.ended[side] += n
        self.records[side.word, outcome] += n

    def _count(self, result: ComparisonResult, time_ms: int, revision: str) -> None:
        self._outcomes(time_ms, revision).update([counted_as(result), *also_counted_as(result)])
        self.pairs[result.outcome] += 1
        if result.outcome == Outcome.MISMATCH:
            self.count_paths(self._paths_of(result), time_ms, revision)

    def _paths_of(self, result: ComparisonResult) -> list[tuple[str, str]]:
        return [(self._redactor.path(one), one.kind) for one in result.differences]

    def _outcomes(self, time_ms: int, revision: str) -> Counter[str]:
        return self._cell(time_ms, revision).sub_window(index_of(time_ms, self.window_ms) % SUB_WINDOWS)

    def _cell(self, time_ms: int, revision: str) -> WindowCounts:
        return self._cell_at((time_ms - time_ms % self.window_ms, revision))

    def _cell_at(self, at: At) -> WindowCounts:
        cell = self.cells.get(at)
        if cell is None:
            cell = self.cells[at] = WindowCounts()
        return cell

    def _sampled(self, offsets: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Choose the plain matches to show, by hash of the pair's task and offset: the same on replay."""
        sampled: npt.NDArray[np.bool_] = uniform(offsets, self.seed) < self.match_sample
        return sampled

    def _row(self, result: ComparisonResult, revision: str, rows: Rows, details: RowDetails) -> None:
        side, first = first_of(rows)
        reason = self.rows.reason(result)
        at = first.time_ms - first.time_ms % self.window_ms, revision
        self.slices.reasons.add(at, result.outcome, reason)
        if result.outcome == Outcome.EVICTED:
            self.slices.evictions.add(at, side, reason)
        corrects = details.corrects
        if corrects is not None and corrects.outcome == Outcome.EVICTED:
            at = corrects.time_ms - corrects.time_ms % self.window_ms, corrects.revision
            self.slices.evictions.add(at, corrects.side, None, -1)
        written = self.rows.row(result, revision, rows, details)
        self.rows_cut += written.is_cut
        self.writes += written.writes
