"""Correctness: two answers compared with a label."""

from decimal import Decimal
from typing import Any

from shadowstream.codecs.json_values import read
from shadowstream.compare.tolerances import exact, exactly_within
from shadowstream.errors import RecordError
from shadowstream.protocol.count_names import LABELS

BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED = LABELS

_NOTHING = Decimal(0)


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
