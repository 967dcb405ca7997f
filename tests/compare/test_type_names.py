"""The type of what was written is part of the value: names of records, branches of unions, messages of Protobuf."""

from functools import cache
from typing import Any

import pytest

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import Schema
from shadowstream.compare import RuleSet, compare_pairs
from shadowstream.config import Format, Rule
from shadowstream.kafka.schemas.protoc import compile_proto
from tests.compare.proof.pairs import framed
from tests.compare.test_schema_changes import record
from tests.compare.written_pairs import Found, Registry, body, found

HERE = "tests.compare.test_type_names"
PLACED, CANCELLED = record(("id", "int"), name="OrderPlaced"), record(("id", "int"), name="OrderCancelled")
EITHER = [PLACED, CANCELLED]


def outcome_and_paths(schemas: tuple[Any, Any], bodies: tuple[bytes, bytes], *rules: dict[str, Any]) -> Found:
    """Outcome and differences of a pair; the same alone, and in a batch that columns would be tried on."""
    raw = [framed(number, one) for number, one in enumerate(bodies, start=1)]
    return found(Registry(*schemas), *raw, *(Rule(**rule) for rule in rules))


def avro(one: Any, other: Any, production: Any, shadow: Any, *rules: dict[str, Any]) -> Found:
    return outcome_and_paths((one, other), (body(one, production), body(other, shadow)), *rules)


def at(path: str) -> Found:
    return "mismatch", [(path, "type")]


LISTED = record(("events", {"type": "array", "items": EITHER}))
MAPPED = record(("by", {"type": "map", "values": EITHER}))
NESTED = record(("inner", record(("event", EITHER), name="Inner")))
NODE = record(("next", ["null", "R", CANCELLED]), ("id", "int"))
SIZED = [{"type": "fixed", "name": name, "size": 2} for name in ("Iban", "Bic")]
SYMBOLS = [{"type": "enum", "name": name, "symbols": ["A", "B"]} for name in ("Grade", "Class")]


def place(name: str, number: int = 5) -> tuple[str, dict[str, int]]:
    return name, {"id": number}


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        (EITHER, lambda event: event, ""),
        (LISTED, lambda event: {"events": [place("OrderPlaced"), event]}, "events.1"),
        (MAPPED, lambda event: {"by": {"a": event}}, "by.a"),
        (NESTED, lambda event: {"inner": {"event": event}}, "inner.event"),
        ({"type": "array", "items": EITHER}, lambda event: [event], "0"),
        ({"type": "map", "values": EITHER}, lambda event: {"a": event}, "a"),
    ],
    ids=["top", "list", "map", "nested", "list at the top", "map at the top"],
)
def test_a_branch_of_a_union_is_part_of_the_value(schema: Any, value: Any, path: str) -> None:
    placed, cancelled = value(place("OrderPlaced")), value(place("OrderCancelled"))
    assert avro(schema, schema, placed, cancelled) == at(path)
    assert avro(schema, schema, cancelled, placed) == at(path)
    assert avro(schema, schema, placed, placed) == avro(schema, schema, cancelled, cancelled) == ("match", [])
    other = value(place("OrderPlaced", 6))
    assert avro(schema, schema, placed, other) == ("mismatch", [(f"{path}.id".lstrip("."), "value")])


def test_a_branch_is_reported_at_any_depth_of_a_record_inside_itself() -> None:
    inner, other = ("R", {"next": None, "id": 2}), ("OrderCancelled", {"id": 2})
    one, two = ({"next": ("R", {"next": found, "id": 1}), "id": 0} for found in (inner, other))
    assert avro(NODE, NODE, one, two) == at("next.next")
    assert avro(NODE, NODE, one, one) == ("match", [])


@pytest.mark.parametrize("kinds", [SIZED, SYMBOLS], ids=["fixed", "enum"])
def test_named_fixed_and_enums_are_types_too(kinds: list[Any]) -> None:
    schema = record(("a", kinds))
    raw = b"ab" if "size" in kinds[0] else b"\x00"
    assert outcome_and_paths((schema, schema), (b"\x00" + raw, b"\x02" + raw)) == at("a")
    assert outcome_and_paths((record(("a", kinds[0])), record(("a", kinds[1]))), (raw, raw)) == at("a")


