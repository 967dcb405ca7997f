"""Columns in Arrow say what rows say, and a schema of which they would not is refused to them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import columns
from shadowstream.codecs.columns import ColumnReader, column_reader, proven
from shadowstream.codecs.decoder import ROWS_FROM, Decoder
from shadowstream.codecs.schemas import parse
from shadowstream.compare import RuleSet, Undecodable, compare_pairs, compare_rows
from shadowstream.compare.by_arrow import arrow_levels, field_differences
from shadowstream.compare.pairs import COLUMNS_FROM
from shadowstream.compare.result import MATCH, MISMATCH
from shadowstream.config import Rule
from shadowstream.errors import RecordError
from shadowstream.native.library import SWITCH
from shadowstream.records import Side
from tests.compare.avro_cases import Given, Type, pairs_of_one_schema, records
from tests.compare.cases import rule_sets
from tests.compare.test_schema_changes import record as of_fields

Pairs = tuple[Given, list[bytes], list[bytes]]


@pytest.fixture(autouse=True, scope="module")
def without_kernel() -> Iterator[None]:
    """No native comparison, which would leave little to columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "0")
        yield


def by_rows(source: Given, production: bytes, shadow: bytes, rules: RuleSet) -> Any:
    """What one pair gives, decoded by fastavro and compared alone."""
    if production == shadow:
        return "match", ()
    found = []
    for side, value in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
        try:
            found.append(Decoder(source).decode(value))
        except RecordError as error:
            return Undecodable(side, error.reason, str(error)).outcome, ()
    result = compare_rows(*found, rules)
    return result.outcome, result.differences


def assert_columns_equal_rows(pairs: Pairs, rules: RuleSet) -> None:
    source, production, shadow = pairs
    found = compare_pairs(production, shadow, Decoder(source), Decoder(source), rules)
    expected = [by_rows(source, one, other, rules) for one, other in zip(production, shadow, strict=True)]
    assert found.outcomes == [outcome for outcome, _ in expected]
    assert [(one.outcome, one.differences) for one in found] == expected


@settings(max_examples=30, deadline=None)
@given(pairs=pairs_of_one_schema(), rules=rule_sets)
def test_columns_in_arrow_equal_rows(pairs: Pairs, rules: RuleSet) -> None:
    assert_columns_equal_rows(pairs, rules)


