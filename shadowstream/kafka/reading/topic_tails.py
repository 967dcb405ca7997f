"""Reader of several topics outside any group: at first the newest records of each, then what has come since."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, reading_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.reading.bounded import Span, ignore, quiet, read_spans
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.protocol.verdict_signatures import HEADER
from shadowstream.records import Partition

QUIET_S = 30.0


class Tail(NamedTuple):
    """The schema of a topic's records, and how many offsets are read at first over all of its partitions; None: all.

    `is_signed`: whether the records may have a signature, for which their headers are read.
    """

    schema: str
    offsets: int | None
    is_signed: bool = False


class TailRecord(NamedTuple):
    """A record of one of the topics, decoded and as it was written."""

    topic: str
    record: dict[str, Any]
    raw: bytes
    signature: bytes | None = None


class TopicTails:
    """Reader of topics of a trial, which need not exist yet. Records that cannot be used are left out."""

    def __init__(self, config: Config, purpose: str, tails: Mapping[str, Tail]) -> None:
        self._config, self._purpose, self._tails = config, purpose, dict(tails)
        self._client: AdminClient | None = None
        self._consumer: Consumer | None = None
        self._next: dict[Partition, int] = {}
        self._refusals = Refusals()

    def turn(self) -> Iterator[list[TailRecord]]:
        """Yield the records up to the present ends, batch by batch. Raises `BrokerError` if no broker answers."""
        with translated_errors(self._purpose):
            if self._client is None:
                self._client = admin(self._config.kafka)
            self._find(self._client)
            if not self._next:
                return
            if self._consumer is None:
                self._consumer = reading_consumer(self._config.kafka, self._config.plan, self._purpose)
            spans: dict[Partition, Span] = {place: (at, None) for place, at in self._next.items()}
            for polled in read_spans(self._consumer, spans, quiet(QUIET_S), ignore, short=True):
                if polled.records:
                    yield [*self._decoded(polled.records)]
                    self._next |= {place_of(message): offset_of(message) + 1 for message in polled.records}
                self._next |= polled.ended

    def _decoded(self, messages: Iterable[Message]) -> Iterator[TailRecord]:
        for message in messages:
            topic, value = str(message.topic()), message.value()
            if value is not None:  # no tombstone
                tail = self._tails[topic]
                record = own_record(tail.schema, message, self._refusals)
                if record is not None:
                    headers: Any = dict(message.headers() or ()) if tail.is_signed else {}
                    yield TailRecord(topic, record, value, headers.get(HEADER))

    def _find(self, client: AdminClient) -> None:
        """Begin with topics, and partitions, that were not there before."""
        counts = offsets.existing(client)
        places = offsets.places({topic: counts[topic] for topic in self._tails if topic in counts})
        added = [place for place in places if place not in self._next]
        if not added:
            return
        lows, ends = offsets.beginnings(client, added), offsets.ends(client, added)
        for place in added:
            tail = self._tails[place.topic].offsets
            begin = lows[place] if tail is None else ends[place] - tail // counts[place.topic]
            self._next[place] = max(lows[place], begin)

    def close(self) -> None:
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                self._consumer.close()
