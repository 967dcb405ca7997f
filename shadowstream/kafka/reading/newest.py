"""Newest records of keys, read from the ends of partitions backwards in growing steps.

The newest record of a key in a compacted topic is mostly near the end; only a key without a record needs the whole
topic. No offset is read twice: each step reads the next older block, and the records written since the last step.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, Message, TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.reading.bounded import ReadLimit, read_spans, within
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.records import Partition

LIMIT = within(30.0)  # the time limit of one step
GROWTH = 8
WAIT_S = 30.0
AGAIN_S = 0.1

K = TypeVar("K")
V = TypeVar("V")
Pick = Callable[[Message], tuple[K, V] | None]
"""The key and the value of a wanted record; None for any other. Called with the records of a block, oldest first."""


class BackwardReader:
    """Backward reader of one partition, from `end` or its last stable offset; `whole` at its first offset."""

    def __init__(
        self, consumer: Consumer, place: Partition, step: int, *, end: int | None = None, limit: ReadLimit = LIMIT
    ) -> None:
        self._consumer, self._place, self._step, self._limit = consumer, place, step, limit
        self._span = None if end is None else (end, end)
        self.whole = False

    def block(self, pick: Pick[K, V]) -> dict[K, V]:
        """Return the newest wanted record of each key in the next older block and, after it, in newly written records.

        Raises `BrokerError` when the limit passes before both are read.
        """
        low, high = offset_range(self._consumer, TopicPartition(*self._place))
        begin, end = self._span or (high, high)
        older = max(low, begin - self._step)
        found: dict[K, V] = {}
        for span in ((older, begin), (end, high)):
            for polled in read_spans(self._consumer, {self._place: span}, self._limit):
                found.update(picked for message in polled.records if (picked := pick(message)) is not None)
        self._span = min(older, begin), max(end, high)
        self._step *= GROWTH
        self.whole = older == low
        return found


def newest_records(
    config: Config, purpose: str, topic: str, partitions: Mapping[K, int], pick: Pick[K, V], step: int
) -> dict[K, V]:
    """Return the newest wanted record of each key that has one; `partitions` holds the partition of each key."""
    found: dict[K, V] = {}
    if not partitions:
        return found
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, purpose)) as consumer:
        for partition in sorted(set(partitions.values())):
            wanted = {key for key, at in partitions.items() if at == partition}
            reader = BackwardReader(consumer, Partition(topic, partition), step)
            while not reader.whole and not wanted <= found.keys():
                found = {key: one for key, one in reader.block(pick).items() if key in wanted} | found
    return found


def named_records(
    config: Config,
    purpose: str,
    topic: str,
    partitions: Mapping[K, int],
    names: Mapping[K, str],
    pick: Pick[K, V],
    step: int,
) -> dict[K, V]:
    """Return the wanted record of every key, which a commit names; `names` describes it.

    Markers of one transaction land at different times, so a readable commit may name a record that is not visible yet.
    Wait for it. Raises a fatal `BrokerError` if it does not come within `WAIT_S`.
    """
    found: dict[K, V] = {}
    if not names:
        return found
    deadline = time.monotonic() + WAIT_S
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, purpose)) as consumer:
        readers = {n: BackwardReader(consumer, Partition(topic, n), step) for n in {partitions[key] for key in names}}
        while True:
            left = sorted({partitions[key] for key in names if key not in found})
            for n in left:
                found = readers[n].block(pick) | found
            missing = [key for key in names if key not in found]
            if not missing:
                return found
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{topic}: no {min(names[key] for key in missing)} within {WAIT_S:.0f} s, although the group's "
                    "commit names it; was the topic changed? Its cleanup.policy must be compact",
                    fatal=True,
                )
            if all(readers[n].whole for n in left):
                time.sleep(AGAIN_S)
