"""Who was right: two answers against a label."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import orjson

from shadowstream.codecs.json_values import dumps, read
from shadowstream.errors import CandidateError, RecordError
from shadowstream.paths import ABSENT, value_at

BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED = (
    *("label_both_right", "label_production_only", "label_candidate_only"),
    *("label_neither", "label_unlabelled"),
)
_NUMBERS = (int, float, Decimal)
_DIGITS = Context(prec=60, traps=[])
OUTCOMES = (BOTH, PRODUCTION, CANDIDATE, NEITHER, UNLABELLED)
"""What becomes of a pair that was scored, as stats count it."""
DIFFER, DIFFER_UNLABELLED = "label_differ", "label_differ_unlabelled"
"""Beside these: pairs whose answers differ, and those of them without a label."""


def at_path(value: Any, path: Sequence[str]) -> str | None:
    """The value at a path (`paths.parse_one`) as JSON; None where there is nothing, or nothing that JSON can say.

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
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def differ(production: str | None, shadow: str | None) -> bool:
    """Whether two answers as JSON are not the same value; only such a pair can tell the sides apart.

    >>> differ("1", "1.0"), differ("true", "1"), differ(None, None), differ(None, "1")
    (False, True, False, True)
    """
    if production is None or shadow is None:
        return production is not shadow
    return not _is_right(production, shadow, 0.0)


def outcome(production: str | None, shadow: str | None, label: str, atol: float = 0.0) -> str:
    """The outcome of a pair, all values as JSON.

    >>> outcome("true", "false", "true"), outcome("0.25", "0.5", "0.26", 0.02), outcome("1", "true", "true")
    ('label_production_only', 'label_production_only', 'label_candidate_only')
    """
    right = _is_right(production, label, atol), _is_right(shadow, label, atol)
    return {(True, True): BOTH, (True, False): PRODUCTION, (False, True): CANDIDATE, (False, False): NEITHER}[right]


def _is_right(said: str | None, label: str, atol: float) -> bool:
    if said is None:
        return False
    if said == label:
        return True
    try:
        found, truth = read(said.encode()), read(label.encode())
    except RecordError:  # nobody of ours wrote it
        return False
    if isinstance(found, bool) or isinstance(truth, bool):
        return found is truth
    if isinstance(found, _NUMBERS) and isinstance(truth, _NUMBERS):
        # In the digits that are written: as doubles two ids beyond 2⁵³ would be one.
        return abs(_DIGITS.subtract(_decimal(found), _decimal(truth))) <= _decimal(atol)
    return bool(found == truth)


def _decimal(number: float | Decimal) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
