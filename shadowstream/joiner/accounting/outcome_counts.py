"""Outcome counts of one task: each outcome is counted once in its window, and most outcomes write a diff row.

A correction removes an outcome from its window and counts another. The corrected record has ended before, so only the
late record is counted as ended.
"""

import zlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.codecs import own
from shadowstream.codecs.framing import unheaded
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import PairResult, Undecodable
from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import CorrectableRow, is_correctable
from shadowstream.joiner.accounting.outcome_window import WindowCounts
from shadowstream.joiner.accounting.part_counts import touched_by
from shadowstream.joiner.accounting.slice_counts import PairColumns, PairPlace, SliceCounts
from shadowstream.joiner.completeness.marks_log import MarksLog
from shadowstream.joiner.intake.equivalent_ids import spelling_of
from shadowstream.joiner.matching.matches import Pair, PairBatch
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.protocol.count_names import EXPECTED, EXPECTED_ALSO, JOINT, RECHECKS, TWIN, cost_names
from shadowstream.protocol.dead_letters import FailedRecord, dead_letter
from shadowstream.protocol.outcomes import (
    AGREES,
    NOT_BESIDE_TWIN,
    PLAIN,
    QUOTES,
    SAMPLED,
    UNDECODABLE,
    Outcome,
    Result,
    of_twin,
)
from shadowstream.protocol.size_limits import FieldCounts, cut, cut_path
from shadowstream.protocol.sub_windows import index_of
from shadowstream.protocol.uniform_hash import uniform
from shadowstream.records import REVISION_BYTES, SUB_WINDOWS, InputCoordinate, Partition, Side, Write

_JOINT = {(False, False): "neither", (True, False): "shadow", (False, True): "twin", (True, True): "both"}
"""The sides that differ from production, given whether the shadow and the twin differ."""
Rows = Sequence[PendingRecord | None]
ComparisonResult = PairResult | Undecodable | Result


class RowDetails(NamedTuple):
    """Further content of a diff row. `ambiguous`: several partners were possible; `twin`: of an unmatched record.

    `dimensions`: the values of the declared dimensions, as far as they are known.
    """

    ambiguous: bool = False
    corrects: CorrectableRow | None = None
    id: Hashable = None
    twin: PendingRecord | None = None
    dimensions: Mapping[str, str] = {}


NO_DETAILS = RowDetails()


def _counted_as(result: ComparisonResult) -> str:
    """Return the name that counts a result: that of its first declared change, as each change has its own bound."""
    return EXPECTED + result.declared[0] if result.declared else result.outcome


def _also(result: ComparisonResult) -> list[str]:
    """Return the names that count a pair for the bounds of its further declared changes."""
    return [EXPECTED_ALSO + name for name in result.declared[1:]]


