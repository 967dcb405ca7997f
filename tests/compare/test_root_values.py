"""Whole values that are no objects, raw, by rows and in columns: rules, slices and keys of elements reach them."""

from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare import RuleSet, compare_rows
from shadowstream.compare.fields import Fields
from shadowstream.config import Rule
from shadowstream.paths import ABSENT
from tests.compare.written_pairs import Registry, body, found

LONGS = {"type": "array", "items": "long"}


def avro(schema: Any, value: Any, number: int) -> bytes:
    return framed(number) + body(schema, value)


def outcome(schemas: tuple[Any, Any], production: Any, shadow: Any, *rules: Rule) -> tuple[str, list[str]]:
    raw = avro(schemas[0], production, 1), avro(schemas[1], shadow, 2)
    result, differences = found(Registry(*schemas), *raw, *rules)
    return result, [kind for _, kind in differences]


def timed(kind: Any) -> Any:
    return {"type": "record", "name": "R", "fields": [{"name": "t", "type": kind}]}


MICROS = timed({"type": "long", "logicalType": "timestamp-micros"})
IN_MS = Rule(path="t", round_ms=1, epoch="us", shadow_epoch="ms")
"""Of a logical type on one side only the number that was written counts, so its unit is declared."""
AT_US, AT_TEXT = {"t": 1772955000123456}, {"t": "2026-03-08T07:30:00.123Z"}


@pytest.mark.parametrize(
    ("schemas", "production", "shadow", "rule", "expected"),
    [
        (("double", "double"), 0.5, 0.505, Rule(path="$", atol=0.01), ("tolerated", ["value"])),
        (("double", "double"), 0.5, 0.505, Rule(path="*", atol=0.01), ("tolerated", ["value"])),
        (("double", "double"), 0.5, 0.6, Rule(path="$", atol=0.01), ("mismatch", ["value"])),
        ((LONGS, LONGS), [3, 1, 2], [1, 2, 3], Rule(path="$", lists="unordered"), ("tolerated", ["order"])),
        ((LONGS, LONGS), [3, 1, 2], [1, 2, 4], Rule(path="$", lists="unordered"), ("mismatch", ["value"])),
        ((LONGS, LONGS), [3, 1, 1], [1, 3], Rule(path="$", lists="set"), ("tolerated", ["order"])),
        ((LONGS, LONGS), [3, 1], [4, 2], Rule(path="*", atol=1.0), ("tolerated", ["value", "value"])),
        ((MICROS, timed("string")), AT_US, AT_TEXT, Rule(path="t", round_ms=1), None),
        ((MICROS, timed("long")), AT_US, {"t": 1772955000123}, IN_MS, None),
        ((MICROS, timed("long")), AT_US, {"t": 1772955000124}, IN_MS, ("mismatch", ["value"])),
        ((MICROS, timed(["null", "string"])), AT_US, AT_TEXT, Rule(path="t", round_ms=1), None),
        ((MICROS, timed("string")), AT_US, {"t": "soon"}, Rule(path="t", round_ms=1), ("mismatch", ["type"])),
        ((MICROS, timed("long")), AT_US, {"t": 1772955000123999}, Rule(path="t", round_ms=1, epoch="us"), None),
        ((timed("double"), timed("double")), {"t": 5.1231}, {"t": 5.1239}, Rule(path="t", round_ms=1, epoch="s"), None),
    ],
)
def test_raw_values(schemas: tuple[Any, Any], production: Any, shadow: Any, rule: Rule, expected: Any) -> None:
    result = outcome(schemas, production, shadow, rule)
    assert result == expected if expected is not None else result[0] == "tolerated"


@pytest.mark.parametrize("times", [1, 70])
def test_a_dimension_of_the_whole_value(times: int) -> None:
    raw: list[bytes | None] = [b"7", b'"eu"', b"null", None, b"{"] * times
    fields = Fields(Decoder(NoSchemas()), raw)
    column = fields.coded([])
    names = [column.values[code] for code in column.codes.tolist()]
    assert names == ["7", "eu", "null", "(absent)", "(undecodable)"] * times
    assert fields.at([])[3] is ABSENT


def test_the_whole_record_is_a_slice_in_columns_too() -> None:
    schema = timed("long")
    decoder = Decoder(Registry(schema))
    column = Fields(decoder, [avro(schema, {"t": n % 2}, 1) for n in range(80)]).coded([])
    assert column.values == ['{"t": 0}', '{"t": 1}']


def test_elements_are_their_own_keys_or_have_them_in_a_list() -> None:
    by_itself = RuleSet([Rule(path="$", key="$")])
    assert compare_rows(["a", {"k": 1}], [{"k": 1}, "a"], by_itself).outcome == "tolerated"
    in_a_list = RuleSet([Rule(path="x", key="ids[0]")])
    production, shadow = [{"ids": [7], "v": 1}, {"ids": [8], "v": 2}], [{"ids": [8], "v": 2}, {"ids": [7], "v": 3}]
    (difference,) = compare_rows({"x": production}, {"x": shadow}, in_a_list).differences
    assert difference.path == "x.7.v"
