"""Which partitions are idle, and what event time they take from those that go on.

A partition of one side that has nothing more to say would hold its task's watermark for ever. It is idle when it has
been read to its end for `idle_ms` while others went on; its watermark is then the lowest of those that did.

Two questions are asked, with other witnesses:

- Where event time decides what is missing or extra (`watermark`): the other partitions of the same topic. A topic of
  which no partition goes on is dead, not idle: nothing closes by it.
- Where a task says how far it is (`stated`): all other partitions of the side, of whatever topic. A topic that is used
  once a day would hold the windows of all others open else.

What returns together was not idle: partitions that were all quiet, and of which one is seen to move first, wait for one
another. So idle is who was still for `idle_ms` *while another went on for as long*.
"""

from __future__ import annotations

from collections.abc import Iterable

from shadowstream.records import Partition

GOES_ON = 2
"""For so many times `idle_ms` after it has moved a partition goes on: of few records, one must outlast the stillness of
the others."""


class Idleness:
    """Ends and times of all output places as they were last observed, and when each end last moved.

    Time is how long it has been looked: a pause between two looks counts as half of `idle_ms` at most. What was still
    meanwhile nobody knows, and a clock that is set forward looks the same.
    """

    def __init__(self, idle_ms: int) -> None:
        self._idle_ms = idle_ms
        self._ends: dict[Partition, int] = {}
        self._times: dict[Partition, int] = {}
        self._moved_ms: dict[Partition, int] = {}
        self._woke_ms: dict[Partition, int] = {}
        self._kept: dict[tuple[str, Partition], tuple[int, int]] = {}
        self._looked_ms = 0
        self._last_ms: int | None = None

    def observe(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """High watermarks and greatest event times by place, at wall time `now_ms`."""
        self._looked_ms = at_ms = self._at(now_ms)
        self._last_ms = now_ms
        for place, end in ends.items():
            if place in self._ends and end > self._ends[place]:
                if not self._goes_on(place, at_ms):
                    self._woke_ms[place] = at_ms
                self._moved_ms[place] = at_ms
            self._ends[place] = end
        self._times |= times

    def _at(self, now_ms: int) -> int:
        """For how long it has been looked, at wall time `now_ms`."""
        passed_ms = 0 if self._last_ms is None else now_ms - self._last_ms
        return self._looked_ms + min(max(0, passed_ms), max(1, self._idle_ms // 2))

    def _goes_on(self, place: Partition, at_ms: int) -> bool:
        return place in self._moved_ms and at_ms - self._moved_ms[place] < GOES_ON * self._idle_ms

    def watermark(self, place: Partition, position: int, now_ms: int) -> int | None:
        """What event time an idle place may take as its watermark; None where it is not idle, or its topic is dead."""
        same = (one for one in self._moved_ms if one.topic == place.topic)
        return self._waited_out("watermark", place, position, self._others_ms(place, now_ms, same))

    def stated(self, place: Partition, position: int, side: Iterable[Partition], now_ms: int) -> int | None:
        """What event time the task of an idle place may say that it has come to; `side`: all places of its side."""
        return self._waited_out("stated", place, position, self._others_ms(place, now_ms, side))

    def _waited_out(self, of: str, place: Partition, position: int, found_ms: int | None) -> int | None:
        """What the others have told of a place holds until its end moves, though they may rest since: a place that is
        held back while its topic comes to rest would stay open for ever else."""
        end = self._ends.get(place)
        if end is None:
            return None
        if found_ms is not None:
            self._kept[of, place] = end, found_ms
        kept = self._kept.get((of, place))
        return kept[1] if kept is not None and kept[0] == end and position >= end else None

    def _others_ms(self, place: Partition, now_ms: int, witnesses: Iterable[Partition]) -> int | None:
        """The lowest time of those that go on, where a place has been still for as long as they have."""
        if self._last_ms is None:
            return None
        at_ms = self._at(now_ms)
        active = [one for one in witnesses if one != place and self._goes_on(one, at_ms)]
        # Still while the first of the others went on.
        since_ms = max(self._moved_ms.get(place, 0), min((self._woke_ms[one] for one in active), default=0))
        if not active or at_ms - since_ms < self._idle_ms:
            return None
        times = [self._times.get(one) for one in active]
        known = [time_ms for time_ms in times if time_ms is not None]
        return min(known) if len(known) == len(times) else None