@pytest.mark.parametrize(
    "branches", [["int", "long"], ["float", "double"], ["string", "bytes"], ["long", "double"]], ids=str
)
def test_primitive_branches_are_types_too(branches: list[str]) -> None:
    bodies = {"float": b"\0\0\x80?", "double": b"\0\0\0\0\0\0\xf0?", "string": b"\x02a", "bytes": b"\x02a"}
    raw = [bytes([2 * place]) + bodies.get(kind, b"\x02") for place, kind in enumerate(branches)]
    schema = record(("u", branches))
    assert outcome_and_paths((schema, schema), (raw[0], raw[1])) == at("u")
    assert outcome_and_paths((schema, schema), (raw[0], raw[0]), {"path": "u", "types": "loose"}) == ("match", [])


def test_writer_records_of_two_names_are_two_types() -> None:
    assert avro(PLACED, CANCELLED, {"id": 1}, {"id": 1}) == at("")
    one, other = (record(("id", "int"), name=f"{space}.Order") for space in ("v1", "v2"))
    assert avro(one, other, {"id": 1}, {"id": 1}) == at("")
    assert avro(record(("o", one)), record(("o", other)), {"o": {"id": 1}}, {"o": {"id": 1}}) == at("o")


@pytest.mark.parametrize("alias", ["v1.Order", "Order"])
def test_an_alias_makes_two_names_one(alias: str) -> None:
    one = record(("id", "int"), name="v1.Order")
    other = record(("id", "int"), name="v2.Order" if "." in alias else "v1.Bestellung") | {"aliases": [alias]}
    assert avro(one, other, {"id": 1}, {"id": 1}) == avro(other, one, {"id": 1}, {"id": 1}) == ("match", [])
    assert avro([one, "int"], ["int", other], {"id": 1}, {"id": 1}) == ("match", [])
    assert avro(one, other, {"id": 1}, {"id": 2}) == ("mismatch", [("id", "value")])


@pytest.mark.parametrize(
    ("kind", "other", "value", "also"),
    [
        (SYMBOLS[0], "string", "A", "A"),
        ("bytes", SIZED[0], b"ab", b"ab"),
        ({"type": "map", "values": "int"}, PLACED, {"id": 1}, {"id": 1}),
        (SIZED[0], SIZED[0] | {"size": 3}, b"ab", b"abc"),
    ],
    ids=["enum and string", "bytes and fixed", "map and record", "two sizes"],
)
def test_types_that_no_reader_reads_as_each_other_differ(kind: Any, other: Any, value: Any, also: Any) -> None:
    assert avro(record(("a", kind)), record(("a", other)), {"a": value}, {"a": also}) == at("a")
    assert avro(kind, other, value, also) == at("")


def test_null_is_null_in_every_union() -> None:
    schema = record(("u", ["null", *EITHER]))
    assert avro(schema, schema, {"u": None}, {"u": place("OrderPlaced")}) == ("mismatch", [("u", "null")])
    assert avro(schema, schema, {"u": place("OrderPlaced")}, {"u": None}) == ("mismatch", [("u", "null")])
    assert avro(schema, record(("u", ["null", "int", "string"])), {"u": None}, {"u": None}) == ("match", [])


# ---------------------------------------------------------------- rules


def test_a_rule_compares_types_loosely() -> None:
    loose = {"path": "$", "types": "loose"}
    assert avro(PLACED, CANCELLED, {"id": 1}, {"id": 1}, loose) == ("tolerated", [("", "type")])
    assert avro(PLACED, CANCELLED, {"id": 1}, {"id": 2}, loose) == ("mismatch", [("id", "value")])
    assert avro(PLACED, PLACED, {"id": 1}, {"id": 1}, loose) == ("match", [])
    one, other = {"events": [place("OrderPlaced")]}, {"events": [place("OrderCancelled")]}
    assert avro(LISTED, LISTED, one, other, loose) == ("tolerated", [("events.0", "type")])
    assert avro(LISTED, LISTED, one, other, {"path": "events", "types": "loose"})[0] == "tolerated"
    assert avro(LISTED, LISTED, one, other, {"path": "other", "types": "loose"}) == at("events.0")
    assert avro(LISTED, LISTED, one, other, loose, {"path": "events.*", "exact": True}) == at("events.0")


