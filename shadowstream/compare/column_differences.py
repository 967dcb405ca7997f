"""Differences of pairs that columns have found to be mismatches, from these columns: no value is decoded again.

Only of fields that rows would see as the same plain Python values; a pair that differs anywhere else is left to rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shadowstream.compare.by_value import mismatch_of_field
from shadowstream.compare.differences import difference
from shadowstream.compare.result import DIFFERENCES_MAX, Difference, PairResult
from shadowstream.compare.rules import RuleSet
from shadowstream.protocol.outcomes import Outcome


def explained(
    production: pa.RecordBatch, shadow: pa.RecordBatch, places: npt.NDArray[np.int64], rules: RuleSet
) -> dict[int, PairResult]:
    """Whole results of the mismatches at these places, as `compare_rows` gives them; of some there may be none."""
    if not len(places) or production.schema.names != shadow.schema.names:
        return {}
    differences: list[list[Difference]] = [[] for _ in places]
    touched: list[set[str]] = [set() for _ in places]
    left = np.ones(len(places), np.bool_)
    # `pa.array` would import pandas where it is installed.
    at = pa.Int64Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)])
    for name, ours, theirs in zip(production.schema.names, production.columns, shadow.columns, strict=True):
        spot = rules.root.step(name)
        if spot.own is None and not spot.open and spot.rule is not None and spot.rule.ignore:
            continue
        if ours.equals(theirs):
            continue
        one, other = ours.take(at), theirs.take(at)
        if one.equals(other):
            continue
        pairs = list(zip(one.to_pylist(), other.to_pylist(), strict=True))
        plain = spot.own is None and ours.type == theirs.type and _is_plain(ours.type)
        for n, (value, also) in enumerate(pairs):
            if value != also:
                if plain:
                    for found in mismatch_of_field(rules, name, value, also):
                        differences[n].append(difference(*found))
                        touched[n].update(rules.watched.touched(found[0]))
                else:
                    left[n] = False
    return {
        int(place): PairResult(Outcome.MISMATCH, found[:DIFFERENCES_MAX], touched=frozenset(paths))
        for place, found, paths, whole in zip(places.tolist(), differences, touched, left.tolist(), strict=True)
        if whole and found
    }


def _is_plain(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_float64(kind) or types.is_string(kind) or types.is_boolean(kind))
