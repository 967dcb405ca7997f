"""Rows of diff as Avro, by parts: most texts of a row are those of the row before, and are encoded once.

The bytes are those of `fastavro.schemaless_writer` with schemas/diff.avsc (tests/codecs/test_own.py), at a fifth of its
time. Rows of many mismatches take a fraction of that (`mismatch_rows`).
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.codecs.avro_parts import (
    END,
    FALSE,
    NULL,
    PRESENT,
    TRUE,
    long,
    pack_delta,
    repeated,
    sized,
    text,
)


def or_null(value: str | None) -> bytes:
    return NULL if value is None else PRESENT + text(value)


def sized_or_none(value: bytes | None) -> bytes:
    return NULL if value is None else PRESENT + sized(value)


def _place(record: Mapping[str, Any] | None) -> bytes:
    if record is None:
        return NULL
    return PRESENT + repeated(record["topic"]) + long(record["partition"]) + long(record["offset"])


def _differences(differences: list[dict[str, Any]]) -> bytes:
    if not len(differences):  # as None has no length, it is refused
        return END
    parts = [long(len(differences))]
    for one in differences:
        delta = one["delta"]
        parts += (
            repeated(one["path"]),
            repeated(one["kind"]),
            or_null(one["production"]),
            or_null(one["shadow"]),
            NULL if delta is None else pack_delta(2, delta),
        )
    parts.append(END)
    return b"".join(parts)


def _dimensions(values: Mapping[str, str]) -> bytes:
    if not len(values):
        return END
    texts = b"".join([repeated(name) + repeated(value) for name, value in values.items()])
    return long(len(values)) + texts + END


def encoded(head: bytes, row: Mapping[str, Any]) -> bytes:
    """Encode one row after the head of its encoding."""
    return b"".join(
        (
            head,
            text(row["pair_id"]),
            repeated(row["task"]),
            repeated(row["outcome"]),
            repeated(row["revision"]),
            long(row["time_ms"]),
            sized_or_none(row["key"]),
            _place(row["production"]),
            _place(row["shadow"]),
            or_null(row["input"]),
            _differences(row["differences"]),
            or_null(row["reason"]),
            TRUE if row["late"] else FALSE,
            or_null(row["correction_of"]),
            _place(row["twin"]),
            repeated(row["identity"]),
            sized_or_none(row["id"]),
            TRUE if row["ambiguous"] else FALSE,
            _dimensions(row.get("dimensions", {})),
        )
    )
