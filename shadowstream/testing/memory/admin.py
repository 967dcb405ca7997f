"""An admin client in the shape of confluent_kafka's, with the calls that the roles use."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in __all__
    AclOperation,
    ClusterMetadata,
    ConfigEntry,
    ListOffsetsResultInfo,
    PartitionMetadata,
    TopicMetadata,
)

from shadowstream.records import Partition
from shadowstream.testing.memory import failures
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.hosts import Host, client_call, wait_until

FOR_EVER_S = 300.0


def described(broker: MemoryBroker, topic: str | None) -> Any:
    found = ClusterMetadata()
    for name in [topic] if topic is not None else broker.counts:
        one = found.topics[name] = TopicMetadata()
        one.topic = name
        if name not in broker.counts:
            one.error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        for partition in range(broker.counts.get(name, 0)):
            one.partitions[partition] = PartitionMetadata()
            one.partitions[partition].id = partition
    return found


def _answered(answer: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
    return future


class MemoryAdmin:
    """Answers at once; see confluent_kafka.admin.AdminClient for each method."""

    def __init__(self, broker: MemoryBroker, host: Host, config: dict[str, Any]) -> None:
        self.broker, self.host = broker, host

    @client_call
    def list_topics(self, topic: str | None = None, timeout: float = FOR_EVER_S) -> Any:
        return described(self.broker, topic)

    @client_call
    def create_topics(self, new_topics: Iterable[Any], **options: Any) -> dict[str, Future[Any]]:
        answers = {}
        for new in new_topics:
            exists = new.topic in self.broker.counts
            if not exists:
                self.broker.create(new.topic, new.num_partitions, new.config)
            error = failures.failure(KafkaError.TOPIC_ALREADY_EXISTS, f"Topic '{new.topic}' already exists.")
            answers[new.topic] = _answered(error if exists else None)
        return answers

    @client_call
    def describe_cluster(self, **options: Any) -> Future[Any]:
        """Show one broker on this machine, and every operation as allowed: there is no authorizer."""
        nodes = [SimpleNamespace(host="localhost")]
        return _answered(SimpleNamespace(authorized_operations=list(AclOperation), nodes=nodes))

    @client_call
    def describe_topics(self, topics: Any, **options: Any) -> dict[str, Future[Any]]:
        """Show every operation as allowed: there is no authorizer."""
        unknown = failures.failure(KafkaError.UNKNOWN_TOPIC_OR_PART, "Broker: Unknown topic or partition")
        found: dict[str, Any] = {
            topic: SimpleNamespace(
                authorized_operations=list(AclOperation), topic_id=self.broker.ids[topic], partitions=range(count)
            )
            for topic, count in self.broker.counts.items()
        }
        return {topic: _answered(found.get(topic, unknown)) for topic in topics.topic_names}

    @client_call
    def describe_configs(self, resources: Iterable[Any], **options: Any) -> dict[Any, Future[Any]]:
        of = self.broker.settings
        return {one: _answered({n: ConfigEntry(n, value) for n, value in of[one.name].items()}) for one in resources}

    @client_call
    def list_offsets(
        self,
        topic_partition_offsets: Mapping[TopicPartition, Any],
        isolation_level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
        **options: Any,
    ) -> dict[TopicPartition, Future[Any]]:
        answers: dict[TopicPartition, Future[Any]] = {}
        for partition, spec in topic_partition_offsets.items():
            log = self.broker.logs.get(Partition(partition.topic, partition.partition))
            if log is None:
                error = failures.failure(KafkaError.UNKNOWN_TOPIC_OR_PART, "Broker: Unknown topic or partition")
                answers[partition] = _answered(error)
                continue
            offset, time_ms = log.listed(spec._value, committed=isolation_level == IsolationLevel.READ_COMMITTED)
            answers[partition] = _answered(ListOffsetsResultInfo(offset, time_ms, 0))
        return answers

    @client_call
    def list_consumer_groups(self, **options: Any) -> Future[Any]:
        """Show the groups that have commits."""
        named = [name for name, group in self.broker.groups.all.items() if group.offsets]
        return _answered(SimpleNamespace(valid=[SimpleNamespace(group_id=name) for name in named]))

    def describe_consumer_groups(self, group_ids: list[str], **options: Any) -> dict[str, Future[Any]]:
        """Answer with a coordinator only, which in memory never moves."""
        return {group: _answered(None) for group in group_ids}

    @client_call
    def list_consumer_group_offsets(
        self,
        list_consumer_group_offsets_request: list[ConsumerGroupTopicPartitions],
        require_stable: bool = False,
        request_timeout: float = FOR_EVER_S,
    ) -> dict[str, Future[Any]]:
        """Return committed offsets; with stable offsets, wait for transactions that may change them."""
        (request,) = list_consumer_group_offsets_request
        group = self.broker.groups.of(request.group_id)
        wanted = request.topic_partitions or [TopicPartition(*place) for place in group.offsets]
        places = [Partition(one.topic, one.partition) for one in wanted]
        if require_stable and not wait_until(self.host, lambda: group.is_stable(places), request_timeout):
            return {request.group_id: _answered(failures.failure(KafkaError._TIMED_OUT, "Failed while waiting"))}
        return {request.group_id: _answered(ConsumerGroupTopicPartitions(request.group_id, group.committed(places)))}
