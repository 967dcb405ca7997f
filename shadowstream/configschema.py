"""JSON Schema (draft 7) of the config file, for editors: ``# yaml-language-server: $schema=config.schema.json``.

It is generated from the models, so that both always agree. `shadowstream schema config` prints it, and a test
compares the copy in `schemas/`. It covers keys, types and ranges. Only the models check rules between keys.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from shadowstream.config.config_file import ConfigFile
from shadowstream.topics import NAME_PATTERN  # the only definition of a valid trial name

_DIALECT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {
    "title": "Variable",
    "description": "${VAR}, ${VAR:-default} or ${VAR:?message}: a value from the environment",
    "type": "string",
    "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*((:-|:\?)[^{}]*)?\}$",
}
_OUTER = ("title", "description", "default")


class _Draft7(GenerateJsonSchema):
    schema_dialect = _DIALECT


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config file, in draft 7. A ``${VAR}`` is allowed in place of any scalar, of any
    type."""
    made = ConfigFile.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Draft7)
    definitions = made.pop("$defs")
    made["properties"]["name"]["pattern"] = f"^{NAME_PATTERN.pattern}$"
    for model in (made, *definitions.values()):
        model["properties"] = {name: _with_variable(part) for name, part in model["properties"].items()}
    return {
        "$schema": _DIALECT,
        **made,
        "title": "shadowstream config",
        "definitions": {**definitions, "Variable": _VARIABLE},
    }


def _with_variable(part: dict[str, Any]) -> dict[str, Any]:
    """Allow a variable in `part`. Draft 7 ignores keys beside a `$ref`, so the reference moves below allOf."""
    outer = {key: part[key] for key in _OUTER if key in part}
    inner = {key: value for key, value in part.items() if key not in _OUTER}
    if "$ref" in inner:
        return {**outer, "allOf": [inner]} if outer else inner
    if inner.get("type") == "array":
        return {**outer, **inner, "items": _with_variable(inner["items"])}
    if inner.get("type") == "object":
        return {**outer, **inner, "additionalProperties": inner["additionalProperties"]}
    plain_text = inner == {"type": "string"}
    choices = inner.get("anyOf", [inner])
    if plain_text or {"type": "string"} in choices:
        return part
    return {**outer, "anyOf": [*choices, {"$ref": "#/definitions/Variable"}]}
