"""Dates and timestamps that Python's `datetime` cannot represent: before year 1, beyond year 9999, finer than 1 µs.

Databases write "infinity" as such times, and a single field of this kind would make the whole record undecodable.
The reader keeps the written number exactly, with its unit: equal instants are equal in any unit. Times within the
years 1 to 9999 remain `datetime` or `date`. Nanoseconds, which fastavro does not support, always become a `FarTime`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from fastavro.read import LOGICAL_READERS

from shadowstream.codecs.numbers import unscaled
from shadowstream.codecs.schemas import ParsedSchema

_OWN = "shadowstream-"
_DAY_NS, _MS_NS, _US_NS = 86_400_000_000_000, 1_000_000, 1_000
_UNITS_NS = {
    "int-date": _DAY_NS,
    "long-timestamp-millis": _MS_NS,
    "long-timestamp-micros": _US_NS,
    "long-local-timestamp-millis": _MS_NS,
    "long-local-timestamp-micros": _US_NS,
}
_NANOS = ("timestamp-nanos", "local-timestamp-nanos")
_NAMES = {name.partition("-")[2] for name in _UNITS_NS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class FarTime(int):
    """A time that is no `datetime` or `date`: a number of units since 1970, each of `unit_ns` nanoseconds (or a
    fraction of one).

    >>> FarTime(253_402_300_800_000, 1_000_000) == FarTime(253_402_300_800_000_000, 1_000)
    True
    >>> FarTime(253_402_300_800_000, 1_000_000) == 253_402_300_800_000
    False
    """

    unit_ns: int | Fraction

    def __new__(cls, number: int, unit_ns: int | Fraction) -> FarTime:
        made = super().__new__(cls, number)
        made.unit_ns = unit_ns
        return made

    def __getnewargs__(self) -> tuple[int, int | Fraction]:  # type: ignore[override]  # int takes one argument, this takes two
        return int(self), self.unit_ns

    @property
    def ns(self) -> int | Fraction:
        """Nanoseconds since 1970."""
        return int(self) * self.unit_ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FarTime) and self.ns == other.ns

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.ns)


def instant_ns(value: Any) -> int | Fraction | None:
    """Nanoseconds since 1970 of a time with an offset, or of a `FarTime`; None for any other value.

    >>> instant_ns(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)), instant_ns(FarTime(7, 1)), instant_ns(7)
    (1000000000, 7, None)
    """
    if isinstance(value, FarTime):
        return value.ns
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _EPOCH) // _US * 1_000
    return None


def instant(ns: int | Fraction) -> datetime | FarTime:
    """The instant `ns` nanoseconds after 1970; a `datetime` if it represents all digits.

    >>> instant(1_500), instant(1_000)
    (1500, datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc))
    """
    if ns % 1_000 == 0:
        try:
            return _EPOCH + int(ns // 1_000) * _US
        except OverflowError:
            pass
    return FarTime(ns, 1) if isinstance(ns, int) else FarTime(ns.numerator, Fraction(1, ns.denominator))


def with_far_times(schema: ParsedSchema) -> ParsedSchema | None:
    """The schema with which fastavro reads far times as `FarTime`; None if it has no dates and timestamps."""
    return _with_own(schema, frozenset(_NAMES))


def with_exact_values(schema: ParsedSchema) -> ParsedSchema:
    """The schema with which fastavro reads all digits of a decimal, and nanoseconds as `FarTime`."""
    return _with_own(schema, frozenset(("decimal", *_NANOS))) or schema


def _with_own(schema: ParsedSchema, names: frozenset[str]) -> ParsedSchema | None:
    """The schema with these logical types under shadowstream's names; None if it has none of them."""
    has_any = False

    def renamed(part: Any) -> Any:
        nonlocal has_any
        if isinstance(part, list):
            return [renamed(branch) for branch in part]
        if not isinstance(part, dict):
            return part
        logical = part.get("logicalType")
        if isinstance(logical, str) and logical in names:
            has_any = True
            part = part | {"logicalType": _OWN + logical}
        return {name: renamed(inner) for name, inner in part.items()}

    own = renamed(schema)
    return own if has_any else None


def _reader(name: str, unit_ns: int) -> Callable[..., Any]:
    plain = LOGICAL_READERS[name]

    def read(number: int, *schemas: Any) -> Any:
        try:
            value: date | datetime = plain(number, *schemas)
        except (OverflowError, ValueError):
            return FarTime(number, unit_ns)
        return value

    return read


def _register() -> None:
    """Register readers under separate names, so that other users of fastavro in this process are not affected."""
    for name, unit_ns in _UNITS_NS.items():
        kind, _, logical = name.partition("-")
        LOGICAL_READERS[f"{kind}-{_OWN}{logical}"] = _reader(name, unit_ns)
    for logical in _NANOS:
        LOGICAL_READERS[f"long-{_OWN}{logical}"] = lambda number, *_: FarTime(number, 1)
    for kind in ("bytes", "fixed"):
        LOGICAL_READERS[f"{kind}-{_OWN}decimal"] = lambda digits, schema, *_: unscaled(digits, schema.get("scale", 0))


_register()
