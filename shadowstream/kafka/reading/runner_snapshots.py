"""Read what a commit names in runner-state, snapshots of a candidate's state and counters too many for metadata: from
the end of the compacted topic backwards, until each is found.

Markers of one transaction land at different times, so a record whose commit can be read already may not be visible yet:
wait for it. Raises `BrokerError` if it does not come.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import TopicPartition

from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import reading_consumer
from shadowstream.kafka.reading.newest import read_tail
from shadowstream.kafka.refused_records import Refusals
from shadowstream.protocol.marks import Counters
from shadowstream.records import Place
from shadowstream.runner.commit_metadata import Overflow

FIRST_STEP = 16
"""Few at first: a snapshot may be large, and the newest one of a partition is among the last records."""
WAIT_S = 30.0


def read_snapshots(config: Config, wanted: Mapping[Place, int], partitions: Mapping[Place, int]) -> dict[Place, bytes]:
    """Snapshots by input partition, each that at exactly the wanted offset; `partitions` of the topic hold them."""

    def is_wanted(place: Place, record: dict[str, Any]) -> bool:
        return record["counters"] is None and record["offset"] == wanted[place]

    what = {place: f"snapshot of {place} at offset {offset}" for place, offset in wanted.items()}
    return {place: one["snapshot"] for place, one in _read(config, what, partitions, is_wanted).items()}


def read_counters(
    config: Config, wanted: Mapping[Place, Overflow], partitions: Mapping[Place, int]
) -> dict[Place, Counters]:
    """Counters by input partition, each those of exactly the commit that names them; `partitions` of the topic hold
    them."""

    def is_wanted(place: Place, record: dict[str, Any]) -> bool:
        return record["counters"] is not None and (record["offset"], record["revision"]) == wanted[place]

    what = {
        place: f"record of the counters of {place} at offset {offset} of revision {revision[:16]}"
        for place, (offset, revision) in wanted.items()
    }
    return {place: Counters.of(one["counters"]) for place, one in _read(config, what, partitions, is_wanted).items()}


def _read(
    config: Config,
    what: Mapping[Place, str],
    partitions: Mapping[Place, int],
    is_wanted: Callable[[Place, dict[str, Any]], bool],
) -> dict[Place, dict[str, Any]]:
    """The newest record wanted of each place; `what` it is, in words."""
    topic, found = config.plan.of("runner-state"), dict[Place, dict[str, Any]]()
    if not what:
        return found
    deadline = time.monotonic() + WAIT_S
    back, refusals = FIRST_STEP, Refusals()
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "runner.state")) as consumer:
        while True:
            whole = True
            left = {str(place): place for place in what if place not in found}
            for partition in sorted({partitions[place] for place in left.values()}):
                at = TopicPartition(topic, partition)
                records, all_read = read_tail(consumer, at, back, "runner_state", refusals)
                whole &= all_read
                for record in records:
                    place = left.get(record["input"])
                    if place is not None and is_wanted(place, record):
                        found[place] = record
            missing = sorted(what.keys() - found.keys())
            if not missing:
                return found
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{topic}: no {what[missing[0]]} within {WAIT_S:.0f} s, although the group's commit names it; was "
                    "the topic changed? Its cleanup.policy must be compact",
                    fatal=True,
                )
            if whole:
                time.sleep(0.1)
            else:
                back *= 8
