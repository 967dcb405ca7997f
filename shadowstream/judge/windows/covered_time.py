"""Covered event time: time with traffic, not the time from the first window to the last.

Compared records are counted by slots of event time. A slot is one window, or a 24th of the least duration if that is
longer, so that a stream of few records and short windows does not appear to have gaps. A slot counts fully from a tenth
(`FULL_SHARE`) of the records of the typical slot on, and in proportion below, so that one stray record does not cover
an hour. The typical slot contains the middle one of all records, so strays hardly move it.

==========================================  =======  ======================================================
traffic                                     span     covered
==========================================  =======  ======================================================
1,500 records in each of 24 hours           24 h     24 h
one record, 22 h nothing, 1,500 in an hour  24 h     1 h 24 s (the stray slot counts 1/150)
one record of 1970, 1,500 in an hour        45 yr    the same
16 h of 1,500, 8 h of 75 at night           24 h     20 h (a night slot counts 75/150)
==========================================  =======  ======================================================

Late records count at their own event time, so the sums do not depend on the order of arrival.
"""

from collections.abc import Mapping
from typing import Any

FULL_SHARE = 0.1
SLOTS_OF_LEAST = 24
SLOTS_MAX = 4_096
"""Limit of slots; above it neighbours are merged. So long a trial has covered the least duration long ago."""


class CoveredTime:
    """Compared records by slot of event time.

    >>> time = CoveredTime(window_ms=1000, least_ms=24_000)
    >>> time.add(0, 1)
    >>> time.add(23_000, 1500)
    >>> time.covered_ms, time.span_ms
    (1006, 24000)
    """

    def __init__(self, window_ms: int, least_ms: int) -> None:
        self._window_ms, self._least_ms = window_ms, least_ms
        self._slot_ms = window_ms * max(1, least_ms // (SLOTS_OF_LEAST * window_ms))
        self._slots: dict[int, int] = {}
        self._first_ms: int | None = None
        self._last_ms = 0
        self._covered_ms: int | None = None  # None: not computed since the last change

    def add(self, start_ms: int, records: int) -> None:
        """Add the compared records of a window, or of a correction to it, which may be negative."""
        if not records:
            return
        self._covered_ms = None
        slot = start_ms // self._slot_ms
        self._slots[slot] = self._slots.get(slot, 0) + records
        if records > 0:
            self._first_ms = start_ms if self._first_ms is None else min(self._first_ms, start_ms)
            self._last_ms = max(self._last_ms, start_ms + self._window_ms)
        while len(self._slots) > SLOTS_MAX:
            self._coarsen()

    def _coarsen(self) -> None:
        slots: dict[int, int] = {}
        for slot, records in self._slots.items():
            slots[slot // 2] = slots.get(slot // 2, 0) + records
        self._slots, self._slot_ms = slots, 2 * self._slot_ms

    def counts(self) -> list[int]:
        """Return the compared records by slot."""
        return list(self._slots.values())

    @property
    def span_ms(self) -> int:
        """Event time from the first window with compared records to the end of the last."""
        return 0 if self._first_ms is None else self._last_ms - self._first_ms

    @property
    def covered_ms(self) -> int:
        """Event time covered, in whole milliseconds; at most the span."""
        if self._covered_ms is None:
            self._covered_ms = self._computed_ms()
        return self._covered_ms

    def _computed_ms(self) -> int:
        held = {slot: records for slot, records in self._slots.items() if records > 0}
        full = FULL_SHARE * _typical(held.values())
        # Only the slots of the first and of the last window can be shorter than a slot.
        inner = range((self._first_ms or 0) // self._slot_ms + 1, self._last_ms // self._slot_ms)
        covered = sum(
            (self._slot_ms if slot in inner else self._length_ms(slot)) * (1.0 if records >= full else records / full)
            for slot, records in sorted(held.items())
        )
        return min(int(covered), self.span_ms)

    @property
    def season_ms(self) -> int:
        """Part of a season (the least duration) in which compared records have come, whichever season it was."""
        parts = max(1, self._least_ms // self._slot_ms)
        seen = {slot % parts for slot, records in self._slots.items() if records > 0}
        return min(self._least_ms, len(seen) * self._slot_ms)

    def _length_ms(self, slot: int) -> int:
        """Return the length of the part of a slot between the first window and the last."""
        low = max(slot * self._slot_ms, self._first_ms or 0)
        return max(0, min((slot + 1) * self._slot_ms, self._last_ms) - low)

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [self._slot_ms, self._first_ms, self._last_ms, sorted(self._slots.items())]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self._slot_ms, self._first_ms, self._last_ms, slots = snapshot
        self._slots, self._covered_ms = dict(slots), None


def _typical(counts: Any) -> int:
    """Return the size of the slot that contains the middle one of all records; 1 without records."""
    ordered = sorted(counts)
    left = sum(ordered) / 2
    for records in ordered:
        left -= records
        if left <= 0:
            return int(records)
    return 1


def covered_sentence(verdict: Mapping[str, Any]) -> str | None:
    """Describe the covered share of the least duration as a part of a sentence; None if it is not known.

    >>> covered_sentence({"covered_ms": 3_600_000, "min_duration_ms": 86_400_000, "from_ms": 0, "to_ms": 79_200_000})
    'covered 1 h of the 24 h needed (span 22 h)'
    """
    covered_ms, least_ms = verdict.get("covered_ms"), verdict["min_duration_ms"]
    if covered_ms is None or least_ms is None or verdict["from_ms"] is None:
        return None
    span_ms, seen_ms = verdict["to_ms"] - verdict["from_ms"], verdict.get("season_ms")
    covered = f"covered {hours(covered_ms)} of the {hours(least_ms)} needed (span {hours(span_ms)})"
    if seen_ms is None or seen_ms >= min(covered_ms, least_ms):
        return covered
    return f"{covered}; of the {hours(least_ms)} of a season only {hours(seen_ms)} have been seen, again and again"


def hours(length_ms: int) -> str:
    """Format a duration in hours with four digits.

    >>> hours(5_400_000)
    '1.5 h'
    """
    return f"{length_ms / 3_600_000:.4g} h"
