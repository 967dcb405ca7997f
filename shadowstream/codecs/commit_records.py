"""Records of stats and state as Avro, by parts: a process with many tasks writes two of each task at every commit.

The bytes are those of `fastavro.schemaless_writer` (tests/codecs/test_own.py), at a third of its time. The order of the
fields, their types and their defaults are the schema's.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.codecs import own
from shadowstream.codecs.avro_parts import END, FALSE, LAST, NULL, PRESENT, TRUE, long, repeated, sized, varint

Record = Mapping[str, Any]
_Encode = Callable[[Any], bytes]


_MISSING = object()
"""The value of a field that a record lacks and that has no default: no type takes it."""


class _Field(NamedTuple):
    name: str
    default: Any
    is_always_encoded: bool
    encode: _Encode


def encode_stats(record: Record) -> bytes:
    """Encode a record of stats: the bytes of `own.encode` by a shorter way."""
    return own.record_head("stats") + _of_schema("stats")(record)


def encode_state(record: Record) -> bytes:
    """Encode a record of state: the bytes of `own.encode` by a shorter way."""
    return own.record_head("state") + _of_schema("state")(record)


@cache
def _of_schema(name: str) -> _Encode:
    return _record(own.schema(name), {})


def _record(schema: Any, known: dict[str, _Encode]) -> _Encode:
    """Return the encoder of a record; `known`: those of the records that the schema has named before."""
    fields = []
    for field in schema["fields"]:
        of = field["type"]
        # Whatever is false or empty is one byte, zero, but for a number of eight bytes; a union tells its 0 from null.
        is_always_encoded = isinstance(of, list) or of == "double"
        fields.append(_Field(field["name"], field.get("default", _MISSING), is_always_encoded, _encoder(of, known)))

    def encoded(record: Record) -> bytes:
        return b"".join(
            [
                encode(value) if (value := record.get(name, default)) or always else END
                for name, default, always, encode in fields
            ]
        )

    return encoded


def _encoder(of: Any, known: dict[str, _Encode]) -> _Encode:
    """Return the encoder of a type. Of unions the schemas have only those with null."""
    if isinstance(of, str):
        return _SINGLE.get(of) or known[of]
    if isinstance(of, list):
        return _or_null(_encoder(of[1], known))
    if of["type"] == "map":
        return _map(_encoder(of["values"], known))
    if of["type"] == "array":
        items = of["items"]
        encode = _encoder(items, known)
        return (_LISTS.get(items["name"]) if isinstance(items, dict) else None) or _list(encode)
    known[of["name"]] = _record(of, known)
    return known[of["name"]]


def _bool(value: bool) -> bytes:
    return TRUE if value else FALSE


_SINGLE: Mapping[str, _Encode] = {
    "long": long,
    "int": long,
    "double": struct.Struct("<d").pack,
    "string": repeated,
    "bytes": sized,
    "boolean": _bool,
}


def _or_null(encode: _Encode) -> _Encode:
    return lambda value: NULL if value is None else PRESENT + encode(value)


def _list(encode: _Encode) -> _Encode:
    def encoded(values: Sequence[Any]) -> bytes:
        return long(len(values)) + b"".join(map(encode, values)) + END if values else END

    return encoded


def _map(encode: _Encode) -> _Encode:
    def encoded(values: Mapping[str, Any]) -> bytes:
        if not values:
            return END
        return long(len(values)) + b"".join([repeated(name) + encode(one) for name, one in values.items()]) + END

    return encoded


_counts = _map(long)


def _source(one: Record) -> bytes:
    return repeated(one["topic"]) + long(one["partition"]) + long(one["from_offset"]) + long(one["to_offset"])


def _ledger(one: Record) -> bytes:
    return long(one["ledger"]) + repeated(one["place"]) + long(one["expected"]) + long(one["counted"])


def _sub_window(one: Record) -> bytes:
    return long(one["number"]) + _counts(one["outcomes"])


_texts = _list(repeated)


@lru_cache(8_192)
def _cell(dimensions: tuple[str, ...], values: tuple[str, ...]) -> bytes:
    return _texts(dimensions) + _texts(values)


def _slices(found: Sequence[Record]) -> bytes:
    cells = [_cell(tuple(one["dimensions"]), tuple(one["values"])) + long(one["n"]) + long(one["s"]) for one in found]
    return long(len(found)) + b"".join(cells) + END


_FEW = 100
"""Numbers below which arrays cost more than they save."""


def longs(numbers: npt.NDArray[np.int64]) -> bytes:
    """Encode one number after the other.

    >>> longs(np.array([-1, 63, 64, 9_000])) == b"".join(map(long, [-1, 63, 64, 9_000]))
    True
    """
    zigzag = (numbers << 1) ^ (numbers >> 63)
    if len(numbers) < _FEW or zigzag.max() >= len(LAST):
        return b"".join(map(varint, zigzag.tolist()))
    is_long = zigzag > 127
    pairs = np.stack((zigzag & 127 | is_long.astype(np.int64) << 7, zigzag >> 7), axis=1).astype(np.uint8)
    chosen: npt.NDArray[np.uint8] = pairs[np.stack((np.ones(len(numbers), np.bool_), is_long), axis=1)]
    return chosen.tobytes()


class BucketRows(Sequence[dict[str, int]]):
    """The buckets of a window, as columns: a commit of records far apart has thousands, most of one pair."""

    __slots__ = ("columns",)

    def __init__(self, *columns: npt.NDArray[np.int64]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        return dict(zip(_BUCKET, (int(column[index]) for column in self.columns), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


def _buckets(found: Sequence[Record]) -> bytes:
    rows = found.columns if isinstance(found, BucketRows) else [[one[name] for one in found] for name in _BUCKET]
    return long(len(found)) + longs(np.array(rows, np.int64).T.ravel()) + END


_BUCKET = ("bucket", "n", "s")


_LISTS: Mapping[str, _Encode] = {
    "shadowstream.Source": _list(_source),
    "shadowstream.Ledger": _list(_ledger),
    "shadowstream.SubWindow": _list(_sub_window),
    "shadowstream.Slice": _slices,
    "shadowstream.Bucket": _buckets,
}
"""Lists of records that nearly every record of stats has, by the record's name: by hand in half the time."""