class OutcomeCounts:
    """Outcomes of one task since its last commit. `ended`: cumulative counts of ended records by side."""

    def __init__(
        self, config: Config, revision: str, name: str, places: tuple[Partition, ...], progress: MarksLog
    ) -> None:
        self._config, self._window_ms = config, config.judge.window_ms
        self._topic = config.plan.of("diff")
        self._json_topic = config.plan.of("diff.json") if config.compare.diff_json else None
        self._task, self._places, self._progress = name, places, progress
        self._revision, self._short = revision, revision[: 2 * REVISION_BYTES]
        self._seed = np.uint64(zlib.crc32(name.encode()) << 32)
        self._redactor = Redactor.of(config, spelling_of(config))
        self._names_id = config.identity.kind == "id"
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

    def revisions_of(self, rows: PendingColumns) -> Sequence[str]:
        if rows.revisions is None:
            return [self._revision] * len(rows)
        known = {short: self._whole(short) for short in set(rows.revisions)}
        return [known[short] for short in rows.revisions]

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

    def pair_batch(self, pair_batch: PairBatch, results: Sequence[ComparisonResult], columns: PairColumns) -> None:
        """Count plain pairs as columns; treat only differing pairs and pairs with a row one by one."""
        outcomes, times, revisions = columns.outcomes, columns.times_ms, columns.revisions
        counted = Counter(outcomes)
        for outcome, n in counted.items():
            self._end(Side.PRODUCTION, outcome, n)
            self._end(Side.SHADOW, outcome, n)
        self.pairs.update(counted)
        names: Sequence[str] = outcomes
        if Outcome.EXPECTED in counted:
            names = [o if o != Outcome.EXPECTED else _counted_as(results[i]) for i, o in enumerate(outcomes)]
        self._count_names(times, revisions, names, counted if names is outcomes else None)
        for i, outcome in enumerate(outcomes if Outcome.EXPECTED in counted else ()):
            if outcome == Outcome.EXPECTED:
                self._outcomes(times[i], revisions[i]).update(_also(results[i]))
        shown = self._sampled(pair_batch.production.offsets)
        if not PLAIN.issuperset(counted):
            shown |= ~np.fromiter(map(PLAIN.__contains__, outcomes), np.bool_, len(outcomes))
        for i in np.flatnonzero(shown).tolist():
            result = results[i]
            if result.outcome == Outcome.MISMATCH:
                self._count_paths(result, self._cell(times[i], revisions[i]))
            rows = pair_batch.production.row(i), pair_batch.shadow.row(i), None
            details = RowDetails(id=pair_batch.ids[i], dimensions=self.slices.named((columns, i)))
            self._row(result, revisions[i], rows, details)

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
                "outcomes": cell.sums() | self.slices.outcomes((start, revision)),
                "fields": dict(cell.fields),
                "noise": dict(cell.noise),
                "width_ms": self._window_ms,
                "sub_windows": [
                    {"number": number, "outcomes": dict(outcomes)}
                    for number, outcomes in sorted(cell.sub_windows.items())
                ],
                **self.slices.record((start, revision)),
            }
            for (start, revision), cell in sorted(self.cells.items())
        ]

    def clear(self) -> None:
        for counts in (self.records, self.pairs, self.paths, self.corrections, self.changes, self.rechecks):
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
        self._outcomes(time_ms, revision).update([_counted_as(result), *_also(result)])
        self.pairs[result.outcome] += 1
        if result.outcome == Outcome.MISMATCH:
            self._count_paths(result, self._cell(time_ms, revision))

    def _count_paths(self, result: ComparisonResult, cell: WindowCounts) -> None:
        found = [(self._redactor.path(one), one.kind) for one in result.differences]
        self.paths.update((cut_path(path), kind) for path, kind in found)
        self._fields.add({path for path, _ in found}, cell.fields)

    def _count_names(
        self, times_ms: Sequence[int], revisions: Sequence[str], names: Sequence[str], counted: Counter[str] | None
    ) -> None:
        """Count pairs by name. `counted`: the same as sums, if known: most batches are of one sub-window."""
        window_ms, first = self._window_ms, min(times_ms)
        one = index_of(first, window_ms) == index_of(max(times_ms), window_ms)
        if one and revisions.count(revisions[0]) == len(revisions):
            self._outcomes(first, revisions[0]).update(names if counted is None else counted)
            return
        places = (index_of(one, window_ms) for one in times_ms)
        for (index, revision, name), n in Counter(zip(places, revisions, names, strict=True)).items():
            window, number = divmod(index, SUB_WINDOWS)
            self._cell(window * window_ms, revision).sub_windows[number][name] += n

    def _outcomes(self, time_ms: int, revision: str) -> Counter[str]:
        return self._cell(time_ms, revision).sub_windows[index_of(time_ms, self._window_ms) % SUB_WINDOWS]

    def _cell(self, time_ms: int, revision: str) -> WindowCounts:
        at = (time_ms - time_ms % self._window_ms, revision)
        cell = self.cells.get(at)
        if cell is None:
            cell = self.cells[at] = WindowCounts()
        return cell

    def _sampled(self, offsets: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Choose the plain matches to show, by hash of the pair's task and offset: the same on replay."""
        sampled: npt.NDArray[np.bool_] = uniform(offsets, self._seed) < self._config.compare.match_sample
        return sampled

    def own_place(self, side: Side, row: PendingRecord) -> tuple[Partition, int]:
        """Return the record's partition and offset in the topic that its producer wrote."""
        return row.origin or (self._places[side], row.offset)

    def pair_id(self, side: Side, row: PendingRecord) -> str:
        """Return the coordinate of a record: the id of the pair that it begins."""
        place, offset = self.own_place(side, row)
        return f"{place}/{offset}"

    def _row(self, result: ComparisonResult, revision: str, rows: Rows, details: RowDetails) -> None:
        production, shadow, twin = rows
        side, first = Side.PRODUCTION, production
        if first is None:
            side, first = next((Side(n), row) for n, row in enumerate(rows) if row is not None)
        corrects = details.corrects
        pair_id = corrects.pair_id if corrects else self.pair_id(side, first)
        reason = self._reason(result)
        record = {
            "pair_id": pair_id,
            "task": self._task,
            "outcome": result.outcome,
            "revision": revision,
            "time_ms": first.time_ms,
            "key": self._redactor.key(first.key),
            "production": self._id(Side.PRODUCTION, production),
            "shadow": self._id(Side.SHADOW, shadow),
            "twin": self._id(Side.TWIN, twin),
            "input": next((self._input(row.at) for row in (shadow, production) if row and row.at), None),
            "identity": self._config.identity.kind,
            "id": self._redactor.key(details.id) if self._names_id and isinstance(details.id, bytes) else None,
            "differences": [one.record() for one in self._redactor.differences(result.differences)],
            "reason": reason,
            "late": corrects is not None,
            "correction_of": corrects.outcome if corrects else None,
            "ambiguous": details.ambiguous,
            "dimensions": details.dimensions,
        }
        start_ms = first.time_ms - first.time_ms % self._window_ms
        self.slices.reasons.add((start_ms, revision), result.outcome, reason)
        if result.outcome == Outcome.EVICTED:
            self.slices.evictions.add((start_ms, revision), side, reason)
        if corrects is not None and corrects.outcome == Outcome.EVICTED:
            at = corrects.time_ms - corrects.time_ms % self._window_ms, corrects.revision
            self.slices.evictions.add(at, corrects.side, None, -1)
        self.rows_cut += cut(record)
        partition, key = self._places[Side.PRODUCTION].partition, pair_id.encode()
        self.writes.append(Write(self._topic, partition, key, own.encode_diff(record), first.time_ms))
        if self._json_topic is not None:
            self.writes.append(Write(self._json_topic, partition, key, own.as_json(record), first.time_ms))
        if (broken := UNDECODABLE.get(result.outcome)) is not None:
            self._dead_letter(broken, rows, result.reason or "")

    def _reason(self, result: ComparisonResult) -> str | None:
        """Redact a reason that may quote a value: the text of an error."""
        return self._redactor.reason(result.reason) if result.outcome in QUOTES else result.reason

    def _dead_letter(self, side: Side, rows: Rows, reason: str) -> None:
        row = rows[side]
        if row is None:
            return
        value, named = row.value, None
        if value is not None and row.header_fields is not None and row.header_fields.head:
            value, named = unheaded(value, row.header_fields.head)
        failed = FailedRecord(*self.own_place(side, row), row.key, value, row.time_ms, named)
        error = "RecordError", self._redactor.reason(reason) or ""
        self.writes.append(dead_letter(self._config, self._redactor, "joiner", failed, error, "VALUE_CONVERTER"))

    def _id(self, side: Side, row: PendingRecord | None) -> dict[str, Any] | None:
        if row is None:
            return None
        place, offset = self.own_place(side, row)
        return {"topic": place.topic, "partition": place.partition, "offset": offset}

    def _input(self, at: InputCoordinate) -> str:
        text = f"{self._config.inputs[at.topic]}/{at.partition}/{at.offset}"
        return text if at.k < 0 else f"{text}/{at.k}"
