"""Values of a topic to Python values, each by the schema that its own frame names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from pyarrow import RecordBatch

from shadowstream.codecs.blame import is_of_bytes, record_error
from shadowstream.codecs.columns import ColumnReader, Places, are_plain, column_reader
from shadowstream.codecs.framing import HEAD_BYTES, Frame, SchemaId, framing_of, head_of, headed
from shadowstream.codecs.json_values import DuplicateNames
from shadowstream.codecs.readers import Reader, Unschemed, read_each, reader_of
from shadowstream.codecs.schemas import JsonSchema, Schema, SchemaSource, fingerprint_of, is_avro, named
from shadowstream.config import Format
from shadowstream.errors import RecordError, RegistryError
from shadowstream.records import Headers

BYTES_MAX = 10_000_000
ROWS_FROM = 64
_AUTO = Format()


class Decoder:
    """Decodes values of one topic, or of those that say themselves how they are written. A bad record costs itself.

    Avro gives dict, list, str, bytes, int, float, bool, None and, for logical types, Decimal, datetime, date, time,
    UUID; JSON gives what `codecs.json_values` says (`names`: of a name that an object holds twice), Protobuf what
    `codecs.protobuf` says. A tombstone is None. Values of more than `bytes_max` are not decoded.
    """

    def __init__(
        self,
        schemas: SchemaSource,
        formats: Mapping[str, Format] | None = None,
        bytes_max: int = BYTES_MAX,
        format: Format = _AUTO,
        names: DuplicateNames = "error",
        is_typed: bool = False,
    ) -> None:
        self._schemas, self._formats, self._bytes_max, self._names = schemas, formats or {}, bytes_max, names
        self.format = format
        self._is_typed = is_typed
        self._typed: Decoder | None = None
        self.head = head_of(format)
        """What must be equal of two values for `columns`."""
        self._frame = framing_of(format)
        self._unschemed = Unschemed(format.format if format.format in ("text", "bytes") else "json", names)
        self._readers: dict[SchemaId, Reader | RecordError] = {}
        self._json_schemas: set[SchemaId] = set()
        self._columns: dict[SchemaId, ColumnReader | None] = {}
        self._last: tuple[Sequence[bytes] | None, tuple[RecordBatch, Places] | None] = (None, None)
        self._fingerprints: dict[bytes, int] | None = None
        self._of: dict[str, Decoder] = {}

    def of(self, topic: str) -> Decoder:
        """The decoder of a topic, as the config says that it is written."""
        return self.formatted(self._formats[topic]) if topic in self._formats else self

    def formatted(self, format: Format) -> Decoder:
        """The decoder of values in that format."""
        if format == self.format:
            return self
        key = format.model_dump_json()
        if key not in self._of:
            self._of[key] = Decoder(self._schemas, self._formats, self._bytes_max, format, self._names)
        return self._of[key]

    @property
    def typed(self) -> Decoder:
        """The decoder of the same values with their types: what two schemas are compared by (`codecs.typed`)."""
        if self._typed is None:
            self._typed = Decoder(
                self._schemas, self._formats, self._bytes_max, self.format, self._names, is_typed=True
            )
        return self._typed

    def decode(self, value: bytes | None, headers: Headers = None) -> Any:
        """One value.

        Raises `RecordError` with reason ``framing`` (no frame fits), ``schema`` (unknown id), ``decode`` (broken or
        left-over bytes) or ``bounds`` (could take any amount of memory or stack), and a `RegistryError` while
        the schema cannot be had.
        """
        (decoded,) = self.decode_many([value], [headers] if headers else ())
        if isinstance(decoded, RecordError):
            raise RecordError(str(decoded), reason=decoded.reason)
        return decoded

    def decode_many(self, values: Sequence[bytes | None], headers: Sequence[Headers] = ()) -> list[Any]:
        """One decoded value or `RecordError` for each of `values`, in their order.

        `headers` is empty or has one entry a value; they are looked at where the format says `header`.
        A `RegistryError` is raised before anything is decoded, so the same call can be made again.
        """
        if self.format.header and len(headers):
            values = [headed(value, names, self.format)[0] for value, names in zip(values, headers, strict=True)]
        decoded: list[Any] = [None] * len(values)
        groups = self._groups(values, decoded)
        readers = {one: self._reader_or_error(one.schema_id) for one in groups}
        for one, places in groups.items():
            reader = readers[one]
            if isinstance(reader, RecordError):
                for place in places:
                    decoded[place] = reader
                continue
            if (
                len(places) == len(values) >= ROWS_FROM
                and not self._is_typed
                and (rows := self._by_columns(values)) is not None
            ):
                return rows
            bodies = values if len(places) == len(values) else [values[place] for place in places]
            # No tombstone has a frame, so none is among the bodies.
            what = "the value" if one.schema_id is None else named(one.schema_id)
            records = read_each(reader, bodies, one.start, what)  # type: ignore[arg-type]  # see above
            if len(places) == len(values):
                return records
            for place, record in zip(places, records, strict=True):
                decoded[place] = record
        return decoded

    def columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Places] | None:
        """Values of one head as columns in Arrow, with the places of those that could be read so.

        None where there are no columns: no proven reader for their schema, or too many bad records. The same list of
        values (that very object) asked for again is not decoded again: it is compared and then looked at by slices.
        Raises a `RegistryError` while the schema cannot be had.
        """
        if values is not self._last[0]:
            self._last = values, self._read_columns(values)
        return self._last[1]

    def _by_columns(self, values: Sequence[bytes | None]) -> list[Any] | None:
        """All values by way of their columns, at a fifth of the cost; None where rows may not come from columns."""
        read = self.columns(cast("Sequence[bytes]", values))  # of one frame, so that none is a tombstone
        if read is None or len(read[1]) < len(values) or not are_plain(read[0].schema):
            return None
        try:
            return read[0].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
        except Exception:  # noqa: BLE001 - whose value cannot be had, reading one by one says
            return None

    def has_columns(self, values: Sequence[bytes]) -> bool:
        """Whether `columns` of these very values need not be read any more."""
        return values is self._last[0]

    def _read_columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Places] | None:
        framed = self._frame_or_error(values[0])
        if isinstance(framed, RecordError):
            return None
        schema_id, start = framed
        if schema_id is None or (start > HEAD_BYTES and len({value[:start] for value in values}) > 1):
            return None
        if schema_id not in self._columns:
            usable = not isinstance(self._reader_or_error(schema_id), RecordError)
            schema = self._by_id(schema_id) if usable else None
            self._columns[schema_id] = column_reader(schema) if usable and is_avro(schema) else None
        reader = self._columns[schema_id]
        if reader is None:
            return None
        try:
            return reader.read(list(map(itemgetter(slice(start, None)), values)), self._bytes_max)
        except BaseException as error:  # whose fault it is, reading one by one says
            if not is_of_bytes(error):
                raise
            return None

    def available(self, values: Sequence[bytes | None]) -> list[bool]:
        """Of each value whether it can be decoded now, or never: not those whose schema cannot be had at present."""
        known: dict[SchemaId | None, bool] = {}
        found = []
        for value in values:
            if value is None:
                found.append(True)
                continue
            framed = self._frame_or_error(value)
            if isinstance(framed, RecordError):
                found.append(True)
                continue
            schema_id = framed.schema_id
            if schema_id not in known:
                known[schema_id] = self._is_available(schema_id)
            found.append(known[schema_id])
        return found

    def schema_id(self, value: bytes) -> SchemaId | None:
        """What names the schema of a value; None where nothing does."""
        framed = self._frame_or_error(value)
        return None if isinstance(framed, RecordError) else framed.schema_id

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """The schema, if it is one that can be used."""
        return None if isinstance(self._reader_or_error(schema_id), RecordError) else self._by_id(schema_id)

    def is_json(self, value: bytes) -> bool:
        """Whether a value, which has been decoded, is a text of JSON."""
        framed = self._frame_or_error(value)
        if isinstance(framed, RecordError):
            return False
        if framed.schema_id is None:
            return self.format.format not in ("text", "bytes")
        return framed.schema_id in self._json_schemas

    # ---------------------------------------------------------------- frames

    def _groups(self, values: Sequence[bytes | None], decoded: list[Any]) -> dict[Frame, list[int]]:
        """Places by frame; what has none is entered as its error."""
        groups: dict[Frame, list[int]] = {}
        by_head: dict[bytes, list[int]] = {}
        checked = sum(map(len, filter(None, values))) > self._bytes_max
        some = cast("Sequence[bytes]", values)
        if not checked and values and None not in values and len({*map(self.head, some)}) == 1:  # as most often
            found = self._frame_or_error(some[0])
            if not isinstance(found, RecordError) and found.start <= HEAD_BYTES:
                return {found: list(range(len(values)))}
        for place, value in enumerate(values):
            if value is None:
                continue
            if checked and len(value) > self._bytes_max:
                decoded[place] = RecordError(
                    f"{len(value)} bytes, at most {self._bytes_max} are decoded (limits.decoded_bytes_max)",
                    reason="bounds",
                )
                continue
            head = self.head(value)
            places = by_head.get(head)
            if places is None:
                found = self._frame_or_error(value)
                if isinstance(found, RecordError):
                    decoded[place] = found
                    continue
                places = groups.setdefault(found, [])
                if found.start <= HEAD_BYTES:
                    by_head[head] = places
            places.append(place)
        return groups

    def _frame_or_error(self, value: bytes) -> Frame | RecordError:
        try:
            return self._frame(value)
        except Exception as error:  # noqa: BLE001 - `record_error` raises on what is not the fault of the bytes
            return record_error(error, "the value's frame", "framing")

    # ---------------------------------------------------------------- schemas

    def _by_id(self, schema_id: SchemaId) -> Any:
        """The schema; of a fingerprint the one among `schema_ids` that has it."""
        if not isinstance(schema_id, bytes) or not self.format.schema_ids:
            return self._schemas.by_id(schema_id)
        if self._fingerprints is None:
            schemas = {one: self._schemas.by_id(one) for one in self.format.schema_ids}
            self._fingerprints = {fingerprint_of(schema): one for one, schema in schemas.items() if is_avro(schema)}
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
            except Exception as error:  # noqa: BLE001 - `record_error` raises on what is not the fault of the bytes
                return record_error(error, f"{named(schema_id)} cannot be used", "schema")
            try:
                reader = reader_of(schema, named(schema_id), self.format.message, self._names, self._is_typed)
            except BaseException as error:  # noqa: BLE001 - as above; a schema is written by others, too
                reader = record_error(error, f"{named(schema_id)} cannot be used", "schema")
            else:
                if isinstance(schema, JsonSchema):
                    self._json_schemas.add(schema_id)
            self._readers[schema_id] = reader
        return reader
