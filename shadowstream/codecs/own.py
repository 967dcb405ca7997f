"""Records of our own topics: Avro single-object encoding with the schemas that the package ships.

A record says which schema wrote it by that schema's fingerprint (``C3 01`` and eight bytes of CRC-64-AVRO), so
subscribers need no registry (docs/decisions/0002). Records of every released version can be read: the package ships
their schemas as well (``schemas/released/``), and what an older one lacks gets the default of the present schema.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import fastavro
import orjson
from fastavro.schema import parse_schema

from shadowstream import shipped
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
)
JSON_BYTES_MAX = 100_000
"""Of bytes in JSON, where one may become five: a row of diff stays below what a broker takes as one message."""


@cache
def schema(name: str) -> Any:
    """The parsed writer schema of one of `NAMES`."""
    return parse_schema(json.loads(shipped.text(f"{name}.avsc")))


def _head_of(parsed: Any) -> bytes:
    return SINGLE_OBJECT + fingerprint_of(parsed)


@cache
def _head(name: str) -> bytes:
    return _head_of(schema(name))


@cache
def _writers() -> dict[bytes, tuple[str, Any]]:
    """Writer schemas by their heads: those of the released versions, and last, so that they win, the present ones."""
    released = [(name, parse_schema(json.loads(text))) for name, text in shipped.released()]
    return {_head_of(parsed): (name, parsed) for name, parsed in [*released, *((n, schema(n)) for n in NAMES)]}


def encode(name: str, value: dict[str, Any]) -> bytes:
    """Encode one record of schema `name`."""
    out = io.BytesIO()
    out.write(_head(name))
    fastavro.schemaless_writer(out, schema(name), value)
    return out.getvalue()


_DIFF_BRANCHES = (
    ("key", "bytes"),
    ("production", "shadowstream.RecordId"),
    ("shadow", "shadowstream.RecordId"),
    ("twin", "shadowstream.RecordId"),
    ("input", "string"),
    ("reason", "string"),
    ("correction_of", "string"),
    ("id", "bytes"),
)
_DIFFERENCE_BRANCHES = ("production", "string"), ("shadow", "string"), ("delta", "double")


def encode_diff(row: Mapping[str, Any]) -> bytes:
    """As `encode("diff", row)`, each union's branch named: fastavro would try them all on every value, which takes as
    long again as writing."""
    differences = [_named(difference, _DIFFERENCE_BRANCHES) for difference in row["differences"]]
    return encode("diff", {**_named(row, _DIFF_BRANCHES), "differences": differences})


def _named(record: Mapping[str, Any], branches: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    found = dict(record)
    for field, branch in branches:
        if (value := record[field]) is not None:
            found[field] = branch, value
    return found


def decode(raw: bytes) -> tuple[str, dict[str, Any]]:
    """The schema's name and the record in its present form; raises `RecordError` for anything that we did not write.

    Whatever released version wrote it, the record has the fields of the present schema.

    >>> decode(encode("state", {"task": "t/0", "seq": 1, "counts": {}, "inputs_counted": {}, "overflow": {}}))[0]
    'state'
    """
    head = raw[:SINGLE_OBJECT_BYTES]
    found = _writers().get(head)
    if found is None:
        raise RecordError(
            f"not a record of ours: begins with {head.hex() or 'nothing'}; is a newer release writing?",
            reason="schema",
        )
    name, writer = found
    # Resolving costs time that records of this release need not spend.
    reader = None if writer is schema(name) else schema(name)
    try:
        record = fastavro.schemaless_reader(io.BytesIO(raw[SINGLE_OBJECT_BYTES:]), writer, reader)
    except Exception as error:  # fastavro raises EOFError, IndexError, UnicodeDecodeError, ... on broken bytes
        raise RecordError(f"broken {name} record: {error!r}", reason="decode") from error
    return name, record  # type: ignore[return-value]  # our schemas are all records


def read(name: str, raw: bytes | None) -> dict[str, Any]:
    """The record of schema `name` for whoever acts on it: as `decode`, and raises `RecordError` also for a record of
    another schema (reason ``schema``) and for one that cannot be meant (``refused``, see `plausible`).

    >>> read("stats", encode("state", {"task": "t/0", "seq": 1, "counts": {}, "inputs_counted": {}, "overflow": {}}))
    Traceback (most recent call last):
    ...
    shadowstream.errors.RecordError: a record of state, not of stats
    """
    found, record = decode(raw or b"")
    if found != name:
        raise RecordError(f"a record of {found}, not of {name}", reason="schema")
    check(name, record)
    return record


def as_json(record: dict[str, Any]) -> bytes:
    r"""One record as JSON for readers without Avro: fields as in its schema, not finite numbers as null.

    Bytes are text: as UTF-8, what is none as ``\xNN``, cut at `JSON_BYTES_MAX`. That is to be read by people; whoever
    needs a key's very bytes takes the Avro record.

    >>> print(as_json({"key": b"a\xff", "delta": float("nan")}).decode())
    {"key":"a\\xff","delta":null}
    """
    return orjson.dumps(record, default=_text)


def _text(value: bytes) -> str:
    return value[:JSON_BYTES_MAX].decode("utf-8", "backslashreplace")
