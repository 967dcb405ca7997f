"""One reader for each writer schema, of any kind, and one for values without a schema."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Protocol

from shadowstream.codecs import json_values
from shadowstream.codecs.avro import AvroReader
from shadowstream.codecs.blame import record_error
from shadowstream.codecs.bounds import VALUES_MAX
from shadowstream.codecs.schemas import JsonSchema, ProtobufSchema, Schema
from shadowstream.errors import RecordError


class Reader(Protocol):
    """Reader of bodies of one schema. No body of up to `safe_bytes` bytes claims more values than it may."""

    safe_bytes: int

    def read(self, value: bytes, start: int) -> Any:
        """Decode the body that begins at `start`; raise `RecordError` (``decode``, ``bounds``)."""
        ...


def reader_of(
    schema: Schema,
    named: str,
    message: str | None = None,
    names: json_values.DuplicateNames = "error",
    typed: bool = False,
    values_max: int = VALUES_MAX,
) -> Reader:
    """Create the reader of a schema, for records of at most `values_max` values.

    `message` is the full name of a bare Protobuf body's type; for `names` see `json_values.read`; for `typed` see
    the module `typed`. Raises `RecordError` (``bounds``, ``schema``) for an unusable schema, and `ConfigError` if
    the package for this kind of schema is missing.
    """
    if isinstance(schema, JsonSchema):
        from shadowstream.codecs.json_schema import JsonReader

        return JsonReader(schema, named, names, values_max)
    if isinstance(schema, ProtobufSchema):
        from shadowstream.codecs.protobuf import ProtobufReader

        return ProtobufReader(schema, named, message, typed, values_max)
    return AvroReader(schema, named, typed, values_max)


class Unschemed:
    """Reader of values without a schema: JSON, texts in UTF-8, or bytes."""

    safe_bytes = 0  # it reads values one by one

    def __init__(
        self,
        format: Literal["json", "text", "bytes"],
        names: json_values.DuplicateNames = "error",
        values_max: int = VALUES_MAX,
    ) -> None:
        json: Callable[[bytes], Any] = partial(json_values.read, names=names, values_max=values_max)
        readers: dict[str, Callable[[bytes], Any]] = {"json": json, "text": _text, "bytes": bytes}
        self._read = readers[format]

    def read(self, value: bytes, start: int) -> Any:
        return self._read(value[start:] if start else value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"no text in UTF-8: {error.reason} at byte {error.start}", reason="decode") from error


def read_each(reader: Reader, values: Iterable[bytes], start: int, what: str = "the value") -> list[Any]:
    """Decode each of `values` to its value or a `RecordError`; `what` names the values in errors."""
    values = list(values)
    if isinstance(reader, AvroReader) and (decoded := reader.read_all(values, start)) is not None:
        return decoded
    read: list[Any] = []
    for value in values:
        try:
            read.append(reader.read(value, start))
        except BaseException as error:  # noqa: BLE001 - `record_error` re-raises errors that the bytes do not cause
            read.append(record_error(error, what))
    return read
