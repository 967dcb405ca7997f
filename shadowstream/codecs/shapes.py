"""Fast check whether many values surely fit an Avro schema, from columns of their types.

fastavro's `validate` checks one value after another, at the cost of writing it. Here each field of all values is a
column. A column fits if the set of its types fits, and its ints are in range. A yes is final. A no only means that
each value must be validated individually: the check does not cover all schemas and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from shadowstream.codecs.schemas import ParsedSchema

_NULL = type(None)
_TYPES: dict[str, frozenset[type]] = {
    "null": frozenset({_NULL}),
    "boolean": frozenset({bool}),
    "int": frozenset({int}),
    "long": frozenset({int}),
    "float": frozenset({float}),
    "double": frozenset({float}),
    "string": frozenset({str}),
    "bytes": frozenset({bytes}),
}
_BITS = {"int": 31, "long": 63}


class Shape(NamedTuple):
    """The known part of a schema: a primitive by its types; a record, an array or a map by its parts."""

    kind: str
    types: frozenset[type]
    optional: bool = False
    names: tuple[str, ...] = ()
    parts: tuple[Shape, ...] = ()


def shape_of(schema: ParsedSchema, optional: bool = False) -> Shape | None:
    """The shape of a schema of primitives, records, arrays, maps and optional ones of these; None for any other
    schema."""
    null = frozenset({_NULL}) if optional else frozenset[type]()
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        return shape_of(branches[0], True) if len(schema) == 2 and len(branches) == 1 and not optional else None
    if isinstance(schema, str):
        return Shape(schema, _TYPES[schema] | null, optional) if schema in _TYPES else None
    kind = schema["type"]
    if "logicalType" in schema:
        return None
    if kind in _TYPES:
        return Shape(kind, _TYPES[kind] | null, optional)
    if kind in ("array", "map"):
        part = shape_of(schema["items" if kind == "array" else "values"])
        own = list if kind == "array" else dict
        return None if part is None else Shape(kind, frozenset({own}) | null, optional, (), (part,))
    if kind != "record":
        return None
    parts = [shape_of(field["type"]) for field in schema["fields"]]
    known = tuple(part for part in parts if part is not None)
    if len(known) < len(parts):
        return None
    return Shape(kind, frozenset({dict}) | null, optional, tuple(field["name"] for field in schema["fields"]), known)


def fit(values: Sequence[Any], shape: Shape) -> bool:
    """Whether all values surely fit.

    >>> fit([{"n": 1}], shape_of({"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}))
    True
    """
    if not values:
        return True
    if not shape.types.issuperset(map(type, values)):
        return False
    if shape.optional and shape.kind in ("int", "long", "record", "array", "map"):
        values = [value for value in values if value is not None]
        if not values:
            return True
    if shape.kind in _BITS:
        limit = 1 << _BITS[shape.kind]
        return bool(-limit <= min(values) and max(values) < limit)
    if shape.kind == "record":
        # Each value has all the names below, so a larger sum of lengths means that some value has other fields.
        if sum(map(len, values)) != len(shape.names) * len(values):
            return False
        try:
            columns = [list(map(itemgetter(name), values)) for name in shape.names]
        except KeyError:
            return False
        return all(map(fit, columns, shape.parts))
    if shape.kind == "array":
        return fit(list(chain.from_iterable(values)), shape.parts[0])
    if shape.kind == "map":
        inner = list(chain.from_iterable(value.values() for value in values))
        return {str}.issuperset(map(type, chain.from_iterable(values))) and fit(inner, shape.parts[0])
    return True
