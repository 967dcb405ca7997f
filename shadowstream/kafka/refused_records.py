"""Records of our own topics that nobody can act on: each is left out and counted, and each kind is logged once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message

from shadowstream.codecs import own
from shadowstream.errors import RecordError
from shadowstream.kafka.reading.topic_reader import Read, read_of
from shadowstream.logs import get_logger

log = get_logger("own")
KINDS_MAX = 100
"""Kinds that one process tells apart, and so logs."""
FURTHER = "counted, without a line"
"""What becomes of others of a kind that has been logged."""


class Usable(NamedTuple):
    """A record that can be acted on, and where it lies."""

    partition: int
    offset: int
    record: dict[str, Any]


class Refusals:
    """What one reader of a topic of ours has refused. `counts`: by the reason of the `RecordError`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._logged: set[str] = set()

    @property
    def total(self) -> int:
        """How many."""
        return self.counts.total()

    def is_first(self, error: RecordError) -> bool:
        """Count a refused record; whether it is the first of its kind, so that it is to be logged."""
        self.counts[error.reason] += 1
        # Only the sentences of `plausible` are without numbers.
        kind = str(error) if error.reason == "refused" else error.reason
        if kind in self._logged or len(self._logged) >= KINDS_MAX:
            return False
        self._logged.add(kind)
        return True


def usable(rows: Iterable[Read], topic: str, name: str) -> Iterator[Usable]:
    """The records of schema `name` among rows of a topic of ours; tombstones are left out, and so is what is refused,
    of which each kind is logged once."""
    refusals = Refusals()
    for row in rows:
        if row.value is None:
            continue
        try:
            record = own.read(name, row.value)
        except RecordError as error:
            tell(refusals, error, topic, row)
            continue
        yield Usable(row.partition, row.offset, record)


def own_record(name: str, message: Message, refusals: Refusals) -> dict[str, Any] | None:
    """Decode a message as a record of schema `name`; None for a refused one, of which each kind is logged once."""
    try:
        return own.read(name, message.value())
    except RecordError as error:
        tell(refusals, error, str(message.topic()), read_of(message))
        return None


def tell(refusals: Refusals, error: RecordError, topic: str, row: Read) -> None:
    """Count a refused record, and log it where it is the first of its kind."""
    if refusals.is_first(error):
        place = {"topic": topic, "partition": row.partition, "offset": row.offset}
        log.error("own_record_refused", **place, error=str(error), further=FURTHER)
