"""What tasks had said to be missing or extra, and may still have to correct: read again from their diff partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.reading.bounded import read_since
from shadowstream.kafka.refused_records import FURTHER, Refusals
from shadowstream.logs import get_logger
from shadowstream.protocol.outcomes import MAY_BE_CORRECTED
from shadowstream.records import Partition

log = get_logger("joiner")
SAYING = tuple(one.encode() for one in MAY_BE_CORRECTED)
"""A row that says one of these, or corrects one, holds the word; decoding all others would be most of the work."""


def read_correctable(
    config: Config, client: AdminClient, tasks: Mapping[str, tuple[int, int]]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of diff by task, in the order of its partition. `tasks` has the partition and the offset to read from.

    Read to the high watermark as it is now, not to the last stable offset: the commit that names the offset has been
    seen, but the markers of its transaction land at different times, and its last rows may still be hidden.

    Raises `BrokerError` when nothing comes for half a minute.
    """
    found: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    topic = config.plan.of("diff")
    begins: dict[Partition, int] = {}
    for partition, begin in tasks.values():
        place = Partition(topic, partition)
        begins[place] = min(begin, begins.get(place, begin))
    if not begins:
        return found
    refusals = Refusals()
    for message in read_since(config, client, "joiner.said", begins):
        if message.value() is None:  # a row was taken back (rows_undone)
            pair_id = (message.key() or b"").decode("utf-8", "replace")
            found = {task: [row for row in rows if row["pair_id"] != pair_id] for task, rows in found.items()}
        record = _row(message, refusals)
        at = tasks.get(record["task"]) if record else None
        if record and at and at[0] == message.partition() and offset_of(message) >= at[1]:
            found[record["task"]].append(record)
    log.info("correctable_restored", tasks=len(tasks), rows=sum(map(len, found.values())))
    return found


def _row(message: Message, refusals: Refusals) -> dict[str, Any] | None:
    """A row that may say something to be corrected."""
    value = message.value() or b""
    if not any(word in value for word in SAYING):
        return None
    try:
        return own.read("diff", value)
    except RecordError as broken:
        if refusals.is_first(broken):
            place, offset = str(place_of(message)), offset_of(message)
            log.error("diff_unreadable", place=place, offset=offset, error=str(broken), further=FURTHER)
        return None
