"""Values that differ in each pair without meaning: the time of processing, and values drawn anew for each record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from shadowstream.codecs.far_times import FarTime, instant_ns
from shadowstream.compare.lists import canonical
from shadowstream.suggest.evidence import Couple, ReadPair

BEFORE_MS, AFTER_MS = 300_000, 5_000
"""A time of processing lies at most so long before, or after, the time of its record."""
SAME_SHIFT = 0.9
"""From this share of one and the same shift on, two times differ by a rule, not by chance."""
DISTINCT = 0.99
SHARED_MAX = 0.01
COPIED = 0.6
"""Ids that begin with the time share less than this part of their characters."""
_UNITS_MS = (1_000, 1, 1e-3, 1e-6)
_YEAR_MS = 365 * 86_400_000
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_TOKEN = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{16,}|(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_+/=-]{20,}")
_LEAST_DRAWN_INT = 10**15


def time_ms(value: Any, near_ms: int) -> float | None:
    """Return the time that a value is, ms since the epoch; a number in the unit that is within a year of `near_ms`.

    >>> time_ms("2026-03-08T07:30:00.5Z", 0), time_ms(1_772_955_000, 1_772_955_000_000), time_ms(7, 1_772_955_000_000)
    (1772955000500.0, 1772955000000.0, None)
    """
    if isinstance(value, str):
        if len(value) < len("2026-03-08T07:30"):
            return None
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, FarTime | date):
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        ns = instant_ns(value)
        return None if ns is None else float(ns) / 1e6
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    found = (float(value) * unit for unit in _UNITS_MS)
    return next((ms for ms in found if abs(ms - near_ms) < _YEAR_MS), None)


def is_processing_time(couple: Couple, pair: ReadPair) -> bool:
    """Whether both values are the times at which the two sides wrote their records.

    The candidate's value lies near the time of its answer. Production's lies between its record and that answer, for
    the record may bear the time of the event.
    """
    production, candidate = time_ms(couple.production, pair.production_ms), time_ms(couple.candidate, pair.candidate_ms)
    if production is None or candidate is None:
        return False
    latest = max(pair.production_ms, pair.candidate_ms) + AFTER_MS
    return (
        pair.production_ms - BEFORE_MS <= production <= latest
        and pair.candidate_ms - BEFORE_MS <= candidate <= pair.candidate_ms + AFTER_MS
    )


def processing_times(couples: Sequence[Couple], pairs: Sequence[ReadPair]) -> list[bool]:
    """Return of each couple whether it holds two times of processing; of none if most differ by the same shift."""
    found = [is_processing_time(couple, pairs[couple.at]) for couple in couples]
    shifts = Counter[float]()
    for couple, is_time in zip(couples, found, strict=True):
        if is_time:
            pair = pairs[couple.at]
            times = time_ms(couple.production, pair.production_ms), time_ms(couple.candidate, pair.candidate_ms)
            shifts[round((times[1] or 0.0) - (times[0] or 0.0), 3)] += 1
    same = max(shifts.values(), default=0)
    return [False] * len(couples) if same >= SAME_SHIFT * sum(found) else found


def drawn_values(couples: Sequence[Couple]) -> list[bool]:
    """Return of each couple whether both values are drawn anew for each record: UUIDs, tokens, large numbers.

    Not of values of which one is a damaged copy of the other. Of none where values come again: on one side, they are
    not drawn anew; on the other side, pairs may be of records that do not belong together, and the field shows it.
    """
    found = [
        _is_drawn(couple.production) and _is_drawn(couple.candidate) and not _is_damaged(*couple[2:])
        for couple in couples
    ]
    sides = [
        [canonical(couple[side]) for couple, is_drawn in zip(couples, found, strict=True) if is_drawn]
        for side in (2, 3)
    ]
    values = [set(side) for side in sides]
    are_new = all(len(own) >= DISTINCT * len(side) for own, side in zip(values, sides, strict=True))
    are_apart = len(values[0] & values[1]) <= SHARED_MAX * len(sides[0])
    return found if are_new and are_apart else [False] * len(couples)


def _is_damaged(production: Any, candidate: Any) -> bool:
    """Whether one value is the other with lost digits or few other characters, which two values drawn anew never are.

    >>> _is_damaged(2**60 + 1, 2**60), _is_damaged("3f9c0a" * 5, "3f9c0a" * 4), _is_damaged("0f" * 10, "9c" * 10)
    (True, True, False)
    """
    if isinstance(production, int) and isinstance(candidate, int):
        return float(production) == float(candidate)
    if not isinstance(production, type(candidate)):
        return False
    shorter, longer = sorted((production, candidate), key=len)
    begin = _equal_at_begin(shorter, longer)
    return begin + _equal_at_begin(shorter[begin:][::-1], longer[begin:][::-1]) >= COPIED * len(shorter)


def _equal_at_begin(one: Sequence[Any], other: Sequence[Any]) -> int:
    return next((at for at, both in enumerate(zip(one, other, strict=False)) if both[0] != both[1]), len(one))


def _is_drawn(value: Any) -> bool:
    if isinstance(value, str):
        return _UUID.fullmatch(value) is not None or _TOKEN.fullmatch(value) is not None
    if isinstance(value, bytes):
        return len(value) >= 16
    return type(value) is int and abs(value) >= _LEAST_DRAWN_INT
