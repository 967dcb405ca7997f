"""Topics of marks, read by an assign-only consumer outside the group: from an offset on, or back to the newest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.messages import arrived, offset_of
from shadowstream.kafka.reading.bounded import BATCH, QUIET_S, Turn, fail_if_fatal, quiet, read_on, sort_out
from shadowstream.kafka.reading.newest import Backwards
from shadowstream.kafka.reading.topic_reader import extent
from shadowstream.kafka.refused_records import FURTHER, Refusals
from shadowstream.logs import get_logger
from shadowstream.protocol.marks import key_of
from shadowstream.records import Partition

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
        self._ends: dict[Partition, int | None] = {Partition(self._topic, 0): None}
        self._on_error = fail_if_fatal(self._topic)
        self._refusals = Refusals()
        self.restart()

    def restart(self, begin: int = 0) -> None:
        """Begin again, at this offset or where the topic begins."""
        low, _ = extent(self._consumer, TopicPartition(self._topic, 0))
        self._consumer.assign([TopicPartition(self._topic, 0, max(low, begin))])
        self.caught_up = False

    def poll(self, wait_s: float = 0.0) -> list[Mark]:
        """Marks that have arrived. `caught_up` turns true when the end was reached once."""
        return self._taken(sort_out(arrived(self._consumer, BATCH, wait_s), self._ends, self._on_error))

    def _taken(self, turn: Turn) -> list[Mark]:
        marks = []
        for message in turn.records:
            if self._keys is not None and message.key() not in self._keys:
                continue
            try:
                marks.append(Mark(offset_of(message), own.read("mark", message.value())))
            except RecordError as broken:
                marks.append(Mark(offset_of(message), None))
                if self._refusals.is_first(broken):
                    log.error("mark_unreadable", offset=message.offset(), error=str(broken), further=FURTHER)
        self.caught_up = self.caught_up or bool(turn.ended)
        return marks

    def to_end(self, turned: Callable[[], object] = lambda: None) -> Iterator[Mark]:
        """Everything up to the present end, however much that is; `turned` is called as it goes on.

        Raises `BrokerError` when nothing comes for `QUIET_MAX_S`.
        """
        if self.caught_up:
            return
        for turn in read_on(self._consumer, self._ends, quiet(QUIET_MAX_S), self._on_error):
            yield from self._taken(turn)
            turned()

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()


def last_done(config: Config, client: AdminClient, wanted: Collection[Partition]) -> dict[Partition, int]:
    """How far the newest mark of each input place says that it is done; places of which nothing is said are left out.

    Read backwards in growing steps: only for a place that no mark is about the whole topic is gone through.
    """
    topic = Partition(config.plan.of("progress"), 0)
    keys = {key_of(place): place for place in wanted}
    found: dict[Partition, int] = {}
    if not keys:
        return found

    def pick(message: Message) -> tuple[Partition, int] | None:
        place = keys.get(message.key() or b"")
        if place is not None and place not in found:
            with contextlib.suppress(RecordError):  # told where marks are followed
                record = own.read("mark", message.value())
                if record["kind"] in ("done", "end"):
                    return place, record["to_offset"]
        return None

    # To the high watermark: a mark may stand behind an open transaction.
    end = offsets.ends(client, [topic])[topic]
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "runner.done")) as consumer:
        reader = Backwards(consumer, topic, FIRST_STEP, end=end, limit=quiet(QUIET_S))
        while not reader.whole and len(found) < len(keys):
            found |= reader.block(pick)
    return found
