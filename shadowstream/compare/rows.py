"""The rules on any nested value, pair by pair. What is equal, and what is not:

=====================================  ================================================================
values                                 are
=====================================  ================================================================
of two types                           different (type), even 1 and true; 1 and 1.0 too, unless a
                                       tolerance holds there: then both are numbers
null and a value                       different (null)
a field absent and a field null        different (missing, extra)
NaN and NaN; 0.0 and −0.0              equal
inf                                    equal to the same inf only, whatever the tolerance
other numbers p, s                     equal if p = s, tolerated if |s − p| ≤ atol + rtol·|p|
ints, decimals                         exact, beyond 2⁵³ too, where no tolerance holds; an int that no
                                       double can hold (1.8e308) is within no tolerance
lists                                  compared by place; two lengths are a difference (length) of the
                                       list, whatever their common part says
a tombstone (None) and a value         different (tombstone) at path ""
strings, bytes, times, UUIDs           equal if `==`
=====================================  ================================================================

The outcome is mismatch if any path differs by its rules, else tolerated if a tolerance was needed, else ignored if only
ignored paths differ, else match. Values come from a `codecs.decoder.Decoder`, which bounds their depth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from decimal import Context, Decimal
from functools import partial
from typing import Any

from shadowstream.compare.result import (
    DIFFERENCES_MAX,
    IGNORED,
    MATCH,
    MISMATCH,
    OUTCOMES,
    PLAIN_MATCH,
    TEXT_CHARS_MAX,
    TOLERATED,
    Difference,
    PairResult,
)
from shadowstream.compare.rules import RuleSet, Spot, join_path
from shadowstream.config import Rule

ABSENT = object()
"""The value of a field that is not there."""

# No traps: what decimal cannot compute becomes a NaN, which is within no tolerance.
_DECIMALS = Context(prec=60, traps=[])
_NUMBERS = frozenset({int, float})

_Found = tuple[tuple[str, ...], str, Any, Any]


def compare_rows(production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """Compare one pair of decoded values.

    >>> from shadowstream.config import Rule
    >>> rules = RuleSet([Rule(path="score", atol=0.01)])
    >>> compare_rows({"id": 7, "score": 0.5}, {"id": 7, "score": 0.505}, rules).outcome
    'tolerated'
    >>> compare_rows({"id": 7, "score": 0.5}, {"id": 8, "score": 0.5}, rules).differences
    (Difference(path='id', kind='value', production='7', shadow='8', delta=1.0),)
    """
    walk = _Walk()
    walk.top(rules.root, production, shadow)
    return walk.result()


def whole(kind: str, production: Any, shadow: Any) -> PairResult:
    """A mismatch of two values as wholes; a side that has none is `ABSENT`."""
    return PairResult("mismatch", [_difference((), kind, production, shadow)])


def unexplained(level: int, production: Any, shadow: Any, rules: RuleSet) -> PairResult:
    """The result of a pair whose level is known; its differences are worked out here when asked for."""
    if level == MATCH:
        return PLAIN_MATCH
    return PairResult(OUTCOMES[level], explain=partial(_explain, production, shadow, rules))


def level_of(spot: Spot, name: str, production: Any, shadow: Any) -> int:
    """The level (place in `OUTCOMES`) of one field, either side possibly `ABSENT`."""
    walk = _Walk()
    walk.field(spot, name, production, shadow)
    return walk.level()


def _explain(production: Any, shadow: Any, rules: RuleSet) -> Sequence[Difference]:
    return compare_rows(production, shadow, rules).differences


def scalar_level(production: Any, shadow: Any, rule: Rule | None) -> int:
    """The level of two scalars of one type, or of an int and a float under a tolerance."""
    if production == shadow or (production != production and shadow != shadow):
        return MATCH
    if rule is None:
        return MISMATCH
    if rule.ignore:
        return IGNORED
    return TOLERATED if _within(production, shadow, rule) else MISMATCH


def _within(production: Any, shadow: Any, rule: Rule) -> bool:
    if type(production) in _NUMBERS and type(shadow) in _NUMBERS:
        try:
            if not (math.isfinite(production) and math.isfinite(shadow)):
                return False
            return bool(abs(shadow - production) <= rule.atol + rule.rtol * abs(production))
        except OverflowError:  # no bound can be computed for an int that no float can hold
            return False
    if type(production) is Decimal and type(shadow) is Decimal:
        if not (production.is_finite() and shadow.is_finite()):
            return False
        share = _DECIMALS.multiply(Decimal(rule.rtol), _DECIMALS.abs(production))
        bound = _DECIMALS.add(Decimal(rule.atol), share)
        delta = _DECIMALS.abs(_DECIMALS.subtract(shadow, production))
        return _DECIMALS.compare(delta, bound) in (-1, 0)
    return False


class _Enough(Exception):
    """Not an error: the outcome is known and its list of differences is full."""


class _Walk:
    """One walk over a pair: collects what differs, by level."""

    __slots__ = ("_at", "_found")

    def __init__(self) -> None:
        self._at: list[str] = []
        self._found: tuple[list[_Found], ...] = ([], [], [], [])

    def top(self, spot: Spot, production: Any, shadow: Any) -> None:
        with suppress(_Enough):
            if production is not None and shadow is not None:
                self._values(spot, production, shadow)
            elif production is not shadow:
                self._differ(MISMATCH, "tombstone", _or_absent(production), _or_absent(shadow))

    def field(self, spot: Spot, name: str, production: Any, shadow: Any) -> None:
        with suppress(_Enough):
            self._step(spot, name, production, shadow)

    def level(self) -> int:
        return next((level for level in (MISMATCH, TOLERATED, IGNORED) if self._found[level]), MATCH)

    def result(self) -> PairResult:
        level = self.level()
        if level == MATCH:
            return PLAIN_MATCH
        return PairResult(OUTCOMES[level], [_difference(*found) for found in self._found[level]])

    def _step(self, spot: Spot, name: str, production: Any, shadow: Any) -> None:
        self._at.append(name)
        below = spot.step(name)
        if shadow is ABSENT:
            self._differ(_plain_level(below.rule), "missing", production, shadow)
        elif production is ABSENT:
            self._differ(_plain_level(below.rule), "extra", production, shadow)
        else:
            self._values(below, production, shadow)
        self._at.pop()

    def _values(self, spot: Spot, production: Any, shadow: Any) -> None:
        kind = type(production)
        if kind is not type(shadow):
            self._types(spot, production, shadow)
        elif kind is dict:
            for name, value in production.items():
                self._step(spot, str(name), value, shadow.get(name, ABSENT))
            for name, value in shadow.items():
                if name not in production:
                    self._step(spot, str(name), ABSENT, value)
        elif kind is list or kind is tuple:
            if len(production) != len(shadow):
                self._differ(_plain_level(spot.rule), "length", production, shadow)
            for index, (value, other) in enumerate(zip(production, shadow, strict=False)):
                self._step(spot, str(index), value, other)
        else:
            level = scalar_level(production, shadow, spot.rule)
            if level != MATCH:
                self._differ(level, "value", production, shadow)

    def _types(self, spot: Spot, production: Any, shadow: Any) -> None:
        rule = spot.rule
        if production is None or shadow is None:
            self._differ(_plain_level(rule), "null", production, shadow)
        elif rule is None or rule.ignore or {type(production), type(shadow)} != _NUMBERS:
            self._differ(_plain_level(rule), "type", production, shadow)
        elif scalar_level(production, shadow, rule) == MISMATCH:
            self._differ(MISMATCH, "value", production, shadow)
        else:
            # 1 and 1.0 without the rule would be two types: the tolerance was needed, even at delta 0.
            self._differ(TOLERATED, "type", production, shadow)

    def _differ(self, level: int, kind: str, production: Any, shadow: Any) -> None:
        found = self._found[level]
        if len(found) < DIFFERENCES_MAX:
            found.append((tuple(self._at), kind, production, shadow))
        if level == MISMATCH and len(found) == DIFFERENCES_MAX:
            raise _Enough


def _or_absent(value: Any) -> Any:
    """A tombstone has no JSON form."""
    return ABSENT if value is None else value


def _plain_level(rule: Rule | None) -> int:
    """The level of a difference that no tolerance can cover."""
    return IGNORED if rule is not None and rule.ignore else MISMATCH


def _difference(at: tuple[str, ...], kind: str, production: Any, shadow: Any) -> Difference:
    if kind == "length":
        delta: float | None = float(len(shadow) - len(production))
    else:
        delta = _delta(production, shadow)
    return Difference(join_path(at), kind, _text(production), _text(shadow), delta)


def _delta(production: Any, shadow: Any) -> float | None:
    """Shadow minus production where both are numbers and it is finite."""
    types = {type(production), type(shadow)}
    try:
        if types <= _NUMBERS:
            delta = float(shadow - production)
        elif types == {Decimal}:
            delta = float(_DECIMALS.subtract(shadow, production))
        else:
            return None
    except (OverflowError, ValueError):
        return None
    return delta if math.isfinite(delta) else None


def _text(value: Any) -> str | None:
    """JSON of at most `TEXT_CHARS_MAX` characters; bytes as hex, other types as text; None if absent."""
    if value is ABSENT:
        return None
    if isinstance(value, str):
        # Cut first: a value may have a megabyte.
        value = value[: TEXT_CHARS_MAX + 1]
    try:
        text = _beginning(value) if isinstance(value, dict | list | tuple) else _JSON.encode(value)
    except (TypeError, ValueError, RecursionError):  # keys that JSON has not, ints beyond what Python prints
        text = json.dumps(f"<{type(value).__name__}>")
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"


def _beginning(value: Any) -> str:
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > TEXT_CHARS_MAX:
            break
    return text


def _other_type(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return "0x" + value[:TEXT_CHARS_MAX].hex()
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_other_type)
