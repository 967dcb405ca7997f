"""Records of shadowstream's own topics: Avro single-object encoding with the schemas in the package.

A record names its writer schema by the schema's fingerprint (``C3 01`` and eight bytes of CRC-64-AVRO), so
subscribers need no registry (docs/decisions/0002). The package also ships the schemas of every released version
(``schemas/released/``), so their records remain readable. A field that an older record lacks gets the default of the
present schema.
"""

import io
import json
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import fastavro
import orjson
from fastavro.schema import parse_schema

from shadowstream import shipped
from shadowstream.codecs import diff_rows
from shadowstream.codecs.framing import SINGLE_OBJECT, SINGLE_OBJECT_BYTES
from shadowstream.codecs.plausible import check
from shadowstream.codecs.schemas import fingerprint_of
from shadowstream.errors import RecordError

NAMES = (
    "mark",
    "diff",
    "stats",
    "state",
    "judge_state",
    "drift",
    "verdict",
    "delivery",
    "command",
    "scored",
    "label_state",
    "runner_state",
    "recheck",
)
JSON_BYTES_MAX = 100_000
"""Maximum bytes of a key in JSON, where one byte may become five: a row of diff stays below the broker's message
limit."""


@cache
def schema(name: str) -> Any:
    return parse_schema(json.loads(shipped.text(f"{name}.avsc")))


def _head_of(parsed: Any) -> bytes:
    return SINGLE_OBJECT + fingerprint_of(parsed)


@cache
def record_head(name: str) -> bytes:
    """Return the bytes with which each record of a schema begins."""
    return _head_of(schema(name))


@cache
def _released() -> dict[bytes, tuple[str, Any]]:
    """Writer schemas of released versions by head."""
    parsed = [(name, parse_schema(json.loads(text))) for name, text in shipped.released()]
    return {_head_of(one): (name, one) for name, one in parsed}


@lru_cache(maxsize=64)  # anyone may write to a topic, with any head
def _writer(head: bytes) -> tuple[str, Any] | None:
    """The writer schema of a head, with its name: a present one, else a released version. A command that reads one
    topic parses few of the schemas."""
    present = ((name, schema(name)) for name in NAMES if record_head(name) == head)
    return next(present, None) or _released().get(head)


def encode(name: str, value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(record_head(name))
    fastavro.schemaless_writer(out, schema(name), value)
    return out.getvalue()


def encode_diff(row: Mapping[str, Any]) -> bytes:
    """Encode a row of diff: the bytes of `encode` by a shorter way."""
    return diff_rows.encoded(record_head("diff"), row)


def decode(raw: bytes) -> tuple[str, dict[str, Any]]:
    """Decode a record; return its schema's name and the record. Raises `RecordError` for bytes that no release of
    shadowstream wrote.

    The record has the fields of the present schema, whichever released version wrote it.

    >>> decode(encode("state", {"task": "t/0", "seq": 1, "counts": {}, "inputs_counted": {}, "overflow": {}}))[0]
    'state'
    """
    head = raw[:SINGLE_OBJECT_BYTES]
    written_by = _writer(head)
    if written_by is None:
        raise RecordError(
            f"not a record of ours: begins with {head.hex() or 'nothing'}; is a newer release writing?",
            reason="schema",
        )
    name, writer = written_by
    # Resolving costs time that records of this release need not spend.
    reader = None if writer is schema(name) else schema(name)
    try:
        record = fastavro.schemaless_reader(io.BytesIO(raw[SINGLE_OBJECT_BYTES:]), writer, reader)
    except Exception as error:  # fastavro raises EOFError, IndexError, UnicodeDecodeError, ... on broken bytes
        raise RecordError(f"broken {name} record: {error!r}", reason="decode") from error
    return name, record  # type: ignore[return-value]  # our schemas are all records


def read(name: str, raw: bytes | None) -> dict[str, Any]:
    """Decode a record of schema `name` for processing.

    Raises `RecordError` like `decode`, for a record of another schema (reason ``schema``), and for an implausible
    record (``refused``, see `plausible`).

    >>> read("stats", encode("state", {"task": "t/0", "seq": 1, "counts": {}, "inputs_counted": {}, "overflow": {}}))
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: a record of state, not of stats
    """
    schema_name, record = decode(raw or b"")
    if schema_name != name:
        raise RecordError(f"a record of {schema_name}, not of {name}", reason="schema")
    check(name, record)
    return record


def as_json(record: dict[str, Any]) -> bytes:
    r"""One record as JSON for readers without Avro: the fields of its schema, and null for numbers that are not finite.

    Bytes become text: UTF-8, other bytes as ``\xNN``, cut at `JSON_BYTES_MAX`. The text is for people; a program
    that needs a key's exact bytes reads the Avro record.

    >>> print(as_json({"key": b"a\xff", "delta": float("nan")}).decode())
    {"key":"a\\xff","delta":null}
    """
    return orjson.dumps(record, default=lambda value: value[:JSON_BYTES_MAX].decode("utf-8", "backslashreplace"))
