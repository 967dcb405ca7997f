"""Event times of the newest records of partitions, for the idle rule.

`list_offsets` with the greatest timestamp does not work: it counts transaction markers, whose time is the wall clock's
(tests/contracts/test_consumers.py). For replayed data it returns about now, and the joiner would give up pending
records at once. A record dated ahead (`future_dates`) is skipped, but not its partition: it would hide all others.
"""

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


class NewestEventTimes:
    """Reader of the last records of partitions; it re-reads only partitions that have grown."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._consumer: Consumer | None = None
        self._known: dict[Partition, tuple[int, int | None]] = {}

    def of(self, ends: Mapping[Partition, int], limit_ms: int) -> dict[Partition, int]:
        """Return the greatest time (ms) up to the limit among the `BACK` offsets before each end, if there is one."""
        grown = {place: end for place, end in ends.items() if end and self._known.get(place, (-1,))[0] != end}
        if grown:
            self._read(grown, limit_ms)
        known = {place: self._known[place][1] for place in ends if place in self._known}
        return {place: time_ms for place, time_ms in known.items() if time_ms is not None}

    def _read(self, ends: Mapping[Partition, int], limit_ms: int) -> None:
        if self._consumer is None:
            # Retention may delete the first offset, hence the reset.
            settings = {"auto.offset.reset": "earliest", "queued.max.messages.kbytes": 1_024}
            config = self._config
            self._consumer = reading_consumer(config.kafka, config.plan, "joiner.times", **settings)
        consumer = self._consumer
        found: dict[Partition, int | None] = dict.fromkeys(ends)
        whole: set[Partition] = set()
        spans: dict[Partition, Span] = {place: (max(0, end - BACK), end) for place, end in ends.items()}
        with contextlib.suppress(NotReadToEnd):
            for polled in read_spans(consumer, spans, within(LIMIT_S), ignore, short=True):
                for message in polled.records:
                    place, time_ms = place_of(message), message.timestamp()[1]
                    if time_ms <= limit_ms:
                        found[place] = max(found[place] or 0, time_ms)
                whole.update(place for place, reached in polled.ended.items() if reached >= ends[place])
        consumer.unassign()
        # A later call re-reads partitions with open transactions, and those that did not come in time.
        self._known |= {place: (ends[place], found[place]) for place in whole}
