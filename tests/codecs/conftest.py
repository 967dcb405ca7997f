"""Schemas in a real folder, as a user would lay them out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadowstream.kafka.schemas.registry import FolderSchemas

SCORE = {
    "type": "record",
    "name": "Score",
    "namespace": "tests",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": "long"},
        {"name": "score", "type": "double"},
        {"name": "late", "type": "boolean"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "place", "type": {"type": "record", "name": "Place", "fields": [{"name": "row", "type": "int"}]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., FolderSchemas]:
    """Write `{"7.scores-value": schema, ...}` as files and read them."""

    def write(schemas: dict[str, Any]) -> FolderSchemas:
        for name, schema in schemas.items():
            (tmp_path / f"{name}.avsc").write_text(json.dumps(schema))
        return FolderSchemas(tmp_path)

    return write


@pytest.fixture
def score_schema() -> dict[str, Any]:
    """The schema of most tests here."""
    return SCORE


@pytest.fixture
def score() -> dict[str, Any]:
    """A value of it."""
    return {"id": "a", "n": 2**60, "score": 0.5, "late": True, "note": None, "place": {"row": 3}, "tags": ["x", "ÿ"]}


@pytest.fixture
def scores(folder: Callable[..., FolderSchemas]) -> FolderSchemas:
    """A folder with it as schema 7 of subject scores-value."""
    return folder({"7.scores-value": SCORE})
