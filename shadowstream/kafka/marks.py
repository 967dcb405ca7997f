"""The progress topic, read whole by an assign-only consumer outside the group."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, RecordError
from shadowstream.kafka.clients import reading_consumer
from shadowstream.kafka.messages import arrived, is_end, is_fatal, offset_of
from shadowstream.kafka.reading import extent
from shadowstream.observe import get_logger

log = get_logger("marks")


class Mark(NamedTuple):
    """A mark (schemas/mark.avsc) and its offset in the topic."""

    at: int
    record: dict[str, Any]


class MarksReader:
    """Marks in the order of the topic, from its beginning."""

    def __init__(self, config: Config, purpose: str) -> None:
        self._topic = config.plan.of("progress")
        self._consumer = reading_consumer(config.kafka, config.plan, f"{purpose}.marks")
        self.restart()

    def restart(self, begin: int = 0) -> None:
        """Begin again, at this offset or where the topic begins."""
        low, _ = extent(self._consumer, TopicPartition(self._topic, 0))
        self._consumer.assign([TopicPartition(self._topic, 0, max(low, begin))])
        self.caught_up = False

    def poll(self, wait_s: float = 0.0) -> list[Mark]:
        """Marks that have arrived. `caught_up` turns true when the end was reached once."""
        marks = []
        for message in arrived(self._consumer, 1_000, wait_s):
            error = message.error()
            if error is None:
                try:
                    name, record = own.decode(message.value() or b"")
                except RecordError as broken:
                    log.error("mark_unreadable", offset=message.offset(), error=str(broken))
                    continue
                if name == "mark":
                    marks.append(Mark(offset_of(message), record))
            elif is_end(error):
                self.caught_up = True
            elif is_fatal(error):
                raise BrokerError(f"{self._topic}: {error.str()}", fatal=True)
            else:
                log.warning("consume_error", topic=self._topic, error=error.str())
        return marks

    def read_to_end(self, limit_s: float = 60.0) -> list[Mark]:
        """Everything up to the present end; raises `BrokerError` when that takes longer than `limit_s`."""
        marks: list[Mark] = []
        deadline = time.monotonic() + limit_s
        while not self.caught_up:
            marks += self.poll(0.05)
            if time.monotonic() > deadline:
                raise BrokerError(f"{self._topic}: not read to its end within {limit_s:.0f} s", retriable=True)
        return marks

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()
