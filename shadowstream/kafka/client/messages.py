"""The client's messages in typed columns.

The client types its getters as optional, but on a consumed message none returns None.
"""

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Message

from shadowstream.kafka.client.errors import FORBIDDEN
from shadowstream.records import Batch, Headers, Partition

_TIME = itemgetter(1)  # a timestamp is (type, time)
END = KafkaError._PARTITION_EOF


def poll(consumer: Consumer, limit: int, wait_s: float) -> list[Message]:
    """Return the delivered messages, up to `limit`; if there are none, wait up to `wait_s` for the next.

    The client's own `consume(limit, wait_s)` waits for the whole time whenever fewer than `limit` come. Use this only
    outside a group: between the two calls a rebalance may happen (the loop handles that).
    """
    messages = consumer.consume(limit, 0)
    if not messages and wait_s > 0 and (messages := consumer.consume(1, wait_s)):
        messages += consumer.consume(limit, 0)
    return messages


def place_of(message: Message) -> Partition:
    return Partition(cast(str, message.topic()), cast(int, message.partition()))


def offset_of(message: Message) -> int:
    """Return the offset of a message; of an end event, the offset that was reached."""
    return cast(int, message.offset())


def is_end(error: KafkaError) -> bool:
    return error.code() == END


def is_fatal(error: KafkaError) -> bool:
    """Return whether the error means that the client cannot be used any more.

    As an event such an error has a code of its own, and `fatal()` is False. A static member whose instance started
    elsewhere would otherwise continue for ever without records, and so would one that may not read.
    """
    return error.fatal() or error.code() == KafkaError._FATAL or error.code() in FORBIDDEN


def is_offset_gone(error: KafkaError) -> bool:
    """Return whether the error means that the offset to read from does not exist."""
    return error.code() == KafkaError._AUTO_OFFSET_RESET


def split(messages: Sequence[Message]) -> tuple[dict[Partition, Sequence[Message]], list[Message]]:
    """Return the records by partition, and the events. Counting two columns detects the frequent single partition."""
    events: list[Message] = []
    if any(map(Message.error, messages)):
        events = [message for message in messages if message.error() is not None]
        messages = [message for message in messages if message.error() is None]
    if not messages:
        return {}, events
    topics, partitions = list(map(Message.topic, messages)), list(map(Message.partition, messages))
    if topics.count(topics[0]) == partitions.count(partitions[0]) == len(messages):
        return {place_of(messages[0]): messages}, events
    groups: dict[tuple[Any, Any], list[Message]] = {}
    for at, message in zip(zip(topics, partitions, strict=True), messages, strict=True):
        groups.setdefault(at, []).append(message)
    return {Partition(*at): group for at, group in groups.items()}, events


def records_from(messages: Sequence[Message], high: int) -> int:
    """Return the number of these messages of one partition at or above an offset."""
    if not messages or offset_of(messages[0]) >= high:
        return len(messages)
    return len(messages) - bisect_left(messages, high, key=offset_of)


def columns(place: Partition, messages: Sequence[Message], with_headers: bool) -> Batch:
    """Return messages of one partition as columns; each getter runs over the whole batch at C speed.

    Offsets ascend: those of a batch without gaps are a range, and only two of them are asked for.
    """
    first, last = (offset_of(messages[0]), offset_of(messages[-1])) if messages else (0, -1)
    gapless = last - first + 1 == len(messages)
    return Batch(
        place,
        range(first, last + 1) if gapless else cast("list[int]", list(map(Message.offset, messages))),
        list(map(_TIME, map(Message.timestamp, messages))),
        cast("list[bytes | None]", list(map(Message.key, messages))),
        cast("list[bytes | None]", list(map(Message.value, messages))),
        cast("list[Headers]", list(map(Message.headers, messages))) if with_headers else (),
    )
