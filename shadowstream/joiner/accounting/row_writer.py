"""Rows of diff: of single outcomes with all their details, and of many mismatched pairs of some tasks as columns."""

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.codecs.framing import unheaded
from shadowstream.codecs.mismatch_rows import MismatchColumns, RecordColumns, are_one, encoded_mismatches
from shadowstream.compare.column_differences import ColumnDifferences
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import PairResult, Undecodable
from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import CorrectableRow
from shadowstream.joiner.matching.matches import PairBatch
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.protocol.dead_letters import FailedRecord, dead_letter
from shadowstream.protocol.outcomes import QUOTES, UNDECODABLE, Outcome, Result
from shadowstream.protocol.size_limits import any_too_long, cut, cut_path
from shadowstream.records import InputCoordinate, Partition, Side, Write

Rows = Sequence[PendingRecord | None]
ComparisonResult = PairResult | Undecodable | Result
_write = partial(tuple.__new__, Write)  # a third of the cost of calling the class


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


class Mismatches(NamedTuple):
    """Mismatched pairs as columns; `dimensions`: the name of each and its values."""

    pairs: PairBatch
    revisions: Sequence[str]
    differences: ColumnDifferences
    dimensions: Sequence[tuple[str, Sequence[str]]]


class WrittenRow(NamedTuple):
    """The records of one row: its JSON and a dead letter among them. `is_cut`: a part was above its size limit."""

    writes: list[Write]
    is_cut: bool


class RowWriter:
    """Writer of the rows of one task. It counts nothing."""

    def __init__(self, config: Config, redactor: Redactor, task: str, places: tuple[Partition, ...]) -> None:
        self._config, self._redactor = config, redactor
        self._topic = config.plan.of("diff")
        self._json_topic = config.plan.of("diff.json") if config.compare.diff_json else None
        self._task, self._places, self._partition = task, places, places[Side.PRODUCTION].partition
        self._names_id = config.identity.kind == "id"

    def own_place(self, side: Side, row: PendingRecord) -> tuple[Partition, int]:
        """Return the record's partition and offset in the topic that its producer wrote."""
        return row.origin or (self._places[side], row.offset)

    def pair_id(self, side: Side, row: PendingRecord) -> str:
        """Return the coordinate of a record: the id of the pair that it begins."""
        place, offset = self.own_place(side, row)
        return f"{place}/{offset}"

    def reason(self, result: ComparisonResult) -> str | None:
        """Redact a reason that may quote a value: the text of an error."""
        return self._redactor.reason(result.reason) if result.outcome in QUOTES else result.reason

    def row(self, result: ComparisonResult, revision: str, rows: Rows, details: RowDetails) -> WrittenRow:
        production, shadow, twin = rows
        side, first = first_of(rows)
        corrects = details.corrects
        pair_id = corrects.pair_id if corrects else self.pair_id(side, first)
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
            "reason": self.reason(result),
            "late": corrects is not None,
            "correction_of": corrects.outcome if corrects else None,
            "ambiguous": details.ambiguous,
            "dimensions": details.dimensions,
        }
        is_cut, key = cut(record), pair_id.encode()
        writes = [Write(self._topic, self._partition, key, own.encode_diff(record), first.time_ms)]
        if self._json_topic is not None:
            writes.append(Write(self._json_topic, self._partition, key, own.as_json(record), first.time_ms))
        if (broken := UNDECODABLE.get(result.outcome)) is not None and (row := rows[broken]) is not None:
            writes.append(self._dead_letter(broken, row, result.reason or ""))
        return WrittenRow(writes, is_cut)

    def _inputs(self, production: PendingColumns, shadow: PendingColumns) -> list[str | None] | None:
        if production.ats is None and shadow.ats is None:
            return None
        both = zip(shadow.ats or repeat(None), production.ats or repeat(None))  # noqa: B905  the repeated ones have no end
        return [self._input(at) if (at := one or other) else None for one, other in both]

    def paths_of_each(self, differences: ColumnDifferences, count: int) -> list[list[tuple[str, str]]]:
        """Return path and kind of each difference of each of `count` pairs, as they may be shown."""
        found: list[list[tuple[str, str]]] = [[] for _ in range(count)]
        for field in differences.fields:
            path = self._redactor.difference_path(field.path)
            for place, kind in zip(field.pairs.tolist(), field.kinds() or repeat("value")):  # noqa: B905  no end
                found[place].append((path, kind))
        return found

    def _dead_letter(self, side: Side, row: PendingRecord, reason: str) -> Write:
        value, named = row.value, None
        if value is not None and row.header_fields is not None and row.header_fields.head:
            value, named = unheaded(value, row.header_fields.head)
        failed = FailedRecord(*self.own_place(side, row), row.key, value, row.time_ms, named)
        error = "RecordError", self._redactor.reason(reason) or ""
        return dead_letter(self._config, self._redactor, "joiner", failed, error, "VALUE_CONVERTER")

    def _id(self, side: Side, row: PendingRecord | None) -> dict[str, Any] | None:
        if row is None:
            return None
        place, offset = self.own_place(side, row)
        return {"topic": place.topic, "partition": place.partition, "offset": offset}

    def _input(self, at: InputCoordinate) -> str:
        text = f"{self._config.inputs[at.topic]}/{at.partition}/{at.offset}"
        return text if at.k < 0 else f"{text}/{at.k}"


