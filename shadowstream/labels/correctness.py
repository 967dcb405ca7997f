"""Who was right: two answers against a label."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from shadowstream.codecs.json_values import read
from shadowstream.compare.tolerances import exact, exactly_within
from shadowstream.errors import RecordError
from shadowstream.protocol.count_names import LABELS

BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED = LABELS

_NOTHING = Decimal(0)


def differ(production: str | None, shadow: str | None) -> bool:
    """Whether two answers as JSON are not the same value; only such a pair can tell the sides apart.

    >>> differ("1", "1.0"), differ("true", "1"), differ(None, None), differ(None, "1")
    (False, True, False, True)
    """
    if production is None or shadow is None:
        return production is not shadow
    return not _is_right(production, shadow, _NOTHING)


def outcome(production: str | None, shadow: str | None, label: str, atol: Decimal | float = _NOTHING) -> str:
    """The outcome of a pair, all values as JSON, whose numbers are the decimals of their texts.

    >>> outcome("true", "false", "true"), outcome("0.25", "0.5", "0.26", 0.01), outcome("1", "true", "true")
    ('label_production_only', 'label_production_only', 'label_candidate_only')
    """
    right = _is_right(production, label, exact(atol)), _is_right(shadow, label, exact(atol))
    return {(True, True): BOTH, (True, False): PRODUCTION, (False, True): CANDIDATE, (False, False): NEITHER}[right]


def _is_right(said: str | None, label: str, atol: Decimal) -> bool:
    if said is None:
        return False
    if said == label:
        return True
    try:
        found, truth = read(said.encode(), "last"), read(label.encode(), "last")
    except RecordError:  # nobody of ours wrote it
        return False
    if _is_number(found) and _is_number(truth):
        return exactly_within(exact(truth), exact(found), atol)
    return _same(found, truth)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(found: Any, truth: Any) -> bool:
    """Whether two values of JSON are one; 1 and 1.0 are one number."""
    if isinstance(found, dict) and isinstance(truth, dict):
        return found.keys() == truth.keys() and all(_same(inner, truth[name]) for name, inner in found.items())
    if isinstance(found, list) and isinstance(truth, list):
        return len(found) == len(truth) and all(map(_same, found, truth))
    if _is_number(found) and _is_number(truth):
        return exact(found) == exact(truth)
    return type(found) is type(truth) and bool(found == truth)
