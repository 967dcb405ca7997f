"""Arrow columns of Avro bodies of one writer schema, by pyruhvro, if proven to agree with fastavro.

pyruhvro decodes a whole batch at some 0.2 µs a record, but it is less careful than fastavro. It panics on unknown
types, ignores trailing bytes, passes on texts that are no UTF-8, and fails a whole batch for one bad record. Three
rules correct this:

- Only schemas made of the types in `_kind` are given to pyruhvro, and only after `proven`: generated samples of the
  schema, whole and broken, must decode as by fastavro.
- For each batch, the reader adds up the bytes of its values from the columns. No value takes fewer bytes than its
  shortest form, so equal sums mean that every record was read to its last byte. Texts and times are checked too.
- A batch that fails a check is halved until the bad records are isolated; fastavro then reads those individually.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import fastavro
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shadowstream.codecs.schemas import ParsedSchema

_WHOLE = {"int", "long"}
_PLAIN = {"boolean", "int", "long", "float", "double", "string"}
_LOGICAL = {("int", "date"), ("long", "timestamp-millis"), ("long", "timestamp-micros")}
_SYMBOLS_MAX = 64  # a larger index takes two bytes, and the column does not hold its size
_INT = (-(2**31), 2**31 - 1)
DAYS = (-719_162, 2_932_896)
_SECONDS = (-62_135_596_800, 253_402_300_799)
_PER_SECOND = {"ms": 1_000, "us": 1_000_000}
_BAD_SHARE_MAX = 4
SAMPLES = 24
_PROVEN: dict[str, bool] = {}
"""Proof results by schema text. A proof takes a tenth of a second; both sides of a trial share its result."""
_ANY = 2**31

Indexes = npt.NDArray[np.int64]


class _Kind(NamedTuple):
    """A type that both decoders support, with the details that its size depends on."""

    name: str
    parts: tuple[_Kind, ...] = ()


WEIGHT_MAX = 150
"""Maximum weight of a schema that is proven, which takes some 1.4 ms for each of its fields."""


class _Refused(Exception):
    """pyruhvro gets no values of this type."""


class _Bad(Exception):
    """The batch holds a record that must not be read as a column."""


def _kind(schema: Any, top: bool = False) -> _Kind:
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        if len(schema) != 2 or len(branches) != 1 or top:
            raise _Refused
        return _Kind("optional", (_kind(branches[0]),))
    if isinstance(schema, str):
        schema = {"type": schema}
    kind, logical = schema["type"], schema.get("logicalType")
    if isinstance(kind, dict | list):
        return _kind(kind, top)
    if kind == "record" and schema["fields"]:
        return _Kind("record", tuple(_kind(field["type"]) for field in schema["fields"]))
    if top:
        raise _Refused
    if kind == "enum" and len(schema["symbols"]) <= _SYMBOLS_MAX:
        return _Kind("enum")
    if kind == "array":
        return _Kind("array", (_kind(schema["items"]),))
    if kind == "map":
        return _Kind("map", (_kind(schema["values"]),))
    if kind in _PLAIN and (logical is None or (kind, logical) in _LOGICAL):
        if kind == "int" and logical is None:
            return _Kind("int")
        return _Kind("whole" if kind in _WHOLE else kind)
    raise _Refused


def _weight(kind: _Kind) -> int:
    """The number of values in a large sample: lists and maps have up to three items."""
    inner = 1 + sum(map(_weight, kind.parts))
    return 3 * inner if kind.name in ("array", "map") else inner


class ColumnReader:
    """Reader of batches of bodies of one writer schema. Only `column_reader` creates it."""

    def __init__(self, schema: ParsedSchema, kind: _Kind) -> None:
        self.text = json.dumps(_widened(_bare(schema)))
        self._kind = kind

    def read(self, bodies: Sequence[bytes], bytes_max: int) -> tuple[pa.RecordBatch, Indexes] | None:
        """Decode the readable records; return them and their indexes in `bodies`, or None if too many are unreadable. A
        body of more than `bytes_max` bytes is unreadable."""
        try:
            return self._batch(bodies, bytes_max), np.arange(len(bodies))
        except _Bad:
            good = self._good(bodies, bytes_max)
        if len(good) == 0 or (len(bodies) - len(good)) * _BAD_SHARE_MAX > len(bodies):
            return None
        return self._batch([bodies[index] for index in good], bytes_max), np.array(good)

    def _good(self, bodies: Sequence[bytes], bytes_max: int) -> list[int]:
        good: list[int] = []
        open_ = [(0, len(bodies))]
        while open_:
            start, end = open_.pop()
            try:
                self._batch(bodies[start:end], bytes_max)
                good += range(start, end)
            except _Bad:
                if end - start > 1:
                    half = (start + end) // 2
                    open_ += [(start, half), (half, end)]
        return sorted(good)

    def _batch(self, bodies: Sequence[bytes], bytes_max: int) -> pa.RecordBatch:
        total = sum(map(len, bodies))
        if total > bytes_max and max(map(len, bodies)) > bytes_max:
            raise _Bad
        import pyruhvro  # here, so that a trial that switches it off needs it not

        try:
            batch = pyruhvro.deserialize_array(list(bodies), self.text)
            batch.validate(full=True)
        except (ValueError, pa.ArrowException) as error:
            raise _Bad from error
        except BaseException as error:
            # A panic of Rust is no Exception; its class belongs to no module, so it cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            raise _Bad from error
        taken = sum(_bytes(column, part) for column, part in zip(batch.columns, self._kind.parts, strict=True))
        if batch.num_rows != len(bodies) or taken != total:
            raise _Bad
        return batch


def column_reader(schema: ParsedSchema) -> ColumnReader | None:
    """A column reader of a parsed writer schema; None if the schema is unsupported or not proven."""
    try:
        kind = _kind(schema, top=True)
    except _Refused:
        return None
    if _weight(kind) > WEIGHT_MAX:
        return None
    reader = ColumnReader(schema, kind)
    if reader.text not in _PROVEN:
        _PROVEN[reader.text] = proven(reader, schema)
    return reader if _PROVEN[reader.text] else None


def are_plain(fields: Iterable[pa.Field]) -> bool:
    """Whether Arrow and fastavro give the same Python values for these fields: no times, maps or enums."""
    return all(_is_plain(field.type) for field in fields)


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return are_plain(kind)
    if types.is_list(kind):
        return _is_plain(kind.value_type)
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind) or types.is_boolean(kind))


def proven(reader: ColumnReader, schema: ParsedSchema) -> bool:
    """Whether generated samples of the schema (whole, cut, with an extra byte) are read as by fastavro."""
    samples = [_sample(schema, n) for n in range(SAMPLES)]
    bodies = [_encoded(schema, sample) for sample in samples]
    read = reader.read(bodies, _ANY)
    if read is None or len(read[1]) != len(bodies):
        return False
    expected = [fastavro.schemaless_reader(io.BytesIO(body), schema, None) for body in bodies]
    if [_comparable(row) for row in read[0].to_pylist()] != [_comparable(row) for row in expected]:
        return False
    for broken in ([body[:-1] for body in bodies], [body + b"\0" for body in bodies]):
        if any(reader.read([body], _ANY) is not None for body in broken):
            return False
        # Among whole records, only the broken one is left out.
        left = reader.read([*bodies, broken[-1]], _ANY)
        if left is None or left[1].tolist() != list(range(len(bodies))):
            return False
    return True


def _encoded(schema: ParsedSchema, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def _bare(schema: Any) -> Any:
    """The schema without the entries that fastavro has added."""
    if isinstance(schema, dict):
        return {name: _bare(part) for name, part in schema.items() if not name.startswith("__")}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema


def _widened(schema: Any) -> Any:
    """The schema with each int as a long, in which pyruhvro keeps a number of more than 32 bits: an int drops some.

    A date stays: one of so many bits takes more bytes than any date of the calendar, so `_bytes` tells it.
    """
    if isinstance(schema, list):
        return [_widened(branch) for branch in schema]
    if not isinstance(schema, dict):
        return "long" if schema == "int" else schema
    if "logicalType" in schema:
        return schema
    parts = {name: _widened(schema[name]) for name in ("type", "items", "values") if name in schema}
    if "fields" in schema:
        parts["fields"] = [{**field, "type": _widened(field["type"])} for field in schema["fields"]]
    return {**schema, **parts}


def _bytes(column: pa.Array, kind: _Kind) -> int:
    """The bytes of the shortest Avro form of all values of a column."""
    if kind.name == "optional":
        valid = column.drop_null() if column.null_count else column
        return len(column) + _bytes(valid, kind.parts[0])
    if kind.name == "record":
        return sum(_bytes(column.field(i), part) for i, part in enumerate(kind.parts))
    if kind.name in ("array", "map"):
        counts = np.diff(as_numpy(column.offsets))
        inner = _bytes(column.items if kind.name == "map" else column.values, kind.parts[0])
        inner += _text_bytes(column.keys) if kind.name == "map" else 0
        return len(column) + _varint_bytes(counts[counts > 0]) + inner
    if kind.name in ("int", "whole"):
        numbers = whole_numbers(column)
        if kind.name == "int" and len(numbers) and not (_INT[0] <= numbers.min() and numbers.max() <= _INT[1]):
            raise _Bad
        return _varint_bytes(numbers)
    if kind.name == "string":
        return _text_bytes(column)
    return len(column) * {"boolean": 1, "enum": 1, "float": 4, "double": 8}[kind.name]


def _text_bytes(column: pa.Array) -> int:
    lengths = as_numpy(pc.binary_length(column))
    return int(lengths.sum()) + _varint_bytes(lengths)


def _varint_bytes(numbers: npt.NDArray[Any]) -> int:
    numbers = numbers.astype(np.int64)
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    total = len(zigzag)
    for shift in range(7, 64, 7):
        longer = int(np.count_nonzero(zigzag >= np.uint64(1 << shift)))
        if not longer:
            break
        total += longer
    return total


_DTYPES = {"halffloat": np.float16, "float": np.float32, "double": np.float64, "bool": np.bool_}


def as_numpy(column: pa.Array) -> npt.NDArray[Any]:
    """A numpy view of a column of numbers or booleans; nulls hold any value. pyarrow's `to_numpy` would import pandas
    if installed."""
    kind, begin = str(column.type), column.offset
    buffer = column.buffers()[1]
    if buffer is None or not len(column):
        return np.zeros(len(column), _DTYPES.get(kind, np.int64))
    if kind == "bool":
        bits = np.frombuffer(buffer, np.uint8)[begin // 8 : (begin + len(column) + 7) // 8]
        unpacked = np.unpackbits(bits, bitorder="little")[begin % 8 : begin % 8 + len(column)]
        return unpacked.view(np.bool_)
    dtype = _DTYPES.get(kind) or np.dtype(kind)
    return np.frombuffer(buffer, dtype, len(column), begin * np.dtype(dtype).itemsize)


def bounds_of_times(per_second: int) -> tuple[int, int]:
    """The lowest and highest number, in so many units a second, of the times that Python's calendar has."""
    return _SECONDS[0] * per_second, _SECONDS[1] * per_second + per_second - 1


