"""The records of one of two compared topics, outside any group: nothing is written and nothing is committed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder
from shadowstream.config import Format, Kafka
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, bounded_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.reading.bounded import Spans, quiet, read_spans
from shadowstream.kafka.trial.topic_admin import settings_of
from shadowstream.records import Batch, Partition
from shadowstream.topics import TopicPlan

QUIET_S = 60.0
QUEUE_KB = 16_384
PLAN = TopicPlan("compare")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with its cluster and the decoder of its values. `option` names it in messages."""

    option: str
    name: str
    kafka: Kafka
    decoder: Decoder

    @property
    def format(self) -> Format:
        return self.decoder.format


@dataclass(frozen=True, slots=True)
class Range:
    """A range of event time, ms; None is open. Records up to `margin_ms` outside it may be partners.

    `begin_offset`, `end_offset`: instead, the offsets in every partition of both topics.
    """

    begin_ms: int | None = None
    end_ms: int | None = None
    margin_ms: int = 0
    begin_offset: int | None = None
    end_offset: int | None = None

    def holds(self, time_ms: int) -> bool:
        """Whether a record of this event time counts."""
        return (self.begin_ms is None or time_ms >= self.begin_ms) and (self.end_ms is None or time_ms < self.end_ms)

    def reaches(self, time_ms: int) -> bool:
        """Whether a record of this event time may be a partner."""
        begin, end = self.begin_ms, self.end_ms
        return (begin is None or time_ms >= begin - self.margin_ms) and (end is None or time_ms < end + self.margin_ms)


def is_compacted(topic: Topic) -> bool:
    """Whether the topic keeps the last record of each key only.

    Raises `ConfigError`: there is no such topic, or its settings cannot be seen.
    """
    client = admin(topic.kafka)
    _counts(client, topic)
    settings = settings_of(client, [topic.name]).get(topic.name)
    if settings is None:
        raise ConfigError(
            f"{topic.option}: the settings of {topic.name!r} cannot be seen, so it may be compacted: give --compacted "
            "or --every-record, or the right DescribeConfigs"
        )
    return "compact" in settings.get("cleanup.policy", "")


def refuse_one_topic(first: Topic, second: Topic) -> None:
    """Raise `ConfigError` if both are one topic of one cluster, by whatever names its brokers are reached."""
    if first.name != second.name:
        return
    if first.kafka.bootstrap == second.kafka.bootstrap or _cluster_of(first) == _cluster_of(second):
        raise ConfigError(f"A and B are one topic, {first.name!r}, on one cluster; nothing could differ")


def _cluster_of(topic: Topic) -> str | Topic:
    """Return the id that the cluster gives itself; a cluster without one is like no other."""
    return offsets.cluster_id(admin(topic.kafka)) or topic


def batches(topic: Topic, spans: Spans, *, with_headers: bool) -> Iterator[Batch]:
    """Yield the committed records of the spans. Raises `BrokerError` if nothing comes for a minute."""
    settings = {"queued.max.messages.kbytes": QUEUE_KB}
    with contextlib.closing(bounded_consumer(topic.kafka, PLAN, "reader", **settings)) as consumer:
        for polled in read_spans(consumer, spans, quiet(QUIET_S)):
            for place, group in split(polled.records)[0].items():
                yield columns(place, group, with_headers)


def _counts(client: AdminClient, topic: Topic) -> dict[str, int]:
    try:
        return offsets.partition_counts(client, [topic.name])
    except ConfigError as error:
        raise ConfigError(f"{topic.option}: {error}") from error


def spans_of(topic: Topic, within: Range) -> Spans:
    """Return the offsets of the range and its margin, up to the end of the topic as it is now.

    Raises `ConfigError` for an unknown topic.
    """
    client = admin(topic.kafka)
    return spans_within(client, offsets.places(_counts(client, topic)), within)


def spans_within(client: AdminClient, places: list[Partition], within: Range) -> Spans:
    """Return the offsets that hold the range and its margin in these partitions.

    A time bounds the begin only. Records out of order may lie anywhere after a later one, so those of an earlier time
    than `end_ms` are distinguished by their own times, up to the present ends.
    """
    lows, highs = offsets.beginnings(client, places), offsets.ends(client, places)
    begins, ends = dict(lows), dict(highs)
    if within.begin_offset is not None:
        begins = {place: max(low, within.begin_offset) for place, low in lows.items()}
    elif within.begin_ms is not None:
        found = offsets.at_time(client, places, within.begin_ms - within.margin_ms)
        begins = {place: max(lows[place], highs[place] if at < 0 else at) for place, at in found.items()}
    if within.end_offset is not None:
        ends = {place: min(high, within.end_offset) for place, high in highs.items()}
    return {place: (begins[place], ends[place]) for place in places}


def grown(topic: Topic, before: Spans) -> Spans:
    """Return what has come since these spans were read, in new partitions too.

    Raises `BrokerError`: retention has deleted records that were not read.
    """
    client = admin(topic.kafka)
    places = offsets.places(_counts(client, topic))
    lows, highs = offsets.beginnings(client, places), offsets.ends(client, places)
    begins = {place: before[place][1] or 0 if place in before else lows[place] for place in places}
    lost = sum(max(0, lows[place] - begins[place]) for place in places)
    if lost:
        raise BrokerError(
            f"{topic.option}: retention has deleted {lost:,} offsets of {topic.name} before they were read, so the "
            "comparison has a hole; begin again, with more retention"
        )
    return {place: (begins[place], max(begins[place], highs[place])) for place in places}
