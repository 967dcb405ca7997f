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
round_ms       both timestamps, ISO texts or ints of epoch ms, in one interval of that length counted from 1970;
               without an offset a time is taken as UTC
values         production's value, as text, stands in the map and the candidate's is the one it maps to
=============  =====================================================================================================

Of several in one rule each suffices; `ignore_case` and `ignore_space` hold together.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.numbers import FLOATS, NUMBERS, ExactFloat
from shadowstream.compare.slices import text_of
from shadowstream.config import Rule

# No traps: what decimal cannot compute becomes a NaN, which is within no tolerance.
DECIMALS = Context(prec=60, traps=[])
DIGITS_MAX = 10_000
_UP = Context(prec=DIGITS_MAX, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_DOWN = Context(prec=DIGITS_MAX, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_NOTHING = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
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
    if rule.round_ms and _interval(production, rule.round_ms, shadow) is True:
        return True
    folds = rule.ignore_case or rule.ignore_space
    return folds and kind is str and type(shadow) is str and _folded(production, rule) == _folded(shadow, rule)


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


def _interval(production: Any, round_ms: int, shadow: Any) -> bool:
    one, other = _epoch_ms(production), _epoch_ms(shadow)
    return one is not None and other is not None and one // round_ms == other // round_ms


def _epoch_ms(value: Any) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, FarTime):
        return int(value.ns // 1_000_000)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MS


def _folded(text: str, rule: Rule) -> str:
    if rule.ignore_space:
        text = " ".join(text.split())
    return text.casefold() if rule.ignore_case else text
