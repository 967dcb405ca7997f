"""Types of a parsed Avro schema: their names, their equality, and the branches of unions.

Two types are the same if a reader of either schema reads values of the other schema into it (Avro specification,
"Schema Resolution"). Each type of a union finds its partner in the order of Avro's own readers: first a type of the
same kind, then the first type that it can be promoted to. Full names are compared, with their namespaces, as in
Avro's Java reader; the specification asks for the last part only. An alias of either type also makes two names
equal.
"""

from collections.abc import Iterator
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
IndexedTypes = list[tuple[int, dict[str, Any]]]
"""The types other than null at one place of a schema, each with its index in the union."""
_TAG = "shadowstream-branch"
_TOP = "v"


def kind_of(schema: dict[str, Any]) -> str:
    """The kind of a type; an error counts as a record."""
    kind: str = schema["type"]
    return "record" if kind == "error" else kind


def names_of(schema: dict[str, Any]) -> set[str]:
    """The full name of a named type, and the full names of its aliases."""
    name: str = schema["name"]
    space = name.rpartition(".")[0]
    aliases = (alias if "." in alias or not space else f"{space}.{alias}" for alias in schema.get("aliases") or ())
    return {name, *aliases}


def is_same_type(production: dict[str, Any], shadow: dict[str, Any]) -> bool:
    """Whether two types are the same, apart from the types inside them."""
    kind = kind_of(production)
    if kind != kind_of(shadow):
        return False
    if kind not in NAMED:
        return True
    if kind == "fixed" and production["size"] != shadow["size"]:
        return False
    return production["name"] in names_of(shadow) or shadow["name"] in names_of(production)


def promotes(writer: dict[str, Any], reader: dict[str, Any]) -> bool:
    """Whether a reader of type `reader` reads values of type `writer`. If either side has a logical type, numbers and
    texts are not read as another kind of number or as bytes: a timestamp is no double."""
    kind, reader_kind = kind_of(writer), kind_of(reader)
    if reader_kind not in _PROMOTED.get(kind, ()):
        return False
    plain = logical_of(writer) is None and logical_of(reader) is None
    return plain or NUMBERS.get(kind, kind) == NUMBERS.get(reader_kind, reader_kind)


def branch_for(writer: dict[str, Any], readers: IndexedTypes) -> int | None:
    """The index in `readers` of the type that reads a value of type `writer`; None if there is none."""
    same_name = (
        index for index, reader in readers if is_same_type(writer, reader) and writer.get("name") == reader.get("name")
    )
    same_type = (index for index, reader in readers if is_same_type(writer, reader))
    wider = (index for index, reader in readers if promotes(writer, reader))
    return next((index for candidates in (same_name, same_type, wider) for index in candidates), None)


def partners(production: IndexedTypes, shadow: IndexedTypes) -> list[tuple[int, int]]:
    """Pairs of indexes of types in two unions that are the same type. Only numbers and texts may have more than one
    partner."""
    pairs: dict[tuple[int, int], None] = {}
    taken: set[tuple[int, int]] = set()
    either = [((index, branch_for(schema_type, shadow)), schema_type) for index, schema_type in production]
    either += [((branch_for(schema_type, production), index), schema_type) for index, schema_type in shadow]  # type: ignore[misc]  # None is left out below
    for (index, partner), schema in either:
        if index is None or partner is None:
            continue
        if schema["type"] not in PRIMITIVES and (index, partner) not in pairs:
            if {(0, index), (1, partner)} & taken:
                continue
            taken |= {(0, index), (1, partner)}
        pairs[index, partner] = None
    return list(pairs)


class Types:
    """The types of one parsed schema, by name."""

    def __init__(self, schema: ParsedSchema) -> None:
        self._named: dict[str, Any] = {}
        for part in schema if isinstance(schema, list) else [schema]:
            if isinstance(part, dict):
                self._named.update(part.get("__named_schemas", {}))
        for part in parts_of(schema):
            if isinstance(part, dict) and "name" in part and part.get("type") in NAMED:
                self._named.setdefault(part["name"], part)

    def of(self, schema: Any) -> dict[str, Any]:
        """The definition of a type that is no union."""
        while not isinstance(schema, dict) or isinstance(schema["type"], dict):
            schema = schema["type"] if isinstance(schema, dict) else self._named.get(schema, {"type": schema})
        return schema if schema["type"] not in self._named else self.of(schema["type"])

    def branches(self, schema: Any) -> tuple[IndexedTypes, bool]:
        """The types other than null in a schema, each with its index; and whether they are several."""
        if isinstance(schema, dict) and isinstance(schema["type"], list):
            schema = schema["type"]
        if not isinstance(schema, list):
            branch = self.of(schema)
            return ([] if branch["type"] == "null" else [(0, branch)]), False
        branches = [(index, branch) for index, branch in enumerate(map(self.of, schema)) if branch["type"] != "null"]
        return branches, len(branches) > 1

    def is_plain(self, schema: Any) -> bool:
        """Whether values are written as they are decoded: no union of several types, no logical type."""
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
    """The schema and all schemas nested in it."""
    yield schema
    if isinstance(schema, list):
        for part in schema:
            yield from parts_of(part)
    elif isinstance(schema, dict):
        inside = [schema[name] for name in ("items", "values") if name in schema]
        inside += [schema["type"]] if isinstance(schema["type"], dict | list) else []
        inside += [field["type"] for field in schema.get("fields", ())]
        for part in inside:
            yield from parts_of(part)


def has_unions(schema: ParsedSchema) -> bool:
    """Whether a value of the schema can be of several types at any place."""
    types = Types(schema)
    every = [part for root in (schema, *(named for _, named in types)) for part in parts_of(root)]
    return any(isinstance(part, list) and types.branches(part)[1] for part in every)


def as_written(schema: ParsedSchema) -> ParsedSchema:
    """A schema of the same bytes that makes fastavro return values in their written form.

    Each value of a union of several types is read as a `Branch`; a value of a logical type keeps its underlying
    type. The value is in the single field of a record; `value_in` returns it.
    """
    types = Types(schema)
    named: dict[str, Any] = {}

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            branches, several = types.branches(part)
            to_tag = {index for index, _ in branches} if several else set()
            return [tagged(branch, index) if index in to_tag else plain(branch) for index, branch in enumerate(part)]
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

    def tagged(part: Any, index: int) -> Any:
        whole = types.of(part)
        if isinstance(part, str) and "name" in whole:  # a reference gets a second name, for the type with the tag
            name = f"{part} {index}"
            if name not in named:
                named[name] = {}
                named[name] |= plain(whole) | {"name": name, "logicalType": _TAG, "branch": index}
            return name
        return plain(whole) | {"logicalType": _TAG, "branch": index}

    top = {"type": "record", "name": " top", "fields": [{"name": _TOP, "type": plain(schema)}]}
    for name, definition in types:
        named[name] = plain(definition)
    return top | {"__fastavro_parsed": True, "__named_schemas": named}


def value_in(record: dict[str, Any]) -> Any:
    """The value inside a record that was read with a schema of `as_written`."""
    return record[_TOP]


for _kind in (*PRIMITIVES, *NAMED, "array", "map"):
    LOGICAL_READERS[f"{_kind}-{_TAG}"] = lambda value, schema, *_: Branch(schema["branch"], value)
