"""The classes that subscribers get agree with the schemas, field by field, and hold what the records hold."""

import dataclasses
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, get_type_hints

import pytest
from fastavro.schema import parse_schema
from fastavro.utils import generate_many

from shadowstream import public_records, shipped
from shadowstream.codecs import own
from shadowstream.public_records import ROWS, RecordId, row_of

_PRIMITIVES = {"string": str, "int": int, "long": int, "double": float, "boolean": bool, "bytes": bytes}
_CLASSES = {"Diff": "DiffRow", "Drift": "DriftEvent", "HandoverOffset": "RecordId"}
"""The class of a record that has another name than its class."""


def python_type(kind: Any) -> Any:
    """The Python type that an Avro type asks for; records are those of `rows` by their names."""
    if isinstance(kind, list):
        (inner,) = (one for one in kind if one != "null")
        return python_type(inner) | None
    if isinstance(kind, str):
        return _PRIMITIVES[kind] if kind in _PRIMITIVES else getattr(public_records, _CLASSES.get(kind, kind), kind)
    if kind["type"] == "array":
        return tuple[python_type(kind["items"]), ...]
    if kind["type"] == "map":
        return Mapping[str, python_type(kind["values"])]
    assert kind["type"] == "record"
    return python_type(kind["name"])


def records_in(kind: Any) -> list[dict[str, Any]]:
    """Every record defined in a type."""
    if isinstance(kind, list):
        return [record for one in kind for record in records_in(one)]
    if not isinstance(kind, dict):
        return []
    inner = [field["type"] for field in kind.get("fields", [])] + [
        kind[key] for key in ("items", "values") if key in kind
    ]
    return [*([kind] if kind["type"] == "record" else []), *(record for one in inner for record in records_in(one))]


def disagreements(schema: dict[str, Any]) -> list[str]:
    """Where a schema and its classes differ."""
    found = []
    for record in records_in(schema):
        wanted = {field["name"]: python_type(field["type"]) for field in record["fields"]}
        kind = python_type(record["name"])
        has = {name: hint for name, hint in get_type_hints(kind).items() if name != "at"}
        if list(has.items()) != list(wanted.items()):
            found.append(record["name"])
    return found


def schema_of(topic: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shipped.text(f"{topic}.avsc"))
    return found


@pytest.mark.parametrize("topic", ROWS)
def test_the_classes_have_the_schemas_fields_order_and_types(topic: str) -> None:
    schema = schema_of(topic)
    assert python_type(schema["name"]) is ROWS[topic]
    assert disagreements(schema) == []


def test_a_class_and_a_schema_that_part_ways_are_caught() -> None:
    def differing(change: Any) -> list[str]:
        schema = deepcopy(schema_of("diff"))
        change({field["name"]: field for field in schema["fields"]}, schema)
        return disagreements(schema)

    assert differing(lambda fields, _: fields["reason"].update(type="string")) == ["Diff"]
    assert differing(lambda fields, _: fields["reason"].update(name="why")) == ["Diff"]
    assert differing(lambda _, schema: schema["fields"].pop()) == ["Diff"]
    assert differing(lambda _, schema: schema["fields"].reverse()) == ["Diff"]
    nested = differing(lambda fields, _: fields["differences"]["type"]["items"]["fields"][0].update(type="bytes"))
    assert nested == ["Difference"]


def plain(value: Any) -> Any:
    """A row as the dicts and lists that it came from."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


@pytest.mark.parametrize("topic", ROWS)
def test_a_row_holds_what_its_record_holds_and_where_it_stood(topic: str) -> None:
    at = RecordId(f"shadow.t.{topic}", 1, 7)
    for generated in generate_many(parse_schema(schema_of(topic)), 20):
        _, record = own.decode(own.encode(topic, generated))
        row = row_of(topic, record, at)
        assert plain(row) == {"at": plain(at), **record}
        assert not any(
            isinstance(one, dict) for name in ("slices", "incidents", "noise") for one in getattr(row, name, ())
        )


def test_a_row_cannot_be_changed() -> None:
    record = next(iter(generate_many(parse_schema(schema_of("diff")), 1)))
    row = row_of("diff", record, RecordId("t", 0, 0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.outcome = "match"  # type: ignore[union-attr, misc]  # the point
