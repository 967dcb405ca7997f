"""Records of stats and state as Avro, by parts: a process with many tasks writes two of each task at every commit.

The bytes are those of `fastavro.schemaless_writer` (tests/codecs/test_own.py), at a third of its time. The order of the
fields, their types and their defaults are the schema's. Lists that are seldom filled are left to fastavro.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import fastavro

from shadowstream.codecs.avro_parts import END, FALSE, NULL, PRESENT, TRUE, long, repeated, sized

Record = Mapping[str, Any]
_Encode = Callable[[Any], bytes]


class _Field(NamedTuple):
    name: str
    default: Any
    or_null: bool
    encode: _Encode


def encoder(schema: Any) -> _Encode:
    """Return the encoder of a record with the parsed schema of stats or state, or of a window."""
    fields = [_field(one) for one in schema["fields"]]

    def encoded(record: Record) -> bytes:
        # Whatever is false or empty is one byte: only a union tells its 0 from its null.
        return b"".join(
            [
                encode(value) if (value := record.get(name, default)) or or_null else END
                for name, default, or_null, encode in fields
            ]
        )

    return encoded


def _field(field: Mapping[str, Any]) -> _Field:
    name, of = field["name"], field["type"]
    or_null = isinstance(of, list)
    encode = _or_null(_encoder(name, of[1])) if or_null else _encoder(name, of)
    return _Field(name, field.get("default"), or_null, encode)


def _encoder(name: str, of: Any) -> _Encode:
    """Return the encoder of a field, given its name and its type."""
    if isinstance(of, str):
        return _SINGLE[of]
    if of["type"] == "map" and of["values"] in _SINGLE:
        return _map(_SINGLE[of["values"]])
    if name == "windows":
        return _list(encoder(of["items"]))
    return _OFTEN_FILLED.get(name) or _seldom_filled(of)


def _bool(value: bool) -> bytes:
    return TRUE if value else FALSE


_SINGLE: Mapping[str, _Encode] = {"long": long, "int": long, "string": repeated, "bytes": sized, "boolean": _bool}


def _or_null(encode: _Encode) -> _Encode:
    return lambda value: NULL if value is None else PRESENT + encode(value)


def _list(encode: _Encode) -> _Encode:
    def encoded(values: Sequence[Any]) -> bytes:
        return long(len(values)) + b"".join(map(encode, values)) + END if values else END

    return encoded


def _seldom_filled(of: Any) -> _Encode:
    def encoded(value: Any) -> bytes:
        if not value:
            return END
        out = io.BytesIO()
        fastavro.schemaless_writer(out, of, value)
        return out.getvalue()

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


def _buckets(found: Sequence[Record]) -> bytes:
    if not found:
        return END
    return long(len(found)) + b"".join([long(one["bucket"]) + long(one["n"]) + long(one["s"]) for one in found]) + END


_texts = _list(repeated)


@lru_cache(8_192)
def _cell(dimensions: tuple[str, ...], values: tuple[str, ...]) -> bytes:
    return _texts(dimensions) + _texts(values)


def _slices(found: Sequence[Record]) -> bytes:
    if not found:
        return END
    cells = [_cell(tuple(one["dimensions"]), tuple(one["values"])) + long(one["n"]) + long(one["s"]) for one in found]
    return long(len(found)) + b"".join(cells) + END


_OFTEN_FILLED = {
    "sources": _list(_source),
    "ledgers": _list(_ledger),
    "sub_windows": _list(_sub_window),
    "buckets": _buckets,
    "slices": _slices,
}
