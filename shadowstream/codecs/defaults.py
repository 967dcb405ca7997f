"""Defaults of fields, from the JSON that a schema has to the values that a writer would have written."""

from __future__ import annotations

from typing import Any

from shadowstream.codecs.avro_types import Types, kind_of
from shadowstream.codecs.typed import Branch

_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "int": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "array": list,
    "map": dict,
    "record": dict,
}


def default_of(schema: Any, default: Any, types: Types) -> Any:
    """The value that a default stands for, as it is written: a `Branch` where several types may stand.

    Raises KeyError, TypeError, ValueError or AttributeError for one that does not fit the schema.
    """
    branches, several = types.branches(schema)
    if default is None:
        return None
    for place, one in branches:
        if _fits(one, default):
            value = _value(one, default, types)
            return Branch(place, value) if several else value
    raise ValueError(f"no default of this type: {default!r}")


def _fits(schema: dict[str, Any], default: Any) -> bool:
    kind = kind_of(schema)
    if isinstance(default, bool) and kind != "boolean":
        return False
    if kind == "enum" and default not in schema["symbols"]:
        return False
    if kind == "record" and isinstance(default, dict):
        return all(field["name"] in default or "default" in field for field in schema["fields"])
    return isinstance(default, _JSON_TYPES.get(kind, str))


def _value(schema: dict[str, Any], default: Any, types: Types) -> Any:
    kind = kind_of(schema)
    if kind in ("bytes", "fixed"):
        return default.encode("latin-1")
    if kind in ("float", "double"):
        return float(default)
    if kind == "array":
        return [default_of(schema["items"], one, types) for one in default]
    if kind == "map":
        return {name: default_of(schema["values"], one, types) for name, one in default.items()}
    if kind == "record":
        fields = {one["name"]: one for one in schema["fields"]}
        return {
            name: default_of(one["type"], default[name] if name in default else one["default"], types)
            for name, one in fields.items()
        }
    return default
