"""Differences of mismatched pairs as columns of the fields that differ: no value is decoded again, none becomes an
object of its own before it is needed.

Covers only fields that `by_value` would see as the same plain Python values. A pair that differs anywhere else is
left to `by_value`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shadowstream.codecs.columns import as_numpy
from shadowstream.compare.by_arrow import FieldLevels
from shadowstream.compare.by_column import Levels
from shadowstream.compare.differences import difference
from shadowstream.compare.result import DIFFERENCES_MAX, MISMATCH, PairResult
from shadowstream.compare.watched_paths import Watched
from shadowstream.protocol.outcomes import Outcome

_Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


class FieldDifferences(NamedTuple):
    """The differences of one field. `pairs`: places of the pairs that differ there, ascending.

    The values of each side are of one type (text, float, int or bool); None only if the field `may_be_null`.
    """

    path: tuple[str, ...]
    pairs: Places
    production: Sequence[Any]
    shadow: Sequence[Any]
    may_be_null: bool

    def kinds(self) -> list[str] | None:
        """Return the kind of each difference; None if all are differences of values."""
        if not self.may_be_null:
            return None
        values = zip(self.production, self.shadow, strict=True)
        return ["null" if None in both else "value" for both in values]

    def where(self, mask: _Mask, pairs: Places) -> FieldDifferences:
        """Return the differences of a mask, of pairs that are now at other places."""
        if mask.all():
            return self._replace(pairs=pairs)
        chosen = mask.tolist()
        production, shadow = (list(compress(side, chosen)) for side in (self.production, self.shadow))
        return self._replace(pairs=pairs, production=production, shadow=shadow)


class ColumnDifferences:
    """All differences of some of `count` mismatched pairs, at most `DIFFERENCES_MAX` a pair.

    `mask`: the pairs whose differences are here. `touched`: the pairs that differ at each watched path, whatever the
    limit.
    """

    __slots__ = ("fields", "mask", "touched")

    def __init__(self, count: int) -> None:
        self.fields: list[FieldDifferences] = []
        self.mask: _Mask = np.zeros(count, np.bool_)
        self.touched: dict[str, _Mask] = {}

    def add(self, fields: Sequence[FieldDifferences], watched: Watched) -> None:
        """Add pairs with all their differences, in the order of fields."""
        kept = np.zeros(len(self.mask), np.int64)
        for field in fields:
            self.mask[field.pairs] = True
            for path in watched.touched(field.path):
                self.touched.setdefault(path, np.zeros(len(self.mask), np.bool_))[field.pairs] = True
            if len(fields) > DIFFERENCES_MAX:
                has_room = kept[field.pairs] < DIFFERENCES_MAX
                field = field.where(has_room, field.pairs[has_room])
                kept[field.pairs] += 1
            self.fields.append(field)

    def where(self, places: Places) -> ColumnDifferences:
        """Return the differences of the pairs at some places, ascending, which become the only pairs."""
        part = ColumnDifferences(len(places))
        part.mask = self.mask[places]
        if not part.mask.any():
            return part
        part.touched = {path: mask[places] for path, mask in self.touched.items()}
        for field in self.fields:
            begin, end = np.searchsorted(field.pairs, (places[0], places[-1] + 1)).tolist()
            if begin == end:
                continue
            pairs = field.pairs[begin:end]
            at = np.searchsorted(places, pairs)
            here = places[at] == pairs
            production, shadow = field.production[begin:end], field.shadow[begin:end]
            part.fields.append(field._replace(production=production, shadow=shadow).where(here, at[here]))
        return part

    def result(self, place: int) -> PairResult:
        """Return the result of a pair of `mask`, equal to that of `compare_rows`."""
        found = []
        for field in self.fields:
            at = int(np.searchsorted(field.pairs, place))
            if at < len(field.pairs) and field.pairs[at] == place:
                production, shadow = field.production[at], field.shadow[at]
                kind = "null" if production is None or shadow is None else "value"
                found.append(difference(field.path, kind, production, shadow))
        touched = frozenset(path for path, mask in self.touched.items() if mask[place])
        return PairResult(Outcome.MISMATCH, found, touched=touched)


def field_differences(fields: Sequence[FieldLevels], levels: Levels, indexes: Places) -> list[FieldDifferences]:
    """Return the differences of the pairs that are mismatches by these levels and differ in plain fields only.

    `indexes`: the places of the pairs.
    """
    explained = levels == MISMATCH
    plain = []
    for field in fields:
        if field.production.type == field.shadow.type and _is_plain(field.production.type):
            plain.append(field)
        else:
            explained &= field.levels != MISMATCH
    found = []
    for path, production, shadow, of_field in plain:
        rows = np.flatnonzero((of_field == MISMATCH) & explained)
        if len(rows):
            may_be_null = bool(production.null_count or shadow.null_count)
            values = _values(production, rows), _values(shadow, rows)
            found.append(FieldDifferences(path, indexes[rows], *values, may_be_null))
    return found


def _values(column: pa.Array, rows: Places) -> list[Any]:
    if column.null_count or pa.types.is_string(column.type):
        # `pa.array` would import pandas where it is installed.
        places = pa.Int64Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])
        return column.take(places).to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
    return as_numpy(column)[rows].tolist()  # type: ignore[no-any-return]  # as numpy says


def _is_plain(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_string(kind) or types.is_boolean(kind))
