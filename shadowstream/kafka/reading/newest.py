"""The end of a topic of ours, read backwards in growing steps: for the newest record of a key in a compacted topic."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from shadowstream.codecs import own
from shadowstream.errors import BrokerError, RecordError
from shadowstream.kafka.client.messages import arrived, is_end
from shadowstream.kafka.reading.topic_reader import extent, read_of
from shadowstream.kafka.refused_records import Refusals, tell

LIMIT_S = 30.0


def read_tail(
    consumer: Consumer, place: TopicPartition, back: int, name: str, refusals: Refusals
) -> tuple[list[dict[str, Any]], bool]:
    """Records of schema `name` of the last `back` offsets, oldest first, and whether that was the whole partition. What
    is refused is left out, and logged where it is the first of its kind among `refusals`.

    Raises `BrokerError` when the end is not reached within `LIMIT_S`.
    """
    low, high = extent(consumer, place)
    begin = max(low, high - back)
    consumer.assign([TopicPartition(place.topic, place.partition, begin)])
    deadline = time.monotonic() + LIMIT_S
    records: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        for message in arrived(consumer, 1_000, 0.5):
            error = message.error()
            if error is None:
                try:
                    records.append(own.read(name, message.value()))
                except RecordError as broken:
                    tell(refusals, broken, place.topic, read_of(message))
            elif is_end(error):
                return records, begin == low
            else:
                raise BrokerError(f"{place.topic}: {error.str()}", retriable=True)
    raise BrokerError(f"{place.topic}/{place.partition}: not read to its end within {LIMIT_S:.0f} s", retriable=True)
