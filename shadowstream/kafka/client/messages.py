"""The client's messages in typed columns. Its getters are typed as optional; on a consumed message none of them is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Message

from shadowstream.kafka.client.errors import FORBIDDEN
from shadowstream.records import Batch, Headers, Partition

_TIME = itemgetter(1)  # behind its type
END = KafkaError._PARTITION_EOF


def arrived(consumer: Consumer, maximum: int, wait_s: float) -> list[Message]:
    """What has come, up to `maximum`; where nothing has, the next within `wait_s` and what came with it.

    The client's own `consume(most, wait_s)` waits out the whole time wherever fewer than `maximum` come. Only outside a
    group: between the two calls there may be a rebalance (the loop sees to that).
    """
    messages = consumer.consume(maximum, 0)
    if not messages and wait_s > 0 and (messages := consumer.consume(1, wait_s)):
        messages += consumer.consume(maximum, 0)
    return messages


def place_of(message: Message) -> Partition:
    """Where the message, or the event in its stead, belongs."""
    return Partition(cast(str, message.topic()), cast(int, message.partition()))


def offset_of(message: Message) -> int:
    """The message's offset; of an end event the offset that has been reached."""
    return cast(int, message.offset())


def is_end(error: KafkaError) -> bool:
    """Whether this says that a partition was read to its end."""
    return error.code() == END


def is_fatal(error: KafkaError) -> bool:
    """Whether this says that the client is of no use any more. As an event such an error has a code of its own, and
    `fatal()` is False: a static member whose instance came up elsewhere would go on for ever with nothing. So would one
    that may not read."""
    return error.fatal() or error.code() == KafkaError._FATAL or error.code() in FORBIDDEN


def is_begin_gone(error: KafkaError) -> bool:
    """Whether this says that the offset to read from does not exist (any more)."""
    return error.code() == KafkaError._AUTO_OFFSET_RESET


def split(messages: Sequence[Message]) -> tuple[dict[Partition, Sequence[Message]], list[Message]]:
    """Records by place, and the events among them. A batch is mostly of one place, which two looks at columns tell."""
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


def split_at(messages: list[Message], n: int) -> tuple[list[Message], list[Message]]:
    """The first n, and the others."""
    return (messages, []) if len(messages) <= n else (messages[:n], messages[n:])


def new_of(messages: Sequence[Message], high: int) -> int:
    """How many of these messages of one place lie at or above an offset."""
    if not messages or offset_of(messages[0]) >= high:
        return len(messages)
    return len(messages) - bisect_left(messages, high, key=offset_of)


def columns(place: Partition, messages: Sequence[Message], with_headers: bool) -> Batch:
    """Messages of one place as columns, each getter pulled over the whole batch at C speed."""
    return Batch(
        place,
        cast("list[int]", list(map(Message.offset, messages))),
        list(map(_TIME, map(Message.timestamp, messages))),
        cast("list[bytes | None]", list(map(Message.key, messages))),
        cast("list[bytes | None]", list(map(Message.value, messages))),
        cast("list[Headers]", list(map(Message.headers, messages))) if with_headers else (),
    )
