"""Readers of the topics of marks, outside any group: from an offset on, or back to the newest mark."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer, reading_consumer
from shadowstream.kafka.client.messages import offset_of, poll
from shadowstream.kafka.reading.bounded import BATCH, QUIET_S, Polled, fail_if_fatal, quiet, read_on, sort_out
from shadowstream.kafka.reading.newest import BackwardReader
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.kafka.refused_records import FURTHER, Refusals
from shadowstream.logs import get_logger
from shadowstream.protocol.marks import key_of
from shadowstream.records import Partition

log = get_logger("marks")
QUIET_MAX_S = 60.0
FIRST_STEP = 2_000
"""A working runner writes a mark for each partition every few seconds: the newest of each are mostly among these."""


class Mark(NamedTuple):
    """A mark (schemas/mark.avsc), None for a record that is no mark, and its offset in the topic."""

    at: int
    record: dict[str, Any] | None


class MarksReader:
    """Reader of the marks of `progress` or `starts`. Decoding only `keys` makes a long topic several times faster.

    `once`: it is closed when it has read to the end.
    """

    def __init__(
        self,
        config: Config,
        purpose: str,
        kind: str = "progress",
        keys: Collection[bytes] | None = None,
        *,
        once: bool = False,
    ) -> None:
        self._topic, self._keys = config.plan.of(kind), keys
        make = bounded_consumer if once else reading_consumer
        self._consumer = make(config.kafka, config.plan, f"{purpose}.marks")
        self._ends: dict[Partition, int | None] = {Partition(self._topic, 0): None}
        self._on_error = fail_if_fatal(self._topic)
        self._refusals = Refusals()
        self.restart()

    def restart(self, begin: int | None = None) -> None:
        """Read from `begin` on, or else from the oldest mark. Raises `ConfigError` if `begin` is gone."""
        low, _ = offset_range(self._consumer, TopicPartition(self._topic, 0))
        if begin is not None and begin < low:
            raise ConfigError(
                f"{self._topic}: retention deleted the marks at {begin} to {low - 1} before they were read, so it is "
                "unknown which inputs have no output. Refused to guess: remove the topics and groups of this trial and "
                "start anew, with a longer retention.ms"
            )
        self._consumer.assign([TopicPartition(self._topic, 0, low if begin is None else begin)])
        self.caught_up = False

    def poll(self, wait_s: float = 0.0) -> list[Mark]:
        """Return the marks that have come. `caught_up` becomes true when the end was reached once."""
        return self._taken(sort_out(poll(self._consumer, BATCH, wait_s), self._ends, self._on_error))

    def _taken(self, polled: Polled) -> list[Mark]:
        marks = []
        for message in polled.records:
            if self._keys is not None and message.key() not in self._keys:
                continue
            try:
                marks.append(Mark(offset_of(message), own.read("mark", message.value())))
            except RecordError as broken:
                marks.append(Mark(offset_of(message), None))
                if self._refusals.is_first(broken):
                    log.error("mark_unreadable", offset=message.offset(), error=str(broken), further=FURTHER)
        self.caught_up = self.caught_up or bool(polled.ended)
        return marks

    def to_end(self, turned: Callable[[], object] = lambda: None) -> Iterator[Mark]:
        """Yield all marks up to the present end; call `turned` after each poll. Raises `BrokerError`."""
        if self.caught_up:
            return
        for polled in read_on(self._consumer, self._ends, quiet(QUIET_MAX_S), self._on_error):
            yield from self._taken(polled)
            turned()

    def close(self) -> None:
        self._consumer.close()


def last_done(config: Config, client: AdminClient, wanted: Collection[Partition]) -> dict[Partition, int]:
    """Return the offset below which each input is done, by its newest mark; leave out inputs without a mark.

    The topic is read backwards in growing steps, and as a whole only for an input without a mark.
    """
    topic = Partition(config.plan.of("progress"), 0)
    keys = {key_of(place): place for place in wanted}
    found: dict[Partition, int] = {}
    if not keys:
        return found

    def pick(message: Message) -> tuple[Partition, int] | None:
        place = keys.get(message.key() or b"")
        if place is not None and place not in found:
            with contextlib.suppress(RecordError):  # `MarksReader` logs it
                record = own.read("mark", message.value())
                if record["kind"] in ("done", "end"):
                    return place, record["to_offset"]
        return None

    # To the high watermark: a mark may follow an open transaction.
    end = offsets.ends(client, [topic])[topic]
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, "runner.done")) as consumer:
        reader = BackwardReader(consumer, topic, FIRST_STEP, end=end, limit=quiet(QUIET_S))
        while not reader.whole and len(found) < len(keys):
            found |= reader.block(pick)
    return found
