"""Read spans of partitions to their ends, outside any group: the one loop of every bounded read.

A span is ``(begin, end)``; ``end`` None stands for the present end of the partition. A span with an end is read once a
record at ``end - 1`` or later has come, or the client reports a position at or after ``end``: where only control
records lie before the end, no record will come. A reader that is ``short`` takes any end report for the end, because
nothing behind an open transaction can be read for now. Records at or after ``end`` are left out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.client.errors import event_error
from shadowstream.kafka.client.messages import arrived, is_end, is_fatal, offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("reading")
BATCH = 1_000
WAIT_S = 0.1
QUIET_S = 30.0
NAMED_MAX = 3

Span = tuple[int, int | None]
OnError = Callable[[Message, KafkaError], None]
"""Called with each event that is neither a record nor an end: it raises, or the read continues."""


class Limit(NamedTuple):
    """The time limit of a read: in all, or (`quiet`) since something last came."""

    seconds: float
    quiet: bool


def quiet(seconds: float) -> Limit:
    """Give up when nothing comes for this long."""
    return Limit(seconds, True)


def within(seconds: float) -> Limit:
    """Give up after this long, whatever comes."""
    return Limit(seconds, False)


class NotReadToEnd(BrokerError):
    """The time limit passed before these places were read to their ends. Retriable."""

    def __init__(self, places: Collection[Partition], limit: Limit) -> None:
        named = ", ".join(map(str, sorted(places)[:NAMED_MAX]))
        more = f" and {len(places) - NAMED_MAX} more" if len(places) > NAMED_MAX else ""
        how = ", nothing came for" if limit.quiet else " within"
        super().__init__(f"{named}{more}: not read to its end{how} {limit.seconds:g} s", retriable=True)


class Turn(NamedTuple):
    """What one poll brought: the records of the spans, and by place read to its end the offset reached."""

    records: list[Message]
    ended: dict[Partition, int]


def fail(message: Message, error: KafkaError) -> None:
    """Raise any error as a retriable `BrokerError`."""
    raise BrokerError(f"{place_of(message)}: {error.str()}", retriable=True)


def ignore(message: Message, error: KafkaError) -> None:
    """Continue after any error: what does not come in time is read another time."""


def fail_if_fatal(where: str) -> OnError:
    """Raise an error that ends the client, naming `where`; log any other, which the client gets over."""

    def on_error(message: Message, error: KafkaError) -> None:
        if is_fatal(error):
            raise event_error(error, where)
        log.warning("consume_error", topic=message.topic(), partition=message.partition(), error=error.str())

    return on_error


def sort_out(
    messages: list[Message], ends: Mapping[Partition, int | None], on_error: OnError = fail, *, short: bool = False
) -> Turn:
    """Sort polled messages into records and ends; places that are not in `ends` are left out."""
    turn = Turn([], {})
    for message in messages:
        place, error = place_of(message), message.error()
        if error is not None and not is_end(error):
            on_error(message, error)
        elif place in ends:
            end, offset = ends[place], offset_of(message)
            if error is not None:
                if short or end is None or offset >= end:
                    turn.ended[place] = offset
            else:
                if end is None or offset < end:
                    turn.records.append(message)
                if end is not None and offset + 1 >= end:
                    turn.ended[place] = offset + 1
    return turn


def read_on(
    consumer: Consumer,
    ends: Mapping[Partition, int | None],
    limit: Limit,
    on_error: OnError = fail,
    *,
    short: bool = False,
) -> Iterator[Turn]:
    """Read from where an assigned consumer stands until each place has ended, one turn a poll, empty ones too.

    Raises `NotReadToEnd` after the limit.
    """
    left, since = set(ends), time.monotonic()
    while left:
        if time.monotonic() - since > limit.seconds:
            raise NotReadToEnd(left, limit)
        messages = arrived(consumer, BATCH, WAIT_S)
        turn = sort_out(messages, ends, on_error, short=short)
        left.difference_update(turn.ended)
        yield turn
        if messages and limit.quiet:
            since = time.monotonic()


def read_spans(
    consumer: Consumer, spans: Mapping[Partition, Span], limit: Limit, on_error: OnError = fail, *, short: bool = False
) -> Iterator[Turn]:
    """Assign the spans that are not empty to the consumer and read them; see `read_on`."""
    wanted = {place: span for place, span in spans.items() if span[1] is None or span[0] < span[1]}
    if wanted:
        consumer.assign([TopicPartition(*place, begin) for place, (begin, _) in wanted.items()])
    return read_on(consumer, {place: end for place, (_, end) in wanted.items()}, limit, on_error, short=short)


def read_range(
    config: Config, purpose: str, spans: Mapping[Partition, Span], quiet_s: float = QUIET_S
) -> Iterator[Message]:
    """Records of the spans, read_committed, by a consumer of its own; `purpose` names it.

    Raises `BrokerError`, retriable, when nothing comes for `quiet_s` or the broker reports an error.
    """
    with contextlib.closing(reading_consumer(config.kafka, config.plan, purpose)) as consumer:
        for turn in read_spans(consumer, spans, quiet(quiet_s)):
            yield from turn.records


def read_since(config: Config, client: AdminClient, purpose: str, begins: Mapping[Partition, int]) -> Iterator[Message]:
    """Records of each place from an offset, or from the start of its log, to its present high watermark."""
    lows, ends = offsets.beginnings(client, begins), offsets.ends(client, begins)
    return read_range(config, purpose, {place: (max(at, lows[place]), ends[place]) for place, at in begins.items()})
