"""Which partitions are idle, where only event time decides.

A partition of one side that has nothing more to say would hold its task's watermark for ever. It is idle when it has
been read to its end for `idle_ms` while another partition of the same topic went on; its watermark is then the lowest
of those that did. A topic of which no partition goes on is dead, not idle: nothing closes by it.
"""

from __future__ import annotations

from shadowstream.records import Place


class Idleness:
    """Ends and times of all output places as they were last observed, and when each end last moved."""

    def __init__(self, idle_ms: int) -> None:
        self._idle_ms = idle_ms
        self._ends: dict[Place, int] = {}
        self._times: dict[Place, int] = {}
        self._moved_ms: dict[Place, int] = {}
        self._began_ms: int | None = None
        self._last_ms = 0

    def observe(self, ends: dict[Place, int], times: dict[Place, int], now_ms: int) -> None:
        """High watermarks and greatest event times by place, at wall time `now_ms`."""
        if self._began_ms is None:
            self._began_ms = now_ms
        if now_ms < self._last_ms:  # set back: what has been still for so long is so still
            back_ms = self._last_ms - now_ms
            self._began_ms -= back_ms
            self._moved_ms = {place: at - back_ms for place, at in self._moved_ms.items()}
        self._last_ms = now_ms
        for place, end in ends.items():
            if place in self._ends and end > self._ends[place]:
                self._moved_ms[place] = now_ms
            self._ends[place] = end
        self._times |= times

    def watermark(self, place: Place, position: int, now_ms: int) -> int | None:
        """What event time an idle place may take as its watermark; None where it is not idle, or its topic is dead."""
        still_since = max(self._moved_ms.get(place, 0), self._began_ms or now_ms)
        if position < self._ends.get(place, position + 1) or now_ms - still_since < self._idle_ms:
            return None
        going = [
            self._times.get(other)
            for other, moved_ms in self._moved_ms.items()
            if other.topic == place.topic and other != place and now_ms - moved_ms < self._idle_ms
        ]
        known = [time_ms for time_ms in going if time_ms is not None]
        return min(known) if known and len(known) == len(going) else None
