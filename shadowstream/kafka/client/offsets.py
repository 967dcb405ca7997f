"""Offsets read from the broker for marks. Ends are high watermarks (READ_UNCOMMITTED), never the last stable offset:
a commit returns before its markers land, so the last stable offset may still hide the very outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client.errors import advice, code_of, translated_errors
from shadowstream.records import Partition

TIMEOUT_S = 15.0
UNCOMMITTED = IsolationLevel.READ_UNCOMMITTED
_MOVING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
Answer = TypeVar("Answer")
Asked = dict[Partition, "Future[Any]"]
"""Questions by place; an answer has an `.offset`."""


def partition_counts(client: AdminClient, topics: Iterable[str]) -> dict[str, int]:
    """Partition count of each topic; raises `ConfigError` naming the topics that do not exist."""
    wanted = list(topics)
    try:
        found = client.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise BrokerError(f"cannot list topics: {error.args[0].str()}", retriable=True) from error
    missing = [topic for topic in wanted if topic not in found]
    if missing:
        raise ConfigError(
            f"topics not found on the cluster: {', '.join(missing)}; check the names and the right to describe them"
        )
    return {topic: len(found[topic].partitions) for topic in wanted}


def places(counts: dict[str, int]) -> list[Partition]:
    """All partitions of the topics."""
    return [Partition(topic, partition) for topic, n in counts.items() for partition in range(n)]


def _ask(
    client: AdminClient, wanted: Iterable[Partition], spec: OffsetSpec, level: IsolationLevel = UNCOMMITTED
) -> Asked:
    request = {TopicPartition(place.topic, place.partition): spec for place in wanted}
    if not request:
        return {}
    futures = client.list_offsets(request, isolation_level=level, request_timeout=TIMEOUT_S)
    return {Partition(tp.topic, tp.partition): future for tp, future in futures.items()}


def _list(
    client: AdminClient, wanted: Iterable[Partition], spec: OffsetSpec, level: IsolationLevel = UNCOMMITTED
) -> dict[Partition, int]:
    places = list(wanted)
    return once_settled(
        lambda: {place: future.result(TIMEOUT_S).offset for place, future in _ask(client, places, spec, level).items()},
        "cannot list offsets",
    )


def once_settled(ask: Callable[[], Answer], failing: str) -> Answer:
    """The answer, once a leader or coordinator that has just been chosen knows that it is one.

    Raises a retriable `BrokerError` that begins with `failing` for any other failure, or after `TIMEOUT_S`.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except (KafkaException, TimeoutError) as error:
            moving = isinstance(error, KafkaException) and error.args[0].code() in _MOVING
            if not moving or time.monotonic() > deadline:
                why = str(error) or f"no answer within {TIMEOUT_S:.0f} s"
                raise BrokerError(f"{failing}: {why}{advice(code_of(error))}", retriable=True) from error
            time.sleep(0.1)


def ask_ends(client: AdminClient, wanted: Iterable[Partition]) -> Asked:
    """Ask for high watermarks and do not wait: `answered` takes what has come."""
    with translated_errors("list_offsets"):
        return _ask(client, wanted, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # as below


def answered(asked: Asked) -> dict[Partition, int]:
    """The offsets that have come; those that could not be had are left out."""
    return {
        place: future.result().offset for place, future in asked.items() if future.done() and not future.exception()
    }


def ends(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """High watermarks."""
    return _list(client, wanted, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the client's own factory has no types


def stable_ends(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Last stable offsets: a read_committed reader gets no further, because a transaction is open there."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above
    return _list(client, wanted, latest, IsolationLevel.READ_COMMITTED)


def beginnings(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Log start offsets."""
    return _list(client, wanted, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # as above


def committed(client: AdminClient, group: str, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Committed offsets of a group; places without a commit are left out."""
    return {place: offset for place, (offset, _) in commits(client, group, wanted).items()}


def commits(client: AdminClient, group: str, wanted: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
    """Committed offsets of a group with their metadata; places without a commit are left out.

    Through the admin API, which can only look: nothing here could ever join or commit to production's group.
    """
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(p.topic, p.partition) for p in wanted])

    def ask() -> list[TopicPartition]:
        _find_coordinator(client, group)
        asked = client.list_consumer_group_offsets([request], require_stable=True, request_timeout=TIMEOUT_S)
        found: list[TopicPartition] = asked[group].result(TIMEOUT_S).topic_partitions
        return found

    found = once_settled(ask, f"cannot read the commits of group {group!r}")
    kept = [tp for tp in found if tp.error is None and tp.offset >= 0]
    return {Partition(tp.topic, tp.partition): (tp.offset, tp.metadata or "") for tp in kept}


def _find_coordinator(client: AdminClient, group: str) -> None:
    """Raise while no broker coordinates a group: where no group has ever committed, or its coordinator moves.

    Asked for offsets then, the client ends the process (SIGSEGV on NOT_COORDINATOR, 2.15.1). To describe the group
    needs no further right, and any other answer, that there is no such group too, comes from the coordinator.
    """
    try:
        client.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in _MOVING:
            raise


def check_not_ahead(client: AdminClient, group: str, wanted: Iterable[Partition]) -> None:
    """Raise a fatal `BrokerError` where a group has a commit now for one of these places, of which our consumer was
    told that there is none: another process has gone on since, and what it has left is not to be taken for a loss."""
    ahead = commits(client, group, wanted)
    if ahead:
        raise BrokerError(
            f"{', '.join(map(str, sorted(ahead)[:3]))}: another process of group {group} has committed while this one "
            "started; it ends, and is to be started again",
            fatal=True,
        )
