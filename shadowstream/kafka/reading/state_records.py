"""Reader of the state records of tasks, the newest ones of the compacted topic first."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Message

from shadowstream.config import Config
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.joiner.recovery.pending_log import keys_of
from shadowstream.joiner.recovery.task_commit import is_usable
from shadowstream.joiner.task import Task
from shadowstream.kafka.reading.newest import named_records, newest_records
from shadowstream.kafka.refused_records import Refusals, own_record
from shadowstream.logs import get_logger
from shadowstream.records import Side

log = get_logger("joiner")
FIRST_STEP = 500


def read_states(
    config: Config, partitions: dict[str, int], sequences: dict[str, int], incarnations: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return each task's state record of the wanted sequence number, and of the incarnation if one is named.

    Raises a fatal `BrokerError` if one does not come; see `named_records`.
    """
    topic, refusals, logged = config.plan.of("state"), Refusals(), False

    def pick(message: Message) -> tuple[str, dict[str, Any]] | None:
        nonlocal logged
        record = _state(message, refusals)
        if record is None or record["seq"] != sequences.get(record["task"]):
            return None
        if (incarnations or {}).get(record["task"], "") not in ("", record["incarnation"]):
            return None
        if is_usable(record):
            return record["task"], record
        if not logged:
            logged = True
            log.error("state_refused", topic=topic, error=f"of {record['task']}: it cannot be restored")
        return None

    names = {task: f"state record of sequence {sequence} for task {task}" for task, sequence in sequences.items()}
    return named_records(config, "joiner.state", topic, partitions, names, pick, FIRST_STEP)


def _state(message: Message, refusals: Refusals) -> dict[str, Any] | None:
    return None if message.value() is None else own_record("state", message, refusals)


def read_logs(
    config: Config, tasks: Sequence[Task], points: Mapping[str, Sequence[Checkpoint | None]]
) -> dict[str, dict[str, Any]]:
    """Return by key the records of the logs of pending records that the checkpoints of tasks name.

    Raises a fatal `BrokerError` if one does not come; see `named_records`.
    """
    topic, refusals = config.plan.of("state"), Refusals()
    partitions: dict[str, int] = {}
    earliest: dict[str, int] = {}
    for task in tasks:
        for side, point in zip(Side, points[task.name], strict=False):
            if point is not None and point.log is not None:
                keys = list(keys_of(task.name, side, point.log))
                partitions |= dict.fromkeys(keys, task.sources.partition)
                earliest |= dict.fromkeys(keys, point.log.base)

    def pick(message: Message) -> tuple[str, dict[str, Any]] | None:
        record = _state(message, refusals)
        if record is None or record["task"] not in earliest or record["seq"] < earliest[record["task"]]:
            return None
        return (record["task"], record) if is_usable(record) else None

    names = {key: f"record {key!r} of a log of pending records" for key in partitions}
    return named_records(config, "joiner.state", topic, partitions, names, pick, FIRST_STEP)


def newest_states(config: Config, partitions: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the newest state record of each task that has one; `partitions` holds the partition of each task."""
    refusals = Refusals()

    def pick(message: Message) -> tuple[str, dict[str, Any]] | None:
        record = _state(message, refusals)
        return None if record is None else (record["task"], record)

    return newest_records(config, "joiner.state", config.plan.of("state"), partitions, pick, FIRST_STEP)
