"""Signed differences of pairs by what both sides write at a path: numbers of more or less worth, or any two values.

A function of the user gives how much worse the candidate is. If it raises, or returns no number, the candidate is worse
by the bound; a pair for which it does not answer has no difference and lowers the criterion's coverage.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.fields import Fields
from shadowstream.compare.hooks import Hook, HookError, Unanswered
from shadowstream.config import Config, Criterion
from shadowstream.config.losses import is_entry_point
from shadowstream.errors import RecordError
from shadowstream.paths import ABSENT, parse_one
from shadowstream.protocol.signed_means import Doubles, between


class SignedDifferences(NamedTuple):
    """How much worse the candidate is, by pair (NaN: not known), and the limit and the bound of its units."""

    values: Doubles
    limit: float
    bound: float


def doubles(values: Sequence[Any]) -> Doubles:
    """Return numbers as doubles, and NaN for what is no number."""
    return np.array([_double(value) for value in values], np.float64)


class SignedReader:
    """Reader of the signed differences that a config names."""

    def __init__(self, config: Config) -> None:
        self._wanted = {one.sums: one for one in config.judge.criteria if one.is_signed and one.path}

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def of(self, compare: Comparing, production: Fields, shadow: Fields) -> Mapping[str, SignedDifferences]:
        """Return the differences of pairs by the name of their sums."""
        found = {}
        for name, criterion in self._wanted.items():
            path = parse_one(criterion.path or "")
            values = production.at(path), shadow.at(path)
            if criterion.judged:  # how much worse production is: the sides change places
                values = values[1], values[0]
            if criterion.loss is not None and is_entry_point(criterion.loss):
                function = compare.function(criterion.loss)
                differences = np.array([_asked(function, *pair) for pair in zip(*values, strict=True)], np.float64)
            else:
                differences = _of_numbers(criterion, doubles(values[0]), doubles(values[1]))
            found[name] = SignedDifferences(differences, criterion.threshold, criterion.bound or 0.0)
        return found


def _of_numbers(criterion: Criterion, production: Doubles, shadow: Doubles) -> Doubles:
    more_is_worse = criterion.better == "lower" or criterion.loss == "cost"
    one, other = (
        np.where(np.isfinite(side), side if more_is_worse else -side, math.nan) for side in (production, shadow)
    )
    return between(one, other)


def _asked(function: Hook, production: Any, shadow: Any) -> float:
    """Return how much worse the candidate is by a function; NaN: neither side has a value, or it does not answer."""
    values = [None if value is ABSENT or isinstance(value, RecordError) else value for value in (production, shadow)]
    if values[0] is None and values[1] is None:
        return math.nan
    try:
        found = function(*values)
    except Unanswered:
        return math.nan
    except HookError:
        return math.inf
    difference = math.inf if found == math.inf else _double(found)
    return math.inf if math.isnan(difference) or difference == -math.inf else difference


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
