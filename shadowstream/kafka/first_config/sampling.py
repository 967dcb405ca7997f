"""Samples of the newest records of a topic, outside any group: nothing is written and nothing is committed."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import KafkaError, Message
from confluent_kafka.admin import AdminClient

from shadowstream.config import Kafka
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.reading.bounded import NotReadToEnd, Spans, fail_if_fatal, read_spans, within
from shadowstream.records import Batch, Partition
from shadowstream.topics import TopicPlan

PLAN = TopicPlan("init")
"""Names a consumer that joins no group; brokers ask for a group id and never see it used."""
_fail_if_fatal = fail_if_fatal("sampling")
QUEUE_KB = 16_384
HIDDEN = ("__", "_schemas", "_confluent", "shadow.")
"""How the names of topics begin that no trial reads: internal ones, and those of trials."""


class Bounds(NamedTuple):
    """Limits of the sample of one topic."""

    records: int
    bytes: int
    seconds: float


@dataclass(slots=True)
class Sample:
    """Records of one topic. `limits`: the bounds that ended it; `problem`: why nothing could be read."""

    batches: list[Batch] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    problem: str | None = None

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def until(self, time_ms: int) -> "Sample":
        """Return the records at this time and before."""
        return Sample([_until(batch, time_ms) for batch in self.batches], self.limits, self.problem)


def _until(batch: Batch, time_ms: int) -> Batch:
    kept = [at for at, of in enumerate(batch.times_ms) if of <= time_ms]
    return Batch(
        batch.place,
        [batch.offsets[at] for at in kept],
        [batch.times_ms[at] for at in kept],
        [batch.keys[at] for at in kept],
        [batch.values[at] for at in kept],
        [batch.headers[at] for at in kept],
    )


def readable_topics(found: Iterable[str]) -> list[str]:
    """Return the topics that a trial may read, by name."""
    return sorted(topic for topic in found if not topic.startswith(HIDDEN))


def sample(
    kafka: Kafka, client: AdminClient, topic: str, partitions: int, bounds: Bounds, until_ms: int | None = None
) -> Sample:
    """Read the newest records of a topic, up to those at `until_ms` where the topic has any until then.

    A topic that cannot be read is a sample with its problem.
    """
    try:
        places = offsets.places({topic: partitions})
        lows, ends = offsets.beginnings(client, places), offsets.ends(client, places)
        newest = _read(kafka, _newest(lows, ends, bounds.records), bounds)
        if until_ms is None:
            return newest
        samples = [newest.until(until_ms)]
        if 2 * len(samples[0]) < len(newest):
            later = offsets.at_time(client, places, until_ms + 1)
            cut = {place: end if later[place] < 0 else later[place] for place, end in ends.items()}
            samples.append(_read(kafka, _newest(lows, cut, bounds.records), bounds))
        # A search by time ends too early where times are out of order, or at a transaction's marker: more records win.
        found = max(samples, key=len)
    except BrokerError as error:
        return Sample(problem=str(error))
    return found if len(found) else newest


def _read(kafka: Kafka, spans: Spans, bounds: Bounds) -> Sample:
    found = Sample()
    settings = {"auto.offset.reset": "earliest", "queued.max.messages.kbytes": QUEUE_KB}
    try:
        with contextlib.closing(bounded_consumer(kafka, PLAN, "reader", **settings)) as consumer:
            read = read_spans(consumer, spans, within(bounds.seconds), _on_error, short=True)
            size = 0
            for polled in read:
                for batch in _batches(polled.records):
                    found.batches.append(batch)
                    size += _bytes(batch)
                if size >= bounds.bytes:
                    found.limits.append(f"{bounds.bytes:,} bytes (--bytes)")
                    break
    except NotReadToEnd:
        found.limits.append(f"{bounds.seconds:g} s (--seconds)")
    except BrokerError as error:
        found.problem = str(error)
    return found


def _on_error(message: Message, error: KafkaError) -> None:
    """Raise for an error that ends the sample. A missing right on the group does not: the group is never used."""
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise BrokerError(f"this login may not read it ({error.name()}); grant it Read on the topic")
    if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
        _fail_if_fatal(message, error)


def _batches(records: list[Message]) -> Iterator[Batch]:
    for place, messages in split(records)[0].items():
        yield columns(place, messages, True)


def _bytes(batch: Batch) -> int:
    headers = sum(len(name) + len(value or b"") for of in batch.headers for name, value in of or ())
    return headers + sum(len(part) for column in (batch.keys, batch.values) for part in column if part is not None)


def _newest(lows: dict[Partition, int], ends: dict[Partition, int], records: int) -> Spans:
    """Return the newest offsets of each partition, as many in all as `records`."""
    filled = [place for place, low in lows.items() if ends[place] > low]
    each = -(-records // max(1, len(filled)))
    return {place: (max(lows[place], ends[place] - each), ends[place]) for place in filled}
