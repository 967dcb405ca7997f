"""Which paths the values of an Avro schema may have: what a path of the config is held against before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from shadowstream.codecs.schemas import ParsedSchema

DEPTH_MAX = 8
PATHS_MAX = 500
_NAMED = ("record", "error", "enum", "fixed")


def may_hold(schema: ParsedSchema, names: Sequence[str | None]) -> bool:
    """Whether some value of the schema may have anything at a path; None stands for a star.

    Elements of lists may be called by any name, since a rule may call them by a key.

    >>> array = {"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "p", "type": "int"}]}}
    >>> order = {"type": "record", "name": "O", "fields": [{"name": "items", "type": array}]}
    >>> [may_hold(order, names) for names in (["items", None, "p"], ["items", "0"], ["itmes"], ["items", "0", "q"])]
    [True, True, False, False]
    """
    return _may_hold(schema, names, dict(_types(schema)))


def _may_hold(schema: ParsedSchema, names: Sequence[str | None], types: dict[str, Any]) -> bool:
    if not names:
        return True
    schema = types.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        return any(_may_hold(branch, names, types) for branch in schema)
    if not isinstance(schema, dict):
        return False
    if schema["type"] in ("record", "error"):
        return any(
            _may_hold(field["type"], names[1:], types)
            for field in schema["fields"]
            if names[0] is None or field["name"] == names[0]
        )
    if schema["type"] in ("array", "map"):
        return _may_hold(schema["items" if schema["type"] == "array" else "values"], names[1:], types)
    # A type inside a type, as fastavro leaves {"type": {"type": ...}}.
    return isinstance(schema["type"], dict | list) and _may_hold(schema["type"], names, types)


def paths_in(schema: ParsedSchema) -> list[str]:
    """Paths of the schema's fields, elements of lists and maps under a star; not those of deep or endless types."""
    return list(dict.fromkeys(_paths(schema, (), dict(_types(schema)))))[:PATHS_MAX]


def _paths(schema: ParsedSchema, at: tuple[str, ...], types: dict[str, Any]) -> Iterator[str]:
    if at:
        yield ".".join(at)
    if len(at) >= DEPTH_MAX:
        return
    schema = types.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        for branch in schema:
            yield from _paths(branch, at, types)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield from _paths(field["type"], (*at, field["name"]), types)
        for inner in ("items", "values"):
            if inner in schema:
                yield from _paths(schema[inner], (*at, "*"), types)


def _types(schema: ParsedSchema) -> Iterator[tuple[str, Any]]:
    """The named types that a parsed schema defines, by full name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _types(branch)
    elif isinstance(schema, dict):
        if schema.get("type") in _NAMED and "name" in schema:
            yield schema["name"], schema
        for field in schema.get("fields", ()):
            yield from _types(field["type"])
        for inner in ("items", "values", "type"):
            if isinstance(schema.get(inner), dict | list):
                yield from _types(schema[inner])
