"""Clients with the settings that the guarantees need, and the guarded writer.

Each setting that is not a default was measured; docs/decisions/0003 says why.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.config import Kafka as KafkaConfig
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import client_log
from shadowstream.kafka.client.errors import TranslatingClient, translated_errors
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Write
from shadowstream.topics import TopicPlan

log = get_logger("kafka")
Client = TypeVar("Client")
CONNECT_S = 10.0
BASE_CONSUMER: dict[str, Any] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 10,
}
"""Settings of every consumer: committed records only, no commit by itself, no jump, and an event at each end."""


def client_config(kafka: KafkaConfig, **extra: Any) -> dict[str, Any]:
    """Settings that every client has, the operator's own last but for what the guarantees need (`extra`)."""
    return {"bootstrap.servers": kafka.bootstrap, **client_log.settings(), **kafka.client, **extra}


def made(make: Callable[[dict[str, Any]], Client], settings: dict[str, Any]) -> Client:
    """A client with these settings; raises `ConfigError` where the client library refuses one of them."""
    try:
        return make(settings)
    except KafkaException as error:
        raise ConfigError(
            f"kafka.client: {error.args[0].str()}; give librdkafka properties, except those that shadowstream sets "
            "itself"
        ) from error


def _telling(make: Callable[[dict[str, Any]], Consumer], settings: dict[str, Any], whose: str) -> Consumer:
    return cast(Consumer, TranslatingClient(made(make, settings), whose))


def admin(kafka: KafkaConfig, connect_s: float = CONNECT_S) -> AdminClient:
    """An admin client; raises `BrokerError` where no broker answers within `connect_s`."""
    client = made(AdminClient, {"bootstrap.servers": kafka.bootstrap, **client_log.unpolled(), **kafka.client})
    try:
        client.list_topics(timeout=connect_s)
    except KafkaException as error:
        raise BrokerError(
            f"kafka.bootstrap: no broker answers at {kafka.bootstrap!r} within {connect_s:.0f} s "
            f"({error.args[0].str()}); check the address, the network and the security settings"
        ) from error
    return client


def group_consumer(config: Config, role: str, instance: str | None = None, **settings: Any) -> Consumer:
    """The consumer of a role's group: read_committed, no automatic commits, both sides of a task together."""
    plan = config.plan
    group = plan.group(role)
    plan.check_group(group, [config.production.group] if config.production.group else [])
    extra: dict[str, Any] = {
        **BASE_CONSUMER,
        "group.id": group,
        "fetch.queue.backoff.ms": 20,
        **settings,
    }
    if config.kafka.group_protocol == "consumer":
        # The broker's default, uniform, gives partition p of two topics to two members; session and heartbeat are its.
        extra |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
    else:
        extra |= {
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 1_000,
        }
    if role == "joiner":
        # Memory beside limits.pending_bytes_max: of small records the client's structures take more than they hold.
        extra["queued.max.messages.kbytes"] = 16_384
    # Under the other protocol an instance that was killed is refused its own name until its session has ended.
    if instance and config.kafka.group_protocol == "classic":
        extra["group.instance.id"] = f"{group}.{instance}"
    return _telling(Consumer, client_config(config.kafka, **extra), group)


def reading_consumer(kafka: KafkaConfig, plan: TopicPlan, purpose: str, **extra: Any) -> Consumer:
    """A consumer outside any group protocol: assigns by itself and never commits."""
    group = plan.group(purpose)
    return _telling(Consumer, client_config(kafka, **{**BASE_CONSUMER, "group.id": group, **extra}), group)


