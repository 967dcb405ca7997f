"""What a team writes by hand to compare two decoded values, and what every Python peer is given to call."""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro

HEAD = 5
"""Bytes of Confluent's frame before an Avro body."""
IGNORED = "model"


def reader(path: str) -> Callable[[bytes], Any]:
    """Decodes framed Avro bodies of one known schema."""
    with open(path, encoding="utf-8") as file:
        schema = fastavro.parse_schema(json.load(file))
    read = fastavro.schemaless_reader
    return lambda value: read(io.BytesIO(value[HEAD:]), schema, None)


def agree(ours: dict[str, Any], theirs: dict[str, Any], atol: float) -> bool:
    """All fields equal but `model`, which is ignored, and floats within `atol`."""
    for name, one in ours.items():
        other = theirs[name]
        if one != other and name != IGNORED and not (type(one) is float and abs(one - other) <= atol):
            return False
    return True
