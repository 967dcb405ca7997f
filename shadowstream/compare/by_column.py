"""The same rules on many pairs at once, field by field.

A field whose values are all of one flat type (or null) on both sides is compared as two columns; any other field, and
any pair that is not two objects, falls back to `rows` for just that field or pair. Only levels (places in `OUTCOMES`)
are computed here. Differences and their texts come from `rows`, when somebody asks, so that they have one source.
"""

from __future__ import annotations

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

# Of these, two of one type are equal exactly if `==` says so (NaN apart). Decimal is not here: it may raise.
_FLAT = frozenset({str, int, float, bool, bytes, datetime, date, UUID})
_NULL = type(None)
# Objects used as maps, each with keys of its own, make wide and empty columns; rows are cheaper then.
_CELLS_PER_FIELD_MAX = 4
# Of the sum of all that is computed with: far more than a few roundings of doubles come to.
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
        return [compare_rows(one, other, rules) for one, other in zip(production, shadow, strict=True)]
    if {*map(type, production)} == {dict} == {*map(type, shadow)}:
        return _objects(production, shadow, rules)
    results: list[PairResult | None] = [None] * len(production)
    flat = []
    for place, (one, other) in enumerate(zip(production, shadow, strict=True)):
        if type(one) is dict and type(other) is dict:
            flat.append(place)
        else:
            results[place] = compare_rows(one, other, rules)
    if flat:
        both = _objects([production[place] for place in flat], [shadow[place] for place in flat], rules)
        for place, result in zip(flat, both, strict=True):
            results[place] = result
    return [result for result in results if result is not None]


def _objects(production: Sequence[_Value], shadow: Sequence[_Value], rules: RuleSet) -> list[PairResult]:
    fields = _fields(production, shadow)
    if fields is None:
        return [compare_rows(one, other, rules) for one, other in zip(production, shadow, strict=True)]
    levels = np.zeros(len(production), np.uint8)
    for name, ours, theirs in fields:
        found = field_levels(rules, str(name), ours, theirs)
        if found is not None:
            np.maximum(levels, found, out=levels)
    return [
        unexplained(level, one, other, rules)
        for level, one, other in zip(levels.tolist(), production, shadow, strict=True)
    ]


def _fields(
    production: Sequence[_Value], shadow: Sequence[_Value]
) -> list[tuple[Any, Sequence[Any], Sequence[Any]]] | None:
    """Name and both columns of every field; None where columns would be mostly empty."""
    names = list(production[0])
    ours, theirs = _full_columns(production, names), _full_columns(shadow, names)
    if ours is None or theirs is None:
        every = dict.fromkeys(chain(chain.from_iterable(production), chain.from_iterable(shadow)))
        cells = sum(map(len, production)) + sum(map(len, shadow))
        if 2 * len(every) * len(production) > _CELLS_PER_FIELD_MAX * cells:
            return None
        names = list(every)
        ours = [[value.get(name, ABSENT) for value in production] for name in names]
        theirs = [[value.get(name, ABSENT) for value in shadow] for name in names]
    return list(zip(names, ours, theirs, strict=True))


def _full_columns(values: Sequence[_Value], names: list[Any]) -> list[list[Any]] | None:
    """Columns of `names` if every value has these fields and no other."""
    # With each of the names found in each value, the sum tells whether any has more.
    if sum(map(len, values)) != len(names) * len(values):
        return None
    try:
        return [list(map(itemgetter(name), values)) for name in names]
    except KeyError:
        return None


