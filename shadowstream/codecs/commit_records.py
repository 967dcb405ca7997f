"""Records of stats and state as Avro, by parts: a process with many tasks writes two of each task at every commit.

The bytes are those of `fastavro.schemaless_writer` (tests/codecs/test_own.py), at a third of its time. The order of the
fields, their types and their defaults are the schema's.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.codecs import own
from shadowstream.codecs.avro_parts import END, FALSE, NULL, PRESENT, TRUE, long, repeated, sized
from shadowstream.codecs.varint_arrays import varints

Record = Mapping[str, Any]
_Encode = Callable[[Any], bytes]


class _Step(NamedTuple):
    """One step of encoding a record: bytes that all records with the same fields have, or else the value of a field."""

    given: bytes
    name: str
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
    fields = [(field, _encoder(field["type"], known)) for field in schema["fields"]]

    @lru_cache(64)
    def steps(names: tuple[str, ...]) -> list[_Step]:
        """Return the steps for a record with these fields: most records of a kind have the same ones."""
        found: list[_Step] = []
        given = b""
        for field, encode in fields:
            name = field["name"]
            if name in names:
                found += [*([_Step(given, "", encode)] if given else ()), _Step(b"", name, encode)]
                given = b""
            elif "default" in field:
                given += encode(field["default"])
            elif isinstance(field["type"], list):
                given += NULL
            else:
                raise ValueError(f"no value and no default for {name}")
        return [*found, *([_Step(given, "", long)] if given else ())]

    def encoded(record: Record) -> bytes:
        return b"".join([given or encode(record[name]) for given, name, encode in steps(tuple(record))])

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
        return long(n) + b"".join(map(encode, values)) + END if (n := len(values)) else END

    return encoded


def _map(encode: _Encode) -> _Encode:
    def encoded(values: Mapping[str, Any]) -> bytes:
        if not len(values):  # as None has no length, it is refused
            return END
        return long(len(values)) + b"".join([repeated(name) + encode(one) for name, one in values.items()]) + END

    return encoded


def _source(one: Record) -> bytes:
    return repeated(one["topic"]) + long(one["partition"]) + long(one["from_offset"]) + long(one["to_offset"])


def _ledger(one: Record) -> bytes:
    return long(one["ledger"]) + repeated(one["place"]) + long(one["expected"]) + long(one["counted"])


def _sub_windows(found: Sequence[Record]) -> bytes:
    parts = [long(len(found))] if found else []
    for one in found:  # a commit of records far apart has hundreds
        outcomes = one["outcomes"]
        parts.append(long(one["number"]))
        if n := len(outcomes):
            parts.append(long(n))
            for name, count in outcomes.items():
                parts += (repeated(name), long(count))
        parts.append(END)
    parts.append(END)
    return b"".join(parts)


_texts = _list(repeated)


class _Cells(dict[tuple[str, ...], bytes]):
    """The encoded beginning of a slice of some dimensions, by its values; the last `CELLS_MAX` at most."""

    def __init__(self, dimensions: tuple[str, ...]) -> None:
        super().__init__()
        self._dimensions = _texts(dimensions)

    def __missing__(self, values: tuple[str, ...]) -> bytes:
        if len(self) >= _CELLS_MAX:
            self.clear()
        self[values] = encoded = self._dimensions + _texts(values)
        return encoded


_CELLS_MAX = 4_096
_cells_of = lru_cache(64)(_Cells)


SliceColumns = tuple[Sequence[tuple[str, ...]], Sequence[int], Sequence[int]]
"""Values of some dimensions, the pairs of each combination and the bad ones."""
SliceGroup = tuple[tuple[str, ...], Sequence[tuple[str, ...]], Sequence[int], Sequence[int]]
"""The names of the dimensions, and `SliceColumns`."""


class SliceRows(Sequence[dict[str, Any]]):
    """The slices of a window by their dimensions: values, pairs and bad pairs of each.

    `encoded`: the bytes of each group by `encoded_slices`; None for one that was not made so.
    """

    __slots__ = ("encoded", "groups")

    def __init__(self, groups: Sequence[SliceGroup], encoded: Sequence[bytes | None] = ()) -> None:
        self.groups, self.encoded = groups, encoded or [None] * len(groups)

    def __len__(self) -> int:
        return sum(len(names) for _, names, _, _ in self.groups)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for dimensions, *columns in self.groups:
            for values, n, s in zip(*columns, strict=True):
                yield {"dimensions": dimensions, "values": values, "n": n, "s": s}

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


def encoded_slices(
    dimensions: tuple[str, ...], names: Mapping[int, tuple[str, ...]], codes: Sequence[int], *counts: Sequence[int]
) -> list[bytes]:
    """Encode slices of some dimensions, given as codes of their values with pairs and bad pairs of each.

    >>> cells = encoded_slices(("country",), {3: ("DE",)}, [3], [2], [1])
    >>> cells == [_slice({"dimensions": ["country"], "values": ["DE"], "n": 2, "s": 1})]
    True
    """
    cells = _cells_of(dimensions)
    begins = {code: cells[values] for code, values in names.items()}
    return [begins[code] + long(n) + long(s) for code, n, s in zip(codes, *counts, strict=True)]


def _slice(one: Record) -> bytes:
    return _texts(one["dimensions"]) + _texts(one["values"]) + long(one["n"]) + long(one["s"])


def _slices(found: Sequence[Record]) -> bytes:
    if not isinstance(found, SliceRows):
        return _slice_list(found)
    parts, count = [b""], 0
    for (dimensions, names, n, s), encoded in zip(found.groups, found.encoded, strict=True):
        count += len(names)
        if encoded is not None:
            parts.append(encoded)
            continue
        heads = map(_cells_of(dimensions).__getitem__, names)
        parts += chain.from_iterable(zip(heads, map(long, n), map(long, s), strict=True))
    if count:
        parts[0] = long(count)
    parts.append(END)
    return b"".join(parts)


_slice_list = _list(_slice)
_FEW = 100
"""Numbers below which arrays cost more than they save."""


def longs(numbers: npt.NDArray[np.int64]) -> bytes:
    """Encode one number after the other.

    >>> longs(np.array([-1, 63, 64, 9_000])) == b"".join(map(long, [-1, 63, 64, 9_000]))
    True
    """
    return b"".join(map(long, numbers.tolist())) if len(numbers) < _FEW else varints(_zigzag(numbers))[0]


def _zigzag(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    return (numbers << 1 ^ numbers >> 63).view(np.uint64)


class BucketRows(Sequence[dict[str, int]]):
    """The buckets of a window, as columns: a commit of records far apart has thousands, most of one pair.

    `encoded`: their bytes in a record, if `encoded_buckets` made them.
    """

    __slots__ = ("columns", "encoded")

    def __init__(self, *columns: npt.NDArray[np.int64] | Sequence[int], encoded: bytes | None = None) -> None:
        self.columns, self.encoded = columns, encoded

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        return dict(zip(_BUCKET, (int(column[index]) for column in self.columns), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


def _bucket(one: Record) -> bytes:
    return long(one["bucket"]) + long(one["n"]) + long(one["s"])


def _buckets(found: Sequence[Record]) -> bytes:
    if not isinstance(found, BucketRows) or not len(found):
        return _bucket_list(found)
    if found.encoded is not None:
        return found.encoded
    if len(found) * len(_BUCKET) < _FEW:
        lists = [column.tolist() if isinstance(column, np.ndarray) else column for column in found.columns]
        numbers = chain.from_iterable(zip(*lists, strict=True))
        return long(len(found)) + b"".join(map(long, numbers)) + END
    return long(len(found)) + longs(np.array(found.columns).T.ravel()) + END


def encoded_buckets(columns: Sequence[npt.NDArray[np.int64]], cuts: Sequence[int]) -> list[bytes]:
    """Encode the buckets of many windows in one go; `cuts`: the begin of each window's, and the end of the last.

    >>> rows = [np.array(column) for column in ([3, 801], [2, 1], [1, 0])]
    >>> encoded_buckets(rows, [0, 1, 2]) == [_buckets([dict(zip(_BUCKET, one))]) for one in zip(*rows)]
    True
    """
    encoded, used = varints(_zigzag(np.array(columns).T.ravel()))
    sizes = used.reshape(len(columns[0]), len(_BUCKET) * used.shape[1]).sum(axis=1)
    places = np.concatenate(([0], np.cumsum(sizes)))[np.array(cuts)].tolist()
    return [
        long(end - begin) + encoded[at:to] + END if begin < end else END
        for (begin, end), (at, to) in zip(pairwise(cuts), pairwise(places), strict=True)
    ]


_bucket_list = _list(_bucket)
_BUCKET = ("bucket", "n", "s")


_LISTS: Mapping[str, _Encode] = {
    "shadowstream.Source": _list(_source),
    "shadowstream.Ledger": _list(_ledger),
    "shadowstream.SubWindow": _sub_windows,
    "shadowstream.Slice": _slices,
    "shadowstream.Bucket": _buckets,
}
"""Lists of records that nearly every record of stats has, by the record's name: by hand in half the time."""
