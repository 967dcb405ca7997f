"""Conversions that make values of two logical types, in their written form, comparable."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastavro.read import LOGICAL_READERS

from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.logical_types import logical_of

_UNITS_NS = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}
_Convert = Callable[[Any], Any]


def conversions(production: dict[str, Any], shadow: dict[str, Any]) -> tuple[_Convert | None, _Convert | None, bool]:
    """The converters of production's and the candidate's values, and whether they need values in their written form. At
    least one of the two types is a logical type."""
    logical, shadow_logical = logical_of(production), logical_of(shadow)
    if logical is None or shadow_logical is None:
        return None, None, True
    (family, _, unit), (shadow_family, _, shadow_unit) = logical.rpartition("-"), shadow_logical.rpartition("-")
    if family == shadow_family and unit != shadow_unit and "nanos" in (unit, shadow_unit):
        return _instant(unit), _instant(shadow_unit), True
    return _reader(production), _reader(shadow), False


def _instant(unit: str) -> _Convert:
    return partial(FarTime, unit_ns=_UNITS_NS[unit])


def _reader(schema: dict[str, Any]) -> _Convert | None:
    """fastavro's reader of a logical type, or that of `far_times` for dates and timestamps; None if there is none."""
    kind, logical = schema["type"], schema["logicalType"]
    read = LOGICAL_READERS.get(f"{kind}-shadowstream-{logical}") or LOGICAL_READERS.get(f"{kind}-{logical}")
    return None if read is None else lambda value: read(value, schema, None)
