"""Writer schemas: the protocol of their sources, and their parser."""

import json
from typing import Any, NamedTuple, Protocol

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.logical_types import without_invalid
from shadowstream.errors import RecordError

ParsedSchema = Any
"""The result of `fastavro.parse_schema`: a dict, for a bare type a str, for a union a list."""


class JsonSchema(NamedTuple):
    """A JSON Schema: its text, and the texts of the schemas that it refers to, by the names in its references."""

    text: str
    references: tuple[tuple[str, str], ...] = ()


class ProtobufSchema(NamedTuple):
    """A Protobuf schema: a serialized FileDescriptorSet, imports before their users, and the name of the schema's own
    file."""

    descriptors: bytes
    file: str


Schema = ParsedSchema | JsonSchema | ProtobufSchema


class SchemaSource(Protocol):
    """Source of writer schemas by id. Sources with I/O are at the edge (`shadowstream.kafka.schemas.registry`)."""

    def by_id(self, schema_id: SchemaId) -> Schema:
        """The schema of an id, GUID or fingerprint. Raises `RecordError` (reason ``schema``) if it does not exist or is
        unusable, and `RegistryError` while the registry cannot answer."""
        ...

    def latest_id(self, subject: str) -> int | None:
        """The id of a subject's newest schema; None if the subject has none."""
        ...


class NoSchemas:
    """An empty source, for topics that are all JSON."""

    def by_id(self, schema_id: SchemaId) -> Schema:
        raise RecordError(
            f"{named(schema_id)} is unknown: the config names no source; set schemas.dir or schemas.registry",
            reason="schema",
        )

    def latest_id(self, subject: str) -> int | None:
        return None


def named(schema_id: SchemaId) -> str:
    """The description of a schema in messages.

    >>> named(7), named(bytes(8))
    ('schema 7', 'schema of fingerprint 0000000000000000')
    """
    return f"schema of fingerprint {schema_id.hex()}" if isinstance(schema_id, bytes) else f"schema {schema_id}"


def fingerprint_of(schema: ParsedSchema) -> bytes:
    """CRC-64-AVRO of the canonical form: 8 bytes, in the order of a value's prefix (Avro specification, single-
    object)."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def is_avro(schema: Schema) -> bool:
    return not isinstance(schema, JsonSchema | ProtobufSchema)


def parse(text: str, references: dict[str, Any] | None = None) -> ParsedSchema:
    """Parse the text of an Avro schema; `references` are parsed types of other files, by full name.

    Raises ValueError that describes the error.

    >>> parse('{"type": "recrod", "name": "Score", "fields": []}')
    Traceback (most recent call last):
    ...
    ValueError: not an Avro schema: unknown type 'recrod'...
    """
    try:
        return parse_schema(without_invalid(json.loads(text)), named_schemas=dict(references or {}))
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
