"""How far event time has come for pairs and their labels: never further than what is known to be behind.

Pairs and labels lie in many partitions, and nobody reads them evenly. Were the furthest of them the clock, pairs of a
partition that lags would be past the horizon when they come, and their labels forgotten before. So the clock is the
least of all that may still hold it:

==============================  ======================================================================================
a place is                      and holds the clock
==============================  ======================================================================================
not read to its present end     at what has been read of it; where that is nothing, altogether
read to its end: of labels      no longer
read to its end: of pairs       at the last pair of a task, since the joiner may be behind there, at most one horizon
                                behind the furthest; a task without pairs, no longer
==============================  ======================================================================================

A horizon at most, because a task may have come to its last record for good, and what waits must end some day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shadowstream.records import Place


class EventClock:
    """The clock of one labels role. `behind`: places that are not read to their present end."""

    def __init__(self, horizon_ms: int) -> None:
        self.unread: frozenset[Place] = frozenset()
        self._horizon_ms = horizon_ms
        self._labels_ms: dict[Place, int] = {}

    def label(self, place: Place, time_ms: int) -> None:
        """A label of that event time was read there."""
        self._labels_ms[place] = max(time_ms, self._labels_ms.get(place, time_ms))

    def now_ms(self, scored_ms: Mapping[str, int], places: Mapping[str, Place]) -> int | None:
        """Event time; None while it is not known. `scored_ms`: the last pair of each task that has had one; `places`:
        where each task's pairs lie, by task."""
        if not scored_ms or self.unheard({places[task] for task in scored_ms}):
            return None
        furthest_ms = max(scored_ms.values())
        held = [self._labels_ms[place] for place in self.unread if place in self._labels_ms]
        for task, time_ms in scored_ms.items():
            held.append(time_ms if places[task] in self.unread else max(time_ms, furthest_ms - self._horizon_ms))
        return min(held)

    def unheard(self, scored: Collection[Place]) -> bool:
        """Whether something is still to come from a place of which nothing has been read."""
        return any(place not in scored and place not in self._labels_ms for place in self.unread)
