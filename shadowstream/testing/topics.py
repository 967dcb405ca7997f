"""Topics made, filled and read back without any code under test."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, not in __all__
from confluent_kafka.cimpl import NewTopic

from shadowstream.errors import BrokerError

Isolation = Literal["read_committed", "read_uncommitted"]
Headers = tuple[tuple[str, bytes | None], ...]

_CALL_LIMIT_S = 30.0
_BATCH = 2_000
_END_WAIT_MS = 20
"""A partition that ends with control records is known to be read after this time; the client's own is 500."""
_LEADERLESS = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,  # of none of the partitions that were asked for
}
_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the factories have no types
_TERSE = {"log_level": 3}
"""Logs errors only: a loading coordinator and a closed client are no news for a reader of tests."""


@dataclass(frozen=True, slots=True)
class Read:
    """One record as read. `timestamp_ms` is -1 where the topic keeps none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Write:
    """One record to write. `partition` None leaves the choice to murmur2, `timestamp_ms` None to the clock."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None
    headers: Headers = field(default=())


def create_topics(bootstrap: str, topics: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
    """Create each topic with its number of partitions, and return once every partition has a leader.

    `config` is of every topic; by default `retention.ms=-1`, for records of old times would be deleted else. Raises
    `BrokerError`: a topic exists already, or the broker refuses.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **_TERSE})
    settings = dict(config) if config is not None else {"retention.ms": "-1"}
    wanted = [NewTopic(name, partitions, 1, config=settings) for name, partitions in topics.items()]
    for name, made in admin.create_topics(wanted, operation_timeout=_CALL_LIMIT_S).items():
        try:
            made.result(_CALL_LIMIT_S)
        except KafkaException as error:
            raise BrokerError(f"topic {name} was not created: {error.args[0].str()}") from error
    places = [TopicPartition(name, partition) for name, number in topics.items() for partition in range(number)]
    try:
        _listed(admin, places, _EARLIEST, IsolationLevel.READ_UNCOMMITTED)
    except KafkaException as error:
        raise BrokerError(f"the new topics {', '.join(topics)} have no leader: {error.args[0].str()}") from error


def produce_all(bootstrap: str, topic: str, records: Iterable[Write], *, transactional_id: str | None = None) -> int:
    """Write the records in order, all of them acknowledged on return; gives their number. With a `transactional_id`
    they are one transaction, committed. Raises `BrokerError`: a record was not acknowledged; names the first."""
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        **_TERSE,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "linger.ms": 5,
    }
    if transactional_id is not None:
        settings["transactional.id"] = transactional_id
    producer = Producer(settings)
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            refused.append(error)

    try:
        # Connected now, the client gets its producer id at once; otherwise it asks for it every half second.
        producer.list_topics(topic, timeout=_CALL_LIMIT_S)
    except KafkaException as error:
        raise BrokerError(f"writing to {topic}: {error.args[0].str()}") from error
    if transactional_id is not None:
        producer.init_transactions(_CALL_LIMIT_S)
        producer.begin_transaction()
    written = 0
    for record in records:
        _produce(producer, topic, record, delivered)
        written += 1
    left = producer.flush(_CALL_LIMIT_S)
    if refused or left:
        what = refused[0].str() if refused else f"{left} of {written} records not acknowledged in {_CALL_LIMIT_S:g} s"
        raise BrokerError(f"writing to {topic}: {what}")
    if transactional_id is not None:
        producer.commit_transaction(_CALL_LIMIT_S)
    return written


def _produce(
    producer: Producer, topic: str, record: Write, delivered: Callable[[KafkaError | None, Message], None]
) -> None:
    while True:
        try:
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                partition=-1 if record.partition is None else record.partition,
                on_delivery=delivered,
                timestamp=0 if record.timestamp_ms is None else record.timestamp_ms,
                headers=list(record.headers),
            )
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            raise BrokerError(f"writing to {topic}: {error.args[0].str()}") from error
        else:
            producer.poll(0)
            return


def read_all(bootstrap: str, topic: str, isolation: Isolation = "read_committed") -> list[Read]:
    """Every record of the topic from its beginning to its end as it is at the call, by partition and offset.

    No group, nothing committed. Offsets of transaction markers and (read_committed) of aborted records have no record:
    a partition is read once a record or the partition EOF stands at or past its end, which for read_committed is the
    last stable offset. Raises `BrokerError`: no such topic, or nothing comes for 30 s.
    """
    begins, ends = _bounds(bootstrap, topic, isolation)
    open_partitions = {partition for partition, end in ends.items() if begins[partition] < end}
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"read-all-{uuid.uuid4()}",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": _END_WAIT_MS,
        }
    )
    found: list[Read] = []
    try:
        consumer.assign([TopicPartition(topic, partition, begins[partition]) for partition in open_partitions])
        quiet_since = time.monotonic()
        while open_partitions:
            # For a whole batch the client would wait until the time is over.
            batch = consumer.consume(1, 0.1)
            batch += consumer.consume(_BATCH, 0)
            for message in batch:
                _take(message, ends, open_partitions, found)
            if batch:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > _CALL_LIMIT_S:
                raise BrokerError(
                    f"reading {topic}: nothing came for {_CALL_LIMIT_S:g} s, {open_partitions} unfinished"
                )
    finally:
        consumer.close()
    return sorted(found, key=lambda read: (read.partition, read.offset))


def _take(message: Message, ends: Mapping[int, int], open_partitions: set[int], found: list[Read]) -> None:
    partition, offset = message.partition(), message.offset()
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise BrokerError(f"reading {message.topic()}: {error.str()}")
    assert partition is not None
    assert offset is not None
    reaches = offset + 1 if error is None else offset
    if error is None and offset < ends[partition]:
        key, value, timestamp_ms = message.key(), message.value(), message.timestamp()[1]
        found.append(Read(str(message.topic()), partition, offset, timestamp_ms, key, value, _headers(message)))
    if reaches >= ends[partition]:
        open_partitions.discard(partition)


def _headers(message: Message) -> Headers:
    headers = message.headers() or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)


def _bounds(bootstrap: str, topic: str, isolation: Isolation) -> tuple[dict[int, int], dict[int, int]]:
    admin = AdminClient({"bootstrap.servers": bootstrap, **_TERSE})
    try:
        described = admin.list_topics(topic, timeout=_CALL_LIMIT_S).topics[topic]
        if described.error is not None:
            raise BrokerError(f"topic {topic} cannot be read: {described.error.str()}")
        places = [TopicPartition(topic, partition) for partition in described.partitions]
        level = IsolationLevel.READ_COMMITTED if isolation == "read_committed" else IsolationLevel.READ_UNCOMMITTED
        return _listed(admin, places, _EARLIEST, level), _listed(admin, places, _LATEST, level)
    except KafkaException as error:
        raise BrokerError(f"topic {topic} cannot be read: {error.args[0].str()}") from error


def _listed(
    admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec, level: IsolationLevel
) -> dict[int, int]:
    """Return offsets by partition; retry while the leader of a new topic does not know its role."""
    deadline = time.monotonic() + _CALL_LIMIT_S
    while True:
        answers = admin.list_offsets(dict.fromkeys(places, spec), isolation_level=level)
        try:
            return {place.partition: answer.result(_CALL_LIMIT_S).offset for place, answer in answers.items()}
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
