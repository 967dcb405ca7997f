"""Rules on many pairs at once, field by field.

A field is compared as two columns if all its values on both sides have the same flat type (or null). Any other
field, and any pair that is not two objects, falls back to `by_value`, for that field or pair only. This module
computes only levels (indexes in `OUTCOMES`). Differences and their texts always come from `by_value`, on request, so
that they have a single source.
"""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import chain
from operator import itemgetter, ne
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from shadowstream.compare.by_value import compare_rows, level_of, unexplained
from shadowstream.compare.differences import ABSENT
from shadowstream.compare.hooks import Hook, HookError, answers_of
from shadowstream.compare.result import IGNORED, MATCH, MISMATCH, TOLERATED, PairResult
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Rule
from shadowstream.errors import ShadowstreamBug

Levels = npt.NDArray[np.uint8]
_Value = dict[Any, Any]

# Two values of one of these types are equal exactly if `==` is true (except NaN). Decimal is missing: it may raise.
_FLAT = frozenset({str, int, float, bool, bytes, datetime, date, UUID})
_NULL = type(None)
# Objects used as maps, each with different keys, make wide and empty columns; `by_value` is cheaper for them.
_CELLS_PER_FIELD_MAX = 4
# Relative to the sum of all operands: far more than a few roundings of doubles add up to.
_SURE = 2.0**-48


def compare_columns(production: Sequence[Any], shadow: Sequence[Any], rules: RuleSet) -> list[PairResult]:
    """Compare pairs of decoded values; the same results as `compare_rows` for each, at a fraction of its cost.

    >>> [r.outcome for r in compare_columns([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], RuleSet())]
    ['match', 'mismatch']
    """
    if len(production) != len(shadow):
        raise ShadowstreamBug(f"compare: {len(production)} production values and {len(shadow)} shadow values")
    if not production:
        return []
    if rules.root.own is not None:
        return [
            compare_rows(production_value, shadow_value, rules)
            for production_value, shadow_value in zip(production, shadow, strict=True)
        ]
    if {*map(type, production)} == {dict} == {*map(type, shadow)}:
        return _objects(production, shadow, rules)
    results: list[PairResult | None] = [None] * len(production)
    flat = []
    for index, (production_value, shadow_value) in enumerate(zip(production, shadow, strict=True)):
        if type(production_value) is dict and type(shadow_value) is dict:
            flat.append(index)
        else:
            results[index] = compare_rows(production_value, shadow_value, rules)
    if flat:
        object_results = _objects([production[index] for index in flat], [shadow[index] for index in flat], rules)
        for index, result in zip(flat, object_results, strict=True):
            results[index] = result
    return [result for result in results if result is not None]


def _objects(production: Sequence[_Value], shadow: Sequence[_Value], rules: RuleSet) -> list[PairResult]:
    fields = _fields(production, shadow)
    if fields is None:
        return [
            compare_rows(production_value, shadow_value, rules)
            for production_value, shadow_value in zip(production, shadow, strict=True)
        ]
    levels = np.zeros(len(production), np.uint8)
    for name, production_column, shadow_column in fields:
        levels_of_field = field_levels(rules, str(name), production_column, shadow_column)
        if levels_of_field is not None:
            np.maximum(levels, levels_of_field, out=levels)
    return [
        unexplained(level, production_value, shadow_value, rules)
        for level, production_value, shadow_value in zip(levels.tolist(), production, shadow, strict=True)
    ]


def _fields(
    production: Sequence[_Value], shadow: Sequence[_Value]
) -> list[tuple[Any, Sequence[Any], Sequence[Any]]] | None:
    """Name and both columns of every field; None if the columns would be mostly empty."""
    names = list(production[0])
    production_columns, shadow_columns = _full_columns(production, names), _full_columns(shadow, names)
    if production_columns is None or shadow_columns is None:
        every = dict.fromkeys(chain(chain.from_iterable(production), chain.from_iterable(shadow)))
        cells = sum(map(len, production)) + sum(map(len, shadow))
        if 2 * len(every) * len(production) > _CELLS_PER_FIELD_MAX * cells:
            return None
        names = list(every)
        production_columns = [[value.get(name, ABSENT) for value in production] for name in names]
        shadow_columns = [[value.get(name, ABSENT) for value in shadow] for name in names]
    return list(zip(names, production_columns, shadow_columns, strict=True))


def _full_columns(values: Sequence[_Value], names: list[Any]) -> list[list[Any]] | None:
    """Columns of `names`; None unless every value has exactly these fields."""
    # Each value has all the names below, so a larger sum of lengths means that some value has other fields.
    if sum(map(len, values)) != len(names) * len(values):
        return None
    try:
        return [list(map(itemgetter(name), values)) for name in names]
    except KeyError:
        return None


