"""Differences of mismatched pairs, read from the columns that found them: no value is decoded again.

Covers only fields that `by_value` would see as the same plain Python values. A pair that differs anywhere else is
left to `by_value`.
"""

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
    """Results of the mismatches at `places`, equal to those of `compare_rows`; some may be missing."""
    if not len(places) or production.schema.names != shadow.schema.names:
        return {}
    differences: list[list[Difference]] = [[] for _ in places]
    touched: list[set[str]] = [set() for _ in places]
    complete = np.ones(len(places), np.bool_)
    # `pa.array` would import pandas where it is installed.
    indexes = pa.Int64Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)])
    for name, column, shadow_column in zip(production.schema.names, production.columns, shadow.columns, strict=True):
        spot = rules.root.step(name)
        is_ignored = spot.own is None and not spot.open and spot.rule is not None and spot.rule.ignore
        if is_ignored or column.equals(shadow_column):
            continue
        values, shadow_values = column.take(indexes), shadow_column.take(indexes)
        if values.equals(shadow_values):
            continue
        pairs = list(zip(values.to_pylist(), shadow_values.to_pylist(), strict=True))
        plain = spot.own is None and column.type == shadow_column.type and _is_plain(column.type)
        for n, (value, shadow_value) in enumerate(pairs):
            if value != shadow_value:
                if plain:
                    for raw in mismatch_of_field(rules, name, value, shadow_value):
                        differences[n].append(difference(*raw))
                        touched[n].update(rules.watched.touched(raw[0]))
                else:
                    complete[n] = False
    return {
        int(place): PairResult(Outcome.MISMATCH, listed[:DIFFERENCES_MAX], touched=frozenset(paths))
        for place, listed, paths, whole in zip(places.tolist(), differences, touched, complete.tolist(), strict=True)
        if whole and listed
    }


def _is_plain(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_float64(kind) or types.is_string(kind) or types.is_boolean(kind))
