"""When two different scalars are near enough under a rule. Every tolerance is declared; none is assumed.

=============  =====================================================================================================
rule           p and s are tolerated if
=============  =====================================================================================================
atol, rtol     both numbers, finite, |s − p| ≤ atol + rtol·|p|; an int and a float too, decimals with decimals.
               Doubles are computed with as doubles, all else exactly: decimals, ints, and fractions of JSON, which
               are the decimals that their texts are; an int that a double holds is that double beside a double
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
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.numbers import FLOATS, NUMBERS, ExactFloat
from shadowstream.compare.dimension_codes import text_of
from shadowstream.config import Rule

# No traps: what decimal cannot compute becomes a NaN, which is within no tolerance.
DECIMALS = Context(prec=60, traps=[])
DIGITS_MAX = 10_000
_UP = Context(prec=DIGITS_MAX, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_DOWN = Context(prec=DIGITS_MAX, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_NOTHING = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DIGITS_MAX = 30
_DOUBLE, _LONG = struct.Struct("<d"), struct.Struct("<q")


def within(production: Any, shadow: Any, rule: Rule, decimals: bool = False) -> bool:
    """Whether two scalars of one type that differ (or an int and a float) are tolerated; see the table above.

    `decimals`: floats are fractions of JSON, the decimals that their shortest texts are, and no doubles.

    >>> within("UA ", "ua", Rule(path="carrier", ignore_case=True, ignore_space=True))
    True
    """
    if rule.of_numbers and _numbers_within(production, shadow, rule, decimals):
        return True
    kind = type(production)
    if rule.ulp and kind in FLOATS and type(shadow) in FLOATS and _apart(production, shadow) <= rule.ulp:
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


def _numbers_within(production: Any, shadow: Any, rule: Rule, decimals: bool) -> bool:
    kinds = type(production), type(shadow)
    if not NUMBERS.issuperset(kinds):
        return kinds == (Decimal, Decimal) and exactly_within(production, shadow, rule.atol, rule.rtol)
    if not decimals and (both := _as_doubles(production, shadow, kinds)) is not None:
        one, other = both
        if not (math.isfinite(one) and math.isfinite(other)):
            return False
        atol, rtol = rule.doubles
        return abs(other - one) <= atol + rtol * abs(one)
    found = exact(production, decimals), exact(shadow, decimals)
    return exactly_within(*found, rule.atol, rule.rtol)


def _as_doubles(production: Any, shadow: Any, kinds: tuple[type, type]) -> tuple[float, float] | None:
    """Two doubles, or a double and an int that is one; None for all other numbers."""
    if kinds == (float, float):
        return production, shadow
    if ExactFloat in kinds or float not in kinds:
        return None
    try:
        both = float(production), float(shadow)
    except OverflowError:
        return None
    return both if both == (production, shadow) else None


def exact(value: Any, decimals: bool = True) -> Decimal:
    """A number exactly: an int, a decimal, a float as the decimal of its shortest text or, without `decimals`, as the
    double that it is.

    >>> exact(0.1), exact(0.5, decimals=False), exact(2**53 + 1)
    (Decimal('0.1'), Decimal('0.5'), Decimal('9007199254740993'))
    """
    if type(value) is ExactFloat:
        return value.exact
    return Decimal(repr(value)) if decimals and type(value) is float else Decimal(value)


def exactly_within(production: Decimal, shadow: Decimal, atol: Decimal, rtol: Decimal = _NOTHING) -> bool:
    """Whether |s − p| ≤ atol + rtol·|p|, of decimals. Numbers that would take more than `DIGITS_MAX` digits to add are
    rounded so that a doubt is a no.

    >>> exactly_within(Decimal("10.00"), Decimal("10.03"), Decimal("0.03"))
    True
    """
    if not (production.is_finite() and shadow.is_finite()):
        return False
    apart = _UP.subtract(max(production, shadow), min(production, shadow))
    return apart <= _DOWN.add(atol, _DOWN.multiply(rtol, production.copy_abs()))


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


def _epoch_ns(value: Any, unit: str) -> int | Fraction | None:
    if type(value) is int:
        return value * _NS[unit]
    if isinstance(value, float | Decimal):
        return _number_ns(exact(value), unit)
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
