"""The broker in memory: topics, transactions, groups, and the clock that all of them follow."""

from collections.abc import Callable, Mapping
from random import Random

from shadowstream.records import Partition
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.groups import GroupRegistry
from shadowstream.testing.memory.log import Log
from shadowstream.testing.memory.transactions import Coordinator

Gate = Callable[[str, Partition, int], int]
"""Offset up to which a group may read a partition now, given its last stable offset: fetches that arrive late."""


class MemoryBroker:
    """One broker. `draw` lets consumers get records in random runs and turns; without it they get all.

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
        """Number of pauses of a partition by consumers."""
        self.gate: Gate = lambda group, place, stable: stable
        self.trouble: Callable[[str], str] = lambda call: ""
        """Faults of a transaction call: `abort`, `unheard` (not done), `late` (done, answer lost)."""
        self.clock.moved += [self.transactions.tick, self.groups.tick]

    def create(self, topic: str, partitions: int, settings: Mapping[str, str] | None = None) -> None:
        self._made += 1
        self.ids[topic] = f"topic-{self._made}"
        self.counts[topic] = partitions
        self.settings[topic] = dict(settings or {})
        self.logs |= {Partition(topic, partition): Log() for partition in range(partitions)}

    def add_partitions(self, topic: str, partitions: int) -> None:
        self.logs |= {Partition(topic, partition): Log() for partition in range(self.counts[topic], partitions)}
        self.counts[topic] = partitions

    def delete(self, topic: str) -> None:
        for partition in range(self.counts.pop(topic)):
            del self.logs[Partition(topic, partition)]
        del self.ids[topic], self.settings[topic]
