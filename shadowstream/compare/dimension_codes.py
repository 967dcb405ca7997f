"""Columns of a dimension's values as codes, and which values a slice names.

A dimension may have any number of values, a verdict may not. The exact values are those with the smallest hashes, not
those seen first: of two parts of a stream each keeps at least the values that the whole keeps, whatever its order,
so counts may be added and folded again, and a replay in other commits ends in the same cells. (First come, first
served: with room for one value, the commits [a, b] and [b, a] would keep a and b, and the sum neither.)
"""

from __future__ import annotations

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
    """A column: `values[codes[i]]` is the i-th."""

    codes: Ints
    values: list[str]


def coded(column: Iterable[Any]) -> Coded:
    """A column of texts as codes, in order of first appearance.

    >>> coded(["b", "a", "b"])
    Coded(codes=array([0, 1, 0]), values=['b', 'a'])
    """
    column = column if isinstance(column, list) else list(column)
    values = list(dict.fromkeys(column))
    if len(values) <= 1:
        return Coded(np.zeros(len(column), np.int64), values)
    places = {value: place for place, value in enumerate(values)}
    return Coded(np.fromiter(map(places.__getitem__, column), np.int64, len(column)), values)


def folded(column: Coded, mask: npt.NDArray[np.bool_], most: int) -> Coded:
    """The column with at most `most` exact values among those of `mask`, all others as `OTHER`.

    >>> folded(coded(["a", "b", "a", "c"]), np.array([True, True, True, False]), 1).values
    ['a', '(other)']
    """
    if len(column.values) <= most:
        return column
    keep = least((column.values[code] for code in np.unique(column.codes[mask]).tolist()), most)
    new = coded(value if value in keep else OTHER for value in column.values)
    return Coded(new.codes[column.codes], new.values)


def least(values: Iterable[str], most: int) -> frozenset[str]:
    """The `most` values with the smallest hashes; `OTHER` is none of them."""
    exact = {value for value in values if value != OTHER}
    if len(exact) <= most:
        return frozenset(exact)
    return frozenset(sorted(exact, key=_rank)[:most])


def _rank(value: str) -> tuple[bytes, str]:
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), value


def text_of(value: Any) -> str:
    """A value as text, of any length: a text as it is, numbers, truth values and what is nested as JSON.

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
