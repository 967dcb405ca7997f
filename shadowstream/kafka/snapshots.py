"""Read snapshots of a candidate's state: from the end of the compacted topic backwards, until each is found."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from confluent_kafka import TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.clients import reading_consumer
from shadowstream.kafka.tail import read_tail
from shadowstream.records import Place

FIRST_STEP = 16
"""Few at first: a snapshot may be large, and the newest one of a partition is among the last records."""
WAIT_S = 30.0


def read_snapshots(config: Config, wanted: Mapping[Place, int], partitions: int) -> dict[Place, bytes]:
    """Snapshots by input partition, each that at exactly the wanted offset; the topic has so many `partitions`.

    Markers of one transaction land at different times, so a snapshot whose commit can be read already may not be
    visible yet: wait for it. Raises `BrokerError` if it does not come.
    """
    topic, found = config.plan.of("runner-state"), dict[Place, bytes]()
    if not wanted:
        return found
    deadline = time.monotonic() + WAIT_S
    back = FIRST_STEP
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "runner.state")) as consumer:
        while True:
            whole = True
            left = {(str(place), offset): place for place, offset in wanted.items() if place not in found}
            for partition in sorted({place.partition % partitions for place in left.values()}):
                records, all_read = read_tail(consumer, TopicPartition(topic, partition), back)
                whole &= all_read
                for record in records:
                    place = left.get((record["input"], record["offset"]))
                    if place is not None:
                        found[place] = record["snapshot"]
            missing = sorted(wanted.keys() - found.keys())
            if not missing:
                return found
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{topic}: no snapshot of {missing[0]} at offset {wanted[missing[0]]} within {WAIT_S:.0f} s, "
                    "although the group's commit names it; was the topic changed? Its cleanup.policy must be compact",
                    fatal=True,
                )
            if whole:
                time.sleep(0.1)
            else:
                back *= 8
