"""Columns of a dimension's values as codes, and the selection of the values that slices name.

A dimension may have any number of values, a verdict may not. The named values are those with the smallest hashes,
not the first ones. If a stream is split, each part keeps at least the values that the whole keeps, in any order. So
counts may be added and folded again, and a replay with other commits ends in the same cells. Counter-example for
first come, first served, with room for one value: the commits [a, b] and [b, a] would keep a and b, and their sum
neither.
"""

import json
from collections.abc import Container, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.codecs.numbers import ExactFloat
from shadowstream.protocol.size_limits import shortened

OTHER = "(other)"
ABSENT = "(absent)"
UNDECODABLE = "(undecodable)"
TEXT_CHARS_MAX = 64
Ints = npt.NDArray[np.int64]


class Coded(NamedTuple):
    """A column of texts: `values[codes[i]]` is the i-th."""

    codes: Ints
    values: Sequence[str]

    def text(self, place: int) -> str:
        """Return the text of one row."""
        return self.values[int(self.codes[place])]

    def texts(self) -> list[str]:
        """Return the column as texts.

        >>> coded(["b", "a", "b"]).texts()
        ['b', 'a', 'b']
        """
        return [*map(self.values.__getitem__, self.codes.tolist())]

    def at(self, places: Ints | slice) -> "Coded":
        """Return the rows at some places, with all values."""
        return self._replace(codes=self.codes[places])

    def among(self, texts: Container[str]) -> npt.NDArray[np.bool_]:
        """Return the mask of the rows whose text is one of these.

        >>> coded(["b", "a", "c"]).among({"b", "c"}).tolist()
        [True, False, True]
        """
        return np.array([value in texts for value in self.values], np.bool_)[self.codes]

    def by_appearance(self) -> "Coded":
        """Return the column with codes in order of first appearance, and the values that come.

        >>> Coded(np.array([2, 0, 2]), ["a", "b", "c"]).by_appearance()
        Coded(codes=array([0, 1, 0]), values=['c', 'a'])
        """
        _, firsts = counts_of(self.codes, len(self.values))
        new = np.zeros(len(self.values), np.int64)
        new[firsts] = np.arange(len(firsts))
        return Coded(new[self.codes], [self.values[code] for code in firsts])

    def part(self, begin: int, end: int) -> "Coded":
        """Return the rows from `begin` up to `end`, with the values of these rows only.

        >>> coded(["b", "a", "c", "a"]).part(1, 3)
        Coded(codes=array([0, 1]), values=['a', 'c'])
        """
        codes = self.codes[begin:end].tolist()
        places = {code: place for place, code in enumerate(sorted(set(codes)))}
        return Coded(
            np.fromiter(map(places.__getitem__, codes), np.int64, len(codes)), [*map(self.values.__getitem__, places)]
        )

    @classmethod
    def of_one(cls, text: str, count: int) -> "Coded":
        """Return a column of one text."""
        return cls(np.zeros(count, np.int64), [text])

    @classmethod
    def joined(cls, parts: Sequence["Coded"]) -> "Coded":
        """Concatenate columns, at least one.

        >>> Coded.joined([coded(["b", "a"]), coded(["c", "b"])])
        Coded(codes=array([0, 1, 2, 0]), values=['b', 'a', 'c'])
        """
        if len(parts) == 1:
            return parts[0]
        codes = {value: 0 for part in parts for value in part.values}
        codes = {value: code for code, value in enumerate(codes)}
        own = [np.array([codes[value] for value in part.values], np.int64)[part.codes] for part in parts]
        return cls(np.concatenate(own), list(codes))


def counts_of(codes: Ints, size: int) -> tuple[Ints, list[int]]:
    """Count each of `size` codes; return the counts, and the codes that come, in order of first appearance.

    >>> counts_of(np.array([2, 0, 2]), 4)
    (array([1, 0, 2, 0]), [2, 0])
    """
    counts = np.bincount(codes, minlength=size)
    found = np.flatnonzero(counts)
    if len(found) > 1:
        firsts = np.empty(size, np.int64)
        firsts[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of equal places the last assignment holds
        found = found[np.argsort(firsts[found])]
    return counts, found.tolist()


def coded(column: Iterable[Any]) -> Coded:
    """Encode a column of texts, with codes in order of first appearance.

    >>> coded(["b", "a", "b"])
    Coded(codes=array([0, 1, 0]), values=['b', 'a'])
    """
    column = column if isinstance(column, list) else list(column)
    values = list(dict.fromkeys(column))
    if len(values) <= 1:
        return Coded(np.zeros(len(column), np.int64), values)
    codes = {value: code for code, value in enumerate(values)}
    return Coded(np.fromiter(map(codes.__getitem__, column), np.int64, len(column)), values)


def folded(column: Coded, mask: npt.NDArray[np.bool_], limit: int) -> Coded:
    """The column with at most `limit` named values among the rows of `mask`; all other values become `OTHER`.

    >>> folded(coded(["a", "b", "a", "c"]), np.array([True, True, True, False]), 1).values
    ['a', '(other)']
    """
    if len(column.values) <= limit:
        return column
    keep = least((column.values[code] for code in np.unique(column.codes[mask]).tolist()), limit)
    new = coded(value if value in keep else OTHER for value in column.values)
    return Coded(new.codes[column.codes], new.values)


def least(values: Iterable[str], limit: int) -> frozenset[str]:
    """The `limit` values with the smallest hashes, without `OTHER`."""
    exact = {value for value in values if value != OTHER}
    if len(exact) <= limit:
        return frozenset(exact)
    return frozenset(sorted(exact, key=_rank)[:limit])


def _rank(value: str) -> tuple[bytes, str]:
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), value


def text_of(value: Any) -> str:
    """A value as text of any length: a text unchanged; numbers, truth values and nested values as JSON.

    >>> text_of("UA"), text_of(True), text_of(None), text_of(b"UA")
    ('UA', 'true', 'null', 'UA')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if type(value) is ExactFloat:
        return str(value.exact)
    if value is None or isinstance(value, dict | list | tuple | bool | int | float):
        return json.dumps(value, default=str)
    return str(value)


def name_of(value: Any) -> str:
    """A value's name in a slice: its text, `shortened` to `TEXT_CHARS_MAX` characters."""
    return shortened(text_of(value), TEXT_CHARS_MAX)
