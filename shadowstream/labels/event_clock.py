"""Event clock of pairs and labels: it never passes a record that may still be unread.

Pairs and labels are spread over many partitions, which are read at different speeds. If the furthest partition set the
clock, pairs of a lagging partition would arrive after the horizon, and their labels would be dropped. So the clock is
the least position of all partitions that may still hold it:

==============================  ======================================================================================
state of a partition            position at which it holds the clock
==============================  ======================================================================================
not read to its present end     the last event time read; without one, the clock is not known
labels, read to the end         none
pairs, read to the end          the last pair of the task, because the joiner may lag there, but at most one horizon
                                before the furthest; none for a task without pairs
==============================  ======================================================================================

The bound of one horizon is needed because a task may never get another record, and waiting pairs must end some day.
"""

from collections.abc import Mapping

from shadowstream.records import Partition


class EventClock:
    """Clock of one labels role. `unread`: partitions that are not read to their present end."""

    def __init__(self, horizon_ms: int) -> None:
        self.unread: frozenset[Partition] = frozenset()
        self._horizon_ms = horizon_ms
        self._labels_ms: dict[Partition, int] = {}

    def label(self, place: Partition, time_ms: int) -> None:
        self._labels_ms[place] = max(time_ms, self._labels_ms.get(place, time_ms))

    def now_ms(self, scored_ms: Mapping[str, int], places: Mapping[str, Partition]) -> int | None:
        """Return the event time, None while unknown, by the time of the last pair of each task, and its partition."""
        heard = {*self._labels_ms, *(places[task] for task in scored_ms)}
        if not scored_ms or not self.unread <= heard:
            return None
        furthest_ms = max(scored_ms.values())
        held = [self._labels_ms[place] for place in self.unread if place in self._labels_ms]
        for task, time_ms in scored_ms.items():
            held.append(time_ms if places[task] in self.unread else max(time_ms, furthest_ms - self._horizon_ms))
        return min(held)