class GuardedWriter:
    """A producer that refuses every topic outside the trial's prefix, each time."""

    def __init__(self, config: Config, settings: dict[str, Any]) -> None:
        self._plan = config.plan
        self._allowed: set[str] = set()
        self.producer = made(Producer, client_config(config.kafka, **settings))
        self._transactional = "transactional.id" in settings
        self._failed: list[str] = []
        self.delivered: dict[Partition, list[int]] = {}
        """Offsets of what was handed over since `note`, in order; only without transactions."""
        self._noted: frozenset[str] = frozenset()

    @property
    def transactional(self) -> bool:
        """Whether a transaction's commit proves what was handed over; else `flush` does."""
        return self._transactional

    def note(self, topics: frozenset[str]) -> None:
        """From now on note in `delivered` where records of these topics have come to lie."""
        self._noted, self.delivered = topics, {}

    def flush(self, limit_s: float) -> None:
        """Wait until everything handed over is on the broker; raises `BrokerError` where something is not."""
        with translated_errors("flush"):
            left = self.producer.flush(limit_s)
        failed, self._failed = self._failed, []
        if left or failed:
            raise BrokerError(f"not written: {left} records after {limit_s:.0f} s; {'; '.join(failed[:3])}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(f"{message.topic()}: {error.str()}")
            log.warning("write_failed", topic=message.topic(), error=error.str())
        elif self._noted and message.topic() in self._noted:
            self.delivered.setdefault(place_of(message), []).append(offset_of(message))

    def write(self, writes: Iterable[Write]) -> None:
        """Hand records to the client. Raises `IsolationError` before anything outside the prefix is handed over."""
        with translated_errors("produce"):
            self._write(writes)

    def _write(self, writes: Iterable[Write]) -> None:
        produce, allowed = self.producer.produce, self._allowed
        # A transaction's commit proves its records; without one only the delivery report does.
        delivered = None if self._transactional else self._delivered
        for topic, partition, key, value, time_ms, headers in writes:
            if topic not in allowed:
                self._plan.check_write(topic)
                allowed.add(topic)
            while True:
                try:
                    # A time of 0 is the client's own word for now.
                    produce(topic, value, key, partition, delivered, timestamp=max(time_ms, 0), headers=headers or None)  # type: ignore[arg-type]  # a list is invariant
                    break
                except BufferError:  # the client's queue is full: let it send
                    self.producer.poll(0.05)


def transactional_writer(config: Config, role: str, instance: str) -> GuardedWriter:
    """The transactional producer of a role's instance; its id is stable, so that a zombie is fenced. The judge has one
    whatever its instance: there is one judge a trial."""
    if role == "judge":
        instance = "0"
    timeout_ms = config.limits.transaction_timeout_ms
    return GuardedWriter(
        config,
        {
            "transactional.id": f"{config.plan.group(role)}.{instance}",
            "transaction.timeout.ms": timeout_ms,
            # Longer than the transaction, it would block readers behind a frozen member.
            "message.timeout.ms": timeout_ms - 1_000,
            "linger.ms": 5,
            # The judge writes little, and Faust's client in the alerts role reads lz4 only with one more package.
            "compression.type": "none" if role == "judge" else "lz4",
            "queue.buffering.max.messages": 1_000_000,
        },
    )


def role_writer(config: Config, role: str, instance: str) -> GuardedWriter:
    """The producer of a role's effects, as the config's `delivery` asks for."""
    if config.delivery == "exactly_once":
        return transactional_writer(config, role, instance)
    return GuardedWriter(
        config,
        {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "message.timeout.ms": config.limits.transaction_timeout_ms - 1_000,
            "compression.type": "none" if role == "judge" else "lz4",  # as above
            "queue.buffering.max.messages": 1_000_000,
        },
    )


def plain_writer(config: Config) -> GuardedWriter:
    """A producer for what is stated after a commit (marks): idempotent, not transactional."""
    return GuardedWriter(config, {"enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 30_000})


class Stoppable:
    """A flag that signal handlers set and loops look at."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.begun = False
        """Whether the work has begun that must end in order; before it, the process may end at any moment."""

    def begin(self) -> None:
        """Begin the work that ends after its next commit."""
        self.begun = True

    def stop(self) -> None:
        """Ask the loop to end after its next commit."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end is asked for."""
        self._event.wait(seconds)

    @property
    def stopped(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()
