"""Field defaults: from the JSON in a schema to the values that a writer would have written."""

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
    """The value of a default, in its written form: a `Branch` if the schema has several types. Raises KeyError,
    TypeError, ValueError or AttributeError for a default that does not fit the schema."""
    branches, several = types.branches(schema)
    if default is None:
        return None
    for index, branch in branches:
        if _fits(branch, default):
            value = _value(branch, default, types)
            return Branch(index, value) if several else value
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
        return [default_of(schema["items"], item, types) for item in default]
    if kind == "map":
        return {name: default_of(schema["values"], item, types) for name, item in default.items()}
    if kind == "record":
        fields = {field["name"]: field for field in schema["fields"]}
        return {
            name: default_of(field["type"], default[name] if name in default else field["default"], types)
            for name, field in fields.items()
        }
    return default
