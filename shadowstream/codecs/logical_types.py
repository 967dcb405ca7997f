"""Logical types of Avro, and the detection of invalid ones.

Under the specification, readers ignore an invalid logical type: the value keeps its underlying type.
"""

import math
from typing import Any

_WRITTEN_AS: dict[str, tuple[str, ...]] = {
    "decimal": ("bytes", "fixed"),
    "uuid": ("string", "fixed"),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "duration": ("fixed",),
}
_SIZES = {"uuid": 16, "duration": 12}


def logical_of(schema: dict[str, Any]) -> str | None:
    """The logical type of a definition; None if it is absent, unknown or invalid."""
    name = schema.get("logicalType")
    if not isinstance(name, str) or schema["type"] not in _WRITTEN_AS.get(name, ()):
        return None
    if schema["type"] == "fixed" and schema.get("size") != _SIZES.get(name, schema.get("size")):
        return None
    return None if name == "decimal" and not _is_decimal(schema) else name


def _is_decimal(schema: dict[str, Any]) -> bool:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision or precision < 1:
        return False
    return schema["type"] == "bytes" or precision <= _digits(schema.get("size"))


def _digits(size: Any) -> int:
    """The number of digits for which every number fits into `size` bytes."""
    return math.floor(math.log10(2) * (8 * size - 1)) if type(size) is int and size > 0 else 0


def without_invalid(schema: Any) -> Any:
    """The JSON of a schema without its invalid logical types.

    >>> without_invalid({"type": "array", "items": {"type": "bytes", "logicalType": "decimal"}})
    {'type': 'array', 'items': {'type': 'bytes'}}
    """
    if isinstance(schema, list):
        return [without_invalid(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    valid = {name: without_invalid(part) if name in _INSIDE else part for name, part in schema.items()}
    kind = valid.get("type")
    if "logicalType" in valid and isinstance(kind, str) and logical_of(valid) is None:
        del valid["logicalType"]
    return valid


_INSIDE = ("type", "items", "values", "fields")
