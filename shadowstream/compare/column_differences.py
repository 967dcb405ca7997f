"""Differences of mismatched pairs as columns of the fields that differ: none is an object of its own before it is
needed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.watched_paths import Watched

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
    """All differences of some of `count` mismatched pairs, up to a limit a pair.

    `mask`: the pairs whose differences are here. `touched`: the pairs that differ at each watched path, whatever the
    limit.
    """

    __slots__ = ("fields", "mask", "touched")

    def __init__(self, count: int) -> None:
        self.fields: list[FieldDifferences] = []
        self.mask: _Mask = np.zeros(count, np.bool_)
        self.touched: dict[str, _Mask] = {}

    def add(self, fields: Sequence[FieldDifferences], watched: Watched, limit: int) -> None:
        """Add pairs with all their differences, in the order of fields; at most `limit` of each are kept."""
        kept = np.zeros(len(self.mask), np.int64)
        for field in fields:
            at = field.pairs
            self.mask[at] = True
            for path in watched.touched(field.path):
                self.touched.setdefault(path, np.zeros(len(self.mask), np.bool_))[at] = True
            if len(fields) > limit:
                has_room = kept[at] < limit
                field = field.where(has_room, at[has_room])
                kept[at] += 1
            if len(field.pairs):
                self.fields.append(field)

    def where(self, places: Places) -> ColumnDifferences:
        """Return the differences of the pairs at some places, ascending, which become the only pairs."""
        part = ColumnDifferences(len(places))
        if not self.fields or not len(places):
            return part
        part.mask = self.mask[places]
        part.touched = {path: mask[places] for path, mask in self.touched.items()}
        for field in self.fields:
            begin, end = np.searchsorted(field.pairs, (places[0], places[-1] + 1)).tolist()
            pairs = field.pairs[begin:end]
            at = np.searchsorted(places, pairs)
            here = places[at] == pairs
            if here.any():
                production, shadow = field.production[begin:end], field.shadow[begin:end]
                part.fields.append(field._replace(production=production, shadow=shadow).where(here, at[here]))
        return part

    def of(self, place: int) -> list[tuple[tuple[str, ...], str, Any, Any]]:
        """Return path, kind and both values of each difference of a pair of `mask`."""
        found = []
        for field in self.fields:
            at = int(np.searchsorted(field.pairs, place))
            if at < len(field.pairs) and field.pairs[at] == place:
                production, shadow = field.production[at], field.shadow[at]
                kind = "null" if production is None or shadow is None else "value"
                found.append((field.path, kind, production, shadow))
        return found

    def touched_by(self, place: int) -> frozenset[str]:
        """Return the watched paths at which a pair of `mask` differs."""
        return frozenset(path for path, mask in self.touched.items() if mask[place])
