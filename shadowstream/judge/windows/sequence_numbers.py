"""Which records of a task have been taken: by their sequence numbers, of which none is taken twice.

A number that lies ahead leaves a gap, and the gap stays open: a record that bears one of its numbers is taken when it
comes. Else a single record with a number far ahead would make all that follow it pass for repeats.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

GAPS_MAX = 1_000
"""Stretches of missing numbers that are kept open; beyond it the oldest is closed, and counts as missing for ever."""


@dataclass(slots=True)
class Sequence:
    """`last`: the greatest number taken. `missing`: numbers below it that were not; `gaps`: stretches of them, from and
    to, in which a record may still come.

    >>> one = Sequence()
    >>> [one.take(number) for number in (1, 5, 2, 2, 6)], one.missing
    ([True, True, True, False, True], 2)
    """

    last: int = 0
    missing: int = 0
    gaps: list[list[int]] = field(default_factory=list)

    def take(self, number: int) -> bool:
        """Whether a record of this number is to be taken: it has not been yet."""
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
        """From the snapshot of its task, out of which it is taken; that of an earlier release knows no open gaps."""
        last, missing = snapshot.pop("seq", 0), snapshot.pop("gaps", 0)
        kept: dict[str, Any] | None = snapshot.pop("numbers", None)
        return cls(last, missing) if kept is None else cls(**kept)
