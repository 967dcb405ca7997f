"""Tolerances: whether two different scalars are close enough under a rule. Every tolerance is declared; none is
assumed.

=============  =====================================================================================================
rule           p and s are tolerated if
=============  =====================================================================================================
atol, rtol     both numbers, finite, |s − p| ≤ atol + rtol·|p|; an int and a float too, decimals with decimals.
               Doubles use double arithmetic; decimals, ints and fractions of JSON (the decimals of their texts) use
               exact arithmetic; an int beside a double is a double if a double holds it
ulp            both doubles, finite, at most this many doubles apart (an Avro float's unit is 2²⁹ doubles)
ignore_case    both texts, equal after `str.casefold`
ignore_space   both texts, equal after each run of white space becomes one blank and the ends are stripped
round_ms       both times, in one interval of that length counted from 1970: timestamps, dates, ISO texts, or
               numbers since 1970 in the unit that the rule declares (`epoch`, by default ms; never guessed), also one
               form against another; a time without an offset is taken as UTC
values         the map has production's value, as text, and maps it to the candidate's value
=============  =====================================================================================================

If a rule has several tolerances, each suffices; `ignore_case` and `ignore_space` combine.
"""

import math
import struct
from datetime import UTC, date, datetime
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from shadowstream.codecs.far_times import instant_ns
from shadowstream.codecs.numbers import FLOATS, NUMBERS, ExactFloat
from shadowstream.compare.dimension_codes import text_of
from shadowstream.config import Rule

# No traps: a result that decimal cannot compute becomes NaN, which is within no tolerance.
DECIMALS = Context(prec=60, traps=[])
DIGITS_MAX = 10_000
_UP = Context(prec=DIGITS_MAX, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_DOWN = Context(prec=DIGITS_MAX, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_NOTHING = Decimal(0)
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DIGITS_MAX = 30
_DOUBLE, _LONG = struct.Struct("<d"), struct.Struct("<q")


def within(production: Any, shadow: Any, rule: Rule, decimals: bool = False) -> bool:
    """Whether two different scalars of one type (or an int and a float) are tolerated; see the table above.

    With `decimals`, floats are fractions of JSON: the decimals of their shortest texts, and no doubles.

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
    """Whether the rule maps production's value to the candidate's, which may have another type.

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
    if not decimals and (doubles := _as_doubles(production, shadow, kinds)) is not None:
        production_double, shadow_double = doubles
        if not (math.isfinite(production_double) and math.isfinite(shadow_double)):
            return False
        atol, rtol = rule.doubles
        return abs(shadow_double - production_double) <= atol + rtol * abs(production_double)
    exact_values = exact(production, decimals), exact(shadow, decimals)
    return exactly_within(*exact_values, rule.atol, rule.rtol)


def _as_doubles(production: Any, shadow: Any, kinds: tuple[type, type]) -> tuple[float, float] | None:
    """Two doubles, or a double and an int that equals a double; None for all other numbers."""
    if kinds == (float, float):
        return production, shadow
    if ExactFloat in kinds or float not in kinds:
        return None
    try:
        doubles = float(production), float(shadow)
    except OverflowError:
        return None
    return doubles if doubles == (production, shadow) else None


def exact(value: Any, decimals: bool = True) -> Decimal:
    """A number as an exact decimal.

    A float is the decimal of its shortest text or, without `decimals`, the exact value of the double.

    >>> exact(0.1), exact(0.5, decimals=False), exact(2**53 + 1)
    (Decimal('0.1'), Decimal('0.5'), Decimal('9007199254740993'))
    """
    if type(value) is ExactFloat:
        return value.exact
    return Decimal(repr(value)) if decimals and type(value) is float else Decimal(value)


def exactly_within(production: Decimal, shadow: Decimal, atol: Decimal, rtol: Decimal = _NOTHING) -> bool:
    """Whether |s − p| ≤ atol + rtol·|p|, for decimals.

    If a sum would take more than `DIGITS_MAX` digits, rounding makes a doubtful result False.

    >>> exactly_within(Decimal("10.00"), Decimal("10.03"), Decimal("0.03"))
    True
    """
    if not (production.is_finite() and shadow.is_finite()):
        return False
    apart = _UP.subtract(max(production, shadow), min(production, shadow))
    return apart <= _DOWN.add(atol, _DOWN.multiply(rtol, production.copy_abs()))


def _apart(production: float, shadow: float) -> float:
    """The number of doubles between two; both zeros count as one."""
    if not (math.isfinite(production) and math.isfinite(shadow)):
        return math.inf
    return abs(_place(production) - _place(shadow))


def _place(number: float) -> int:
    # The bits of doubles, read as sign and magnitude, have the same order as the doubles.
    bits: int = _LONG.unpack(_DOUBLE.pack(number))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def in_one_interval(production: Any, shadow: Any, rule: Rule) -> bool | None:
    """Whether two times are in one interval of `round_ms`; None if one of them is no time.

    >>> rule = Rule(path="at", round_ms=1)
    >>> in_one_interval(1772955000123, "2026-03-08T07:30:00.123Z", rule), in_one_interval("soon", 1, rule)
    (True, None)
    """
    production_ns, shadow_ns = _epoch_ns(production, rule.epoch), _epoch_ns(shadow, rule.shadow_epoch or rule.epoch)
    if production_ns is None or shadow_ns is None:
        return None
    return production_ns // (rule.round_ms * _NS["ms"]) == shadow_ns // (rule.round_ms * _NS["ms"])


def _epoch_ns(value: Any, unit: str) -> int | Fraction | None:
    if type(value) is int:
        return value * _NS[unit]
    if isinstance(value, float | Decimal):
        return _number_ns(exact(value), unit)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return instant_ns(value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value)


def _number_ns(number: Decimal, unit: str) -> int | None:
    """Nanoseconds by the written digits, not by those of the double: 1772955000.123 s are 123 ms past the second."""
    if not number.is_finite() or number.adjusted() > _DIGITS_MAX:
        return None
    return math.floor(DECIMALS.multiply(number, Decimal(_NS[unit])))


def folded(text: str, rule: Rule) -> str:
    """A text without the details that the rule ignores."""
    if rule.ignore_space:
        text = " ".join(text.split())
    return text.casefold() if rule.ignore_case else text
