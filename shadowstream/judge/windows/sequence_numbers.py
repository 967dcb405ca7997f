"""Sequence numbers of the stats records of a task: each number is accepted once.

A number that is ahead leaves a gap, and the gap stays open: the record with a skipped number is accepted when it comes.
Without gaps, one record with a number far ahead would make all later records look like duplicates.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

GAPS_MAX = 1_000
"""Limit of open gaps; above it the oldest gap is closed and its numbers count as missing for ever."""


@dataclass(slots=True)
class Sequence:
    """Accepted sequence numbers.

    `last`: the greatest one. `missing`: count of skipped numbers below it. `gaps`: ranges [from, to] of skipped numbers
    that may still come.

    >>> one = Sequence()
    >>> [one.take(number) for number in (1, 5, 2, 2, 6)], one.missing
    ([True, True, True, False, True], 2)
    """

    last: int = 0
    missing: int = 0
    gaps: list[list[int]] = field(default_factory=list)

    def take(self, number: int) -> bool:
        """Accept a number and return True, or return False if it was accepted before."""
        if number > self.last:
            if number > self.last + 1:
                self.missing += number - self.last - 1
                self.gaps = [*self.gaps, [self.last + 1, number - 1]][-GAPS_MAX:]
            self.last = number
            return True
        for index, (low, high) in enumerate(self.gaps):
            if low <= number <= high:
                self.gaps[index : index + 1] = [
                    gap for gap in ([low, number - 1], [number + 1, high]) if gap[0] <= gap[1]
                ]
                self.missing -= 1
                return True
        return False

    @classmethod
    def of(cls, snapshot: MutableMapping[str, Any]) -> Sequence:
        """Take the sequence out of the snapshot of its task. A snapshot of an earlier release has no open gaps."""
        last, missing = snapshot.pop("seq", 0), snapshot.pop("gaps", 0)
        kept: dict[str, Any] | None = snapshot.pop("numbers", None)
        return cls(last, missing) if kept is None else cls(**kept)
