"""docs/config.md: every key of the config, from the JSON Schema that is made of the models.

`make docs` writes it (`python -m tests.docs.config_page`); `tests/docs/test_generated_pages.py` compares.
"""

import json
from collections.abc import Iterator
from typing import Any

from shadowstream.configschema import json_schema
from tests.docs.markdown import ROOT, escaped

PAGE = ROOT / "docs" / "config.md"
HEAD = """\
# Config: all keys

Made from the config's models by `python -m tests.docs.config_page`; a test compares. `shadowstream schema config`
prints the same as a JSON Schema for editors, and `shadowstream config show trial.yaml` every value that a trial has.
`${VAR}`, `${VAR:-default}` and `${VAR:?message}` take the place of any scalar, `$$` is a dollar sign.
`shadowstream validate trial.yaml` checks the rules between keys too.
"""
Schema = dict[str, Any]


def page() -> str:
    """Return the page: a section of keys at the top, and one for each section of the config."""
    schema = json_schema()
    parts = [HEAD]
    for path, model in sections(schema):
        required = model.get("required", [])
        title = f"## {path}" if path else "## top level"
        about = f"\n{escaped(model['description'])}\n" if path and model.get("description") else ""
        rows = "".join(
            _row(name, _described(part, schema), name in required) for name, part in model["properties"].items()
        )
        parts.append(f"\n{title}\n{about}\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}")
    return "".join(parts)


def sections(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield each model of the config with its path, a model before those within it."""
    open_: list[tuple[str, Schema]] = [("", schema)]
    while open_:
        path, model = open_.pop(0)
        yield path, model
        inner = [
            (f"{path}.{name}".lstrip("."), schema["definitions"][ref])
            for name, part in model["properties"].items()
            for ref in dict.fromkeys(refs_in(part))
            if "properties" in schema["definitions"][ref]
        ]
        open_ = [*inner, *open_]


def refs_in(part: Any) -> Iterator[str]:
    """Yield the names of definitions to which a part of the schema refers."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for inner in part.values():
            yield from refs_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from refs_in(inner)


def _described(part: Schema, schema: Schema) -> Schema:
    """Return a part with the description of its section, where it has none of its own."""
    about = [schema["definitions"][ref].get("description", "") for ref in refs_in(part) if ref != "Variable"]
    return {"description": about[0], **part} if about else part


def _row(name: str, part: Schema, required: bool) -> str:
    default = "" if required or "default" not in part else f"`{json.dumps(part['default'], ensure_ascii=False)}`"
    if required:
        default = "required"
    forms = escaped(", ".join(dict.fromkeys(kinds(part))))
    return f"| `{name}` | {forms} | {default} | {escaped(part.get('description', ''))} |\n"


def kinds(part: Schema) -> Iterator[str]:
    """Yield the forms of a value: types with their ranges, the words of a choice, or a section."""
    if "enum" in part or "const" in part:
        yield " | ".join(f"`{word}`" for word in part.get("enum", [part.get("const")]))
    elif "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name != "Variable":
            yield "section"
    elif "anyOf" in part or "allOf" in part:
        for inner in part.get("anyOf", part.get("allOf", [])):
            yield from kinds(inner)
    elif part.get("type") == "array":
        yield f"list of {' or '.join(kinds(part['items'])) or 'values'}"
    elif part.get("type") == "object":
        yield "map"
    elif part.get("type") != "null" and "type" in part:
        yield f"{part['type']}{_range(part)}"


def _range(part: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {part[key]}" for key, sign in signs.items() if key in part)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
