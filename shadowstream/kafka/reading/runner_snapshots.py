"""Reader of the records of runner-state that commits name: snapshots of a candidate's state, and large counters.

Counters are stored there if they do not fit into commit metadata. A missing record raises a fatal `BrokerError`, see
`named_records`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Message

from shadowstream.config import Config
from shadowstream.kafka.reading.newest import named_records
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.protocol.marks import Counters
from shadowstream.records import Partition
from shadowstream.runner.commit_metadata import CounterOverflow

FIRST_STEP = 16  # small at first: a snapshot may be large, and the newest one of a partition is among the last records


def read_snapshots(
    config: Config, wanted: Mapping[Partition, int], partitions: Mapping[Partition, int]
) -> dict[Partition, bytes]:
    """Return the snapshot of each input partition at exactly the wanted offset; `partitions` of the topic hold them."""

    def is_wanted(place: Partition, record: dict[str, Any]) -> bool:
        return record["counters"] is None and record["offset"] == wanted[place]

    what = {place: f"snapshot of {place} at offset {offset}" for place, offset in wanted.items()}
    return {place: one["snapshot"] for place, one in _read(config, what, partitions, is_wanted).items()}


def read_counters(
    config: Config, wanted: Mapping[Partition, CounterOverflow], partitions: Mapping[Partition, int]
) -> dict[Partition, Counters]:
    """Return the counters of each input partition at exactly the commit that names them; see `read_snapshots`."""

    def is_wanted(place: Partition, record: dict[str, Any]) -> bool:
        return record["counters"] is not None and (record["offset"], record["revision"]) == wanted[place]

    what = {
        place: f"record of the counters of {place} at offset {offset} of revision {revision[:16]}"
        for place, (offset, revision) in wanted.items()
    }
    return {place: Counters.of(one["counters"]) for place, one in _read(config, what, partitions, is_wanted).items()}


def _read(
    config: Config,
    names: Mapping[Partition, str],
    partitions: Mapping[Partition, int],
    is_wanted: Callable[[Partition, dict[str, Any]], bool],
) -> dict[Partition, dict[str, Any]]:
    inputs, refusals = {str(place): place for place in names}, Refusals()

    def pick(message: Message) -> tuple[Partition, dict[str, Any]] | None:
        record = own_record("runner_state", message, refusals)
        place = inputs.get(record["input"]) if record is not None else None
        return (place, record) if record is not None and place is not None and is_wanted(place, record) else None

    return named_records(config, "runner.state", config.plan.of("runner-state"), partitions, names, pick, FIRST_STEP)