def mismatches_of(writers: Sequence[RowWriter], rows: Mismatches) -> list[Write] | None:
    """Return the rows of mismatches as `RowWriter.row` writes each; `writers`: that of the task of each row.

    None if only `row` can write them: they are written as JSON too, or a part of one is above its size limit.
    """
    production, shadow, ids = rows.pairs
    first = writers[0]
    redactor, identity = first._redactor, first._config.identity.kind
    keys, named = redactor.keys(production.keys), None
    if first._names_id:
        named = redactor.keys([id_ if isinstance(id_, bytes) else None for id_ in ids])
    fields = redactor.fields(rows.differences.fields)
    is_long = any_too_long(keys) or any_too_long(named or ())
    if first._json_topic is not None or is_long or any(cut_path(one.path) != one.path for one in fields):
        return None
    records = _records(writers, Side.PRODUCTION, production)
    columns = MismatchColumns(
        _pair_ids(records),
        [one._task for one in writers],
        Outcome.MISMATCH,
        rows.revisions,
        production.times_ms,
        keys,
        records,
        _records(writers, Side.SHADOW, shadow),
        first._inputs(production, shadow),
        fields,
        identity,
        named,
        rows.dimensions,
    )
    partitions = [one._partition for one in writers]
    of_each = columns.pair_ids, encoded_mismatches(own.record_head("diff"), columns), production.times_ms
    return list(map(_write, zip(repeat(first._topic), partitions, *of_each, repeat(None))))


def _records(writers: Sequence[RowWriter], side: Side, rows: PendingColumns) -> RecordColumns:
    if rows.origins is None:
        return RecordColumns([one._places[side] for one in writers], rows.offsets)
    places = [one.own_place(side, row) for one, row in zip(writers, rows.rows(), strict=True)]
    return RecordColumns([place for place, _ in places], [offset for _, offset in places])


def _pair_ids(records: RecordColumns) -> list[bytes]:
    if are_one(records.places):
        text = str(records.places[0]).encode().replace(b"%", b"%%") + b"/%d"
        return list(map(text.__mod__, records.offsets))
    begins = {place: f"{place}/".encode() for place in {*records.places}}
    return [begins[place] + b"%d" % offset for place, offset in zip(*records, strict=True)]


def first_of(rows: Rows) -> tuple[Side, PendingRecord]:
    """Return the record that gives a row its time and id: the first side's that there is."""
    return next((Side(n), row) for n, row in enumerate(rows) if row is not None)