def field_levels(rules: RuleSet, name: str, production: Sequence[Any], shadow: Sequence[Any]) -> Levels | None:
    """The levels of one field of whole values; None if all match."""
    types = {*map(type, production), *map(type, shadow)}
    flat = types - {_NULL}
    if len(flat) > 1 or not flat <= _FLAT:
        return _by_rows(rules, name, production, shadow)
    spot = rules.root.step(name)
    rule = spot.rule
    if types == {float} and spot.own is None and is_numeric(rule):
        production_doubles, shadow_doubles = np.array(production), np.array(shadow)
        levels = float_levels(production_doubles, shadow_doubles, rule)
        if levels is not None and rules.decimals and rule is not None and rule.of_numbers:
            for index in np.flatnonzero(doubtful(production_doubles, shadow_doubles, rule)).tolist():
                levels[index] = level_of(rules, name, production[index], shadow[index])
        return levels
    if production == shadow:
        return None
    unequal = np.fromiter(map(ne, production, shadow), np.bool_, len(production))
    if float in flat:
        # NaN is unequal to itself and to every other value; two NaN count as equal.
        for index in np.flatnonzero(unequal).tolist():
            unequal[index] = production[index] == production[index] or shadow[index] == shadow[index]
    indexes = np.flatnonzero(unequal).tolist()
    if spot.own is None and (rule is None or rule.ignore):
        return where(unequal, MISMATCH if rule is None else IGNORED)
    levels = np.zeros(len(production), np.uint8)
    if spot.own is not None and spot.own.call is not None and spot.own.rule.on == "column" and not spot.own.normalise:
        answered = _called(
            spot.own.call, [production[index] for index in indexes], [shadow[index] for index in indexes]
        )
        if answered is not None:
            levels[indexes] = answered
            return levels
    for index in indexes:
        levels[index] = level_of(rules, name, production[index], shadow[index])
    return levels


def is_numeric(rule: Rule | None) -> bool:
    """Whether the only verdicts of a rule on two doubles are equal, ignored or near."""
    return rule is None or not (rule.ulp or rule.values or rule.round_ms)


def float_levels(
    production: npt.NDArray[np.float64], shadow: npt.NDArray[np.float64], rule: Rule | None
) -> Levels | None:
    """The levels of two columns of doubles under an `is_numeric` rule; None if all match."""
    unequal = production != shadow
    unequal &= ~(np.isnan(production) & np.isnan(shadow))
    if not unequal.any():
        return None
    if rule is None:
        return where(unequal, MISMATCH)
    if rule.ignore:
        return where(unequal, IGNORED)
    if not rule.of_numbers:
        return where(unequal, MISMATCH)
    # Bit by bit as in `by_value`: the same operations in the same order on the same doubles.
    with np.errstate(all="ignore"):
        atol, rtol = rule.doubles
        within = np.abs(shadow - production) <= atol + rtol * np.abs(production)
    within &= np.isfinite(production) & np.isfinite(shadow)
    levels: Levels = np.where(within, np.uint8(TOLERATED), np.uint8(MISMATCH))
    levels[~unequal] = MATCH
    return levels


def doubtful(production: npt.NDArray[np.float64], shadow: npt.NDArray[np.float64], rule: Rule) -> npt.NDArray[np.bool_]:
    """Mask of doubles so near to the tolerance's bound that exact numbers may decide otherwise."""
    atol, rtol = rule.doubles
    with np.errstate(all="ignore"):
        bound = atol + rtol * np.abs(production)
        sum_ = np.abs(production) + np.abs(shadow) + bound
        sure = np.abs(np.abs(shadow - production) - bound) > sum_ * _SURE
    doubt: npt.NDArray[np.bool_] = ~sure & np.isfinite(production) & np.isfinite(shadow) & (production != shadow)
    return doubt


def where(unequal: npt.NDArray[np.bool_], level: int) -> Levels:
    levels: Levels = np.where(unequal, np.uint8(level), np.uint8(MATCH))
    return levels


def _called(call: Hook, production: list[Any], shadow: list[Any]) -> Levels | None:
    """Levels from a function of columns; None if it fails, so that the caller asks for each pair individually."""
    try:
        answers = answers_of(call, production, shadow)
    except HookError:
        return None
    return np.fromiter((TOLERATED if answer else MISMATCH for answer in answers), np.uint8, len(production))


def _by_rows(rules: RuleSet, name: str, production: Sequence[Any], shadow: Sequence[Any]) -> Levels:
    # If neither side has the field, the pair has no difference there.
    levels = (
        MATCH
        if production_value is ABSENT and shadow_value is ABSENT
        else level_of(rules, name, production_value, shadow_value)
        for production_value, shadow_value in zip(production, shadow, strict=True)
    )
    return np.fromiter(levels, np.uint8, len(production))
