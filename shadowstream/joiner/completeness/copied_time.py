"""Event time of a side that is read as a copy.

Copies of several partitions are made into one as they are read, so their event times do not say how far the originals
are: with a backlog one partition of production's is copied to its end before another is begun. Worked: partitions 0 and
1 each hold 09:00 to 17:00, and 0 is copied first. By the copies' own times 17:00 is reached after half of them, and the
09:00 of partition 1 lies eight hours in the past (tests/joiner/completeness/test_copied_time.py,
test_a_partition_that_is_copied_later_holds_the_watermark).

So the time is taken from the copying itself. Its commits say the greatest event time that has been copied of each
original partition; the lowest of these holds for a reader of the copies once it has passed the ends that the copies had
after these commits. An original partition that is idle does not hold the others (`idle`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.records import Partition
from shadowstream.thinned_queue import ThinnedQueue

OBSERVATIONS_MAX = 1_000


class Copied(NamedTuple):
    """An original partition is copied below `position`; the greatest event time of that, None where there was none."""

    position: int
    time_ms: int | None


class Originals:
    """What is known of the original partitions of one copied topic."""

    def __init__(self, idle_ms: int) -> None:
        self._idleness = Idleness(idle_ms)

    def observe(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """High watermarks and greatest event times of the originals, at wall time `now_ms`."""
        self._idleness.observe(ends, times, now_ms)

    def low_ms(self, copied: Mapping[Partition, Copied], now_ms: int) -> int | None:
        """Event time below which every original partition has been copied; None while one has none to tell."""
        marks = []
        for place, one in copied.items():
            idle = self._idleness.watermark(place, one.position, now_ms)
            known = [time_ms for time_ms in (one.time_ms, idle) if time_ms is not None]
            if not known:
                return None
            marks.append(max(known))
        return min(marks, default=None)


class CopiedTime:
    """What one task has read of a copied side, as event time."""

    def __init__(self) -> None:
        self._observed: ThinnedQueue[tuple[int, int]] = ThinnedQueue(OBSERVATIONS_MAX)

    def observe(self, end: int, low_ms: int) -> None:
        """Everything up to `low_ms` has been copied; its copies lie below `end`."""
        if not self._observed or low_ms > self._observed[-1][1]:
            self._observed.append((end, low_ms))

    def passed(self, position: int) -> int | None:
        """The newest event time whose copies all lie below `position`; None where nothing new has been passed."""
        found = None
        while self._observed and self._observed[0][0] <= position:
            found = self._observed.popleft()[1]
        return found
