"""What tasks had said to be missing or extra, and may still have to correct: read again from their diff partitions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, RecordError
from shadowstream.kafka import offsets
from shadowstream.kafka.clients import reading_consumer
from shadowstream.kafka.messages import arrived, is_end, offset_of, place_of
from shadowstream.observe import get_logger
from shadowstream.records import Place

log = get_logger("joiner")
QUIET_MAX_S = 30.0
BATCH = 2_000
SAYING = (b"missing", b"extra")
"""A row that says one of these, or corrects one, holds the word; decoding all others would be most of the work."""


def read_said(
    config: Config, client: AdminClient, tasks: Mapping[str, tuple[int, int]]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of diff by task, in the order of its partition. `tasks` has the partition and the offset to read from.

    Read to the high watermark as it is now, not to the last stable offset: the commit that names the offset has been
    seen, but the markers of its transaction land at different times, and its last rows may still be hidden.

    Raises `BrokerError` when nothing comes for `QUIET_MAX_S`.
    """
    found: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    topic = config.plan.of("diff")
    begins: dict[Place, int] = {}
    for partition, begin in tasks.values():
        place = Place(topic, partition)
        begins[place] = min(begin, begins.get(place, begin))
    if not begins:
        return found
    lows = offsets.beginnings(client, begins)
    ends = offsets.ends(client, begins)
    begins = {place: max(begin, lows[place]) for place, begin in begins.items()}
    for message in _read(config, begins, ends):
        record = _row(message)
        at = tasks.get(record["task"]) if record else None
        if record and at and at[0] == message.partition() and offset_of(message) >= at[1]:
            found[record["task"]].append(record)
    log.info("said_restored", tasks=len(tasks), rows=sum(map(len, found.values())))
    return found


def _row(message: Message) -> dict[str, Any] | None:
    """A row that may say something to be corrected."""
    value = message.value() or b""
    if not any(word in value for word in SAYING):
        return None
    try:
        return own.decode(value)[1]
    except RecordError as broken:
        log.error("diff_unreadable", place=str(place_of(message)), offset=offset_of(message), error=str(broken))
        return None


def _read(config: Config, begins: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Message]:
    """Records of each place from its begin to its end."""
    waiting = {place for place, begin in begins.items() if begin < ends[place]}
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "joiner.said")) as consumer:
        consumer.assign([TopicPartition(*place, begins[place]) for place in waiting])
        deadline = time.monotonic() + QUIET_MAX_S
        while waiting:
            messages = arrived(consumer, BATCH, 0.1)
            if messages:
                deadline = time.monotonic() + QUIET_MAX_S
            elif time.monotonic() > deadline:
                named = ", ".join(map(str, sorted(waiting)))
                raise BrokerError(f"{named}: not read to its end, nothing came for {QUIET_MAX_S:.0f} s", retriable=True)
            for message in messages:
                place, error = place_of(message), message.error()
                reached = offset_of(message)
                if error is None:
                    reached += 1
                    if reached <= ends[place]:
                        yield message
                elif not is_end(error):
                    raise BrokerError(f"{place}: {error.str()}", retriable=True)
                if reached >= ends[place]:
                    waiting.discard(place)
