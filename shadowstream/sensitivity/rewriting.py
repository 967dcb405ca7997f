"""Changed values as bytes again, in the frame and by the schema of the value that they replace."""

from collections.abc import Callable
from typing import Any

from shadowstream.codecs import json_values
from shadowstream.codecs.avro import AvroWriter
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import headed
from shadowstream.codecs.schemas import JsonSchema, is_avro, named
from shadowstream.errors import CandidateError, RecordError
from shadowstream.paths import ABSENT, parse_one
from shadowstream.records import Headers
from shadowstream.sensitivity.plants import Kind, Plant

Write = Callable[[Any], bytes]


class Rewriter:
    """Writer of changed values of one side of one topic: JSON and Avro. Other formats have no writer here."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._writers: dict[tuple[bytes, Any], Write | None] = {}

    def planted(self, value: bytes | None, headers: Headers, plant: Plant) -> bytes | None:
        """Return a value with the plant; None if this value cannot have it."""
        if value is None:
            return None
        whole, head = headed(value, headers, self._decoder.format) if self._decoder.format.header else (value, 0)
        if whole is None:
            return None
        try:
            decoded = self._decoder.decode(whole)
            writer = self._writer(whole)
        except RecordError:
            return None
        changed = plant.changed(decoded) if isinstance(decoded, dict) else ABSENT
        if changed is ABSENT or writer is None:
            return None
        raw = self._written(writer, changed)
        if raw is None and plant.kind is Kind.GONE:
            raw = self._written(writer, _null_at(decoded, parse_one(plant.path or "")))
        return None if raw is None else raw[head:]

    def _written(self, writer: Write, value: Any) -> bytes | None:
        try:
            return writer(value)
        except CandidateError:
            return None

    def _writer(self, value: bytes) -> Write | None:
        start, schema_id = self._decoder.body_start(value), self._decoder.schema_id(value)
        prefix = value[:start]
        if (prefix, schema_id) not in self._writers:
            writer, decoded = self._new_writer(value, prefix, schema_id), self._decoder.decode(value)
            # A writer that does not give the same value again would plant a difference of its own.
            again = None if writer is None else self._written(writer, decoded)
            same = again is not None and self._decoder.decode(again) == decoded
            self._writers[prefix, schema_id] = writer if same else None
        return self._writers[prefix, schema_id]

    def _new_writer(self, value: bytes, prefix: bytes, schema_id: Any) -> Write | None:
        schema = None if schema_id is None else self._decoder.schema(schema_id)
        if schema is not None and is_avro(schema):
            return AvroWriter(schema, named(schema_id), prefix).write
        if isinstance(schema, JsonSchema) or (schema_id is None and self._decoder.is_json(value)):
            return lambda changed: prefix + json_values.write(changed)
        return None


def _null_at(value: Any, names: list[str]) -> Any:
    name, *rest = names
    return {**value, name: _null_at(value[name], rest) if rest else None}
