"""Rows of diff are written by a shorter way, and come out as by the long one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.codecs.mismatch_rows import FieldColumns, MismatchColumns, RecordColumns, encoded_mismatches
from shadowstream.errors import ShadowstreamBug
from shadowstream.records import Partition

texts = st.text(max_size=8) | st.text("aé", min_size=60, max_size=300)
places = st.fixed_dictionaries({"topic": texts, "partition": st.integers(0, 9), "offset": st.integers(0, 2**62)})
differences = st.fixed_dictionaries(
    {
        "path": texts,
        "kind": texts,
        "production": st.none() | texts,
        "shadow": st.none() | texts,
        "delta": st.none() | st.floats(allow_nan=False),
    }
)
rows = st.fixed_dictionaries(
    {
        **dict.fromkeys(("pair_id", "task", "outcome", "revision", "identity"), texts),
        **dict.fromkeys(("input", "reason", "correction_of"), st.none() | texts),
        **dict.fromkeys(("key", "id"), st.none() | st.binary(max_size=200)),
        **dict.fromkeys(("production", "shadow", "twin"), st.none() | places),
        **dict.fromkeys(("late", "ambiguous"), st.booleans()),
        "time_ms": st.integers(-(2**63), 2**63 - 1),
        "differences": st.lists(differences, max_size=3),
        "dimensions": st.dictionaries(st.sampled_from(("carrier", "origin")), st.text(max_size=4)),
    }
)


@given(rows)
def test_a_row_of_diff_is_written_as_any_other_record(row: dict[str, Any]) -> None:
    assert own.encode_diff(row) == own.encode("diff", row)
    assert own.decode(own.encode_diff(row)) == ("diff", row)


NUMBERS = st.integers(0, 300) | st.integers(-(2**63), 2**63 - 1)


@st.composite
def mismatches(draw: st.DrawFn) -> MismatchColumns:
    """Columns of one row or more; each row differs in one field or more."""
    count = draw(st.integers(1, 6))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    def records() -> RecordColumns:
        partition = st.builds(Partition, texts, st.integers(0, 9))
        return RecordColumns(column(st.just(draw(partition)) | partition), column(st.integers(0, 2**62)))

    def field(rows: list[int]) -> FieldColumns:
        def of_each(values: st.SearchStrategy[Any]) -> list[Any]:
            return draw(st.lists(values, min_size=len(rows), max_size=len(rows)))

        encoded = texts.map(str.encode)
        kinds = draw(st.sampled_from([None, of_each(st.sampled_from(["null", "value"]))]))
        deltas = of_each(st.floats(allow_nan=False) | draw(st.sampled_from([st.none(), st.floats(allow_nan=False)])))
        return FieldColumns(rows, draw(texts), kinds, of_each(encoded), of_each(encoded), deltas)

    parts = draw(st.lists(st.sets(st.integers(0, count - 1), min_size=1), max_size=4))
    fields = draw(st.permutations([field(list(range(count))), *(field(sorted(part)) for part in parts)]))
    binary = st.binary(max_size=200)
    return MismatchColumns(
        column(texts.map(str.encode)),
        column(draw(st.sampled_from([texts, st.just("out/0")]))),
        draw(texts),
        column(texts),
        column(NUMBERS),
        column(binary | draw(st.sampled_from([binary, st.none()]))),
        records(),
        records(),
        draw(st.none() | st.just(column(st.none() | texts))),
        fields,
        draw(texts),
        draw(st.none() | st.just(column(st.none() | binary))),
        [(name, column(texts)) for name in draw(st.lists(st.sampled_from(("carrier", "origin")), unique=True))],
    )


def each(columns: MismatchColumns) -> list[dict[str, Any]]:
    """The rows of columns, each as a record of schemas/diff.avsc."""

    def place(records: RecordColumns, n: int) -> dict[str, Any]:
        return {**records.places[n]._asdict(), "offset": records.offsets[n]}

    def differences_of(n: int) -> list[dict[str, Any]]:
        at = ((field, field.rows.index(n)) for field in columns.fields if n in field.rows)
        return [
            {
                "path": field.path,
                "kind": field.kinds[k] if field.kinds else "value",
                "production": field.production[k].decode(),
                "shadow": field.shadow[k].decode(),
                "delta": field.deltas[k],
            }
            for field, k in at
        ]

    return [
        {
            **dict.fromkeys(("reason", "correction_of", "twin")),
            **dict.fromkeys(("late", "ambiguous"), False),
            **{name: getattr(columns, name) for name in ("outcome", "identity")},
            "task": columns.tasks[n],
            "pair_id": columns.pair_ids[n].decode(),
            "revision": columns.revisions[n],
            "time_ms": columns.times_ms[n],
            "key": columns.keys[n],
            "production": place(columns.production, n),
            "shadow": place(columns.shadow, n),
            "input": columns.inputs[n] if columns.inputs else None,
            "id": columns.ids[n] if columns.ids else None,
            "differences": differences_of(n),
            "dimensions": {name: values[n] for name, values in columns.dimensions},
        }
        for n in range(len(columns.pair_ids))
    ]


@settings(max_examples=40, deadline=None)
@given(mismatches())
def test_rows_of_mismatches_in_columns_are_written_as_any_other_record(columns: MismatchColumns) -> None:
    assert encoded_mismatches(own.record_head("diff"), columns) == [own.encode("diff", row) for row in each(columns)]


def test_a_column_that_lacks_a_row_is_refused() -> None:
    records = RecordColumns([Partition("t", 0)] * 2, [7, 8])
    field = FieldColumns([0, 1], "score", None, [b"1", b"1"], [b"2", b"3"], [1.0, 2.0])
    columns = [b"a", b"b"], ["t/0", "t/1"], "mismatch", ["r", "r"], [1, 2], [b"k", b"l"], records, records
    rows = MismatchColumns(*columns, None, [field], "key", None, [])
    assert len(encoded_mismatches(own.record_head("diff"), rows)) == 2
    with pytest.raises(ShadowstreamBug, match="has only 1"):
        encoded_mismatches(own.record_head("diff"), rows._replace(times_ms=[1]))
