"""The end of a topic of ours, read backwards in growing steps: for the newest record of a key in a compacted topic."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from shadowstream.codecs import own
from shadowstream.errors import BrokerError
from shadowstream.kafka.messages import arrived, is_end
from shadowstream.kafka.reading import extent

LIMIT_S = 30.0


def read_tail(consumer: Consumer, place: TopicPartition, back: int) -> tuple[list[dict[str, Any]], bool]:
    """Records of the last `back` offsets, oldest first, and whether that was the whole partition.

    Raises `BrokerError` when the end is not reached within `LIMIT_S`, `RecordError` for a record that is not ours.
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
                records.append(own.decode(message.value() or b"")[1])
            elif is_end(error):
                return records, begin == low
            else:
                raise BrokerError(f"{place.topic}: {error.str()}", retriable=True)
    raise BrokerError(f"{place.topic}/{place.partition}: not read to its end within {LIMIT_S:.0f} s", retriable=True)
