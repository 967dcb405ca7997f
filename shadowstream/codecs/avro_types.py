"""Types of a parsed Avro schema: what a type is called, which two are one, and how a union's branch is read.

Two types are one if a reader of either schema would read a value of the other into it (Avro specification, "Schema
Resolution"), each type of a union finding its partner as Avro's own readers look for it: first one of the same type,
then the first that it can be promoted to. Names are compared whole, with their namespaces, as Avro's Java reader does;
the specification asks for the last part only. An alias of either type makes two names one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastavro.read import LOGICAL_READERS

from shadowstream.codecs.logical_types import logical_of
from shadowstream.codecs.schemas import ParsedSchema
from shadowstream.codecs.typed import Branch

PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
NAMED = frozenset(("record", "error", "enum", "fixed"))
NUMBERS = {"int": 0, "long": 0, "float": 1, "double": 1}
_PROMOTED = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
Places = list[tuple[int, dict[str, Any]]]
"""The types other than null of one place of a schema, each with its index in the union."""
_TAG = "shadowstream-branch"
_TOP = "v"


def kind_of(schema: dict[str, Any]) -> str:
    """The type, of a record said so in any way."""
    kind: str = schema["type"]
    return "record" if kind == "error" else kind


def names_of(schema: dict[str, Any]) -> set[str]:
    """The full name of a named type, and those that its aliases stand for."""
    name: str = schema["name"]
    space = name.rpartition(".")[0]
    aliases = (one if "." in one or not space else f"{space}.{one}" for one in schema.get("aliases") or ())
    return {name, *aliases}


def are_one(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two types are the same but for what they hold inside."""
    kind = kind_of(one)
    if kind != kind_of(other):
        return False
    if kind not in NAMED:
        return True
    if kind == "fixed" and one["size"] != other["size"]:
        return False
    return one["name"] in names_of(other) or other["name"] in names_of(one)


def promotes(writer: dict[str, Any], reader: dict[str, Any]) -> bool:
    """Whether values of one type are read as the other's. Numbers and texts with a logical type on either side are
    not read as numbers and bytes of another kind: a timestamp is no double."""
    kind, other = kind_of(writer), kind_of(reader)
    if other not in _PROMOTED.get(kind, ()):
        return False
    plain = logical_of(writer) is None and logical_of(reader) is None
    return plain or NUMBERS.get(kind, kind) == NUMBERS.get(other, other)


def branch_for(writer: dict[str, Any], readers: Places) -> int | None:
    """The index of the type, among the other side's, that a value is read into; None where there is none."""
    same_name = (at for at, one in readers if are_one(writer, one) and writer.get("name") == one.get("name"))
    same_type = (at for at, one in readers if are_one(writer, one))
    wider = (at for at, one in readers if promotes(writer, one))
    return next((at for found in (same_name, same_type, wider) for at in found), None)


def partners(ours: Places, theirs: Places) -> list[tuple[int, int]]:
    """Places of the types of two unions that are one. Only numbers and texts may have several partners."""
    found: dict[tuple[int, int], None] = {}
    taken: set[tuple[int, int]] = set()
    either = [((at, branch_for(one, theirs)), one) for at, one in ours]
    either += [((branch_for(one, ours), at), one) for at, one in theirs]  # type: ignore[misc]  # None is left out below
    for (at, to), schema in either:
        if at is None or to is None:
            continue
        if schema["type"] not in PRIMITIVES and (at, to) not in found:
            if {(0, at), (1, to)} & taken:
                continue
            taken |= {(0, at), (1, to)}
        found[at, to] = None
    return list(found)


