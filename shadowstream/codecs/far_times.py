"""Dates and timestamps that Python's `datetime` has no place for: before year 1 or beyond year 9999.

Databases write their "infinity" so, and one such field would make the whole record undecodable. The number that was
written is kept instead, exactly, with the length of its unit: equal instants are equal, whatever unit they were written
in. Time that lies within the years 1 to 9999 stays what it is for every other record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from fastavro.read import LOGICAL_READERS

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
_NAMES = {name.partition("-")[2] for name in _UNITS_NS}


class FarTime(int):
    """A number of units since 1970, each of `unit_ns` nanoseconds, that is no `datetime` or `date`.

    >>> FarTime(253_402_300_800_000, 1_000_000) == FarTime(253_402_300_800_000_000, 1_000)
    True
    >>> FarTime(253_402_300_800_000, 1_000_000) == 253_402_300_800_000
    False
    """

    unit_ns: int

    def __new__(cls, number: int, unit_ns: int) -> FarTime:
        made = super().__new__(cls, number)
        made.unit_ns = unit_ns
        return made

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]  # int takes one argument, this takes two
        return int(self), self.unit_ns

    @property
    def ns(self) -> int:
        """Nanoseconds since 1970."""
        return int(self) * self.unit_ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FarTime) and self.ns == other.ns

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.ns)


def with_far_times(schema: ParsedSchema) -> ParsedSchema | None:
    """The schema such that fastavro reads far times as `FarTime`; None where it has no dates and timestamps."""
    found = False

    def renamed(part: Any) -> Any:
        nonlocal found
        if isinstance(part, list):
            return [renamed(one) for one in part]
        if not isinstance(part, dict):
            return part
        logical = part.get("logicalType")
        if isinstance(logical, str) and logical in _NAMES:
            found = True
            part = part | {"logicalType": _OWN + logical}
        return {name: renamed(one) for name, one in part.items()}

    other = renamed(schema)
    return other if found else None


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
    """Under names of their own, so that what others read with fastavro in this process stays as it is."""
    for name, unit_ns in _UNITS_NS.items():
        kind, _, logical = name.partition("-")
        LOGICAL_READERS[f"{kind}-{_OWN}{logical}"] = _reader(name, unit_ns)


_register()
