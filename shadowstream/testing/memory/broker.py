"""The broker in memory: topics, transactions, groups, and the clock that all of them follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from shadowstream.records import Partition
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.groups import GroupRegistry
from shadowstream.testing.memory.log import Log
from shadowstream.testing.memory.transactions import Coordinator

Gate = Callable[[str, Partition, int], int]
"""To which offset a group may read a place for now, given its last stable offset: fetches that come late."""


class MemoryBroker:
    """One broker. `draw` lets consumers get their records in runs and turns of chance; without it they get all.

    >>> broker = MemoryBroker()
    >>> broker.create("orders", 2); sorted(broker.counts.items())
    [('orders', 2)]
    """

    def __init__(self, clock: ManualClock | None = None, draw: Random | None = None) -> None:
        self.clock = clock or ManualClock()
        self.draw = draw
        self.counts: dict[str, int] = {}
        self.ids: dict[str, str] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.logs: dict[Partition, Log] = {}
        self.groups = GroupRegistry(lambda: self.counts, lambda: self.clock.now_ms)
        self.transactions = Coordinator(self.logs, self.groups, lambda: self.clock.now_ms)
        self._made = 0
        self.pauses = 0
        """How many times a consumer has paused a partition."""
        self.gate: Gate = lambda group, place, stable: stable
        self.trouble: Callable[[str], str] = lambda call: ""
        """What goes wrong with a call of a transaction: `abort`, `unheard` (not done), `late` (done, and not heard)."""
        self.clock.moved.append(self._tick)

    def create(self, topic: str, partitions: int, settings: Mapping[str, str] | None = None) -> None:
        """A new topic."""
        self._made += 1
        self.ids[topic] = f"topic-{self._made}"
        self.counts[topic] = partitions
        self.settings[topic] = dict(settings or {})
        self.logs |= {Partition(topic, partition): Log() for partition in range(partitions)}

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Let a topic have so many partitions, which are more than it has."""
        self.logs |= {Partition(topic, partition): Log() for partition in range(self.counts[topic], partitions)}
        self.counts[topic] = partitions

    def delete(self, topic: str) -> None:
        """Delete a topic with all its records."""
        for partition in range(self.counts.pop(topic)):
            del self.logs[Partition(topic, partition)]
        del self.ids[topic], self.settings[topic]

    def _tick(self) -> None:
        self.transactions.tick()
        self.groups.tick()
