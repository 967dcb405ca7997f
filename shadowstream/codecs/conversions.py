"""How values of two logical types, as they are written, are made comparable."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastavro.read import LOGICAL_READERS

from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.logical_types import logical_of

_UNITS_NS = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}
_Convert = Callable[[Any], Any]


def conversions(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[_Convert | None, _Convert | None, bool]:
    """What makes comparable two values as they are written, at least one of a logical type; and whether the same is
    not had from the values as they are read."""
    one, other = logical_of(ours), logical_of(theirs)
    if one is None or other is None:
        return None, None, True
    (family, _, unit), (other_family, _, other_unit) = one.rpartition("-"), other.rpartition("-")
    if family == other_family and unit != other_unit and "nanos" in (unit, other_unit):
        return _instant(unit), _instant(other_unit), True
    return _reader(ours), _reader(theirs), False


def _instant(unit: str) -> _Convert:
    return partial(FarTime, unit_ns=_UNITS_NS[unit])


def _reader(schema: dict[str, Any]) -> _Convert | None:
    """fastavro's reader of a logical type, of dates and timestamps that of `far_times`; None where it has none."""
    kind, logical = schema["type"], schema["logicalType"]
    read = LOGICAL_READERS.get(f"{kind}-shadowstream-{logical}") or LOGICAL_READERS.get(f"{kind}-{logical}")
    return None if read is None else partial(_read, read, schema)


def _read(read: Callable[..., Any], schema: dict[str, Any], value: Any) -> Any:
    return read(value, schema, None)
