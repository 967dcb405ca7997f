"""Topics of marks, read by an assign-only consumer outside the group: from an offset on, or back to the newest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, RecordError
from shadowstream.kafka.at_least_once.decided_commits import between
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.errors import event_error
from shadowstream.kafka.client.messages import arrived, is_end, is_fatal, offset_of
from shadowstream.kafka.reading.topic_reader import extent
from shadowstream.kafka.refused_records import FURTHER, Refusals
from shadowstream.logs import get_logger
from shadowstream.protocol.marks import key_of
from shadowstream.records import Place

log = get_logger("marks")
QUIET_MAX_S = 60.0
FIRST_STEP = 2_000
"""A working runner says how far each place is every few seconds: the newest mark of each is mostly among these."""


class Mark(NamedTuple):
    """A mark (schemas/mark.avsc), None for a record that cannot be one, and its offset in the topic."""

    at: int
    record: dict[str, Any] | None


class MarksReader:
    """Marks in the order of their topic, `progress` or `starts`. With `keys` only those: what is not asked for is not
    decoded, which makes reading a long topic several times faster."""

    def __init__(
        self, config: Config, purpose: str, kind: str = "progress", keys: Collection[bytes] | None = None
    ) -> None:
        self._topic, self._keys = config.plan.of(kind), keys
        self._consumer = reading_consumer(config.kafka, config.plan, f"{purpose}.marks")
        self._arrived = 0
        self._refusals = Refusals()
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
            self._arrived += 1
            if error is None:
                if self._keys is not None and message.key() not in self._keys:
                    continue
                try:
                    marks.append(Mark(offset_of(message), own.read("mark", message.value())))
                except RecordError as broken:
                    marks.append(Mark(offset_of(message), None))
                    if self._refusals.is_first(broken):
                        log.error("mark_unreadable", offset=message.offset(), error=str(broken), further=FURTHER)
            elif is_end(error):
                self.caught_up = True
            elif is_fatal(error):
                raise event_error(error, self._topic)
            else:
                log.warning("consume_error", topic=self._topic, error=error.str())
        return marks

    def to_end(self, turned: Callable[[], object] = lambda: None) -> Iterator[Mark]:
        """Everything up to the present end, however much that is; `turned` is called as it goes on.

        Raises `BrokerError` when nothing comes for `QUIET_MAX_S`.
        """
        deadline = time.monotonic() + QUIET_MAX_S
        while not self.caught_up:
            before = self._arrived
            yield from self.poll(0.05)
            turned()
            if self._arrived > before:
                deadline = time.monotonic() + QUIET_MAX_S
            elif time.monotonic() > deadline:
                raise BrokerError(
                    f"{self._topic}: not read to its end, nothing came for {QUIET_MAX_S:.0f} s", retriable=True
                )

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()


def last_done(config: Config, client: AdminClient, wanted: Collection[Place]) -> dict[Place, int]:
    """How far the newest mark of each input place says that it is done; places of which nothing is said are left out.

    Read backwards in growing steps: only for a place that no mark is about the whole topic is gone through.
    """
    topic = Place(config.plan.of("progress"), 0)
    keys = {key_of(place): place for place in wanted}
    found: dict[Place, int] = {}
    if not keys:
        return found
    low, end = offsets.beginnings(client, [topic])[topic], offsets.ends(client, [topic])[topic]
    step = FIRST_STEP
    while end > low and len(found) < len(keys):
        begin = max(low, end - step)
        newest: dict[Place, int] = {}
        for message in between(config, "runner.done", {topic: begin}, {topic: end}):
            place = keys.get(message.key() or b"")
            if place is None or place in found:
                continue
            with contextlib.suppress(RecordError):  # told where marks are followed
                record = own.read("mark", message.value())
                if record["kind"] in ("done", "end"):
                    newest[place] = record["to_offset"]
        found |= newest
        end, step = begin, step * 8
    return found
