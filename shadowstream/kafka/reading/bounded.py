"""Read spans of partitions to their ends, outside any group: the one loop of every bounded read.

A span is ``(begin, end)``; ``end`` None stands for the present end of the partition. A span with an end is read once a
record at ``end - 1`` or later has come. It is also read once the client reports a position at or after ``end``: if only
control records lie before the end, no record will come. A ``short`` reader takes any end report for the end, because an
open transaction hides all later records. Records at or after ``end`` are left out.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import bounded_consumer
from shadowstream.kafka.client.errors import event_error
from shadowstream.kafka.client.messages import is_end, is_fatal, offset_of, place_of, poll
from shadowstream.logs import get_logger
from shadowstream.records import Partition

log = get_logger("reading")
BATCH = 1_000
WAIT_S = 0.1
QUIET_S = 30.0
NAMED_MAX = 3

Span = tuple[int, int | None]
Spans = Mapping[Partition, Span]
Ends = Mapping[Partition, int | None]
OnError = Callable[[Message, KafkaError], None]
"""Called with each event that is neither a record nor an end: it raises, or the read continues."""


class ReadLimit(NamedTuple):
    """The time limit of a read: in total, or (`quiet`) since the last message."""

    seconds: float
    quiet: bool


quiet, within = partial(ReadLimit, quiet=True), partial(ReadLimit, quiet=False)


class NotReadToEnd(BrokerError):
    """The time limit passed before these partitions were read to their ends. Retriable."""

    def __init__(self, places: Collection[Partition], limit: ReadLimit) -> None:
        named = ", ".join(map(str, sorted(places)[:NAMED_MAX]))
        more = f" and {len(places) - NAMED_MAX} more" if len(places) > NAMED_MAX else ""
        how = ", nothing came for" if limit.quiet else " within"
        hidden = "; a transaction that is still open hides what follows it: try again once it has ended"
        text = f"{named}{more}: not read to its end{how} {limit.seconds:g} s{hidden if limit.quiet else ''}"
        super().__init__(text, retriable=True)


class Polled(NamedTuple):
    """The result of one poll: the records of the spans, and the offset reached in each partition at its end."""

    records: list[Message]
    ended: dict[Partition, int]


def fail(message: Message, error: KafkaError) -> None:
    raise BrokerError(f"{place_of(message)}: {error.str()}", retriable=True)


def ignore(message: Message, error: KafkaError) -> None:
    """Continue after any error: the caller reads missing records another time."""


def fail_if_fatal(where: str) -> OnError:
    """Return a handler that raises an error that ends the client, naming `where`, and logs any other."""

    def on_error(message: Message, error: KafkaError) -> None:
        if is_fatal(error):
            raise event_error(error, where)
        log.warning("consume_error", topic=message.topic(), partition=message.partition(), error=error.str())

    return on_error


def sort_out(messages: list[Message], ends: Ends, on_error: OnError = fail, *, short: bool = False) -> Polled:
    """Sort polled messages into records and ends; leave out partitions that are not in `ends`."""
    polled = Polled([], {})
    for message in messages:
        place, error = place_of(message), message.error()
        if error is not None and not is_end(error):
            on_error(message, error)
        elif place in ends:
            end, offset = ends[place], offset_of(message)
            if error is not None:
                if short or end is None or offset >= end:
                    polled.ended[place] = offset
            else:
                if end is None or offset < end:
                    polled.records.append(message)
                if end is not None and offset + 1 >= end:
                    polled.ended[place] = offset + 1
    return polled


def read_on(
    consumer: Consumer, ends: Ends, limit: ReadLimit, on_error: OnError = fail, *, short: bool = False
) -> Iterator[Polled]:
    """Read on from the consumer's positions to all ends; yield each poll. Raises `NotReadToEnd` after the limit."""
    left, since = set(ends), time.monotonic()
    while left:
        if time.monotonic() - since > limit.seconds:
            raise NotReadToEnd(left, limit)
        messages = poll(consumer, BATCH, WAIT_S)
        polled = sort_out(messages, ends, on_error, short=short)
        left.difference_update(polled.ended)
        yield polled
        if messages and limit.quiet:
            since = time.monotonic()


def read_spans(
    consumer: Consumer, spans: Spans, limit: ReadLimit, on_error: OnError = fail, *, short: bool = False
) -> Iterator[Polled]:
    """Assign the non-empty spans to the consumer and read them as `read_on` does."""
    wanted = {place: span for place, span in spans.items() if span[1] is None or span[0] < span[1]}
    if wanted:
        consumer.assign([TopicPartition(*place, begin) for place, (begin, _) in wanted.items()])
    return read_on(consumer, {place: end for place, (_, end) in wanted.items()}, limit, on_error, short=short)


def read_range(config: Config, purpose: str, spans: Spans, quiet_s: float = QUIET_S) -> Iterator[Message]:
    """Yield the records of the spans, read_committed, by a consumer of its own, which `purpose` names.

    Raises `BrokerError`, retriable, when nothing comes for `quiet_s` or the broker reports an error.
    """
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, purpose)) as consumer:
        for polled in read_spans(consumer, spans, quiet(quiet_s)):
            yield from polled.records


def read_since(config: Config, client: AdminClient, purpose: str, begins: Mapping[Partition, int]) -> Iterator[Message]:
    """Yield the records of each partition from an offset, or the start of its log, to its present high watermark."""
    lows, ends = offsets.beginnings(client, begins), offsets.ends(client, begins)
    return read_range(config, purpose, {place: (max(at, lows[place]), ends[place]) for place, at in begins.items()})
