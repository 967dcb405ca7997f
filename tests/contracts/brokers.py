"""A broker with its clients, in memory or real, behind one set of words."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from shadowstream.kafka.client.offsets import once_settled
from shadowstream.testing.memory.admin import MemoryAdmin
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.consumer import MemoryConsumer
from shadowstream.testing.memory.hosts import Host
from shadowstream.testing.memory.producer import MemoryProducer
from shadowstream.testing.topics import create_topics

LIMIT_S = 30.0


class BrokerWorld:
    """Makes clients; what stands here is the same for both brokers."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._open: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._open:
            with contextlib.suppress(RuntimeError, KafkaException):
                client.close()

    def topic(self, name: str = "t", partitions: int = 1) -> str:
        raise NotImplementedError

    def make(self, kind: str, config: dict[str, Any]) -> Any:
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def now(self) -> float:
        raise NotImplementedError

    # ---------------------------------------------------------------- clients

    def consumer(self, group: str = "g", **config: Any) -> Any:
        """read_committed, end events, no reset; the session as short as a broker takes it. None leaves one out."""
        settings = {
            "group.id": self.prefix + group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 500,
            "fetch.wait.max.ms": 50,
        }
        settings |= {name.replace("_", "."): value for name, value in config.items()}
        made = self.make("consumer", {name: value for name, value in settings.items() if value is not None})
        self._open.append(made)
        return made

    def producer(self, name: str | None = "p", **config: Any) -> Any:
        """Transactional unless the name is None; not yet initialised."""
        settings: dict[str, Any] = {"transactional.id": self.prefix + name} if name else {}
        return self.make("producer", settings | {key.replace("_", "."): value for key, value in config.items()})

    def begun(self, name: str = "p", **config: Any) -> Any:
        """A transactional producer within a transaction."""
        producer = self.producer(name, **config)
        producer.init_transactions(LIMIT_S)
        producer.begin_transaction()
        return producer

    def open(self, topic: str, value: bytes, name: str = "open", **config: Any) -> Any:
        """A transactional producer within a transaction in which it has written this value."""
        producer = self.begun(name, **config)
        producer.produce(topic, value, partition=0)
        producer.flush(LIMIT_S)
        return producer

    def admin(self) -> Any:
        return self.make("admin", {})

    # ---------------------------------------------------------------- in short

    def written(self, *values: str) -> str:
        """A topic of one partition with these values, written in one transaction."""
        topic = self.topic()
        self.write(topic, *values)
        return topic

    def write(self, topic: str, *values: str, partition: int = 0, commit: bool = True) -> None:
        """One transaction."""
        producer = self.begun("writer")
        for value in values:
            producer.produce(topic, value.encode(), partition=partition)
        producer.flush(LIMIT_S)
        producer.commit_transaction(LIMIT_S) if commit else producer.abort_transaction(LIMIT_S)

    def read(self, consumer: Any, until: Callable[[list[str], list[int]], bool]) -> tuple[list[str], list[int]]:
        """Values and the offsets of end events, until so; fails if it does not come to that."""
        values: list[str] = []
        ends: list[int] = []
        deadline = self.now() + LIMIT_S
        while not until(values, ends):
            assert self.now() < deadline, (values, ends)
            for message in consumer.consume(100, 0.1):
                error = message.error()
                if error is None:
                    values.append(message.value().decode())
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ends.append(message.offset())
        return values, ends

    def assigned(self, topic: str, offset: int = 0, partition: int = 0, **config: Any) -> Any:
        """A consumer that reads this partition by itself."""
        consumer = self.consumer(**config)
        consumer.assign([TopicPartition(topic, partition, offset)])
        return consumer

    def joined(self, consumer: Any, topics: list[str], **callbacks: Any) -> Any:
        """The consumer has subscribed and got something."""
        consumer.subscribe(topics, **({"on_assign": _from_the_start} | callbacks))
        self.until(lambda: consumer.consume(1, 0.1) is not None and consumer.assignment())
        return consumer

    def until(self, holds: Callable[[], Any], limit_s: float = LIMIT_S) -> None:
        """Wait; fails where it does not come to that."""
        deadline = self.now() + limit_s
        while not holds():
            assert self.now() < deadline
            self.sleep(0.05)

    def ends(self, topic: str, *, committed: bool = False, what: str = "latest") -> tuple[int, int]:
        """Offset and timestamp that list_offsets gives of partition 0."""
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        admin = self.admin()
        asked = admin.list_offsets({TopicPartition(topic, 0): getattr(OffsetSpec, what)()}, isolation_level=level)
        (answer,) = (future.result(LIMIT_S) for future in asked.values())
        return answer.offset, answer.timestamp

    def group_offset(self, topic: str, group: str = "g") -> int:
        """The committed offset of partition 0, asked beside the group."""
        admin, name = self.admin(), self.prefix + group
        request = ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0)])

        def ask() -> int:
            asked = admin.list_consumer_group_offsets([request], require_stable=True, request_timeout=LIMIT_S)
            return int(asked[name].result(LIMIT_S).topic_partitions[0].offset)

        return once_settled(ask, f"no commits of {name}")


def _from_the_start(consumer: Any, partitions: list[TopicPartition]) -> None:
    consumer.assign([TopicPartition(one.topic, one.partition, 0) for one in partitions])


class MemoryBrokerWorld(BrokerWorld):
    """The broker in memory."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.broker = MemoryBroker(ManualClock(wall_ms=1_000_000))
        self.host = Host(self.broker.clock)

    def topic(self, name: str = "t", partitions: int = 1) -> str:
        self.broker.create(self.prefix + name, partitions)
        return self.prefix + name

    def make(self, kind: str, config: dict[str, Any]) -> Any:
        made = {"consumer": MemoryConsumer, "producer": MemoryProducer, "admin": MemoryAdmin}[kind]
        return made(self.broker, self.host, config)

    def sleep(self, seconds: float) -> None:
        self.broker.clock.sleep(seconds)

    def now(self) -> float:
        return self.broker.clock.monotonic()


class RealBrokerWorld(BrokerWorld):
    """A real Kafka."""

    def __init__(self, prefix: str, bootstrap: str) -> None:
        super().__init__(prefix)
        self.bootstrap = bootstrap

    def topic(self, name: str = "t", partitions: int = 1) -> str:
        create_topics(self.bootstrap, {self.prefix + name: partitions})
        return self.prefix + name

    def make(self, kind: str, config: dict[str, Any]) -> Any:
        made: Any = {"consumer": Consumer, "producer": Producer, "admin": AdminClient}[kind]
        return made({"bootstrap.servers": self.bootstrap, "log_level": 0, **config})

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()
