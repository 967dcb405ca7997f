"""Signed differences of pairs by the numbers that both sides write: values of more or less worth, and signed means."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from shadowstream.compare.fields import Fields
from shadowstream.config import Config
from shadowstream.paths import parse_one
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

    def of(self, production: Fields, shadow: Fields) -> Mapping[str, SignedDifferences]:
        """Return the differences of pairs by the name of their sums."""
        found = {}
        for name, criterion in self._wanted.items():
            path = parse_one(criterion.path or "")
            numbers = [doubles(side.at(path)) for side in (production, shadow)]
            more_is_worse = criterion.better == "lower" or criterion.loss == "cost"
            losses = [np.where(np.isfinite(side), side if more_is_worse else -side, math.nan) for side in numbers]
            found[name] = SignedDifferences(between(*losses), criterion.threshold, criterion.bound or 0.0)
        return found


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
