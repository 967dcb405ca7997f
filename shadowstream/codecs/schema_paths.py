"""The paths that values of an Avro schema can have. Paths in the config are checked against them before a trial
runs."""

from collections.abc import Iterator, Sequence
from typing import Any

from shadowstream.codecs.avro_types import Types
from shadowstream.codecs.schemas import ParsedSchema, Schema, is_avro

DEPTH_MAX = 8
PATHS_MAX = 500


def may_hold(schema: ParsedSchema, names: Sequence[str | None]) -> bool:
    """Whether some value of the schema can have a part at a path; None stands for a star.

    Elements of lists may have any name, since a rule may name them by a key.

    >>> array = {"type": "array", "items": {"type": "record", "name": "I", "fields": [{"name": "p", "type": "int"}]}}
    >>> order = {"type": "record", "name": "O", "fields": [{"name": "items", "type": array}]}
    >>> [may_hold(order, names) for names in (["items", None, "p"], ["items", "0"], ["itmes"], ["items", "0", "q"])]
    [True, True, False, False]
    """
    return _may_hold(schema, names, dict(Types(schema)))


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
    """Paths of the schema's fields; elements of lists and maps appear as a star. Deep and recursive types are cut
    off."""
    return list(dict.fromkeys(_paths(schema, (), dict(Types(schema)))))[:PATHS_MAX]


def _paths(schema: ParsedSchema, path: tuple[str, ...], types: dict[str, Any]) -> Iterator[str]:
    if path:
        yield ".".join(path)
    if len(path) >= DEPTH_MAX:
        return
    schema = types.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(schema, list):
        for branch in schema:
            yield from _paths(branch, path, types)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield from _paths(field["type"], (*path, field["name"]), types)
        for inner in ("items", "values"):
            if inner in schema:
                yield from _paths(schema[inner], (*path, "*"), types)


def schema_of_answer(schema: Schema, names: Sequence[str]) -> Schema | None:
    """Return the schema of the answer; None if an Avro schema has none at that path, or several.

    >>> score = {"type": "record", "name": "S", "fields": [{"name": "p", "type": ["null", "double"]}]}
    >>> whole = {"type": "record", "name": "R", "fields": [{"name": "score", "type": score}]}
    >>> schema_of_answer(whole, ["score", "p"])[1]["type"], schema_of_answer(whole, ["scor"])
    ('double', None)
    """
    if not is_avro(schema):
        return schema
    types, part = Types(schema), schema
    for name in names:
        branches, several = types.branches(part)
        fields = {field["name"]: field["type"] for _, branch in branches for field in branch.get("fields", ())}
        if several or name not in fields:
            return None
        part = fields[name]
    own = {"__fastavro_parsed": True, "__named_schemas": dict(types)}
    if isinstance(part, dict) and isinstance(part["type"], list):
        part = part["type"]
    return [types.of(branch) | own for branch in part] if isinstance(part, list) else types.of(part) | own
