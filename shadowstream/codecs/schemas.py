"""Writer schemas: where they come from (handed in), and one way to parse them."""

from __future__ import annotations

import json
from typing import Any, Protocol

from fastavro.schema import parse_schema

from shadowstream.codecs.framing import SchemaId
from shadowstream.errors import RecordError

ParsedSchema = Any
"""What `fastavro.parse_schema` returns: a dict, for a bare type a str, for a union a list."""


class SchemaSource(Protocol):
    """Writer schemas by id. Sources with I/O stand at the edge (`shadowstream.kafka.registry`)."""

    def by_id(self, schema_id: SchemaId) -> ParsedSchema:
        """The schema of that id.

        Raises `RecordError` (reason ``schema``) where no such Avro schema exists, and a retriable `BrokerError` where
        that cannot be known now.
        """
        ...

    def latest_id(self, subject: str) -> int | None:
        """The newest schema of a subject, None where the subject has none."""
        ...


class NoSchemas:
    """No schema at all, for topics that are all JSON."""

    def by_id(self, schema_id: SchemaId) -> ParsedSchema:
        """Raises `RecordError`: there is none."""
        raise RecordError(
            f"schema {schema_id} is unknown: the config names no source; set schemas.dir or schemas.registry",
            reason="schema",
        )

    def latest_id(self, subject: str) -> int | None:
        """None: there is none."""
        return None


def parse(text: str, references: dict[str, Any] | None = None) -> ParsedSchema:
    """Parse the text of an Avro schema; `references` are parsed types of other files, by full name.

    Raises ValueError with what is wrong.

    >>> parse('{"type": "recrod", "name": "Score", "fields": []}')
    Traceback (most recent call last):
    ...
    ValueError: not an Avro schema: unknown type 'recrod'...
    """
    try:
        return parse_schema(json.loads(text), named_schemas=dict(references or {}))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("not an Avro schema: nested too deep") from error
    except Exception as error:  # fastavro: UnknownType, SchemaParseException, and TypeError or KeyError for odd JSON
        unknown = getattr(error, "name", None) if type(error).__name__ == "UnknownType" else None
        if isinstance(unknown, dict):
            unknown = unknown.get("type")
        what = f"unknown type {unknown!r}" if unknown is not None else str(error) or repr(error)
        raise ValueError(f"not an Avro schema: {what}") from error
