"""Records of the trial's own topics that cannot be used: each is left out and counted, each kind is logged once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message

from shadowstream.codecs import own
from shadowstream.errors import RecordError
from shadowstream.kafka.reading.topic_reader import TopicRecord, record_of
from shadowstream.logs import get_logger

log = get_logger("own")
KINDS_MAX = 100  # number of kinds that one process distinguishes, and so logs
FURTHER = "counted, without a line"  # log text for the treatment of further records of a kind


class OwnRecord(NamedTuple):
    """A decoded record of one of the trial's own topics, with its partition and offset."""

    partition: int
    offset: int
    record: dict[str, Any]


class Refusals:
    """Counts of the records that one reader has refused, by the reason of the `RecordError`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged: set[str] = set()

    def is_first(self, error: RecordError) -> bool:
        """Count a refused record; return whether it is the first of its kind and so needs a log line."""
        self.counts[error.reason] += 1
        # Only the messages of `plausible` hold no numbers, so that equal messages are one kind.
        kind = str(error) if error.reason == "refused" else error.reason
        if kind in self._logged or len(self._logged) >= KINDS_MAX:
            return False
        self._logged.add(kind)
        return True


def usable(rows: Iterable[TopicRecord], topic: str, name: str) -> Iterator[OwnRecord]:
    """Yield the records of schema `name` among these rows, without tombstones; refuse those that cannot be read."""
    refusals = Refusals()
    for row in rows:
        if row.value is None:
            continue
        try:
            record = own.read(name, row.value)
        except RecordError as error:
            refuse(refusals, error, topic, row)
            continue
        yield OwnRecord(row.partition, row.offset, record)


def own_record(name: str, message: Message, refusals: Refusals) -> dict[str, Any] | None:
    """Decode a message as a record of schema `name`; refuse it and return None if it cannot be read."""
    try:
        return own.read(name, message.value())
    except RecordError as error:
        refuse(refusals, error, str(message.topic()), record_of(message))
        return None


def refuse(refusals: Refusals, error: RecordError, topic: str, row: TopicRecord) -> None:
    if refusals.is_first(error):
        place = {"topic": topic, "partition": row.partition, "offset": row.offset}
        log.error("own_record_refused", **place, error=str(error), further=FURTHER)
