"""Offsets read from the broker, for marks among others.

Ends are high watermarks (READ_UNCOMMITTED), never last stable offsets. A commit returns before its markers land, so the
last stable offset may still hide the outputs in question.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # public
from confluent_kafka.admin._listoffsets import OffsetSpec

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client.errors import advice, code_of
from shadowstream.records import Partition

TIMEOUT_S = 15.0
UNCOMMITTED = IsolationLevel.READ_UNCOMMITTED
LATEST, EARLIEST = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the factories have no types
LEADERLESS = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,  # the metadata shows a new leader before it knows of that itself
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._NOENT,  # "No leaders found": of none of the partitions that were asked for
}
_MOVING = LEADERLESS | {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
Answer = TypeVar("Answer")
OffsetFutures = dict[Partition, "Future[Any]"]  # requested offsets by partition; a result has an `.offset`


def partition_counts(client: AdminClient, topics: Iterable[str]) -> dict[str, int]:
    """Return the partition count of each topic; raises `ConfigError` with the topics that do not exist."""
    return counts_in(existing(client), topics)


def counts_in(found: Mapping[str, int], topics: Iterable[str]) -> dict[str, int]:
    """Return what `partition_counts` does, from a listing of the cluster's topics."""
    wanted = list(topics)
    if missing := [topic for topic in wanted if topic not in found]:
        named = ", ".join(topic or "''" for topic in missing)
        raise ConfigError(f"topics not found on the cluster: {named}; check the names and the right to describe them")
    return {topic: found[topic] for topic in wanted}


def existing(client: AdminClient) -> dict[str, int]:
    """Return the partition count of every topic that the cluster shows."""
    return {name: len(topic.partitions) for name, topic in _metadata(client).topics.items()}


def cluster_id(client: AdminClient) -> str | None:
    """Return the id of the cluster, which is the same at each of its brokers."""
    found: str | None = _metadata(client).cluster_id
    return found


def _metadata(client: AdminClient) -> ClusterMetadata:
    try:
        return client.list_topics(timeout=TIMEOUT_S)
    except KafkaException as error:
        why = f"{error.args[0].str()}{advice(error.args[0].code())}"
        raise BrokerError(f"cannot list topics: {why}", retriable=True) from error


def places(counts: dict[str, int]) -> list[Partition]:
    return [Partition(topic, partition) for topic, n in counts.items() for partition in range(n)]


def ask(
    client: AdminClient, wanted: Iterable[Partition], spec: OffsetSpec = LATEST, level: IsolationLevel = UNCOMMITTED
) -> OffsetFutures:
    """Request offsets without waiting, by default high watermarks; `answered` takes the results."""
    request = {TopicPartition(*place): spec for place in wanted}
    if not request:
        return {}
    futures = client.list_offsets(request, isolation_level=level, request_timeout=TIMEOUT_S)
    return {Partition(tp.topic, tp.partition): future for tp, future in futures.items()}


def _list(client: AdminClient, wanted: Iterable[Partition], *how: Any) -> dict[Partition, int]:
    places = list(wanted)
    return once_settled(
        lambda: {place: future.result(TIMEOUT_S).offset for place, future in ask(client, places, *how).items()},
        "cannot list offsets",
    )


def once_settled(ask: Callable[[], Answer], failing: str) -> Answer:
    """Return the answer, after waiting for a leader or coordinator that was just elected.

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


def answered(asked: OffsetFutures) -> dict[Partition, int]:
    """Return the offsets that have come, without failed requests."""
    return {at: future.result().offset for at, future in asked.items() if future.done() and not future.exception()}


def ends(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Return the high watermarks."""
    return _list(client, wanted)


def at_time(client: AdminClient, wanted: Iterable[Partition], time_ms: int) -> dict[Partition, int]:
    """Return the first offset of each partition whose record has this time or a later one; -1 if none has.

    All records before it are earlier, so it bounds a begin. It bounds no end: where times are out of order, earlier
    records follow. It may also be the marker that ends a transaction, which has the time of the broker's clock.
    """
    return _list(client, wanted, OffsetSpec.for_timestamp(max(0, time_ms)))  # negative times are other requests


def stable_ends(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Return the last stable offsets, at which open transactions stop read_committed readers."""
    return _list(client, wanted, LATEST, IsolationLevel.READ_COMMITTED)


def beginnings(client: AdminClient, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Return the log start offsets."""
    return _list(client, wanted, EARLIEST)


def committed(client: AdminClient, group: str, wanted: Iterable[Partition]) -> dict[Partition, int]:
    """Return the committed offsets of a group, without partitions that have no commit."""
    return {place: offset for place, (offset, _) in commits(client, group, wanted).items()}


def commits(client: AdminClient, group: str, wanted: Iterable[Partition]) -> dict[Partition, tuple[int, str]]:
    """Return the committed offsets of a group with their metadata, without partitions that have no commit.

    The admin API can only read: no code here could ever join or commit to production's group.
    """
    kept = [tp for tp in group_offsets(client, group, wanted) if tp.error is None and tp.offset >= 0]
    return {Partition(tp.topic, tp.partition): (tp.offset, tp.metadata or "") for tp in kept}


def group_offsets(client: AdminClient, group: str, wanted: Iterable[Partition]) -> list[TopicPartition]:
    """Return what the brokers answer on a group's commits: also partitions without one, and those with an error."""
    places = [TopicPartition(*place) for place in wanted]
    if not places:
        return []
    request = ConsumerGroupTopicPartitions(group, places)

    def ask() -> list[TopicPartition]:
        _find_coordinator(client, group)
        asked = client.list_consumer_group_offsets([request], require_stable=True, request_timeout=TIMEOUT_S)
        found: list[TopicPartition] = asked[group].result(TIMEOUT_S).topic_partitions
        return found

    return once_settled(ask, f"cannot read the commits of group {group!r}")


def _find_coordinator(client: AdminClient, group: str) -> None:
    """Raise while no broker coordinates a group: no group has ever committed, or the coordinator moves.

    A request for offsets would then end the process (SIGSEGV on NOT_COORDINATOR, client 2.15.1). Describing the group
    needs no further right. Any other answer comes from the coordinator, even that there is no such group.
    """
    try:
        client.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in _MOVING:
            raise


def check_not_ahead(client: AdminClient, group: str, wanted: Iterable[Partition]) -> None:
    """Raise a fatal `BrokerError` if another process of the group has committed since: its work is no loss."""
    if ahead := commits(client, group, wanted):
        raise BrokerError(
            f"{', '.join(map(str, sorted(ahead)[:3]))}: another process of group {group} has committed while this one "
            "started; this one ends, start it again",
            fatal=True,
        )