def test_a_loose_rule_resolves_fields_of_two_records_as_of_one() -> None:
    one, other = record(("v", "int"), name="One"), record(("w", "double", "v"), name="Other")
    loose = {"path": "$", "types": "loose"}
    assert avro(one, other, {"v": 1}, {"w": 1.0}, loose) == ("tolerated", [("", "type")])
    assert avro(one, other, {"v": 1}, {"w": 1.5}, loose) == ("mismatch", [("v", "value")])


def test_a_loose_rule_takes_numbers_of_two_kinds_for_numbers() -> None:
    schemas, loose = (record(("u", ["long", "double"])),) * 2, {"path": "u", "types": "loose"}
    one, two, double = b"\0\x02", b"\0\x04", b"\x02\0\0\0\0\0\0\xf0?"
    assert outcome_and_paths(schemas, (one, double), loose) == ("tolerated", [("u", "type")])
    assert outcome_and_paths(schemas, (two, double), loose)[0] == "mismatch"
    assert outcome_and_paths(schemas, (two, double), {"path": "u", "atol": 1})[0] == "tolerated"


def test_a_difference_of_type_is_ignored_where_its_path_is() -> None:
    found_ignored = avro(EITHER, EITHER, place("OrderPlaced"), place("OrderCancelled"), {"path": "$", "ignore": True})
    assert found_ignored == ("ignored", [("", "type")])


def ids(one: Any, other: Any) -> bool:
    """A rule's function, which is given plain values."""
    return type(one) is type(other) is dict and one["id"] == other["id"]


def test_functions_are_given_plain_values() -> None:
    again = {"type": "array", "items": ["OrderPlaced", "OrderCancelled"]}
    schema, call = record(("u", EITHER), ("events", again)), f"{HERE}:ids"
    one, other = ({"u": place(name), "events": [place(name)]} for name in ("OrderPlaced", "OrderCancelled"))
    rules = {"path": "u", "call": call}, {"path": "events.*", "call": call}
    assert avro(schema, schema, one, other, *rules)[0] == "tolerated"
    assert avro(schema, schema, one, one, *rules) == ("match", [])


@pytest.mark.parametrize("lists", ["unordered", "set"])
def test_elements_of_another_type_do_not_agree_in_any_order(lists: str) -> None:
    rule = {"path": "events", "lists": lists}
    one = {"events": [place("OrderPlaced", 1), place("OrderCancelled", 2)]}
    turned = {"events": one["events"][::-1]}
    other = {"events": [place("OrderPlaced", 2), place("OrderCancelled", 1)]}
    assert avro(LISTED, LISTED, one, turned, rule) == ("tolerated", [("events", "order")])
    assert avro(LISTED, LISTED, one, other, rule)[0] == "mismatch"


def test_elements_pair_by_a_key_of_the_list_whatever_their_type() -> None:
    rule = {"path": "events", "key": "id"}
    one = {"events": [place("OrderPlaced", 1), place("OrderCancelled", 2)]}
    other = {"events": [place("OrderPlaced", 2), place("OrderPlaced", 1)]}
    assert avro(LISTED, LISTED, one, other, rule) == at("events.2")


def test_a_difference_shows_both_types() -> None:
    decoder = Decoder(Registry(EITHER))
    one, other = (framed(1, body(EITHER, place(name))) for name in ("OrderPlaced", "OrderCancelled"))
    ((shown,),) = (result.differences for result in compare_pairs([one], [other], decoder, decoder, RuleSet()))
    assert (shown.production, shown.shadow) == ('{"OrderPlaced": {"id": 5}}', '{"OrderCancelled": {"id": 5}}')


