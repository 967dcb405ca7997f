"""Decoder of a topic's values to Python values, each by the schema that its own frame names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar, cast

from pyarrow import RecordBatch

from shadowstream.codecs import json_values
from shadowstream.codecs.answer_part import AnswerReader, columns_of_answer, refuse_messages
from shadowstream.codecs.avro_layout import Layout, layout
from shadowstream.codecs.blame import is_of_bytes, record_error
from shadowstream.codecs.bounds import DecodedBounds
from shadowstream.codecs.columns import ColumnReader, Indexes, are_plain, column_reader
from shadowstream.codecs.framing import HEAD_BYTES, Frame, SchemaId, framing_of, head_of, headed
from shadowstream.codecs.json_values import DuplicateNames
from shadowstream.codecs.readers import Reader, Unschemed, read_each, reader_of
from shadowstream.codecs.schema_paths import schema_of_answer
from shadowstream.codecs.schemas import JsonSchema, Schema, SchemaSource, fingerprint_of, is_avro, named
from shadowstream.config import Config, Format
from shadowstream.errors import RecordError, RegistryError
from shadowstream.native import library
from shadowstream.native.library import Values
from shadowstream.records import Headers

T = TypeVar("T")
ROWS_FROM = 64
_AUTO, _BOUNDS = Format(), DecodedBounds()


def decoded_bounds(config: Config) -> DecodedBounds:
    """The bounds of each record that a trial's roles and commands decode."""
    limits = config.limits
    return DecodedBounds(limits.decoded_bytes_max, limits.decoded_values_max, config.schemas.native)


class Bodies(NamedTuple):
    """The layout of the bodies behind a head, and the size of the largest value that surely claims little."""

    layout: Layout
    head: bytes
    bytes_max: int


