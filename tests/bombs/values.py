"""Values and schemas of a few bytes, or of one record's usual size, that claim memory or time beyond all measure.

Each is a schema (None for a value without one) and a value. `MEGABYTE` is what a broker takes by default.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2

from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import JsonSchema, ProtobufSchema, Schema, parse
from tests.compare.proof.model import varint

MEGABYTE = 1_000_000
ID = 7
ENDLESS = varint(2**62)  # as Avro reads it, 2**61 items


class Bomb(NamedTuple):
    """A value with its schema; `made` gives them, so that the parent of the measured process keeps neither."""

    name: str
    made: Callable[[], tuple[Schema | None, bytes]]


class One:
    """A source of one schema."""

    def __init__(self, schema: Schema | None) -> None:
        self._schema = schema

    def by_id(self, schema_id: Any) -> Schema:
        assert schema_id == ID
        return self._schema

    def latest_id(self, subject: str) -> int | None:
        return ID


def _record(name: str, *types: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": one} for n, one in enumerate(types)]}


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _doubling(levels: int, leaf: Any) -> dict[str, Any]:
    """A record that holds the one before it twice: 2 ** levels leaves."""
    inner = _record("R", leaf)
    for n in range(levels):
        inner = _record(f"R{n}", inner, inner["name"])
    return _record("Top", inner)


def _nested(levels: int) -> Any:
    inner: Any = "long"
    for _ in range(levels):
        inner = _array(inner)
    return _record("Top", inner)


def _avro(schema: Any, value: bytes) -> Callable[[], tuple[Schema, bytes]]:
    return lambda: (parse(json.dumps(schema)), framed(ID) + value)


def _bare(value: bytes) -> Callable[[], tuple[None, bytes]]:
    return lambda: (None, value)


NODE = _record("Node", ["null", "Node"])
TREE = _record("Tree", _array("Tree"))
NULLS = _record("Nulls", "boolean", *["null"] * 400)
MAPS = {"type": "map", "values": "Maps"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10**6, "scale": 10**6}
GIANT_SCALE = {"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": 10**9}


def _many(schema: Any, item: bytes, count: int) -> Callable[[], tuple[Schema, bytes]]:
    return _avro(_record("Top", _array(schema)), varint(2 * count) + item * count + b"\0")


AVRO = (
    Bomb("array with 2^61 items", _avro(_record("Top", _array("long")), ENDLESS)),
    Bomb("array of records with 2^61 items", _avro(_record("Top", _array(_record("E", "long"))), ENDLESS + b"\2" * 99)),
    Bomb("map with 2^61 entries", _avro(_record("Top", {"type": "map", "values": "long"}), ENDLESS)),
    Bomb("array of maps with 2^61 entries", _avro(_record("T", _array({"type": "map", "values": "int"})), ENDLESS * 9)),
    Bomb("negative block of 2^61 items", _avro(_record("Top", _array("long")), varint(2**62 - 1) + ENDLESS)),
    Bomb("negative block of 2^63 items", _avro(_record("Top", _array("long")), b"\xff" * 9 + b"\1" + b"\0")),
    Bomb("text of 2^61 bytes", _avro(_record("Top", "string"), ENDLESS)),
    Bomb("bytes of 2^61 bytes", _avro(_record("Top", "bytes"), ENDLESS)),
    Bomb("array of nulls", _avro(_record("Top", _array("null")), ENDLESS)),
    Bomb(
        "map of nulls", _avro(_record("Top", {"type": "map", "values": "null"}), varint(2 * 499_000) + b"\0" * 998_000)
    ),
    Bomb("array of empty records", _avro(_record("Top", _array(_record("E"))), ENDLESS)),
    Bomb("array of empty fixed", _avro(_record("T", _array({"type": "fixed", "name": "F", "size": 0})), ENDLESS)),
    Bomb("fixed of a gigabyte", _avro(_record("Top", {"type": "fixed", "name": "F", "size": 10**9}), b"")),
    Bomb("array of records of nulls", _many(NULLS, b"\1", MEGABYTE - 20)),
    Bomb("array of empty arrays", _many(_array("int"), b"\0", MEGABYTE - 20)),
    Bomb("array of empty maps", _many({"type": "map", "values": "int"}, b"\0", MEGABYTE - 20)),
    Bomb("array of unions of null", _many(["null", "string"], b"\0", MEGABYTE - 20)),
    Bomb("blocks of one item", _avro(_record("Top", _array("boolean")), b"\2\1" * 499_000 + b"\0")),
    Bomb("a varint of a megabyte", _avro(_record("Top", "long"), b"\xff" * MEGABYTE)),
    Bomb("a varint of a megabyte in a tree", _avro(TREE, b"\xff" * MEGABYTE)),
    Bomb("a list of 900,000 levels", _avro(NODE, b"\2" * 900_000 + b"\0")),
    Bomb("a tree of 900,000 levels", _avro(TREE, b"\2" * 900_000)),
    Bomb("a tree of 900,000 leaves", _avro(TREE, varint(2 * 900_000) + b"\0" * 900_001)),
    Bomb("a decimal of a megabyte", _avro(_record("Top", DECIMAL), varint(2 * 990_000) + b"\x7f" * 990_000)),
    Bomb("decimals of 4 kB", _many(DECIMAL, varint(2 * 4_000) + b"\x7f" * 4_000, 240)),
    Bomb("a decimal of a scale of 10^9", _avro(_record("Top", GIANT_SCALE), b"\2\1")),
    *(Bomb(f"2^{n} empty records", _avro(_doubling(n, "null"), b"")) for n in (16, 20, 27, 60)),
    Bomb("2^20 booleans in a schema", _avro(_doubling(20, "boolean"), b"\1" * 2**20)),
    Bomb("a schema of 10,000 fields", _avro(_record("Top", *["long"] * 10_000), b"\2" * 10_000)),
    Bomb("a schema of 1,000 fields", _avro(_record("Top", *["long"] * 1_000), b"\2" * 1_000)),
    Bomb("a schema of 250 levels", _avro(_nested(250), b"\2" * 250 + b"\2" + b"\0" * 250)),
)


def _json(text: bytes, schema: Any) -> Callable[[], tuple[Schema, bytes]]:
    return lambda: (JsonSchema(json.dumps(schema)), framed(ID) + text)


def _anyof(levels: int, leaf: Any) -> Any:
    defs: dict[str, Any] = {"d0": leaf}
    for n in range(levels):
        defs[f"d{n + 1}"] = {"anyOf": [{"$ref": f"#/$defs/d{n}"}] * 2}
    return {"$defs": defs, "$ref": f"#/$defs/d{levels}"}


def _below_names(levels: int) -> Any:
    """Each level asks the level below twice of the same name."""
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for n in range(levels):
        defs[f"d{n + 1}"] = {"anyOf": [{"properties": {"a": {"$ref": f"#/$defs/d{n}"}}, "required": ["a"]}] * 2}
    return {"$defs": defs, "$ref": f"#/$defs/d{levels}"}


ROUND = {
    "$defs": {
        "r": {
            "anyOf": [
                {"type": "string"},
                {"properties": {"a": {"$ref": "#/$defs/r"}}, "type": "object"},
                {"properties": {"a": {"$ref": "#/$defs/r"}}, "required": ["a"]},
            ]
        }
    },
    "$ref": "#/$defs/r",
}
JSON = (
    Bomb("empty lists", _bare(b"[" + b"[]," * 330_000 + b"[]]")),
    Bomb("empty objects", _bare(b"[" + b"{}," * 330_000 + b"{}]")),
    Bomb("small objects", _bare(b"[" + b'{"":0},' * 140_000 + b"{}]")),
    Bomb("ten megabytes of empty lists", _bare(b"[" + b"[]," * 3_300_000 + b"[]]")),
    Bomb("zeros", _bare(b"[" + b"0," * 490_000 + b"0]")),
    Bomb("a list of 100,000 levels", _bare(b"[" * 100_000 + b"]" * 100_000)),
    Bomb("a list of 900,000 levels", _bare(b"[" * 900_000)),
    Bomb("an object of 100,000 levels", _bare(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)),
    Bomb("an integer of a megabyte", _bare(b"7" * MEGABYTE)),
    Bomb("integers of 4,300 digits", _bare(b"[" + b",".join([b"7" * 4_300] * 230) + b"]")),
    Bomb("a fraction of a megabyte", _bare(b"0." + b"7" * MEGABYTE)),
    Bomb("1e999999", _bare(b"1e999999")),
    Bomb("1e999999999999999999", _bare(b"1e999999999999999999")),
    Bomb("1e-999999999999999999", _bare(b"[" + b"1e-999999999999999999," * 40_000 + b"1]")),
    Bomb("one name 160,000 times", _bare(b"{" + b'"a":1,' * 160_000 + b'"a":1}')),
    Bomb("40,000 names that clash", _bare(b"{" + b",".join(b'"%d":{"b":1,"b":1}' % n for n in range(40_000)) + b"}")),
    Bomb("escapes", _bare(b'"' + b"\\u003a" * 160_000 + b'"')),
    Bomb("escaped quotes", _bare(b'["' + b'\\"[' * 300_000 + b'"]')),
    Bomb("quotes without end", _bare(b'["' + b'",[""' * 160_000)),
    Bomb("a schema that asks 2^26 times", _json(b"1", _anyof(26, {"type": "string"}))),
    Bomb("a schema that asks 2^20 times of one name", _json(b'{"a":' * 20 + b"1" + b"}" * 20, _below_names(20))),
    Bomb("a schema that asks itself twice", _json(b'{"a":' * 60 + b"1" + b"}" * 60, ROUND)),
    Bomb("a pattern that backtracks", _json(b'"' + b"a" * 40 + b'!"', {"pattern": "^(a|a)*$"})),
    Bomb(
        "a pattern that backtracks by look-ahead", _json(b'"' + b"a" * 40 + b'!"', {"pattern": "^(?=(a+)+$)(a|aa)+$"})
    ),
    Bomb("a pattern of 10^9 states", _json(b'"a"', {"pattern": "((a{1,1000}){1,1000}){1,1000}"})),
    Bomb("a schema of unique items", _json(b"[" + b"{}," * 60_000 + b"1]", {"uniqueItems": True})),
)


@cache
def _proto() -> ProtobufSchema:
    """`Top` holds messages of 1,000 fields, of itself, numbers and a map; `Old` holds groups."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="bomb.proto", package="bomb", syntax="proto2")
    wide = file.message_type.add(name="Wide")
    for n in range(1_000):
        wide.field.add(name=f"f{n}", number=n + 1, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    top = file.message_type.add(name="Top")
    many = kinds.LABEL_REPEATED
    top.field.add(name="wide", number=1, type=kinds.TYPE_MESSAGE, type_name=".bomb.Wide", label=many)
    top.field.add(name="more", number=2, type=kinds.TYPE_MESSAGE, type_name=".bomb.Top", label=many)
    top.field.add(name="packed", number=3, type=kinds.TYPE_BOOL, label=many)
    top.field.add(name="texts", number=4, type=kinds.TYPE_STRING, label=many)
    entry = top.nested_type.add(name="MapEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=kinds.TYPE_MESSAGE, type_name=".bomb.Wide", label=kinds.LABEL_OPTIONAL)
    top.field.add(name="map", number=5, type=kinds.TYPE_MESSAGE, type_name=".bomb.Top.MapEntry", label=many)
    group = top.nested_type.add(name="Group")
    group.field.add(name="group", number=6, type=kinds.TYPE_GROUP, type_name=".bomb.Top.Group", label=many)
    top.field.add(name="group", number=6, type=kinds.TYPE_GROUP, type_name=".bomb.Top.Group", label=many)
    return ProtobufSchema(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString(), "bomb.proto")


def _message(value: bytes, index: bytes = b"\2\2") -> Callable[[], tuple[Schema, bytes]]:
    return lambda: (_proto(), framed(ID) + index + value)


def _in_message(levels: int) -> bytes:
    inner = b""
    for _ in range(levels):
        inner = b"\x12" + varint(len(inner)) + inner
    return inner


def _numbered(entries: int) -> bytes:
    return b"".join(b"\x2a\4\x08" + varint(2**14 + n) for n in range(entries))


PROTOBUF = (
    Bomb("empty messages of 1,000 fields", _message(b"\x0a\0" * 490_000)),
    Bomb("four megabytes of these", _message(b"\x0a\0" * 2_000_000)),
    Bomb("entries of a map", _message(b"\x2a\0" * 490_000)),
    Bomb("numbered entries of a map", lambda: _message(_numbered(160_000))()),  # each process that tests imports this
    Bomb("messages in messages", _message(_in_message(2_000))),
    Bomb("empty messages of itself", _message(b"\x12\0" * 490_000)),
    Bomb("groups without end", _message(b"\x33" * MEGABYTE)),
    Bomb("groups in groups", _message(b"\x33" * 490_000 + b"\x34" * 490_000)),
    Bomb("empty groups", _message(b"\x33\x34" * 490_000)),
    Bomb("unknown groups", _message(b"\x3b" * 490_000 + b"\x3c" * 490_000)),
    Bomb("packed booleans", _message(b"\x1a" + varint(990_000) + b"\1" * 990_000)),
    Bomb("booleans", _message(b"\x18\1" * 490_000)),
    Bomb("empty texts", _message(b"\x22\0" * 490_000)),
    Bomb("a text of 2^61 bytes", _message(b"\x22" + varint(2**61))),
    Bomb("a varint of a megabyte", _message(b"\x18" + b"\xff" * MEGABYTE)),
    Bomb("an index of 2^61", _message(b"", varint(2**62))),
    Bomb("2^61 indexes", _message(b"\xff" * 9 + b"\1", b"")),
)
