"""Sampled records of one topic as columns: keys, headers, and the fields of decoded values by their paths."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import SINGLE_OBJECT, schema_header
from shadowstream.codecs.schemas import JsonSchema, ProtobufSchema, named
from shadowstream.config import Format
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, ROOT, join_path
from shadowstream.protocol.join_id import text_id
from shadowstream.records import Batch, Headers

FIELDS_MAX = 100
DEPTH_MAX = 6
TEXT_CHARS_MAX = 200
"""A longer text is no id and no time."""
_SCALARS = (str, int, float, Decimal, bytes, datetime, UUID)
_OWN_WORDS = {"framing": "neither framed nor JSON", "decode": "broken, or of another format"}
"""Reasons of decoding whose own texts may quote a value, in words that do not."""


@dataclass(slots=True)
class Sampled:
    """Records of a topic, one entry a record in each column.

    `fields`: scalars by path, `ABSENT` where a record has none. `formats`: records by how their values are written.
    `reasons`: undecodable records by cause. `problem`: why nothing could be read; `limits`: the limits that ended the
    sample.
    """

    topic: str
    partitions: int = 1
    places: list[tuple[int, int]] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    headers: list[dict[str, bytes]] = field(default_factory=list)
    fields: dict[str, list[Any]] = field(default_factory=dict)
    formats: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    has_more_fields: bool = False
    format: Format = field(default_factory=Format)
    problem: str | None = None
    limits: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_plain(self) -> bool:
        """Whether values are texts or bytes without a structure."""
        return self.format.format in ("text", "bytes")

    def texts_of_header(self, name: str) -> list[bytes | None]:
        return [of.get(name) for of in self.headers]

    def texts_of_field(self, path: str) -> list[bytes | None]:
        """The values at a path as ids, as the joiner makes them; None where there is none."""
        return [_id_of(value) for value in self.fields.get(path, ())]


def _id_of(value: Any) -> bytes | None:
    """Do as `text_id` does for a value that may be absent, without its cost for texts and whole numbers."""
    kind = type(value)
    if kind is str:
        return value.encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]  # a text
    if kind is int:
        return b"%d" % value
    return text_id(None if value is ABSENT else value, ())


def sampled(topic: str, partitions: int, batches: Sequence[Batch], decoder: Decoder) -> Sampled:
    """Return the columns of the sampled records. Raises `RegistryError` while a schema is unavailable."""
    found = Sampled(topic, partitions, format=_format_of(batches, decoder))
    reader = decoder.formatted(found.format)
    for batch in batches:
        begin = len(found)
        found.places += [(batch.place.partition, offset) for offset in batch.offsets]
        found.times_ms += batch.times_ms
        found.keys += batch.keys
        found.headers += [_usable(headers) for headers in batch.headers or [None] * len(batch)]
        decoded = reader.decode_many(batch.values, batch.headers)
        for i, (value, raw) in enumerate(zip(decoded, batch.values, strict=True), start=begin):
            found.formats[_kind(reader, raw)] += 1
            if isinstance(value, RecordError):
                found.reasons[_OWN_WORDS.get(value.reason, str(value))] += 1
            elif raw is not None and not found.is_plain:
                found.has_more_fields |= _add(found.fields, i, value)
    for column in found.fields.values():
        column += [ABSENT] * (len(found) - len(column))
    return found


def _usable(headers: Headers) -> dict[str, bytes]:
    """Return the last value of each header, as Kafka's clients read it; headers without a value are left out."""
    return {name: value for name, value in headers or () if value is not None}


def _format_of(batches: Sequence[Batch], decoder: Decoder) -> Format:
    """Return the format that the config has to name: text or bytes where no value describes itself, else auto.

    One batch is decoded at a time, so that no more of the sample is held as values.
    """
    valued = [(batch, [value for value in batch.values if value is not None]) for batch in batches]
    valued = [(batch, values) for batch, values in valued if values]
    if not valued:
        return Format()
    if all(schema_header(names) is not None for batch, _ in valued for names in _headers_of_values(batch)):
        return Format(header=True)
    auto, text = decoder.formatted(Format()), decoder.formatted(Format(format="text"))
    if not all(_is_opaque(value) for _, values in valued for value in auto.decode_many(values)):
        return Format()
    is_text = all(_is_text(value) for _, values in valued for value in text.decode_many(values))
    return Format(format="text" if is_text else "bytes")


def _headers_of_values(batch: Batch) -> list[Headers]:
    headers = batch.headers or [None] * len(batch)
    return [names for names, value in zip(headers, batch.values, strict=True) if value is not None]


def _is_opaque(decoded: Any) -> bool:
    """Whether a value neither describes itself nor names a schema."""
    return isinstance(decoded, RecordError) and decoded.reason in _OWN_WORDS


def _is_text(decoded: Any) -> bool:
    return isinstance(decoded, str) and all(c.isprintable() or c in "\t\r\n" for c in decoded)


def _kind(reader: Decoder, raw: bytes | None) -> str:
    """Return how a value is written, for people."""
    if raw is None:
        return "tombstone"
    if reader.format.format in ("text", "bytes"):
        return "plain text" if reader.format.format == "text" else "bytes without a known format"
    if raw.startswith(SINGLE_OBJECT):
        return "Avro (single object)"
    schema_id = None if reader.format.header else reader.schema_id(raw)
    if schema_id is None:
        return "schema named in a header" if reader.format.header else "JSON" if reader.is_json(raw) else "unknown"
    schema = reader.schema(schema_id)
    if schema is None:
        return f"{named(schema_id)} (not known)"
    kinds = {JsonSchema: "JSON Schema", ProtobufSchema: "Protobuf"}
    return f"{kinds.get(type(schema), 'Avro')} ({named(schema_id)})"


def _add(fields: dict[str, list[Any]], at: int, value: Any) -> bool:
    """Enter the scalars of a value as those of record `at`; return whether it has more fields than are looked at."""
    has_more = False
    for path, scalar in _scalars(value):
        column = fields.get(path)
        if column is None:
            if len(fields) >= FIELDS_MAX:
                has_more = True
                continue
            column = fields[path] = []
        column += [ABSENT] * (at - len(column))
        column.append(scalar)
    return has_more


def _scalars(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each scalar below objects with its path; lists are left out, for their elements have no fixed place."""
    if not isinstance(value, dict):
        if _is_scalar(value):
            yield ROOT, value
        return
    left: list[tuple[tuple[str, ...], Any]] = [((name,), part) for name, part in value.items()]
    for names, part in left:
        if isinstance(part, dict):
            if len(names) < DEPTH_MAX:
                left += [((*names, name), inner) for name, inner in part.items()]
        elif _is_scalar(part):
            yield _path(names), part


@lru_cache(1_000)
def _path(names: tuple[str, ...]) -> str:
    return join_path(names)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, _SCALARS) and not (isinstance(value, str | bytes) and len(value) > TEXT_CHARS_MAX)
