"""Rows of diff as Avro, by parts: most texts of a row are those of the row before, and are encoded once.

The bytes are those of `fastavro.schemaless_writer` with schemas/diff.avsc (tests/codecs/test_own.py), at a fifth of its
time. Rows of mismatches in columns take a fraction of that: each part is encoded for all rows, without an object a row.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import numpy as np

from shadowstream.errors import ShadowstreamBug
from shadowstream.records import Partition

_NULL, _PRESENT = b"\x00", b"\x02"
"""Branches of a union with null; null is the first."""
_FALSE, _TRUE = b"\x00", b"\x01"
_END = b"\x00"
"""The end of an array or a map."""
_KEPT_CHARS = 256
_delta = struct.Struct("<Bd").pack
_LAST = [bytes([n]) for n in range(128)]
_LAST += [bytes([n & 127 | 128, n >> 7]) for n in range(128, 1 << 14)]
"""The last 14 bits of a varint."""
_MORE = [bytes([n & 127 | 128, n >> 7 | 128]) for n in range(1 << 14)]
"""14 bits of a varint with bits above them."""


def _long(number: int) -> bytes:
    return _varint((number << 1) ^ (number >> 63))


def _varint(number: int) -> bytes:
    if number < 1 << 14:
        return _LAST[number]
    out = b""
    while number >= 1 << 14:
        out += _MORE[number & 16_383]
        number >>= 14
    return out + _LAST[number]


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value


def _text(text: str) -> bytes:
    return _bytes(text.encode())


@lru_cache(4_096)
def _kept_text(text: str) -> bytes:
    return _text(text)


def _repeated(text: str) -> bytes:
    """Encode a text that other rows have too, such as a path; a key of a map may be of any length."""
    return _kept_text(text) if len(text) <= _KEPT_CHARS else _text(text)


def _or_null(text: str | None) -> bytes:
    return _NULL if text is None else _PRESENT + _text(text)


def _bytes_or_null(value: bytes | None) -> bytes:
    return _NULL if value is None else _PRESENT + _bytes(value)


def _place(record: Mapping[str, Any] | None) -> bytes:
    if record is None:
        return _NULL
    return _PRESENT + _repeated(record["topic"]) + _long(record["partition"]) + _long(record["offset"])


def _differences(differences: list[dict[str, Any]]) -> bytes:
    if not differences:
        return _END
    parts = [_long(len(differences))]
    for one in differences:
        delta = one["delta"]
        parts += (
            _repeated(one["path"]),
            _repeated(one["kind"]),
            _or_null(one["production"]),
            _or_null(one["shadow"]),
            _NULL if delta is None else _delta(2, delta),
        )
    parts.append(_END)
    return b"".join(parts)


def _dimensions(values: Mapping[str, str]) -> bytes:
    if not values:
        return _END
    texts = b"".join([_repeated(name) + _repeated(value) for name, value in values.items()])
    return _long(len(values)) + texts + _END


def encoded(head: bytes, row: Mapping[str, Any]) -> bytes:
    """Encode one row after the head of its encoding."""
    return b"".join(
        (
            head,
            _text(row["pair_id"]),
            _repeated(row["task"]),
            _repeated(row["outcome"]),
            _repeated(row["revision"]),
            _long(row["time_ms"]),
            _bytes_or_null(row["key"]),
            _place(row["production"]),
            _place(row["shadow"]),
            _or_null(row["input"]),
            _differences(row["differences"]),
            _or_null(row["reason"]),
            _TRUE if row["late"] else _FALSE,
            _or_null(row["correction_of"]),
            _place(row["twin"]),
            _repeated(row["identity"]),
            _bytes_or_null(row["id"]),
            _TRUE if row["ambiguous"] else _FALSE,
            _dimensions(row.get("dimensions", {})),
        )
    )


_ONE = _long(1)


class FieldColumns(NamedTuple):
    """The differences of one field: the places of their rows, ascending, and texts in UTF-8.

    `kinds`: None if all are differences of values.
    """

    rows: Sequence[int]
    path: str
    kinds: Sequence[str] | None
    production: Sequence[bytes]
    shadow: Sequence[bytes]
    deltas: Sequence[float | None]


class RecordColumns(NamedTuple):
    """The records of one side: topic and partition, and the offset of each."""

    places: Sequence[Partition]
    offsets: Sequence[int]


class MismatchColumns(NamedTuple):
    """Rows of pairs that differ, neither late nor ambiguous, without a reason and without a twin. Ids are in UTF-8."""

    pair_ids: Sequence[bytes]
    task: str
    outcome: str
    revisions: Sequence[str]
    times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    production: RecordColumns
    shadow: RecordColumns
    inputs: Sequence[str | None] | None
    fields: Sequence[FieldColumns]
    identity: str
    ids: Sequence[bytes | None] | None
    dimensions: Sequence[tuple[str, Sequence[str]]]
    """Name and values of each."""


def encoded_mismatches(head: bytes, rows: MismatchColumns) -> list[bytes]:
    """Encode rows as `encoded` encodes each."""
    no_reason_in_time = _NULL + _FALSE + _NULL + _NULL + _repeated(rows.identity)
    columns: list[Iterable[bytes]] = [
        repeat(head),
        *_sized(rows.pair_ids),
        repeat(_repeated(rows.task) + _repeated(rows.outcome)),
        _known(rows.revisions),
        *_longs(rows.times_ms),
        *_sized_or_null(rows.keys),
        *_places(rows.production),
        *_places(rows.shadow),
        repeat(_NULL) if rows.inputs is None else map(_or_null, rows.inputs),
        *_lists(rows.fields, len(rows.pair_ids)),
        repeat(no_reason_in_time),
        *([repeat(_NULL)] if rows.ids is None else _sized_or_null(rows.ids)),
        repeat(_FALSE + (_long(len(rows.dimensions)) if rows.dimensions else b"")),
    ]
    columns += (_known(values, _repeated(name)) for name, values in rows.dimensions)
    found = list(map(b"".join, zip(*columns, repeat(_END))))
    if len(found) < len(rows.pair_ids):
        raise ShadowstreamBug(f"diff: a column of {len(rows.pair_ids)} rows has only {len(found)}")
    return found


def _known(texts: Sequence[str], before: bytes = b"") -> Iterable[bytes]:
    """Encode a column of few different texts."""
    if are_one(texts):
        return repeat(before + _repeated(texts[0]))
    found = {text: before + _repeated(text) for text in {*texts}}
    return map(found.__getitem__, texts)


def _sized(values: Sequence[bytes], before: bytes = b"") -> tuple[Iterable[bytes], Sequence[bytes]]:
    """Return the encoded lengths of values as one column, and the values as another."""
    sizes = {size: before + _long(size) for size in {*map(len, values)}}
    return map(sizes.__getitem__, map(len, values)), values


def _sized_or_null(values: Sequence[bytes | None]) -> Sequence[Iterable[bytes]]:
    if None in values:
        return (map(_bytes_or_null, values),)
    return _sized(values, _PRESENT)  # type: ignore[arg-type]  # there is no null


def are_one(values: Sequence[Any]) -> bool:
    """Whether there are values, and all are equal; for values that are one object, at a tenth of the cost of a set."""
    return len(values) > 0 and values.count(values[0]) == len(values)


def _longs(numbers: Sequence[int]) -> tuple[Iterable[bytes], ...]:
    """Encode numbers as columns; most are near each other, so that they share their high bits."""
    given = np.fromiter(numbers, np.int64, len(numbers))
    zigzag = ((given << 1) ^ (given >> 63)).view(np.uint64)
    low, high = (zigzag & np.uint64(16_383)).tolist(), (zigzag >> np.uint64(14)).tolist()
    if 0 in high:
        return (map(_varint, zigzag.tolist()),)
    if are_one(high):
        return map(_MORE.__getitem__, low), repeat(_varint(high[0]))
    of_high = {bits: _varint(bits) for bits in {*high}}
    return map(_MORE.__getitem__, low), map(of_high.__getitem__, high)


def _places(records: RecordColumns) -> tuple[Iterable[bytes], ...]:
    if are_one(records.places):
        return repeat(_head_of(records.places[0])), *_longs(records.offsets)
    heads = {place: _head_of(place) for place in {*records.places}}
    return map(heads.__getitem__, records.places), *_longs(records.offsets)


def _head_of(place: Partition) -> bytes:
    return _PRESENT + _repeated(place.topic) + _long(place.partition)


def _lists(fields: Sequence[FieldColumns], count: int) -> Sequence[Iterable[bytes]]:
    """Encode the differences of each row as columns, in the order of fields."""
    if len(fields) == 1:  # each row has a difference
        return repeat(_ONE), *_pieces(fields[0]), repeat(_END)
    pieces = list(chain.from_iterable(map(b"".join, zip(*_pieces(field))) for field in fields))  # noqa: B905  the repeated ones have no end
    rows = list(chain.from_iterable(field.rows for field in fields))
    sizes = Counter(rows)
    following = map(pieces.__getitem__, sorted(range(len(rows)), key=rows.__getitem__))
    return ([_long(n) + b"".join(islice(following, n)) + _END for n in map(sizes.__getitem__, range(count))],)


def _pieces(field: FieldColumns) -> Sequence[Iterable[bytes]]:
    """Encode the differences of one field as columns, at least one of which has an end."""
    path = _repeated(field.path)
    kinds = repeat(path + _repeated("value")) if field.kinds is None else _known(field.kinds, path)
    if None in field.deltas:
        deltas: Iterable[bytes] = [_NULL if delta is None else _delta(2, delta) for delta in field.deltas]
    else:
        deltas = map(_delta, repeat(2), field.deltas)
    return kinds, *_sized(field.production, _PRESENT), *_sized(field.shadow, _PRESENT), deltas