def field_levels(rules: RuleSet, name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> Levels | None:
    """The levels of one field of whole values, None for all match."""
    types = {*map(type, ours), *map(type, theirs)}
    flat = types - {_NULL}
    if len(flat) > 1 or not flat <= _FLAT:
        return _by_rows(rules, name, ours, theirs)
    spot = rules.root.step(name)
    rule = spot.rule
    if types == {float} and spot.own is None and is_numeric(rule):
        one, other = np.array(ours), np.array(theirs)
        found = float_levels(one, other, rule)
        if found is not None and rules.decimals and rule is not None and rule.of_numbers:
            for place in np.flatnonzero(doubtful(one, other, rule)).tolist():
                found[place] = level_of(rules, name, ours[place], theirs[place])
        return found
    if ours == theirs:
        return None
    unequal = np.fromiter(map(ne, ours, theirs), np.bool_, len(ours))
    if float in flat:
        # NaN is unequal to itself, and to nothing else equal.
        for place in np.flatnonzero(unequal).tolist():
            unequal[place] = ours[place] == ours[place] or theirs[place] == theirs[place]
    places = np.flatnonzero(unequal).tolist()
    if spot.own is None and (rule is None or rule.ignore):
        return _where(unequal, MISMATCH if rule is None else IGNORED)
    levels = np.zeros(len(ours), np.uint8)
    if spot.own is not None and spot.own.call is not None and spot.own.rule.on == "column" and not spot.own.normalise:
        called = _called(spot.own.call, [ours[place] for place in places], [theirs[place] for place in places])
        if called is not None:
            levels[places] = called
            return levels
    for place in places:
        levels[place] = level_of(rules, name, ours[place], theirs[place])
    return levels


def is_numeric(rule: Rule | None) -> bool:
    """Whether a rule says of two doubles nothing but equal, ignored or near."""
    return rule is None or not (rule.ulp or rule.values or rule.round_ms)


def float_levels(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], rule: Rule | None) -> Levels | None:
    """The levels of two columns of doubles under an `is_numeric` rule, None for all match."""
    unequal = ours != theirs
    unequal &= ~(np.isnan(ours) & np.isnan(theirs))
    if not unequal.any():
        return None
    if rule is None:
        return _where(unequal, MISMATCH)
    if rule.ignore:
        return _where(unequal, IGNORED)
    if not rule.of_numbers:
        return _where(unequal, MISMATCH)
    # As in rows, to the last bit: the same operations in the same order on the same doubles.
    with np.errstate(all="ignore"):
        atol, rtol = rule.doubles
        within = np.abs(theirs - ours) <= atol + rtol * np.abs(ours)
    within &= np.isfinite(ours) & np.isfinite(theirs)
    levels: Levels = np.where(within, np.uint8(TOLERATED), np.uint8(MISMATCH))
    levels[~unequal] = MATCH
    return levels


def doubtful(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], rule: Rule) -> npt.NDArray[np.bool_]:
    """Where doubles are too near to the tolerance's bound to say what exact numbers would."""
    atol, rtol = rule.doubles
    with np.errstate(all="ignore"):
        bound = atol + rtol * np.abs(ours)
        sum_ = np.abs(ours) + np.abs(theirs) + bound
        sure = np.abs(np.abs(theirs - ours) - bound) > sum_ * _SURE
    doubt: npt.NDArray[np.bool_] = ~sure & np.isfinite(ours) & np.isfinite(theirs) & (ours != theirs)
    return doubt


def _where(unequal: npt.NDArray[np.bool_], level: int) -> Levels:
    levels: Levels = np.where(unequal, np.uint8(level), np.uint8(MATCH))
    return levels


def _called(call: Hook, ours: list[Any], theirs: list[Any]) -> Levels | None:
    """Levels by a function of columns; None where it fails on them: then each pair is asked alone."""
    try:
        answers = answers_of(call, ours, theirs)
    except HookError:
        return None
    return np.fromiter((TOLERATED if answer else MISMATCH for answer in answers), np.uint8, len(ours))


def _by_rows(rules: RuleSet, name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> Levels:
    # A pair of which neither side has the field has no difference there.
    levels = (
        MATCH if one is ABSENT and other is ABSENT else level_of(rules, name, one, other)
        for one, other in zip(ours, theirs, strict=True)
    )
    return np.fromiter(levels, np.uint8, len(ours))