# ---------------------------------------------------------------- equal bytes


def test_equal_bytes_of_two_schemas_are_not_a_match_by_their_bytes() -> None:
    source = Registry(PLACED, CANCELLED)
    decoders = [Decoder(source).formatted(Format(format="avro", schema_ids=[number])) for number in (1, 2)]
    (result,) = compare_pairs([b"\x0a"], [b"\x0a"], decoders[0], decoders[1], RuleSet())
    assert [(one.path, one.kind) for one in result.differences] == [("", "type")]
    assert compare_pairs([b"\x0a"], [b"\x0a"], decoders[0], decoders[0], RuleSet()).outcomes == ["match"]


# ---------------------------------------------------------------- Protobuf

TWO = """
syntax = "proto3";
package shop;
message Placed { int32 id = 1; message Line { int32 n = 1; } }
message Cancelled { int32 id = 1; message Line { int32 n = 1; } }
enum Grade { A = 0; B = 1; }
message One {
  Placed p = 1; repeated Placed ps = 2; map<string, Placed> by = 3; Grade g = 4; string s = 5; One next = 6;
}
"""
OTHER = (
    TWO.replace("Placed p ", "Cancelled p ")
    .replace("repeated Placed", "repeated Cancelled")
    .replace("string, Placed", "string, Cancelled")
    .replace("Grade g = 4; string s", "string g = 4; Grade s")
)


@cache
def protobuf(text: str) -> Schema:
    return compile_proto("shop.proto", text, {})


def message(*path: int) -> bytes:
    return bytes([2 * len(path), *(2 * one for one in path)])


def test_messages_of_one_file_are_distinguished_by_their_index() -> None:
    source = protobuf(TWO)
    for one, other, same in (((0,), (1,), False), ((0, 0), (1, 0), False), ((1, 0), (1, 0), True)):
        raw = message(*one) + b"\x08\x05", message(*other) + b"\x08\x05"
        assert outcome_and_paths((source, source), raw) == (("match", []) if same else at(""))
    for last, outcome in ((b"\x05", "tolerated"), (b"\x06", "mismatch")):
        raw = message(0) + b"\x08\x05", message(1) + b"\x08" + last
        assert outcome_and_paths((source, source), raw, {"path": "$", "types": "loose"})[0] == outcome


def test_a_message_keeps_its_type_in_another_schema_of_the_same_name() -> None:
    more = TWO.replace("message Placed { int32 id = 1;", "message Placed { int32 id = 1; int32 more = 2;")
    raw = (message(0) + b"\x08\x05",) * 2
    assert outcome_and_paths((protobuf(TWO), protobuf(more)), raw) == ("mismatch", [("more", "extra")])
    renamed = protobuf(TWO.replace("package shop", "package shop.v2"))
    assert outcome_and_paths((protobuf(TWO), renamed), raw) == at("")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"\x0a\x02\x08\x05", "p"),
        (b"\x12\x02\x08\x05", "ps.0"),
        (b"\x1a\x07\x0a\x01a\x12\x02\x08\x05", "by.a"),
        (b"\x32\x04\x0a\x02\x08\x05", "next.p"),
    ],
)
def test_messages_inside_are_known_by_their_names(raw: bytes, path: str) -> None:
    one, other = TWO.replace("Grade g = 4; string s = 5; ", ""), OTHER.replace("string g = 4; Grade s = 5; ", "")
    schemas = protobuf(one), protobuf(other)
    index = message(2)
    assert outcome_and_paths(schemas, (index + raw, index + raw)) == at(path)
    assert outcome_and_paths((schemas[0], protobuf(one)), (index + raw, index + raw)) == ("match", [])


def test_an_enum_is_no_text() -> None:
    schemas = protobuf(TWO), protobuf(OTHER)
    assert ("g", "type") in outcome_and_paths(schemas, (message(2) + b"\x20\x00", message(2) + b"\x22\x01A"))[1]
