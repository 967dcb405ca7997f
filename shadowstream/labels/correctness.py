"""Correctness: two answers compared with a label."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

from shadowstream.codecs.json_values import dumps, read
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.compare.tolerances import exact, exactly_within
from shadowstream.errors import CandidateError, RecordError
from shadowstream.paths import ABSENT, value_at

BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED = (
    *("label_both_right", "label_production_only", "label_candidate_only"),
    *("label_neither", "label_unlabelled"),
)
OUTCOMES = (BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED)
"""Outcomes of a scored pair, as stats name them."""
DIFFER, DIFFER_UNLABELLED = "label_differ", "label_differ_unlabelled"
"""Beside the outcomes: pairs whose answers differ, and the unlabelled ones among them."""

_NOTHING = Decimal(0)


def at_path(value: Any, path: Sequence[str]) -> str | None:
    """Return the value at a path (`paths.parse_one`) as JSON; None if there is none, or none that JSON can express.

    >>> at_path({"risk": {"late": True}}, ["risk", "late"]), at_path({"risk": None}, ["risk", "late"])
    ('true', None)
    """
    value = value_at(value, path)
    if value is None or value is ABSENT:
        return None
    try:
        return dumps(value, _plain, orjson.OPT_SORT_KEYS).decode()
    except (TypeError, ValueError, CandidateError):
        return None


def _plain(value: Any) -> Any:
    number = value.exact if isinstance(value, ExactFloat) else value
    if isinstance(number, Decimal) and number.is_finite():
        return orjson.Fragment(str(number))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def differ(production: str | None, shadow: str | None) -> bool:
    """Return whether two answers as JSON are different values; only such a pair can tell the sides apart.

    >>> differ("1", "1.0"), differ("true", "1"), differ(None, None), differ(None, "1")
    (False, True, False, True)
    """
    if production is None or shadow is None:
        return production is not shadow
    return not _is_right(production, shadow, _NOTHING)


def outcome(production: str | None, shadow: str | None, label: str, atol: Decimal | float = _NOTHING) -> str:
    """Return the outcome of a pair. All values are JSON; numbers are compared as decimals of their texts.

    >>> outcome("true", "false", "true"), outcome("0.25", "0.5", "0.26", 0.01), outcome("1", "true", "true")
    ('label_production_only', 'label_production_only', 'label_candidate_only')
    """
    right = _is_right(production, label, exact(atol)), _is_right(shadow, label, exact(atol))
    return {(True, True): BOTH, (True, False): PRODUCTION, (False, True): CANDIDATE, (False, False): NEITHER}[right]


def _is_right(answer: str | None, label: str, atol: Decimal) -> bool:
    if answer is None:
        return False
    if answer == label:
        return True
    try:
        answered, truth = read(answer.encode(), "last"), read(label.encode(), "last")
    except RecordError:  # not written by shadowstream
        return False
    if _is_number(answered) and _is_number(truth):
        return exactly_within(exact(truth), exact(answered), atol)
    return _same(answered, truth)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(answered: Any, truth: Any) -> bool:
    """Return whether two values of JSON are equal; 1 and 1.0 are the same number."""
    if isinstance(answered, dict) and isinstance(truth, dict):
        return answered.keys() == truth.keys() and all(_same(inner, truth[name]) for name, inner in answered.items())
    if isinstance(answered, list) and isinstance(truth, list):
        return len(answered) == len(truth) and all(map(_same, answered, truth))
    if _is_number(answered) and _is_number(truth):
        return exact(answered) == exact(truth)
    return type(answered) is type(truth) and bool(answered == truth)
