"""Restore correctable outcomes: re-read the rows of missing and extra records from the diff partitions of tasks."""

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
CORRECTABLE = tuple(one.encode() for one in MAY_BE_CORRECTED)
"""A row with a correctable outcome, or its correction, holds one of these words. Decoding all rows would be slow."""


def read_correctable(
    config: Config, client: AdminClient, tasks: Mapping[str, tuple[int, int]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of diff by task, in the order of its partition; `tasks` holds partition and first offset.

    The read ends at the high watermark: the markers of the commit that names the offset land at different times, so the
    last stable offset may still hide rows. Raises `BrokerError` when nothing comes for half a minute.
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
        if message.value() is None:  # a tombstone revoked the row (rows_undone)
            pair_id = (message.key() or b"").decode("utf-8", "replace")
            found = {task: [row for row in rows if row["pair_id"] != pair_id] for task, rows in found.items()}
        record = _row(message, refusals)
        at = tasks.get(record["task"]) if record else None
        if record and at and at[0] == message.partition() and offset_of(message) >= at[1]:
            found[record["task"]].append(record)
    log.info("correctable_restored", tasks=len(tasks), rows=sum(map(len, found.values())))
    return found


def _row(message: Message, refusals: Refusals) -> dict[str, Any] | None:
    value = message.value() or b""
    if not any(word in value for word in CORRECTABLE):
        return None
    try:
        return own.read("diff", value)
    except RecordError as broken:
        if refusals.is_first(broken):
            place, offset = str(place_of(message)), offset_of(message)
            log.error("diff_unreadable", place=place, offset=offset, error=str(broken), further=FURTHER)
        return None
