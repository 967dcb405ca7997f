"""Idle partitions, and the event time that they take from active partitions.

A partition without new records would hold its task's watermark forever. It is idle if it has been read to its end for
`idle_ms` while other partitions were active. Its watermark is then the lowest event time of the active ones.

Two rules use different witnesses:

- `watermark`, where event time decides what is missing or extra: the other partitions of the same topic. A topic
  without any active partition is dead, not idle, and closes nothing.
- `stated`, where a task reports its progress: all other partitions of the side, of any topic. Otherwise a topic that
  is used once a day would keep the windows of all others open.

Partitions that return together were not idle: all were quiet, and one of them is seen to move first. So a partition is
idle only if it was still for `idle_ms` *while another was active for as long*.
"""

from collections.abc import Iterable

from shadowstream.joiner.completeness.observed_offsets import lowest
from shadowstream.records import Partition

ACTIVE_SPANS = 2
"""A partition stays active for this many times `idle_ms` after it moved. With few records, the activity of one must
outlast the stillness of the others."""


class Idleness:
    """The last observed ends and event times of all output partitions, and the time of each end's last move.

    Only observed time counts: a pause between two observations counts as at most half of `idle_ms`. No role knows which
    partitions were still in the pause, and a clock that is set forward looks like a pause.
    """

    def __init__(self, idle_ms: int) -> None:
        self._idle_ms = idle_ms
        self._ends: dict[Partition, int] = {}
        self._times: dict[Partition, int] = {}
        self._moved_ms: dict[Partition, int] = {}
        self._woke_ms: dict[Partition, int] = {}
        self._kept: dict[tuple[str, Partition], tuple[int, int]] = {}
        self._observed_ms = 0
        self._last_ms: int | None = None

    def observe(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """Note the high watermarks and greatest event times by partition, at wall time `now_ms`."""
        self._observed_ms = at_ms = self._at(now_ms)
        self._last_ms = now_ms
        for place, end in ends.items():
            if place in self._ends and end > self._ends[place]:
                if not self._is_active(place, at_ms):
                    self._woke_ms[place] = at_ms
                self._moved_ms[place] = at_ms
            self._ends[place] = end
        self._times |= times

    def _at(self, now_ms: int) -> int:
        """Return the observed time at wall time `now_ms`."""
        passed_ms = 0 if self._last_ms is None else now_ms - self._last_ms
        return self._observed_ms + min(max(0, passed_ms), max(1, self._idle_ms // 2))

    def _is_active(self, place: Partition, at_ms: int) -> bool:
        return place in self._moved_ms and at_ms - self._moved_ms[place] < ACTIVE_SPANS * self._idle_ms

    def watermark(self, place: Partition, position: int, now_ms: int) -> int | None:
        """Return the event time that an idle partition takes as its watermark; None if not idle, or in a dead topic."""
        same = (one for one in self._moved_ms if one.topic == place.topic)
        return self._waited_out("watermark", place, position, self._others_ms(place, now_ms, same))

    def stated(self, place: Partition, position: int, side: Iterable[Partition], now_ms: int) -> int | None:
        """Return the event time that the task of an idle partition reports; `side`: all partitions of its side."""
        return self._waited_out("stated", place, position, self._others_ms(place, now_ms, side))

    def _waited_out(self, of: str, place: Partition, position: int, found_ms: int | None) -> int | None:
        """Keep the time taken from the others until the partition's end moves, even if they have become still since.

        Otherwise a partition whose position still lags when its topic becomes still would stay open forever.
        """
        end = self._ends.get(place)
        if end is None:
            return None
        if found_ms is not None:
            self._kept[of, place] = end, found_ms
        kept = self._kept.get((of, place))
        return kept[1] if kept is not None and kept[0] == end and position >= end else None

    def _others_ms(self, place: Partition, now_ms: int, witnesses: Iterable[Partition]) -> int | None:
        """Return the lowest time of the active witnesses, if the partition has been still while they were active."""
        if self._last_ms is None:
            return None
        at_ms = self._at(now_ms)
        active = [one for one in witnesses if one != place and self._is_active(one, at_ms)]
        # The begin of the stillness, or of the first activity if that is later.
        since_ms = max(self._moved_ms.get(place, 0), min((self._woke_ms[one] for one in active), default=0))
        if not active or at_ms - since_ms < self._idle_ms:
            return None
        return lowest([self._times.get(one) for one in active])