def whole_numbers(column: pa.Array) -> npt.NDArray[np.int64]:
    """The Avro numbers of a column of ints, dates or timestamps; raises for a time that Python cannot represent."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        numbers = as_numpy(column.view(pa.int64()))
        low, high = bounds_of_times(_PER_SECOND[kind.unit])
    elif pa.types.is_date32(kind):
        numbers = as_numpy(column.view(pa.int32()))
        low, high = DAYS
    else:
        return as_numpy(column)
    if len(numbers) and not (low <= numbers.min() and numbers.max() <= high):
        raise _Bad
    return numbers


_TEXTS = ("", "a", "é", "\0", "0123456789" * 20)
_WHOLES = (0, -1, 1, 63, 64, -64, -65, 8191, 8192, 2**31 - 1, -(2**31))
_LONGS = (*_WHOLES, 2**63 - 1, -(2**63), 2**53 + 1)
_DOUBLES = (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324)
_FLOATS = (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"))
_TIMES = tuple(datetime.fromtimestamp(seconds, UTC) for seconds in (0, 1, 1_600_000_000.123, 4e9))
_OF = {
    "null": (None,),
    "boolean": (False, True),
    "int": _WHOLES,
    "long": _LONGS,
    "float": _FLOATS,
    "double": _DOUBLES,
    "string": _TEXTS,
}


def _sample(schema: Any, n: int) -> Any:
    """The n-th sample. `SAMPLES` samples cover every branch, symbol, length and odd number."""
    if isinstance(schema, list):
        return _sample(schema[n % len(schema)], n // len(schema))
    if isinstance(schema, str):
        schema = {"type": schema}
    kind, logical = schema["type"], schema.get("logicalType")
    if isinstance(kind, dict | list):
        return _sample(kind, n)
    if kind == "record":
        return {field["name"]: _sample(field["type"], n + i) for i, field in enumerate(schema["fields"])}
    if kind == "enum":
        return schema["symbols"][n % len(schema["symbols"])]
    if kind == "array":
        return [_sample(schema["items"], n + i) for i in range(n % 4)]
    if kind == "map":
        return {f"k{i}": _sample(schema["values"], n + i) for i in range(n % 4)}
    if logical == "date":
        return _TIMES[n % len(_TIMES)].date()
    choices: Sequence[Any] = _TIMES if logical else _OF[kind]
    return choices[n % len(choices)]


def _comparable(value: Any) -> Any:
    """A form in which values of both decoders are equal if they have the same meaning, and NaN equals itself."""
    if isinstance(value, dict):
        return dict(_items(value))
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):  # Arrow's map
            return dict(_items(dict(value)))
        # An empty map is an empty list in Arrow's rows.
        return [_comparable(item) for item in value] or {}
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return type(value), value


def _items(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, _comparable(inner)) for name, inner in value.items())
