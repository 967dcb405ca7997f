"""Read state records of tasks: from the end of the compacted topic backwards, until each is found."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.joiner.recovery.task_commit import is_usable
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.reading.newest import read_tail
from shadowstream.kafka.refused_records import Refusals
from shadowstream.logs import get_logger

log = get_logger("joiner")
FIRST_STEP = 500
WAIT_S = 30.0


def read_states(
    config: Config, partitions: dict[str, int], sequences: dict[str, int], incarnations: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """State records by task, each with exactly the wanted sequence number, and incarnation where one is named.

    Markers of one transaction land at different times, so the record of a commit that can be read already may not
    be visible yet: wait for it. Raises `BrokerError` if it does not come.
    """
    topic = config.plan.of("state")
    found: dict[str, dict[str, Any]] = {}
    if not sequences:
        return found
    consumer = reading_consumer(config.kafka, config.plan, "joiner.state")
    deadline = time.monotonic() + WAIT_S
    back, refusals, refused = FIRST_STEP, Refusals(), False
    try:
        while True:
            whole = True
            for partition in {partitions[task] for task in sequences if task not in found}:
                records, all_read = read_tail(consumer, TopicPartition(topic, partition), back, "state", refusals)
                wanted = [r for r in records if r["seq"] == sequences.get(r["task"]) and _by(incarnations, r)]
                for record in wanted:
                    if is_usable(record):
                        found[record["task"]] = record
                    elif not refused:
                        refused = True
                        log.error("state_refused", topic=topic, error=f"of {record['task']}: it cannot be taken up")
                whole &= all_read
            missing = sorted(set(sequences) - set(found))
            if not missing:
                return found
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{topic}: no state record of sequence {sequences[missing[0]]} for task {missing[0]} within "
                    f"{WAIT_S:.0f} s, although the group's commit names it; was the topic changed?",
                    fatal=True,
                )
            if whole:
                time.sleep(0.1)
            else:
                back *= 8
    finally:
        consumer.close()


def _by(incarnations: Mapping[str, str] | None, record: Mapping[str, Any]) -> bool:
    wanted = (incarnations or {}).get(record["task"], "")
    return wanted in ("", record["incarnation"])


def newest_states(config: Config, partitions: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The newest state record by task, of those that have one; `partitions` holds each task's."""
    topic = config.plan.of("state")
    found, refusals = dict[str, dict[str, Any]](), Refusals()
    if not partitions:
        return found
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "joiner.state")) as consumer:
        for partition in sorted(set(partitions.values())):
            wanted = {task for task, at in partitions.items() if at == partition}
            back, whole = FIRST_STEP, False
            while not whole and not wanted <= found.keys():
                records, whole = read_tail(consumer, TopicPartition(topic, partition), back, "state", refusals)
                found |= {record["task"]: record for record in records if record["task"] in wanted}
                back *= 8
    return found
