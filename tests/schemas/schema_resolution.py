"""Whether a schema reads what another one wrote, and which fields nobody has described."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import parse_schema
from fastavro.utils import generate_many

RECORDS = 60
"""More than any union has branches and any list is long, for generated data takes them in turn."""

Schema = dict[str, Any]


def schemas_of(folder: Path) -> dict[str, Schema]:
    """The schemas of a folder by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.avsc"))}


def unreadable(writer: Schema, reader: Schema) -> str | None:
    """Why `reader` cannot read what `writer` wrote, or changes what both know of; None where it reads all of it."""
    old, new = parse_schema(writer), parse_schema(reader)
    kept = {field["name"] for field in writer["fields"]}
    defaults = {field["name"]: field["default"] for field in reader["fields"] if "default" in field}
    for record in generate_many(old, RECORDS):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, old, record)
        written = fastavro.schemaless_reader(io.BytesIO(out.getvalue()), old, None)
        try:
            read = fastavro.schemaless_reader(io.BytesIO(out.getvalue()), old, new)
        except Exception as error:  # noqa: BLE001  whatever it raises is the answer
            return f"{type(error).__name__}: {error}"
        assert isinstance(written, dict)
        assert isinstance(read, dict)
        for name, value in read.items():
            expected = written[name] if name in kept else defaults[name]
            if not _within(expected, value):
                return f"{name}: wrote {expected!r}, reads {value!r}"
        lost = kept - set(read)
        if lost:
            return f"{', '.join(sorted(lost))}: written and no longer read"
    return None


def _within(written: Any, read: Any) -> bool:
    """Everything that was written is read; records within may have more fields by now."""
    if isinstance(written, dict):
        return isinstance(read, dict) and all(
            name in read and _within(value, read[name]) for name, value in written.items()
        )
    if isinstance(written, list):
        return isinstance(read, list) and len(read) == len(written) and all(map(_within, written, read))
    return bool(written == read)


def undescribed(schema: Any, where: str = "") -> Iterator[str]:
    """Records and fields without a doc."""
    if isinstance(schema, list):
        for one in schema:
            yield from undescribed(one, where)
    elif isinstance(schema, dict):
        if schema.get("type") == "record":
            where = f"{where}/{schema['name']}"
            if not schema.get("doc", "").strip():
                yield where
            for field in schema["fields"]:
                if not field.get("doc", "").strip():
                    yield f"{where}.{field['name']}"
                yield from undescribed(field["type"], f"{where}.{field['name']}")
        else:
            for part in ("type", "items", "values"):
                yield from undescribed(schema.get(part), where)