class Decoder:
    """Decoder of the values of one topic, or of self-describing values. A bad record costs only itself.

    Avro gives dict, list, str, bytes, int, float, bool, None and, for logical types, Decimal, datetime, date, time,
    UUID. For JSON see `codecs.json_values` (`names` decides about duplicate names in an object), for Protobuf see
    `codecs.protobuf`. A tombstone is None. Values beyond `bounds` are not decoded. With `answer`, the names of a path,
    all that is read of a value is production's answer there (`codecs.answer_part`).
    """

    def __init__(
        self,
        schemas: SchemaSource,
        formats: Mapping[str, Format] | None = None,
        bounds: DecodedBounds = _BOUNDS,
        format: Format = _AUTO,
        names: DuplicateNames = "error",
        is_typed: bool = False,
        answer: Sequence[str] = (),
    ) -> None:
        self._schemas, self._formats, self._bounds, self._names = schemas, formats or {}, bounds, names
        self._bytes_max = bounds.bytes_max
        self.format = format
        self._is_typed = is_typed
        self._typed: Decoder | None = None
        self.head = head_of(format)
        """The part of a value that must be equal among the values given to `columns`."""
        self._frame = framing_of(format)
        unschemed = format.format if format.format in ("text", "bytes") else "json"
        self.answer = tuple(answer)
        self._unschemed = self._of_answer(Unschemed(unschemed, names, bounds.values_max))
        self._readers: dict[SchemaId, Reader | RecordError] = {}
        self._columns: dict[SchemaId, ColumnReader | None] = {}
        self._layouts: dict[SchemaId, Layout | None] = {}
        self._last: tuple[Sequence[bytes] | None, tuple[RecordBatch, Indexes] | None] = (None, None)
        self._laid: tuple[Sequence[bytes] | None, Values | None] = (None, None)
        self.named: tuple[Sequence[bytes | None] | None, dict[tuple[str, ...], Any]] = (None, {})
        """The last values that the native kernel walked in pairs, and the columns of their dimensions by path."""
        self._fingerprints: dict[bytes, int] | None = None
        self._of: dict[str, Decoder] = {}

    def of(self, topic: str) -> Decoder:
        """The decoder of a topic, in the format that the config gives it."""
        return self.formatted(self._formats[topic]) if topic in self._formats else self

    def formatted(self, format: Format) -> Decoder:
        if format == self.format:
            return self
        key = format.model_dump_json()
        if key not in self._of:
            self._of[key] = Decoder(self._schemas, self._formats, self._bounds, format, self._names, False, self.answer)
        return self._of[key]

    @property
    def typed(self) -> Decoder:
        """The decoder of the same values with their types, for the comparison across schemas (`codecs.typed`)."""
        if self._typed is None:
            own = self._schemas, self._formats, self._bounds, self.format, self._names
            self._typed = Decoder(*own, True, self.answer)
        return self._typed

    def decode(self, value: bytes | None, headers: Headers = None) -> Any:
        """Decode one value.

        Raises `RecordError` with reason ``framing`` (no frame fits), ``schema`` (unknown id), ``decode`` (broken or
        trailing bytes) or ``bounds`` (unbounded memory or stack). Raises `RegistryError` while the schema is
        unavailable.
        """
        (decoded,) = self.decode_many([value], [headers] if headers else ())
        if isinstance(decoded, RecordError):
            raise RecordError(str(decoded), reason=decoded.reason)
        return decoded

    def decode_many(self, values: Sequence[bytes | None], headers: Sequence[Headers] = ()) -> list[Any]:
        """Decode each of `values`, in order, to its value or a `RecordError`.

        `headers` is empty or has one entry a value; it is used if the format has `header`. A `RegistryError` is
        raised before any value is decoded, so the caller can repeat the same call.
        """
        if self.format.header and len(headers):
            values = [headed(value, names, self.format)[0] for value, names in zip(values, headers, strict=True)]
        decoded: list[Any] = [None] * len(values)
        groups = self._groups(values, decoded)
        readers = {frame: self._reader_or_error(frame.schema_id) for frame in groups}
        for frame, indexes in groups.items():
            reader = readers[frame]
            if isinstance(reader, RecordError):
                for index in indexes:
                    decoded[index] = reader
                continue
            whole = len(indexes) == len(values)
            by_columns = whole and len(values) >= ROWS_FROM and not self._is_typed
            if by_columns and (rows := self._by_columns(values)) is not None:
                return rows
            bodies = values if whole else [values[index] for index in indexes]
            # No tombstone has a frame, so none is among the bodies.
            what = "the value" if frame.schema_id is None else named(frame.schema_id)
            records = read_each(reader, bodies, frame.start, what)  # type: ignore[arg-type]  # see above
            if whole:
                return records
            for index, record in zip(indexes, records, strict=True):
                decoded[index] = record
        return decoded

    def columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Indexes] | None:
        """Decode values with equal heads as Arrow columns; return them with the indexes of the readable values.

        None if there are no columns: no proven reader for the schema, or too many bad records. The decoder keeps the
        result for the same list object, so the comparison and the slices decode it only once. Raises `RegistryError`
        while the schema is unavailable.
        """
        if values is not self._last[0]:
            self._last = values, self._read_columns(values)
        return self._last[1]

    def _by_columns(self, values: Sequence[bytes | None]) -> list[Any] | None:
        """Decode all values through columns, at a fifth of the cost; None if rows must not come from columns."""
        read = self.columns(cast("Sequence[bytes]", values))  # all have one frame, so none is a tombstone
        if read is None or len(read[1]) < len(values) or not are_plain(read[0].schema):
            return None
        try:
            return read[0].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
        except Exception:  # noqa: BLE001 - reading one by one finds the bad value
            return None

    def lay(self, values: Sequence[bytes | None]) -> Values | None:
        """Lay values one behind the other; None if there is a tombstone, or a value too large to be decoded or copied.
        The decoder keeps the result for the same list object, so that the comparison and the dimensions share it."""
        if self._laid[0] is not values:
            present, kernel = cast("Sequence[bytes]", values), library.state(self._bounds.native).kernel
            lay = Values.of if kernel is None else kernel.laid
            try:
                self._laid = present, lay(present, self._bytes_max)
            except (TypeError, OverflowError):  # None has no length
                return None
        return self._laid[1]

    def has_one_head(self, values: Sequence[bytes | None]) -> bool:
        """Whether `columns` takes all of these values together: each has the same head, and none is a tombstone."""
        laid = self.lay(values)
        head = b"" if laid is None or not len(laid) else self.head(cast("bytes", values[0]))
        is_whole = len(head) in (0, HEAD_BYTES)  # a shorter one is a whole value
        return laid is not None and is_whole and laid.have_head(head)

    def has_columns(self, values: Sequence[bytes | None]) -> bool:
        """Whether `columns` holds the result for this list object."""
        return values is self._last[0]

    def _read_columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Indexes] | None:
        framed = self._schemed(values[0])
        if framed is None:
            return None
        schema_id, start = framed
        if start > HEAD_BYTES and len({value[:start] for value in values}) > 1:
            return None
        reader = self._made(self._columns, schema_id, column_reader)
        rows = self._reader_or_error(schema_id)
        # Rust allocates what a body claims: only bodies that cannot claim too much are given to it.
        laid = self.lay(values)
        longest = max(map(len, values)) if laid is None else laid.longest
        if reader is None or isinstance(rows, RecordError) or longest > rows.safe_bytes:
            return None
        try:
            read = reader.read(list(map(itemgetter(slice(start, None)), values)), self._bytes_max)
            part = columns_of_answer(read[0], self.answer) if read is not None else None
            return None if read is None or part is None else (part, read[1])
        except BaseException as error:  # reading one by one finds the bad value
            if not is_of_bytes(error):
                raise
            return None

    def _schemed(self, value: bytes) -> tuple[SchemaId, int] | None:
        """The schema of a value and where its body begins; None if native code does not get it."""
        framed = self._frame_or_error(value)
        if isinstance(framed, RecordError) or framed.schema_id is None or not self._bounds.native:
            return None
        return framed.schema_id, framed.start

    def _made(self, known: dict[SchemaId, T | None], schema_id: SchemaId, make: Callable[[Any], T | None]) -> T | None:
        """What is made of the Avro schema of an id, once; None if it is of another kind, or not usable."""
        if schema_id not in known:
            usable = not isinstance(self._reader_or_error(schema_id), RecordError)
            schema = self._by_id(schema_id) if usable else None
            known[schema_id] = make(schema) if schema is not None and is_avro(schema) else None
        return known[schema_id]

    def bodies(self, value: bytes) -> Bodies | None:
        """How the native kernel may walk values with the head of this one; None if it may not. Raises as `columns`."""
        framed = self._schemed(value)
        if framed is None or self.answer:
            return None
        schema_id, start = framed
        found = self._made(self._layouts, schema_id, layout)
        reader = self._reader_or_error(schema_id)
        if found is None or isinstance(reader, RecordError):
            return None
        return Bodies(found, value[:start], min(self._bytes_max, start + reader.safe_bytes))

    def available(self, values: Sequence[bytes | None]) -> list[bool]:
        """Whether each value can be decided on now: False while its schema is unavailable."""
        is_available = cache(self._is_available)
        frames = (None if value is None else self._frame_or_error(value) for value in values)
        return [not isinstance(framed, Frame) or is_available(framed.schema_id) for framed in frames]

    def schema_id(self, value: bytes) -> SchemaId | None:
        """The id of a value's schema; None if nothing names one."""
        framed = self._frame_or_error(value)
        return None if isinstance(framed, RecordError) else framed.schema_id

    def body_start(self, value: bytes) -> int:
        """The index of the first byte after a value's frame. Raises `RecordError` if no frame fits."""
        return self._frame(value).start

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """The schema of an id; None if it is not usable."""
        if isinstance(self._reader_or_error(schema_id), RecordError):
            return None
        schema: Schema = self._by_id(schema_id)
        return schema_of_answer(schema, self.answer) if self.answer else schema

    def _of_answer(self, reader: Reader) -> Reader:
        return AnswerReader(reader, self.answer) if self.answer else reader

    def is_json(self, value: bytes | None) -> bool:
        """Whether a decoded value is a JSON text."""
        if value is None or isinstance(framed := self._frame_or_error(value), RecordError):
            return False
        if framed.schema_id is None:
            return self.format.format not in ("text", "bytes")
        return isinstance(self.schema(framed.schema_id), JsonSchema)

    def repeats_names(self, value: bytes | None) -> bool:
        """Whether a value is a JSON text with a duplicate name in an object."""
        if value is None or not self.is_json(value):
            return False
        return json_values.repeats_names(value[self._frame(value).start :])

    def _groups(self, values: Sequence[bytes | None], decoded: list[Any]) -> dict[Frame, list[int]]:
        """Group the indexes of values by frame; enter the error of a value without a frame into `decoded`."""
        groups: dict[Frame, list[int]] = {}
        by_head: dict[bytes, list[int]] = {}
        checked = sum(map(len, filter(None, values))) > self._bytes_max
        frameable = cast("Sequence[bytes]", values)
        if not checked and values and None not in values and len({*map(self.head, frameable)}) == 1:  # the usual case
            framed = self._frame_or_error(frameable[0])
            if not isinstance(framed, RecordError) and framed.start <= HEAD_BYTES:
                return {framed: list(range(len(values)))}
        for index, value in enumerate(values):
            if value is None:
                continue
            if checked and len(value) > self._bytes_max:
                decoded[index] = RecordError(
                    f"{len(value)} bytes, at most {self._bytes_max} are decoded (limits.decoded_bytes_max)",
                    reason="bounds",
                )
                continue
            head = self.head(value)
            indexes = by_head.get(head)
            if indexes is None:
                framed = self._frame_or_error(value)
                if isinstance(framed, RecordError):
                    decoded[index] = framed
                    continue
                indexes = groups.setdefault(framed, [])
                if framed.start <= HEAD_BYTES:
                    by_head[head] = indexes
            indexes.append(index)
        return groups

    def _frame_or_error(self, value: bytes) -> Frame | RecordError:
        try:
            return self._frame(value)
        except Exception as error:  # noqa: BLE001 - `record_error` re-raises errors that the bytes do not cause
            return record_error(error, "the value's frame", "framing")

    def _by_id(self, schema_id: SchemaId) -> Any:
        """The schema of an id; for a fingerprint, the schema among `schema_ids` that has it."""
        if not isinstance(schema_id, bytes) or not self.format.schema_ids:
            return self._schemas.by_id(schema_id)
        if self._fingerprints is None:
            schemas = {known_id: self._schemas.by_id(known_id) for known_id in self.format.schema_ids}
            self._fingerprints = {
                fingerprint_of(schema): known_id for known_id, schema in schemas.items() if is_avro(schema)
            }
        if schema_id not in self._fingerprints:
            raise RecordError(f"{named(schema_id)} is none of schema_ids {self.format.schema_ids}", reason="schema")
        return self._schemas.by_id(self._fingerprints[schema_id])

    def _is_available(self, schema_id: SchemaId | None) -> bool:
        try:
            self._reader_or_error(schema_id)
        except RegistryError:
            return False
        return True

    def _reader_or_error(self, schema_id: SchemaId | None) -> Reader | RecordError:
        if schema_id is None:
            return self._unschemed
        reader = self._readers.get(schema_id)
        if reader is None:
            try:
                schema = self._by_id(schema_id)
            except Exception as error:  # noqa: BLE001 - `record_error` re-raises errors that the bytes do not cause
                return record_error(error, f"{named(schema_id)} cannot be used", "schema")
            try:
                name, message, values_max = named(schema_id), self.format.message, self._bounds.values_max
                if self.answer:
                    refuse_messages(schema)
                reader = self._of_answer(reader_of(schema, name, message, self._names, self._is_typed, values_max))
            except BaseException as error:  # noqa: BLE001 - as above; schemas are foreign input, too
                reader = record_error(error, f"{named(schema_id)} cannot be used", "schema")
            self._readers[schema_id] = reader
        return reader
