"""One reader for each writer schema, of whatever kind it is, and one for values without a schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Protocol

from shadowstream.codecs import json_values
from shadowstream.codecs.avro import AvroReader
from shadowstream.codecs.blame import record_error
from shadowstream.codecs.schemas import JsonSchema, ProtobufSchema, Schema
from shadowstream.errors import RecordError


class Reader(Protocol):
    """Reads bodies of one schema."""

    def read(self, value: bytes, start: int) -> Any:
        """The value whose body begins at `start`; raises `RecordError` (``decode``, ``bounds``)."""
        ...


def reader_of(
    schema: Schema,
    named: str,
    message: str | None = None,
    names: json_values.DuplicateNames = "error",
    typed: bool = False,
) -> Reader:
    """The reader of a schema; `message`: of a bare Protobuf body, its full name; `names`: as `json_values.read`;
    `typed`: see `typed`.

    Raises `RecordError` (``bounds``, ``schema``) for a schema that cannot be used, `ConfigError` where a package is
    missing that this kind needs.
    """
    if isinstance(schema, JsonSchema):
        from shadowstream.codecs.json_schema import JsonReader

        return JsonReader(schema, named, names)
    if isinstance(schema, ProtobufSchema):
        from shadowstream.codecs.protobuf import ProtobufReader

        return ProtobufReader(schema, named, message, typed)
    return AvroReader(schema, named, typed)


class Unschemed:
    """Reads values that no schema wrote: JSON, texts in UTF-8, or bytes as they are."""

    def __init__(self, format: Literal["json", "text", "bytes"], names: json_values.DuplicateNames = "error") -> None:
        json: Callable[[bytes], Any] = partial(json_values.read, names=names)
        readers: dict[str, Callable[[bytes], Any]] = {"json": json, "text": _text, "bytes": bytes}
        self._read = readers[format]

    def read(self, value: bytes, start: int) -> Any:
        """See `Reader`."""
        return self._read(value[start:] if start else value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"no text in UTF-8: {error.reason} at byte {error.start}", reason="decode") from error


def read_each(reader: Reader, values: Iterable[bytes], start: int, what: str = "the value") -> list[Any]:
    """One value or `RecordError` for each of `values`; `what`: how an error names them."""
    values = list(values)
    if isinstance(reader, AvroReader) and (found := reader.read_all(values, start)) is not None:
        return found
    return [read_or_error(reader, value, start, what) for value in values]


def read_or_error(reader: Reader, value: bytes, start: int, what: str = "the value") -> Any:
    """The value, or what is wrong with it; see `blame` for what else a reader may raise."""
    try:
        return reader.read(value, start)
    except BaseException as error:  # noqa: BLE001 - `record_error` raises on what is not the fault of the bytes
        return record_error(error, what)
