"""Event time of a side that is read as a copy.

The copier merges several partitions into one, so the event times of the copies do not show how far the originals are.
With a backlog, it copies one partition of production to its end before it begins another. Example: partitions 0 and 1
each hold 09:00 to 17:00, and 0 is copied first. By the copies' own times, 17:00 is reached after half of them, and the
09:00 of partition 1 lies eight hours in the past (tests/joiner/completeness/test_copied_time.py,
test_a_partition_that_is_copied_later_holds_the_watermark).

So the time comes from the copier. Its commits name the greatest event time copied from each original partition. The
lowest of these holds for a reader of the copies once it has passed the ends that the copies had after these commits.
An idle original partition does not hold back the others (`idleness`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.joiner.completeness.observed_offsets import highest, lowest
from shadowstream.records import Partition
from shadowstream.thinned_queue import ThinnedQueue

OBSERVATIONS_MAX = 1_000


class CopyPosition(NamedTuple):
    """The offset below which an original partition is copied, and the greatest event time of these records, if any."""

    position: int
    time_ms: int | None


class Originals(Idleness):
    """The original partitions of one copied topic."""

    def low_ms(self, copied: Mapping[Partition, CopyPosition], now_ms: int) -> int | None:
        """Return the event time below which all originals have been copied; None while that of one is unknown."""
        return lowest(
            [highest(one.time_ms, self.watermark(place, one.position, now_ms)) for place, one in copied.items()]
        )


class CopiedTime:
    """The event time to which one task has read a copied side."""

    def __init__(self) -> None:
        self._observed: ThinnedQueue[tuple[int, int]] = ThinnedQueue(OBSERVATIONS_MAX)

    def observe(self, end: int, low_ms: int) -> None:
        """Note that all records up to `low_ms` have been copied, and that their copies lie below `end`."""
        if not self._observed or low_ms > self._observed[-1][1]:
            self._observed.append((end, low_ms))

    def passed(self, position: int) -> int | None:
        """Return the newest event time whose copies all lie below `position`; None if it is not a new one."""
        found = None
        while self._observed and self._observed[0][0] <= position:
            found = self._observed.popleft()[1]
        return found
