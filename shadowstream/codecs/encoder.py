"""Encoder of the candidate's values to the bytes of one output topic."""

from collections.abc import Sequence
from typing import Any, Literal

from shadowstream.codecs import json_values
from shadowstream.codecs.avro import AvroWriter
from shadowstream.codecs.framing import framed
from shadowstream.codecs.schemas import SchemaSource, is_avro
from shadowstream.errors import CandidateError, ConfigError, RecordError

Written = Literal["avro", "json", "bytes"]


class Encoder:
    """Encoder for one subject (``<topic>-value``). The schema is the subject's latest when the encoder is created.

    `format` is `config.Candidate.output_format`: None selects Avro if the subject has an Avro schema, else JSON.
    Raises `ConfigError` if Avro is requested and the subject has no usable Avro schema, and a retriable
    `BrokerError` while the registry cannot answer.
    """

    def __init__(
        self, schemas: SchemaSource, subject: str, format: Literal["avro", "json", "bytes"] | None = None
    ) -> None:
        self._bytes_only = format == "bytes"
        self._writer = None if format in ("json", "bytes") else _writer(schemas, subject)
        if format == "avro" and self._writer is None:
            raise ConfigError(
                f"candidate.output_format: avro needs an Avro schema of subject {subject!r} and there is none; "
                f"add it under schemas, or write json"
            )

    @property
    def format(self) -> Written:
        if self._bytes_only:
            return "bytes"
        return "json" if self._writer is None else "avro"

    def encode(self, value: Any) -> bytes | None:
        """Encode a value: bytes pass unchanged, None is a tombstone, everything else is written in the encoder's
        format. Raises `CandidateError` for a value of the wrong shape, with the field's name if it is known."""
        if value is None or isinstance(value, bytes):
            return value
        if self._bytes_only:
            raise CandidateError(f"output of type {type(value).__name__}; with output_format: bytes it must be bytes")
        return json_values.write(value) if self._writer is None else self._writer.write(value)

    def encode_many(self, values: Sequence[Any]) -> list[bytes] | None:
        """Encode each value as `encode` does; None if one may be an error, so that the caller encodes them
        individually."""
        if {bytes}.issuperset(map(type, values)):
            return list(values)
        if self._bytes_only:
            return None
        if self._writer is not None:
            return self._writer.write_many(values)
        if {bytes, type(None)} & set(map(type, values)):
            return None
        try:
            return [json_values.write(value) for value in values]
        except CandidateError:
            return None


def _writer(schemas: SchemaSource, subject: str) -> AvroWriter | None:
    schema_id = schemas.latest_id(subject)
    if schema_id is None:
        return None
    try:
        schema = schemas.by_id(schema_id)
        if not is_avro(schema):
            return None
        return AvroWriter(schema, f"schema {schema_id} of {subject}", framed(schema_id))
    except RecordError as error:
        raise ConfigError(
            f"schema {schema_id}, the latest of subject {subject!r}, cannot be written: {error}; "
            "correct it, or set candidate.output_format to json"
        ) from error
