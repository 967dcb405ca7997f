"""Avro's schema resolution, point by point as the specification (1.12, "Schema Resolution", "Aliases", "Logical Types")
lists it: one test a point, each alone and in a batch, at the top and inside."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.evolution import evolution
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.compare.schema_changes import Evolutions
from tests.compare.proof.pairs import framed
from tests.compare.test_schema_changes import parse_named, record
from tests.compare.test_type_names import at, avro, outcome_and_paths
from tests.compare.written_pairs import Registry, body

MATCH: tuple[str, list[Any]] = ("match", [])
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
NO = {"type": "fixed", "name": "No", "size": 7}
Around = tuple[Any, Any, str]


def places(schema: Any, value: Any) -> list[Around]:
    """A schema and a value of it at every kind of place, with the path that the value has there."""
    found = [
        (schema, value, ""),
        (record(("x", schema)), {"x": value}, "x"),
        ({"type": "array", "items": schema}, [value], "0"),
        (record(("x", {"type": "map", "values": schema})), {"x": {"k": value}}, "x.k"),
        (["null", record(("x", schema))], {"x": value}, "x"),
        (record(("x", schema), ("next", ["null", "R"])), {"x": value, "next": {"x": value, "next": None}}, "x"),
    ]
    return found if isinstance(schema, list) else [*found, (record(("x", ["null", schema, NO])), {"x": value}, "x")]


def everywhere(one: Any, other: Any, value: Any, also: Any, different: Any) -> None:
    """Values of two schemas that are one, and one that differs, wherever they stand and whichever side has them; a
    union does not stand in a union."""
    for (schema, inner, _), (its, its_inner, path), (_, differs, _) in zip(
        places(one, value), places(other, also), places(other, different), strict=False
    ):
        assert avro(schema, its, inner, its_inner) == MATCH, (schema, its)
        assert avro(its, schema, its_inner, inner) == MATCH, (its, schema)
        outcome, found = avro(schema, its, inner, differs)
        assert outcome == "mismatch", (schema, its)
        assert found[0][0].startswith(path)


# ---------------------------------------------------------------- schemas that match


def test_arrays_and_maps_whose_items_match() -> None:
    everywhere({"type": "array", "items": "int"}, {"type": "array", "items": "double"}, [1, 2], [1.0, 2.0], [1.0, 2.5])
    everywhere({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, {"a": 1}, {"a": 1}, {"a": 2})


def test_enums_and_fixed_whose_names_match() -> None:
    everywhere(ENUM, ENUM | {"symbols": ["C", "B", "A"]}, "A", "A", "C")
    everywhere(FIXED, dict(FIXED), b"ab", b"ab", b"ac")


def test_fixed_of_two_sizes_do_not_match() -> None:
    assert avro(record(("x", FIXED)), record(("x", FIXED | {"size": 3})), {"x": b"ab"}, {"x": b"abc"}) == at("x")


@pytest.mark.parametrize(
    ("writer", "reader", "value", "also", "different"),
    [
        ("int", "long", 5, 5, 6),
        ("int", "float", 5, 5.0, 5.5),
        ("int", "double", 5, 5.0, 5.5),
        ("long", "float", 5, 5.0, 6.0),
        ("long", "double", 2**53, 2.0**53, 2.0**53 + 2),
        ("float", "double", 0.5, 0.5, 0.25),
        ("string", "bytes", "\xe9", "\xe9".encode(), b"\xff"),
        ("bytes", "string", b"a", "a", "b"),
    ],
)
def test_a_type_that_may_be_promoted(writer: str, reader: str, value: Any, also: Any, different: Any) -> None:
    everywhere(writer, reader, value, also, different)


@pytest.mark.parametrize(
    ("writer", "reader", "value", "also"),
    [
        ("int", "boolean", 1, True),
        ("int", "string", 1, "1"),
        ("double", "string", 1.5, "1.5"),
        ("long", "bytes", 1, b"\x01"),
        ("boolean", "bytes", True, b"\x01"),
        (ENUM, "string", "A", "A"),
        (FIXED, "bytes", b"ab", b"ab"),
        ({"type": "array", "items": "int"}, "bytes", [1], b"\x01"),
    ],
)
def test_types_that_may_not_be_promoted(writer: Any, reader: Any, value: Any, also: Any) -> None:
    assert avro(record(("x", writer)), record(("x", reader)), {"x": value}, {"x": also}) == at("x")
    assert avro(writer, reader, value, also) == at("")


@pytest.mark.parametrize(("whole", "double"), [(2**53 + 1, 2.0**53), (-(2**53) - 1, -(2.0**53)), (2**63 - 1, 2.0**63)])
def test_a_promotion_rounds_nothing(whole: int, double: float) -> None:
    for one, other, path in (("long", "double", ""), (["null", "long", "string"], ["null", "double", "string"], "")):
        assert avro(one, other, whole, double)[0] == avro(other, one, double, whole)[0] == "mismatch"
        assert avro(record(("x", one)), record(("x", other)), {"x": whole}, {"x": double})[1][0][0] == f"x{path}"
    assert avro("int", "float", 2**24 + 1, 2.0**24)[0] == "mismatch"


# ---------------------------------------------------------------- records


def test_fields_may_have_another_order() -> None:
    one, other = record(("a", "int"), ("b", "string")), record(("b", "string"), ("a", "int"))
    everywhere(one | {"name": "I"}, other | {"name": "I"}, {"a": 1, "b": "x"}, {"b": "x", "a": 1}, {"b": "y", "a": 1})


def test_fields_of_one_name_are_resolved_recursively() -> None:
    one = record(("a", record(("n", "int"), name="In")), name="Out")
    other = record(("a", ["null", record(("n", "double"), name="In")]), name="Out")
    everywhere(one, other, {"a": {"n": 1}}, {"a": {"n": 1.0}}, {"a": {"n": 2.0}})


def test_a_field_that_only_one_schema_has_is_reported_and_not_dropped() -> None:
    small, large = record(("a", "int")), record(("a", "int"), ("b", "int"))
    assert avro(large, small, {"a": 1, "b": 2}, {"a": 1}) == ("mismatch", [("b", "missing")])
    assert avro(small, large, {"a": 1}, {"a": 1, "b": 2}) == ("mismatch", [("b", "extra")])


@pytest.mark.parametrize(
    ("kind", "default", "value", "other"),
    [
        ("int", 7, 7, 8),
        ("double", 1, 1.0, 1.5),
        ("string", "d", "d", ""),
        ("bytes", "\u00ff", b"\xff", b""),
        (FIXED, "ab", b"ab", b"aa"),
        (ENUM, "B", "B", "A"),
        (["null", "int"], None, None, 7),
        (["int", "null"], 7, 7, None),
        (["string", "bytes"], "d", "d", b"d"),
        ({"type": "array", "items": "int"}, [1], [1], []),
        ({"type": "map", "values": ["int", "string"]}, {"k": 1}, {"k": 1}, {"k": "1"}),
        (record(("a", "int"), ("b", "string"), name="D"), {"a": 1, "b": ""}, {"a": 1, "b": ""}, {"a": 2, "b": ""}),
        ({"type": "long", "logicalType": "timestamp-millis"}, 0, datetime(1970, 1, 1, tzinfo=UTC), 1),
    ],
    ids=str,
)
def test_a_default_equals_a_field_that_the_other_schema_lacks(kind: Any, default: Any, value: Any, other: Any) -> None:
    small, large = record(("a", "int")), record(("a", "int"), ("b", kind))
    large["fields"][1]["default"] = default
    assert avro(small, large, {"a": 1}, {"a": 1, "b": value}) == MATCH
    assert avro(large, small, {"a": 1, "b": value}, {"a": 1}) == MATCH
    assert avro(small, large, {"a": 1}, {"a": 1, "b": other}) == ("mismatch", [("b", "extra")])
    assert avro(large, small, {"a": 1, "b": other}, {"a": 1}) == ("mismatch", [("b", "missing")])


# ---------------------------------------------------------------- enums


def test_an_unknown_symbol_does_not_equal_the_enums_default() -> None:
    less = ENUM | {"symbols": ["A", "B"], "default": "B"}
    for (one, value, _), (other, also, path) in zip(places(ENUM, "C"), places(less, "B"), strict=True):
        outcome, found = avro(one, other, value, also)
        assert (outcome, found[0]) == ("mismatch", (path, "value"))
    everywhere(ENUM, less, "A", "A", "B")


# ---------------------------------------------------------------- unions


def test_a_type_resolves_to_the_first_same_type_of_a_union() -> None:
    assert outcome_and_paths(("int", ["double", "long", "int"]), (b"\x0a", b"\x04\x0a")) == MATCH
    for branch in (b"\x02\x0a", b"\x00\0\0\0\0\0\0\x14@"):
        assert outcome_and_paths(("int", ["double", "long", "int"]), (b"\x0a", branch)) == at("")


def test_else_against_the_first_that_it_is_promoted_to() -> None:
    body_of = {"long": b"\x0a", "double": b"\0\0\0\0\0\0\x14@"}
    assert outcome_and_paths(("int", ["string", "long", "double"]), (b"\x0a", b"\x02" + body_of["long"])) == MATCH
    assert outcome_and_paths(("int", ["string", "double", "long"]), (b"\x0a", b"\x02" + body_of["double"])) == MATCH
    assert outcome_and_paths(("int", ["string", "long", "double"]), (b"\x0a", b"\x04" + body_of["double"])) == at("")


def test_both_unions_and_either_union() -> None:
    everywhere(["null", "int", "string"], ["null", "double", "string"], 1, 1.0, 2.0)
    one, two = record(("v", "int"), name="T"), record(("w", "int", "v"), name="T")
    everywhere(["null", one, "string"], ["string", "null", two], {"v": 1}, {"w": 1}, {"w": 2})
    everywhere(["null", one, "string"], two, {"v": 1}, {"w": 1}, {"w": 2})
    everywhere(["string", "bytes"], "bytes", b"a", b"a", b"b")


def test_null_is_resolved_in_any_union() -> None:
    everywhere(["null", "int", "string"], ["double", "null", "boolean"], None, None, True)


# ---------------------------------------------------------------- aliases


@pytest.mark.parametrize("turned", [False, True])
def test_aliases_of_fields_and_of_named_types(turned: bool) -> None:
    old = record(("f", FIXED), ("e", ENUM), ("n", "int"), name="v1.Old")
    kinds = (
        ("g", FIXED | {"name": "G", "aliases": ["v1.F"]}, "f"),
        ("h", ENUM | {"name": "H", "aliases": ["v1.E"]}, "e"),
    )
    new = record(*kinds, ("m", "long", "n"), name="v2.New") | {"aliases": ["v1.Old"]}
    value, also = {"f": b"ab", "e": "A", "n": 1}, {"g": b"ab", "h": "A", "m": 1}
    sides: Any = ((new, also), (old, value)) if turned else ((old, value), (new, also))
    everywhere(sides[0][0], sides[1][0], sides[0][1], sides[1][1], sides[1][1] | {"nm"[turned is False]: 2})


# ---------------------------------------------------------------- logical types

INSTANT = datetime(2026, 3, 8, 9, 0, 0, 123_000, tzinfo=UTC)
EPOCH_MS = 1_772_960_400_123
UID = UUID("0000abcd-0000-0000-0000-000000001234")


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("plain", "kind", "value", "also", "different"),
    [
        ("long", logical("long", "timestamp-millis"), EPOCH_MS, INSTANT, INSTANT.replace(microsecond=0)),
        ("long", logical("long", "timestamp-micros"), EPOCH_MS * 1000, INSTANT, INSTANT.replace(year=2025)),
        ("int", logical("int", "date"), 1, date(1970, 1, 2), date(1970, 1, 3)),
        ("long", logical("int", "date"), 1, date(1970, 1, 2), date(1970, 1, 3)),
        ("string", logical("string", "uuid"), str(UID), UID, UUID(int=1)),
        ("string", logical("string", "uuid"), str(UID).upper(), str(UID).upper(), UID),
        ("bytes", logical("bytes", "decimal", precision=4, scale=2), b"\x02\x48", b"\x02\x48", b"\x02\x49"),
        (FIXED, FIXED | logical("fixed", "decimal", precision=4), b"ab", b"ab", b"ac"),
        (["null", "long", "string"], ["null", logical("long", "timestamp-millis"), "string"], 1, 1, INSTANT),
    ],
    ids=str,
)
def test_a_logical_type_that_one_schema_adds_changes_no_value(
    plain: Any, kind: Any, value: Any, also: Any, different: Any
) -> None:
    everywhere(plain, kind, value, also, different)


def test_logical_types_of_two_units_are_converted() -> None:
    kinds = {unit: logical("long", f"timestamp-{unit}") for unit in ("millis", "micros", "nanos")}
    numbers = {"millis": EPOCH_MS, "micros": EPOCH_MS * 1000, "nanos": EPOCH_MS * 1_000_000}
    for one, other in ((one, other) for one in kinds for other in kinds if one != other):
        more = numbers[other] + (1_000_000 if other == "nanos" else 1)
        everywhere(kinds[one], kinds[other], numbers[one], numbers[other], more)
    everywhere(logical("int", "time-millis"), logical("long", "time-micros"), 5, 5_000, 5_001)


def test_decimals_of_two_scales_are_compared_as_decimals() -> None:
    one, other = (logical("bytes", "decimal", precision=6, scale=scale) for scale in (2, 3))
    assert outcome_and_paths((one, other), (b"\x04\x03\xe8", b"\x04\x27\x10")) == MATCH  # 10.00 and 10.000
    assert outcome_and_paths((one, other), (b"\x04\x03\xe8", b"\x04\x03\xe8"))[0] == "mismatch"


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"precision": 2, "scale": 5},
        {"precision": 0},
        {"precision": "4"},
        {"precision": True},
        {"precision": 4, "scale": -1},
        {"precision": 4, "scale": 1.5},
    ],
    ids=str,
)
def test_an_invalid_decimal_is_plain_bytes(bad: dict[str, Any]) -> None:
    kind = logical("bytes", "decimal", **bad)
    for schema, prefix, path in ((kind, b"", ""), (record(("d", kind)), b"", "d"), (["null", kind], b"\x02", "")):
        bodies = [prefix + raw for raw in (b"\x04\x02\x48", b"\x04\x02\x49")]
        assert outcome_and_paths((schema, schema), (bodies[0], bodies[1])) == ("mismatch", [(path, "value")])
        other = "bytes" if path == "" and not prefix else schema
        assert outcome_and_paths((schema, other), (bodies[0], bodies[0])) == MATCH


@pytest.mark.parametrize(
    ("kind", "raw", "other"),
    [
        (logical("string", "decimal", precision=4), b"\x02a", b"\x02b"),
        (logical("int", "timestamp-millis"), b"\x02", b"\x04"),
        (logical("long", "date"), b"\x02", b"\x04"),
        (logical("bytes", "uuid"), b"\x02a", b"\x02b"),
        (FIXED | logical("fixed", "decimal", precision=9), b"ab", b"ac"),
        (logical("string", "no-such-type"), b"\x02a", b"\x02b"),
        (logical("int", 5), b"\x02", b"\x04"),  # type: ignore[arg-type]  # as a schema may have it
    ],
    ids=str,
)
def test_a_logical_type_of_another_type_is_ignored(kind: Any, raw: bytes, other: bytes) -> None:
    schema, plain = record(("d", kind)), {name: part for name, part in kind.items() if name != "logicalType"}
    assert outcome_and_paths((schema, schema), (raw, other)) == ("mismatch", [("d", "value")])
    assert outcome_and_paths((schema, record(("d", plain))), (raw, raw)) == MATCH


# ---------------------------------------------------------------- any depth


def test_a_record_inside_itself_is_resolved_at_every_level() -> None:
    one = record(("n", "int"), ("next", ["null", "R"]))
    other = record(("m", "double", "n"), ("next", ["null", "R"]))
    value: Any = None
    also: Any = None
    for n in range(50):
        value, also = {"n": n, "next": value}, {"m": float(n), "next": also}
    assert avro(one, other, value, also) == MATCH
    deep: Any = also
    for _ in range(49):
        deep = deep["next"]
    deep["m"] = 7.5
    assert avro(one, other, value, also) == ("mismatch", [("next." * 49 + "n", "value")])


def test_two_schemas_without_types_to_tell_are_compared_as_before() -> None:
    plain = parse_named(record(("n", "int"), ("u", ["null", "string"])))
    assert evolution(plain, plain).typed is evolution(plain, parse_named(record(("n", "long")))).typed is False


def test_pairs_are_described_by_what_changed_between_their_schemas() -> None:
    one = record(("u", ["null", "long", "string"]), ("t", "long"), ("o", record(("a", "int"), name="A")))
    kind = logical("long", "timestamp-millis")
    other = record(("u", ["null", "double", "string"]), ("t", kind), ("o", record(("a", "int"), name="B")))
    value = {"u": 1, "t": 0, "o": {"a": 1}}
    evolutions, source = Evolutions(), Registry(one, other)
    raw = framed(1, body(one, value)), framed(2, body(other, value | {"u": 1.0}))
    results = compare_pairs([raw[0]], [raw[1]], Decoder(source), Decoder(source), RuleSet(), evolutions=evolutions)
    assert evolutions.new_pairs[0].changes == {"promoted": ["u"], "retyped": ["o"], "logical": ["t"]}
    assert results.changed() == {"promoted": 1, "retyped": 1, "logical": 1}


def test_schemas_that_cannot_be_held_against_each_other_cost_their_pairs_only() -> None:
    nested = record(("u", ["null", ["long", "string"]]))  # which no specification allows, and fastavro reads
    plain = record(("u", ["null", "long", "string"]))
    source = Registry(nested, plain)
    raw = [framed(1, b"\x02\x00\x02"), framed(2, b"\x02\x02")], [framed(2, b"\x02\x02"), framed(2, b"\x02\x04")]
    found = compare_pairs(*raw, Decoder(source), Decoder(source), RuleSet())
    assert found.outcomes == ["undecodable_production", "mismatch"]
    assert "schema 1 beside schema 2" in found[0].reason


def test_a_schema_as_deep_as_can_be_read_is_compared() -> None:
    deep: Any = "int"
    other: Any = "double"
    for _ in range(90):
        deep, other = {"type": "array", "items": deep}, {"type": "array", "items": other}
    raw = b"\x02" * 90 + b"\x02" + b"\0" * 90, b"\x02" * 90 + b"\0\0\0\0\0\0\xf0?" + b"\0" * 90
    assert outcome_and_paths((deep, other), raw) == MATCH
