"""Event times of the newest records of partitions, for the idle rule.

Not by `list_offsets` with the greatest timestamp: that counts the markers of transactions, whose time is the wall
clock's (tests/contracts/test_consumers.py). Of replayed data it gives about now, and what waits there for its partner
would be given up at once.

A record dated ahead (`ahead`) is left out, and not its partition: such a record would hide the time of the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from confluent_kafka import Consumer

from shadowstream.config import Config
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import place_of
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, ignore, read_spans, within
from shadowstream.records import Partition

BACK = 10
LIMIT_S = 2.0


class LastTimes:
    """Reads the last records of partitions; what has not grown is not read again."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._consumer: Consumer | None = None
        self._known: dict[Partition, tuple[int, int | None]] = {}

    def of(self, ends: Mapping[Partition, int], limit_ms: int) -> dict[Partition, int]:
        """Greatest time (ms) up to the limit among the `BACK` offsets before each end, of places that have one."""
        grown = {place: end for place, end in ends.items() if end and self._known.get(place, (-1,))[0] != end}
        if grown:
            self._read(grown, limit_ms)
        known = {place: self._known[place][1] for place in ends if place in self._known}
        return {place: time_ms for place, time_ms in known.items() if time_ms is not None}

    def _read(self, ends: Mapping[Partition, int], limit_ms: int) -> None:
        consumer = self._consumer = self._consumer or self._connected()
        found: dict[Partition, int | None] = dict.fromkeys(ends)
        whole: set[Partition] = set()
        spans: dict[Partition, Span] = {place: (max(0, end - BACK), end) for place, end in ends.items()}
        with contextlib.suppress(NotReadToEnd):
            for turn in read_spans(consumer, spans, within(LIMIT_S), ignore, short=True):
                for message in turn.records:
                    place, time_ms = place_of(message), message.timestamp()[1]
                    if time_ms <= limit_ms:
                        found[place] = max(found[place] or 0, time_ms)
                whole.update(place for place, reached in turn.ended.items() if reached >= ends[place])
        consumer.unassign()
        # What lies in an open transaction, or did not come in time, is asked for again.
        self._known |= {place: (ends[place], found[place]) for place in whole}

    def _connected(self) -> Consumer:
        return reading_consumer(
            self._config.kafka,
            self._config.plan,
            "joiner.times",
            # Retention may take the place to begin at.
            **{"auto.offset.reset": "earliest", "queued.max.messages.kbytes": 1_024},
        )
