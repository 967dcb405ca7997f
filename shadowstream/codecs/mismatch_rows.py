"""Rows of `diff` for many mismatches, encoded by columns: the bytes of each row are those of `diff_rows.encoded`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import numpy as np

from shadowstream.codecs.avro_parts import END, FALSE, MORE, NULL, PRESENT, long, pack_delta, repeated, varint
from shadowstream.codecs.diff_rows import or_null, sized_or_none
from shadowstream.errors import ShadowstreamBug
from shadowstream.records import Partition

_ONE = long(1)


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
    tasks: Sequence[str]
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
    no_reason_in_time = NULL + FALSE + NULL + NULL + repeated(rows.identity)
    columns: list[Iterable[bytes]] = [
        repeat(head),
        *_sized(rows.pair_ids),
        _known(rows.tasks),
        repeat(repeated(rows.outcome)),
        _known(rows.revisions),
        *_longs(rows.times_ms),
        *_sized_or_null(rows.keys),
        *_places(rows.production),
        *_places(rows.shadow),
        repeat(NULL) if rows.inputs is None else map(or_null, rows.inputs),
        *_lists(rows.fields, len(rows.pair_ids)),
        repeat(no_reason_in_time),
        *([repeat(NULL)] if rows.ids is None else _sized_or_null(rows.ids)),
        repeat(FALSE + (long(len(rows.dimensions)) if rows.dimensions else b"")),
    ]
    columns += (_known(values, repeated(name)) for name, values in rows.dimensions)
    found = list(map(b"".join, zip(*columns, repeat(END))))
    if len(found) < len(rows.pair_ids):
        raise ShadowstreamBug(f"diff: a column of {len(rows.pair_ids)} rows has only {len(found)}")
    return found


def _known(texts: Sequence[str], before: bytes = b"") -> Iterable[bytes]:
    """Encode a column of few different texts."""
    if are_one(texts):
        return repeat(before + repeated(texts[0]))
    found = {text: before + repeated(text) for text in {*texts}}
    return map(found.__getitem__, texts)


def _sized(values: Sequence[bytes], before: bytes = b"") -> tuple[Iterable[bytes], Sequence[bytes]]:
    """Return the encoded lengths of values as one column, and the values as another."""
    sizes = {size: before + long(size) for size in {*map(len, values)}}
    return map(sizes.__getitem__, map(len, values)), values


def _sized_or_null(values: Sequence[bytes | None]) -> Sequence[Iterable[bytes]]:
    if None in values:
        return (map(sized_or_none, values),)
    return _sized(values, PRESENT)  # type: ignore[arg-type]  # there is no null


def are_one(values: Sequence[Any]) -> bool:
    """Whether there are values, and all are equal; for values that are one object, at a tenth of the cost of a set."""
    return len(values) > 0 and values.count(values[0]) == len(values)


def _longs(numbers: Sequence[int]) -> tuple[Iterable[bytes], ...]:
    """Encode numbers as columns; most are near each other, so that they share their high bits."""
    given = np.fromiter(numbers, np.int64, len(numbers))
    zigzag = ((given << 1) ^ (given >> 63)).view(np.uint64)
    low, high = (zigzag & np.uint64(16_383)).tolist(), (zigzag >> np.uint64(14)).tolist()
    if 0 in high:
        return (map(varint, zigzag.tolist()),)
    if are_one(high):
        return map(MORE.__getitem__, low), repeat(varint(high[0]))
    of_high = {bits: varint(bits) for bits in {*high}}
    return map(MORE.__getitem__, low), map(of_high.__getitem__, high)


def _places(records: RecordColumns) -> tuple[Iterable[bytes], ...]:
    if are_one(records.places):
        return repeat(_head_of(records.places[0])), *_longs(records.offsets)
    heads = {place: _head_of(place) for place in {*records.places}}
    return map(heads.__getitem__, records.places), *_longs(records.offsets)


def _head_of(place: Partition) -> bytes:
    return PRESENT + repeated(place.topic) + long(place.partition)


def _lists(fields: Sequence[FieldColumns], count: int) -> Sequence[Iterable[bytes]]:
    """Encode the differences of each row as columns, in the order of fields."""
    if len(fields) == 1:  # each row has a difference
        return repeat(_ONE), *_pieces(fields[0]), repeat(END)
    pieces = list(chain.from_iterable(map(b"".join, zip(*_pieces(field))) for field in fields))  # noqa: B905  the repeated ones have no end
    rows = list(chain.from_iterable(field.rows for field in fields))
    sizes = Counter(rows)
    following = map(pieces.__getitem__, sorted(range(len(rows)), key=rows.__getitem__))
    return ([long(n) + b"".join(islice(following, n)) + END for n in map(sizes.__getitem__, range(count))],)


def _pieces(field: FieldColumns) -> Sequence[Iterable[bytes]]:
    """Encode the differences of one field as columns, at least one of which has an end."""
    path = repeated(field.path)
    kinds = repeat(path + repeated("value")) if field.kinds is None else _known(field.kinds, path)
    if None in field.deltas:
        deltas: Iterable[bytes] = [NULL if delta is None else pack_delta(2, delta) for delta in field.deltas]
    else:
        deltas = map(pack_delta, repeat(2), field.deltas)
    return kinds, *_sized(field.production, PRESENT), *_sized(field.shadow, PRESENT), deltas