class Types:
    """The types of one parsed schema by their names."""

    def __init__(self, schema: ParsedSchema) -> None:
        self._named: dict[str, Any] = {}
        for part in schema if isinstance(schema, list) else [schema]:
            if isinstance(part, dict):
                self._named.update(part.get("__named_schemas", {}))
        for part in parts_of(schema):
            if isinstance(part, dict) and "name" in part and part.get("type") in NAMED:
                self._named.setdefault(part["name"], part)

    def of(self, schema: Any) -> dict[str, Any]:
        """A type that is no union, by its definition."""
        while not isinstance(schema, dict) or isinstance(schema["type"], dict):
            schema = schema["type"] if isinstance(schema, dict) else self._named.get(schema, {"type": schema})
        return schema if schema["type"] not in self._named else self.of(schema["type"])

    def branches(self, schema: Any) -> tuple[Places, bool]:
        """The types other than null that may stand here, each with its index; whether it is a union of several."""
        if isinstance(schema, dict) and isinstance(schema["type"], list):
            schema = schema["type"]
        if not isinstance(schema, list):
            one = self.of(schema)
            return ([] if one["type"] == "null" else [(0, one)]), False
        found = [(at, one) for at, one in enumerate(map(self.of, schema)) if one["type"] != "null"]
        return found, len(found) > 1

    def is_plain(self, schema: Any) -> bool:
        """Whether values of the schema are written as they are decoded: no union of several, nothing logical."""
        known: set[str] = set()
        left = [schema]
        while left:
            for part in parts_of(left.pop()):
                if isinstance(part, str) and part in self._named and part not in known:
                    known.add(part)
                    left.append(self._named[part])
                if self.branches(part)[1] or (isinstance(part, dict) and logical_of(part) is not None):
                    return False
        return True

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._named.items())


def parts_of(schema: Any) -> Iterator[Any]:
    """The schema and all schemas that stand in it."""
    yield schema
    if isinstance(schema, list):
        for one in schema:
            yield from parts_of(one)
    elif isinstance(schema, dict):
        inside = [schema[name] for name in ("items", "values") if name in schema]
        inside += [schema["type"]] if isinstance(schema["type"], dict | list) else []
        inside += [field["type"] for field in schema.get("fields", ())]
        for one in inside:
            yield from parts_of(one)


def has_unions(schema: ParsedSchema) -> bool:
    """Whether values of the schema may be of one of several types anywhere."""
    types = Types(schema)
    every = [part for one in (schema, *(named for _, named in types)) for part in parts_of(one)]
    return any(isinstance(part, list) and types.branches(part)[1] for part in every)


# ---------------------------------------------------------------- reading branches


def as_written(schema: ParsedSchema) -> ParsedSchema:
    """A schema of the same bytes, by which fastavro reads each value of a union of several types as a `Branch`, and
    values of logical types as they are written. The value stands in the one field of a record (`value_in`)."""
    types = Types(schema)
    named: dict[str, Any] = {}

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            found, several = types.branches(part)
            to_tag = {at for at, _ in found} if several else set()
            return [tagged(one, at) if at in to_tag else plain(one) for at, one in enumerate(part)]
        if not isinstance(part, dict):
            return part
        if isinstance(part["type"], dict | list):
            return plain(part["type"])
        hidden = ("logicalType", "__fastavro_parsed", "__named_schemas")
        made = {name: inner for name, inner in part.items() if name not in hidden}
        for name in ("items", "values"):
            if name in made:
                made[name] = plain(made[name])
        if "fields" in made:
            made["fields"] = [field | {"type": plain(field["type"])} for field in made["fields"]]
        return made

    def tagged(part: Any, at: int) -> Any:
        whole = types.of(part)
        if isinstance(part, str) and "name" in whole:  # a reference: a second name for the type, with the tag
            name = f"{part} {at}"
            if name not in named:
                named[name] = {}
                named[name] |= plain(whole) | {"name": name, "logicalType": _TAG, "branch": at}
            return name
        return plain(whole) | {"logicalType": _TAG, "branch": at}

    top = {"type": "record", "name": " top", "fields": [{"name": _TOP, "type": plain(schema)}]}
    for name, one in types:
        named[name] = plain(one)
    return top | {"__fastavro_parsed": True, "__named_schemas": named}


def value_in(record: dict[str, Any]) -> Any:
    """The value that was read by a schema of `as_written`."""
    return record[_TOP]


def _branch(value: Any, schema: dict[str, Any], *_: Any) -> Branch:
    return Branch(schema["branch"], value)


def _register() -> None:
    readers: dict[str, Callable[..., Any]] = LOGICAL_READERS
    for kind in (*PRIMITIVES, *NAMED, "array", "map"):
        readers[f"{kind}-{_TAG}"] = _branch


_register()
