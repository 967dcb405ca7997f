"""Lag of a role behind the ends of its partitions.

The ends come from the broker, without waiting for its answer. The ends that the consumer saw while fetching do not
advance while a side is paused or its queue is full. A lag computed from them would fall while the real one grows.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.health import RoleHealth
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.records import Partition

ASK_EVERY_S = 1.0


class Lag:
    """Positions and last known ends of the assigned partitions, and the metrics made of both."""

    def __init__(self, client: AdminClient, side_word: Callable[[str], str], watch: RoleHealth) -> None:
        self._client, self._side_word, self._watch = client, side_word, watch
        self._positions: dict[Partition, int] = {}
        self._newest_ms: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._asked: offsets.OffsetFutures = {}
        self._next_ask = 0.0

    def assigned(self, starts: Mapping[Partition, int]) -> None:
        self._positions = dict(starts)
        self._newest_ms.clear()
        self._next_ask = 0.0
        self.show(0)

    def clear(self) -> None:
        """Forget all partitions after their revocation; their next reader shows their lag."""
        for side in {self._side_word(place.topic) for place in self._positions}:
            self._show(side, 0, 0)
        self._positions.clear()
        self._newest_ms.clear()

    def read(self, place: Partition, position: int, time_ms: int | None = None) -> None:
        """Record that a partition was read to `position`; `time_ms` is the time of its last record."""
        self._positions[place] = max(position, self._positions.get(place, 0))
        if time_ms is not None:
            self._newest_ms[place] = time_ms

    def show(self, now_ms: int) -> None:
        """Set the metrics, once the ends are known."""
        self._refresh_ends()
        if not self._ends.keys() >= self._positions.keys():
            return
        behind: Counter[str] = Counter()
        age_ms: Counter[str] = Counter()
        for place, position in self._positions.items():
            side = self._side_word(place.topic)
            lag = max(0, self._ends[place] - position)
            behind[side] += lag
            age_ms[side] = max(age_ms[side], now_ms - self._newest_ms.get(place, now_ms) if lag else 0)
        for side, lag in behind.items():
            self._show(side, lag, age_ms[side])

    def _show(self, side: str, lag: int, age_ms: int) -> None:
        self._watch.metrics.set("lag_records", lag, role=self._watch.role, side=side)
        self._watch.metrics.set("lag_seconds", age_ms / 1000, role=self._watch.role, side=side)

    def _refresh_ends(self) -> None:
        """Take the answer if it has come, and ask again when it is time."""
        if self._asked and all(future.done() for future in self._asked.values()):
            # A missing end keeps its last value: the next answer is a second away.
            self._ends |= offsets.answered(self._asked)
            self._asked = {}
        at = time.monotonic()
        if not self._asked and self._positions and at >= self._next_ask:
            self._next_ask = at + ASK_EVERY_S
            with translated_errors("list_offsets"):
                self._asked = offsets.ask(self._client, self._positions)
