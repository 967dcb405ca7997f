"""Values of a topic to Python values, each by the schema that its own frame names."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from pyarrow import RecordBatch

from shadowstream.codecs import json_values
from shadowstream.codecs.avro import AvroReader, bare
from shadowstream.codecs.columns import ColumnReader, Places, column_reader
from shadowstream.codecs.framing import HEAD_BYTES, Frame, SchemaId, frame
from shadowstream.codecs.schemas import SchemaSource
from shadowstream.errors import RecordError
from shadowstream.records import Headers


class Decoder:
    """Decodes the values of one side. One bad record costs only itself.

    Avro gives dict, list, str, bytes, int, float, bool, None and, for logical types, Decimal, datetime, date, time,
    UUID; JSON gives what JSON has. A tombstone is None.
    """

    def __init__(self, schemas: SchemaSource) -> None:
        self._schemas = schemas
        self._readers: dict[SchemaId, AvroReader | RecordError] = {}
        self._columns: dict[SchemaId, ColumnReader | None] = {}
        self._last: tuple[Sequence[bytes] | None, tuple[RecordBatch, Places] | None] = (None, None)

    def decode(self, value: bytes | None, headers: Headers = None) -> Any:
        """One value.

        Raises `RecordError` with reason ``framing`` (no frame fits), ``schema`` (unknown id), ``decode`` (broken or
        left-over bytes) or ``bounds`` (could take any amount of memory or stack), and a retriable `BrokerError` while
        the schema cannot be had.
        """
        if value is None:
            return None
        schema_id, start = frame(value, headers)
        if schema_id is None:
            return json_values.read(value)
        return self._reader(schema_id).read(value, start)

    def decode_many(self, values: Sequence[bytes | None], headers: Sequence[Headers] = ()) -> list[Any]:
        """One decoded value or `RecordError` for each of `values`, in their order.

        `headers` is empty or has one entry a value. A retriable `BrokerError` is raised before anything is decoded,
        so the same call can be made again.
        """
        decoded: list[Any] = [None] * len(values)
        groups: dict[Frame, list[int]] = {}
        if headers:
            self._group_each(values, headers, groups, decoded)
        else:
            self._group_by_head(values, groups, decoded)
        readers = {one: self._reader_or_error(one.schema_id) for one in groups if one.schema_id is not None}
        for one, places in groups.items():
            if one.schema_id is None:
                for place in places:
                    decoded[place] = _json_or_error(values[place])
                continue
            reader = readers[one]
            if isinstance(reader, RecordError):
                for place in places:
                    decoded[place] = reader
                continue
            bodies = values if len(places) == len(values) else [values[place] for place in places]
            # No tombstone has a frame, so none is among the bodies.
            records = reader.read_each(bodies, one.start)  # type: ignore[arg-type]  # see above
            if len(places) == len(values):
                return records
            for place, record in zip(places, records, strict=True):
                decoded[place] = record
        return decoded

    def columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Places] | None:
        """Values of one frame as columns in Arrow, with the places of those that could be read so.

        None where there are no columns: no proven reader for their schema, or too many bad records. The same list of
        values (that very object) asked for again is not decoded again: it is compared and then looked at by slices.
        Raises a retriable `BrokerError` while the schema cannot be had.
        """
        if values is not self._last[0]:
            self._last = values, self._read_columns(values)
        return self._last[1]

    def _read_columns(self, values: Sequence[bytes]) -> tuple[RecordBatch, Places] | None:
        try:
            schema_id, start = frame(values[0])
        except RecordError:
            return None
        if schema_id is None:
            return None
        if schema_id not in self._columns:
            usable = not isinstance(self._reader_or_error(schema_id), RecordError)
            self._columns[schema_id] = column_reader(self._schemas.by_id(schema_id)) if usable else None
        reader = self._columns[schema_id]
        return None if reader is None else reader.read(list(map(itemgetter(slice(start, None)), values)))

    def _group_by_head(
        self, values: Sequence[bytes | None], groups: dict[Frame, list[int]], decoded: list[Any]
    ) -> None:
        by_head: dict[bytes, list[int]] = {}
        for place, value in enumerate(values):
            if value is None:
                continue
            places = by_head.get(value[:HEAD_BYTES])
            if places is None:
                try:
                    places = groups.setdefault(frame(value), [])
                except RecordError as error:
                    decoded[place] = bare(error)
                    continue
                by_head[value[:HEAD_BYTES]] = places
            places.append(place)

    def _group_each(
        self,
        values: Sequence[bytes | None],
        headers: Sequence[Headers],
        groups: dict[Frame, list[int]],
        decoded: list[Any],
    ) -> None:
        for place, (value, named) in enumerate(zip(values, headers, strict=True)):
            if value is None:
                continue
            try:
                groups.setdefault(frame(value, named), []).append(place)
            except RecordError as error:
                decoded[place] = bare(error)

    def _reader(self, schema_id: SchemaId) -> AvroReader:
        reader = self._readers.get(schema_id)
        if reader is None:
            schema = self._schemas.by_id(schema_id)
            try:
                reader = AvroReader(schema, f"schema {schema_id}")
            except RecordError as error:
                reader = bare(error)
            self._readers[schema_id] = reader
        if isinstance(reader, RecordError):
            raise RecordError(str(reader), reason=reader.reason)
        return reader

    def _reader_or_error(self, schema_id: SchemaId) -> AvroReader | RecordError:
        try:
            return self._reader(schema_id)
        except RecordError as error:
            return bare(error)


def _json_or_error(value: bytes | None) -> Any:
    try:
        return json_values.read(value or b"")
    except RecordError as error:
        return bare(error)
