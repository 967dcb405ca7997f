"""When two different scalars are near enough under a rule. Every tolerance is declared; none is assumed.

=============  =====================================================================================================
rule           p and s are tolerated if
=============  =====================================================================================================
atol, rtol     both numbers, finite, |s − p| ≤ atol + rtol·|p|; an int and a float too, decimals with decimals
ulp            both doubles, finite, at most so many doubles apart (a field of Avro's float: its unit is 2²⁹ of them)
ignore_case    both texts, equal after `str.casefold`
ignore_space   both texts, equal once runs of white space are one blank and the ends have none
round_ms       both times, in one interval of that length counted from 1970: timestamps, dates, ISO texts, or
               numbers since 1970 in the unit that the rule declares (`epoch`, by default ms; never guessed), one form
               against another too; without an offset a time is taken as UTC
values         production's value, as text, stands in the map and the candidate's is the one it maps to
=============  =====================================================================================================

Of several in one rule each suffices; `ignore_case` and `ignore_space` hold together.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from shadowstream.codecs.far_times import FarTime
from shadowstream.compare.slices import text_of
from shadowstream.config import Rule

# No traps: what decimal cannot compute becomes a NaN, which is within no tolerance.
DECIMALS = Context(prec=60, traps=[])
NUMBERS = frozenset({int, float})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DIGITS_MAX = 30
_DOUBLE, _LONG = struct.Struct("<d"), struct.Struct("<q")


def within(production: Any, shadow: Any, rule: Rule) -> bool:
    """Whether two scalars of one type that differ (or an int and a float) are tolerated; see the table above.

    >>> within("UA ", "ua", Rule(path="carrier", ignore_case=True, ignore_space=True))
    True
    """
    if rule.of_numbers and _numbers_within(production, shadow, rule):
        return True
    kind = type(production)
    if rule.ulp and kind is float and type(shadow) is float and _apart(production, shadow) <= rule.ulp:
        return True
    if rule.round_ms and in_one_interval(production, shadow, rule):
        return True
    folds = rule.ignore_case or rule.ignore_space
    return folds and kind is str and type(shadow) is str and folded(production, rule) == folded(shadow, rule)


def mapped(production: Any, shadow: Any, rule: Rule) -> bool:
    """Whether the rule maps production's value to the candidate's, which may be of another type.

    >>> mapped("NEW", 1, Rule(path="state", values={"NEW": 1}))
    True
    """
    if not rule.values or isinstance(production, dict | list | tuple):
        return False
    name = text_of(production)
    return name in rule.values and type(rule.values[name]) is type(shadow) and rule.values[name] == shadow


def _numbers_within(production: Any, shadow: Any, rule: Rule) -> bool:
    if type(production) in NUMBERS and type(shadow) in NUMBERS:
        try:
            if not (math.isfinite(production) and math.isfinite(shadow)):
                return False
            return bool(abs(shadow - production) <= rule.atol + rule.rtol * abs(production))
        except OverflowError:  # no bound can be computed for an int that no float can hold
            return False
    if type(production) is Decimal and type(shadow) is Decimal:
        if not (production.is_finite() and shadow.is_finite()):
            return False
        share = DECIMALS.multiply(Decimal(rule.rtol), DECIMALS.abs(production))
        bound = DECIMALS.add(Decimal(rule.atol), share)
        delta = DECIMALS.abs(DECIMALS.subtract(shadow, production))
        return DECIMALS.compare(delta, bound) in (-1, 0)
    return False


def _apart(production: float, shadow: float) -> float:
    """How many doubles lie between two, both zeros being one."""
    if not (math.isfinite(production) and math.isfinite(shadow)):
        return math.inf
    return abs(_place(production) - _place(shadow))


def _place(number: float) -> int:
    # The bits of doubles, read as sign and magnitude, are in the doubles' own order.
    bits: int = _LONG.unpack(_DOUBLE.pack(number))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def in_one_interval(production: Any, shadow: Any, rule: Rule) -> bool | None:
    """Whether two times lie in one interval of `round_ms`; None where one of them is no time.

    >>> rule = Rule(path="at", round_ms=1)
    >>> in_one_interval(1772955000123, "2026-03-08T07:30:00.123Z", rule), in_one_interval("soon", 1, rule)
    (True, None)
    """
    one, other = _epoch_ns(production, rule.epoch), _epoch_ns(shadow, rule.shadow_epoch or rule.epoch)
    if one is None or other is None:
        return None
    return one // (rule.round_ms * _NS["ms"]) == other // (rule.round_ms * _NS["ms"])


def _epoch_ns(value: Any, unit: str) -> int | None:
    if type(value) is int:
        return value * _NS[unit]
    if isinstance(value, float | Decimal):
        return _number_ns(value if isinstance(value, Decimal) else Decimal(repr(value)), unit)
    if isinstance(value, FarTime):
        return value.ns
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _US * _NS["us"]


def _number_ns(number: Decimal, unit: str) -> int | None:
    """The digits that are written, not those of the double: 1772955000.123 s are 123 ms past the second."""
    if not number.is_finite() or number.adjusted() > _DIGITS_MAX:
        return None
    return math.floor(DECIMALS.multiply(number, Decimal(_NS[unit])))


def folded(text: str, rule: Rule) -> str:
    """A text without what the rule ignores of texts."""
    if rule.ignore_space:
        text = " ".join(text.split())
    return text.casefold() if rule.ignore_case else text
