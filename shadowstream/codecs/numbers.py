"""Numbers that a double cannot hold: the nearest double, together with the exact number.

A fraction in JSON is the decimal number of its text. It stays a plain float if the shortest text of that float is
the same number, which holds for all with at most 15 digits. Any other fraction is an `ExactFloat`. So two fractions
are the same number exactly if both are plain and equal, or both are exact and equal.
"""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Any

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation])
DECIMAL_BYTES_MAX = 4_096
"""Maximum bytes of one Avro decimal, some 9,800 digits. The time to create a longer decimal grows with the square of
its length."""


class ExactFloat(float):
    """A float for computation; `exact` is the written number, which the comparison uses.

    >>> ExactFloat(Decimal("12345678901234567.89")).exact, ExactFloat(Decimal("1e400")) / 2
    (Decimal('12345678901234567.89'), inf)
    """

    __slots__ = ("exact",)
    exact: Decimal

    def __new__(cls, exact: Decimal, nearest: float | None = None) -> ExactFloat:
        """`nearest` is the nearest double where the caller has it: its conversion is half of the cost."""
        made = float.__new__(cls, exact if nearest is None else nearest)
        made.exact = exact
        return made

    @property
    def digits(self) -> str:
        """The number's text; the same for all spellings of the number."""
        return str(self.exact.normalize(_EXACT))

    def __reduce__(self) -> tuple[type[ExactFloat], tuple[Decimal]]:
        return type(self), (self.exact,)


FLOATS = frozenset({float, ExactFloat})
NUMBERS = frozenset({int, float, ExactFloat})


def number(exact: Decimal) -> float:
    """A finite decimal number as a plain float if the float is exact, else as an `ExactFloat`.

    >>> number(Decimal("0.10")), type(number(Decimal("0.10000000000000000001"))).__name__
    (0.1, 'ExactFloat')
    """
    return _number(exact, float(exact))


def _number(exact: Decimal, nearest: float) -> float:
    if nearest == 0.0:
        return ExactFloat(exact, nearest) if exact else nearest
    is_same = math.isfinite(nearest) and Decimal(repr(nearest)) == exact
    return nearest if is_same else ExactFloat(exact, nearest)


def fraction(text: str) -> float:
    """Parse a fraction of JSON. Raises ValueError if its exponent is beyond all decimals.

    >>> fraction("1e0"), fraction("0.30000000000000004")
    (1.0, 0.30000000000000004)
    """
    nearest = float(text)
    if repr(nearest) == text:
        return nearest
    try:
        return _number(Decimal(text), nearest)
    except InvalidOperation as error:
        raise ValueError(f"the number {text[:40]} has an exponent beyond {MAX_EMAX}") from error


def unscaled(digits: bytes, scale: int) -> Decimal:
    """The decimal of an Avro value, with all of its digits, independent of the precision in the schema.

    >>> unscaled(b"\\x01\\xe2\\x40", 2)
    Decimal('1234.56')
    """
    if len(digits) > DECIMAL_BYTES_MAX:
        raise ValueError(f"a decimal of {len(digits)} bytes, at most {DECIMAL_BYTES_MAX} are read")
    return Decimal(int.from_bytes(digits, "big", signed=True)).scaleb(-scale, _EXACT)


def equal(production: Any, shadow: Any) -> bool:
    """Whether two floats of any kind are the same number; NaN equals itself.

    >>> equal(fraction("0.1"), fraction("0.10")), equal(fraction("0.1"), fraction("0.10000000000000000001"))
    (True, False)
    """
    if type(production) is ExactFloat and type(shadow) is ExactFloat:
        return production.exact == shadow.exact
    return type(production) is type(shadow) and bool(
        production == shadow or (production != production and shadow != shadow)
    )
