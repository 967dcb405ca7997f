"""Times in fields of sampled records, and how far they are from the records' own timestamps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shadowstream.config import DAY_MS
from shadowstream.paths import ABSENT

SHARE_MIN = 0.99
"""Least share of a field's values that are times."""
LOOKED_AT = 10
_UNITS = {"s": 1_000.0, "ms": 1.0, "us": 0.001, "ns": 0.000001}
_BEGIN_MS, _END_MS = 946_684_800_000, 4_102_444_800_000  # the years 2000 to 2100: in them no number has two units
_TEXT_MIN = len("2000-01-01T00:00")


@dataclass(frozen=True, slots=True)
class Nearness:
    """Distance of a field's times from their records' timestamps, which 99 % do not exceed, ms."""

    within_ms: int

    @property
    def is_near(self) -> bool:
        """Whether both are times of one event, up to a delay."""
        return self.within_ms <= DAY_MS


def time_ms(value: Any) -> float | None:
    """Return the time of a value, ms since 1970; None if it is none: of a timestamp, an ISO text or a number.

    >>> time_ms("2026-01-01T00:00:00Z"), time_ms(1767225600), time_ms(1767225600000), time_ms(17)
    (1767225600000.0, 1767225600000.0, 1767225600000.0, None)
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) >= _TEXT_MIN and value[4] == "-" else None
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1_000
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return next((value * unit for unit in _UNITS.values() if _BEGIN_MS <= value * unit < _END_MS), None)


def nearness(values: Sequence[Any], times_ms: Sequence[int]) -> Nearness | None:
    """Return how near a field's values are to the records' timestamps; None if they are not times."""
    pairs = zip(values, times_ms, strict=True)
    present = [(value, at_ms) for value, at_ms in pairs if value is not ABSENT and value is not None]
    if all(time_ms(value) is None for value, _ in present[:LOOKED_AT]):
        return None  # in nearly all fields, so the rest is not looked at
    parsed = ((time_ms(value), at_ms) for value, at_ms in present)
    apart = sorted(abs(found - at_ms) for found, at_ms in parsed if found is not None)
    if not apart or len(apart) < SHARE_MIN * len(present):
        return None
    return Nearness(math.ceil(apart[(len(apart) - 1) * 99 // 100]))


def is_near_time(values: Sequence[Any], times_ms: Sequence[int]) -> bool:
    """Return whether a field holds times near the records' timestamps."""
    found = nearness(values, times_ms)
    return found is not None and found.is_near