@settings(max_examples=40, deadline=None)
@given(pairs=pairs_of_one_schema())
def test_many_values_are_decoded_one_by_one(pairs: Pairs) -> None:
    source, values, _ = pairs
    many = values * (ROWS_FROM // len(values) + 1)
    found, expected = Decoder(source).decode_many(many), [Decoder(source).decode_many([one])[0] for one in many]
    assert list(map(repr, found)) == list(map(repr, expected))


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(pairs=pairs_of_one_schema(), rules=rule_sets)
def test_columns_in_arrow_equal_rows_in_twenty_thousand_generated_cases(pairs: Pairs, rules: RuleSet) -> None:
    assert_columns_equal_rows(pairs, rules)


@settings(max_examples=50, deadline=None)
@given(kind=records(), data=st.data())
def test_both_decoders_agree_or_the_schema_has_no_columns(kind: Type, data: st.DataObject) -> None:
    source = Given(kind.schema)
    values = data.draw(st.lists(kind.values, min_size=1, max_size=5))
    bodies = [source.frame(1, value) for value in values]
    found = Decoder(source).columns(bodies)
    if found is None:
        assert "bytes" in json.dumps(kind.schema)
        return
    rows = [columns._comparable(row) for row in found[0].to_pylist()]
    assert rows == [columns._comparable(row) for row in Decoder(source).decode_many(bodies)]


REFUSED = [
    "bytes",
    {"type": "fixed", "name": "F", "size": 4},
    {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2},
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    "null",
    ["null"],
    ["null", "string", "long"],
    ["null", "R"],
    {"type": "enum", "name": "E", "symbols": [f"S{i}" for i in range(65)]},
    {"type": "record", "name": "Q", "fields": []},
]


def record(kind: Any) -> Any:
    return parse(json.dumps(of_fields(("a", kind))))


@pytest.mark.parametrize("kind", REFUSED, ids=str)
def test_types_that_the_fast_decoder_misreads_have_no_columns(kind: Any) -> None:
    assert column_reader(record(kind)) is None
    assert column_reader(record({"type": "array", "items": "int"})) is not None


@pytest.mark.parametrize("schema", ["string", {"type": "map", "values": "int"}, ["null", "string"]], ids=str)
def test_a_schema_that_is_no_record_has_no_columns(schema: Any) -> None:
    assert column_reader(parse(json.dumps(schema))) is None


def test_a_reader_that_disagrees_with_fastavro_is_not_proven() -> None:
    # Read with the fields in another order: a decoder with a bug.
    fields = ("a", "string"), ("b", "long")
    right, wrong = (parse(json.dumps(of_fields(*some))) for some in (fields, fields[::-1]))
    assert proven(ColumnReader(right, columns._kind(right)), right)
    assert not proven(ColumnReader(wrong, columns._kind(wrong)), right)


def test_of_a_batch_with_bad_records_only_these_are_left_to_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Given(of_fields(("a", "string")))
    good = [source.frame(1, {"a": f"v{i}"}) for i in range(400)]
    bad = {7: good[7][:-1], 200: good[200] + b"\0", 399: good[399][:-1] + b"\xff"}
    values = [bad.get(i, value) for i, value in enumerate(good)]
    found = Decoder(source).columns(values)
    assert found is not None
    assert set(range(400)) - set(found[1].tolist()) == set(bad)
    monkeypatch.setattr(Decoder, "decode_many", only_few(Decoder.decode_many, len(bad)))
    other = [source.frame(1, {"a": "x"})] * 400
    outcomes = compare_pairs(values, other, Decoder(source), Decoder(source), RuleSet()).outcomes
    assert {i for i, one in enumerate(outcomes) if one == "undecodable_production"} == set(bad)
    assert outcomes.count("mismatch") == 397


def only_few(decode: Any, values_max: int) -> Any:
    def decode_many(self: Decoder, values: Any, headers: Any = ()) -> Any:
        assert len(values) <= values_max
        return decode(self, values, headers)

    return decode_many


def test_a_time_that_python_cannot_represent_is_left_to_rows() -> None:
    kind = {"type": "long", "logicalType": "timestamp-millis"}
    plain, times = (Given(of_fields(("a", one))) for one in ("long", kind))
    values = [plain.frame(1, {"a": 2**62 if i in (5, 6) else i}) for i in range(40)]
    other = [plain.frame(1, {"a": 2**62 if i == 6 else 1_000}) for i in range(40)]
    outcomes = compare_pairs(values, other, Decoder(times), Decoder(times), RuleSet()).outcomes
    assert outcomes == ["match" if i == 6 else "mismatch" for i in range(40)]


def test_each_pair_is_compared_by_its_own_schemas_after_a_change() -> None:
    source = Given(of_fields(("id", "int"), ("gone", "int")), of_fields(("id", "long"), ("more", "int")))
    before = [source.frame(1, {"id": i, "gone": 1}) for i in range(100)]
    after = [source.frame(2, {"id": i, "more": 2}) for i in range(100)]
    production, shadow = before[:60] + after[60:], before[:30] + after[30:]
    assert len(before) - 60 > COLUMNS_FROM

    def outcomes(*rules: Rule, added: Any = "mismatch") -> list[str]:
        both = RuleSet(rules, added)
        return compare_pairs(production, shadow, Decoder(source), Decoder(source), both).outcomes

    assert outcomes() == ["match"] * 30 + ["mismatch"] * 30 + ["match"] * 40
    assert outcomes(Rule(path="gone", ignore=True)) == outcomes()
    ignoring = outcomes(Rule(path="gone", ignore=True), added="ignore")
    assert ignoring == ["match"] * 30 + ["ignored"] * 30 + ["match"] * 40


def test_of_a_whole_batch_in_columns_a_pair_costs_a_few_microseconds() -> None:
    kinds = {"score": "double", "fee": "double", "label": "string", "model": "string", "id": "long"}
    kinds |= {"note": ["null", "string"], "tags": {"type": "map", "values": "double"}}
    source, count = Given(of_fields(*kinds.items())), 20_000
    value = {"score": 0.5, "fee": 1.0, "label": "a", "model": "m1", "note": None, "tags": {"a": 1.0, "b": 2.0}}
    production = [source.frame(1, {**value, "id": i}) for i in range(count)]
    shadow = [source.frame(1, {**value, "id": i, "model": "m2", "score": 0.5 + (i % 50 == 0)}) for i in range(count)]
    rules = RuleSet([Rule(path="model", ignore=True), Rule(path="score", atol=0.1)])
    decoders = Decoder(source), Decoder(source)
    compare_pairs(production[:100], shadow[:100], *decoders, rules)
    began = time.process_time()
    for start in range(0, count, 4_000):
        found = compare_pairs(production[start : start + 4_000], shadow[start : start + 4_000], *decoders, rules)
        assert np.bincount(found.places).tolist() == [0, 3_920, 0, 0, 80]
    micros = (time.process_time() - began) / count * 1e6
    print(f"{micros:.2f} CPU µs a pair of seven fields, of which two differ")
    assert micros < 5 * 2


def test_what_lies_below_a_null_is_no_difference() -> None:
    """Arrow leaves open which values the parts of a null hold."""
    absent = pa.array([True, False, False])
    sides = []
    for ages in ([1, 5, 7], [2, 5, 8]):
        people = pa.StructArray.from_arrays([pa.array(ages)], ["age"], mask=absent)
        sides.append(pa.RecordBatch.from_arrays([people, pa.array([ages[0], 0, 0])], ["person", "n"]))
    levels, fields = arrow_levels(*sides, RuleSet())
    assert levels.tolist() == [MISMATCH, MATCH, MISMATCH]
    found = [(one.path, one.pairs.tolist()) for one in field_differences(fields or [], levels, np.arange(3))]
    assert found == [(("person", "age"), [2]), (("n",), [0])]
