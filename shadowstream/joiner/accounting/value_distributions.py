"""Distributions: values of compared pairs by bin, on both sides, and the pairs that both sides put into one bin.

A pair counts once for each side, so the sides have equally many values. Counts are integers by bin name
(`protocol.value_bins`): batches, commits and order have no effect.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.dimension_codes import Coded, coded, folded, least, name_of
from shadowstream.compare.fields import Fields
from shadowstream.config import Config, Distribution
from shadowstream.errors import RecordError
from shadowstream.joiner.accounting.field_presence import is_nothing
from shadowstream.paths import ABSENT as NO_FIELD
from shadowstream.paths import parse_one
from shadowstream.protocol import value_bins as bins
from shadowstream.protocol.value_bins import Doubles, Ints

_Mask = npt.NDArray[np.bool_]
_ENTRY_BYTES = 6
"""Size of the counts of one bin in a stats record, and of the lengths of its texts."""


class BinnedPairs(NamedTuple):
    """Pairs of one field: the codes of their bins on each side, and the names of the codes."""

    production: Ints
    shadow: Ints
    names: Sequence[str]
    is_learnt: bool = False
    """Whether the names are all values; at most `VALUES_MAX` of a window are kept."""


class DistributionReader:
    """Reader of the fields in `compare.distributions`."""

    def __init__(self, config: Config) -> None:
        self._bins = [_bins_of(field) for field in config.compare.distributions]

    def __bool__(self) -> bool:
        return bool(self._bins)

    def of(self, production: Fields, shadow: Fields) -> Mapping[str, BinnedPairs]:
        """Return the bins of pairs by the path of the field."""
        return {one.path: one.pairs(production, shadow) for one in self._bins}


class _NumberBins:
    """Bins of a field of numbers, by edges or fine."""

    def __init__(self, field: Distribution) -> None:
        self.path, self._names = field.path, parse_one(field.path)
        self._edges = field.edges
        low, high = (-bins.FINE_MAX, bins.FINE_MAX) if field.edges is None else (0, len(field.edges))
        self._low, self._numbers = low, high - low + 1
        self._codes = {name: self._numbers + place for place, name in enumerate(bins.SPECIAL)}
        self._bin_names = [*map(str, range(low, high + 1)), *bins.SPECIAL]

    def pairs(self, production: Fields, shadow: Fields) -> BinnedPairs:
        return BinnedPairs(self._of(production), self._of(shadow), self._bin_names)

    def _of(self, fields: Fields) -> Ints:
        column = fields.numbers(self._names)
        if column is not None:
            codes = self._binned(column.values)
            codes[np.isnan(column.values)] = self._codes[bins.NAN]
            codes[column.nulls] = self._codes[bins.NULL]
            return codes
        values = fields.at(self._names)
        numbers = np.array([_double(value) for value in values], np.float64)
        codes = self._binned(numbers)
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            codes[row] = self._codes[_special(values[row])]
        return codes

    def _binned(self, numbers: Doubles) -> Ints:
        found = bins.fine_bins(numbers) if self._edges is None else bins.edge_bins(numbers, self._edges)
        return found - self._low


class _CategoryBins:
    """Bins of a field of categories: the named ones, or all values."""

    def __init__(self, field: Distribution) -> None:
        self.path, self._names = field.path, parse_one(field.path)
        listed = field.categories if isinstance(field.categories, list) else None
        self._allowed = None if listed is None else {*map(name_of, listed), *bins.SPECIAL}

    def pairs(self, production: Fields, shadow: Fields) -> BinnedPairs:
        columns = [self._shown(side.coded(self._names)) for side in (production, shadow)]
        both = coded([name for column in columns for name in column.values])
        first = len(columns[0].values)
        return BinnedPairs(
            both.codes[:first][columns[0].codes], both.codes[first:][columns[1].codes], both.values,
            is_learnt=self._allowed is None,
        )  # fmt: skip

    def _shown(self, column: Coded) -> Coded:
        allowed = self._allowed
        if allowed is None:
            return column
        return Coded(column.codes, [name if name in allowed else bins.OTHER for name in column.values])


def _bins_of(field: Distribution) -> _NumberBins | _CategoryBins:
    return _NumberBins(field) if field.is_numeric else _CategoryBins(field)


def _double(value: Any) -> float:
    """Return a number as a double, and NaN for what is none."""
    if isinstance(value, bool | str | bytes):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except (TypeError, ValueError):
        return np.nan


def _special(value: Any) -> str:
    if isinstance(value, RecordError):
        return bins.UNDECODABLE
    if is_nothing(value):
        return bins.ABSENT if value is NO_FIELD else bins.NULL
    return bins.NAN if isinstance(value, float) else bins.OTHER


class BinSums:
    """Sums of one window and revision: by field and bin the pairs of production, of the candidate, and of both.

    `size`: about how many bytes they take in a stats record.
    """

    __slots__ = ("_learnt", "_sums", "size")

    def __init__(self) -> None:
        self.size = 0
        self._sums: dict[str, dict[str, list[int]]] = {}
        self._learnt: set[str] = set()

    def add(self, fields: Mapping[str, BinnedPairs], mask: _Mask) -> None:
        """Add the pairs of `mask`."""
        for path, pairs in fields.items():
            production, shadow, names = pairs.production[mask], pairs.shadow[mask], pairs.names
            if pairs.is_learnt:
                self._learnt.add(path)
                # Both sides together, so that they keep the same values.
                together = Coded(np.concatenate((production, shadow)), list(names))
                column = folded(together, np.ones(len(together.codes), np.bool_), bins.VALUES_MAX)
                production, shadow = np.split(column.codes, 2)
                names = column.values
            sums = self._sums.setdefault(path, {})
            counts = [np.bincount(codes, minlength=len(names)) for codes in (production, shadow)]
            counts.append(np.bincount(production[production == shadow], minlength=len(names)))
            for code in np.flatnonzero(counts[0] + counts[1]).tolist():
                if names[code] not in sums:
                    self.size += len(path) + len(names[code]) + _ENTRY_BYTES
                _plus(sums, names[code], [int(one[code]) for one in counts])

    def record(self) -> list[dict[str, Any]]:
        """Return the counts as in schemas/stats.avsc."""
        return [
            {"path": path, "bin": name, "production": one[0], "shadow": one[1], "same": one[2]}
            for path, sums in sorted(self._sums.items())
            for name, one in sorted(self._kept(path, sums).items())
        ]

    def _kept(self, path: str, sums: dict[str, list[int]]) -> dict[str, list[int]]:
        if path not in self._learnt or len(sums) <= bins.VALUES_MAX:
            return sums
        exact = least(sums, bins.VALUES_MAX)
        kept: dict[str, list[int]] = {}
        for name, counts in sums.items():
            _plus(kept, name if name in exact else bins.OTHER, counts)
        return kept


def _plus(sums: dict[str, list[int]], name: str, counts: Sequence[int]) -> None:
    held = sums.setdefault(name, [0, 0, 0])
    for place, n in enumerate(counts):
        held[place] += n
