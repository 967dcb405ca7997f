"""Columns of a dimension's values as codes, and the selection of the values that slices name.

A dimension may have any number of values, a verdict may not. The named values are those with the smallest hashes,
not the first ones. If a stream is split, each part keeps at least the values that the whole keeps, in any order. So
counts may be added and folded again, and a replay with other commits ends in the same cells. Counter-example for
first come, first served, with room for one value: the commits [a, b] and [b, a] would keep a and b, and their sum
neither.
"""

import json
from collections.abc import Iterable
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
    values: list[str]

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
