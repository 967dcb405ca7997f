"""Clients with the settings that the guarantees need, and the guarded writer.

Each setting that is not a default was measured; docs/decisions/0003 gives the reasons.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.config import Kafka as KafkaConfig
from shadowstream.config.client_properties import ALIASES
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import client_log, msk_token
from shadowstream.kafka.client.errors import TranslatingClient, translated_errors
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.rate_limit import prefetch
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Write
from shadowstream.topics import TopicPlan

log = get_logger("kafka")
Client = TypeVar("Client")
CONNECT_S = 10.0
CLIENT_ID = "shadowstream"
"""Name by which brokers know the clients of a trial, unless `kafka.client` sets another."""
_RECEIVED = {"receive.message.max.bytes": 200_000_000}
"""A record beyond the client's default of 100 MB would end the connection, and so stop all partitions. What a batch
decompresses to takes two to three times this in memory, so the bound is twice the default and no more."""
SESSION = {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 1_000}
BASE_CONSUMER: dict[str, Any] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 200,  # a record ends the wait of a request; a partition that is resumed waits for it to end
    "fetch.queue.backoff.ms": 10,
}
"""Settings of every consumer: committed records only, no automatic commit, no jump, and an event at each end."""
END_WAIT_MS = 20
"""The longest wait for the event at an end, in reads that finish there: then a fetch without records is answered."""


def client_config(kafka: KafkaConfig, **extra: Any) -> dict[str, Any]:
    """Return the settings of a client: the operator's override the defaults, and `extra` overrides both."""
    login = {**kafka.client, **msk_token.settings(kafka)}
    named = {"bootstrap.servers": kafka.bootstrap, "client.id": CLIENT_ID}
    return {**named, **client_log.settings(), **_RECEIVED, **login, **extra}


def _unless_set(kafka: KafkaConfig, settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if ALIASES.get(name, name) not in kafka.client}


def make_client(make: Callable[[dict[str, Any]], Client], settings: dict[str, Any]) -> Client:
    """Create a client; raises `ConfigError` if the client library refuses a setting."""
    try:
        return make(settings)
    except KafkaException as error:
        give = "give librdkafka properties, except those that shadowstream sets itself"
        raise ConfigError(f"kafka.client: {error.args[0].str()}; {give}") from error


def _translating(make: Callable[[dict[str, Any]], Consumer], settings: dict[str, Any], whose: str) -> Consumer:
    return cast(Consumer, TranslatingClient(make_client(make, settings), whose))


def admin(kafka: KafkaConfig, connect_s: float = CONNECT_S) -> AdminClient:
    """Create an admin client; raises `BrokerError` if no broker answers within `connect_s`."""
    # It is never polled, so its log lines would only pile up.
    quiet = {"client.id": CLIENT_ID, "error_cb": client_log.on_error, "log_level": 0}
    login = {**kafka.client, **msk_token.settings(kafka)}
    client = make_client(AdminClient, {"bootstrap.servers": kafka.bootstrap, **quiet, **login})
    try:
        client.list_topics(timeout=connect_s)
    except KafkaException as error:
        raise BrokerError(
            f"kafka.bootstrap: no broker answers at {kafka.bootstrap!r} within {connect_s:.0f} s "
            f"({error.args[0].str()}); check the address, the network and the security settings"
        ) from error
    return client


def group_consumer(config: Config, role: str, instance: str | None = None, **settings: Any) -> Consumer:
    """Create the consumer of a role's group: read_committed, no automatic commits, all sides of a task together."""
    group = config.plan.group(role)
    config.plan.check_group(group, [config.production.group] if config.production.group else [])
    return _translating(Consumer, group_settings(config, role, instance, **settings), group)


def group_settings(config: Config, role: str, instance: str | None = None, **settings: Any) -> dict[str, Any]:
    """Return the settings of `group_consumer`. The operator's override those that no guarantee depends on."""
    group = config.plan.group(role)
    extra: dict[str, Any] = {**BASE_CONSUMER, "group.id": group, "fetch.queue.backoff.ms": 20, **settings}
    if config.kafka.group_protocol == "consumer":
        # The default assignor, uniform, splits tasks between members. The broker sets session and heartbeat.
        extra |= {"group.protocol": "consumer", "group.remote.assignor": "range"}
    else:
        extra |= {"partition.assignment.strategy": "range", **SESSION}
        # Under the other protocol the broker refuses a killed instance its own name until its session has ended.
        extra |= {"group.instance.id": f"{group}.{instance}"} if instance else {}
    if role == "joiner":
        # Memory beside limits.pending_bytes_max: the client's structures of small records are larger than their data.
        extra["queued.max.messages.kbytes"] = 16_384
    return client_config(config.kafka, **_unless_set(config.kafka, extra) | prefetch(config))


def reading_consumer(kafka: KafkaConfig, plan: TopicPlan, purpose: str, **extra: Any) -> Consumer:
    """Create a consumer outside any group protocol: it assigns partitions itself and never commits."""
    group = plan.group(purpose)
    return _translating(Consumer, client_config(kafka, **{**BASE_CONSUMER, "group.id": group, **extra}), group)


def bounded_consumer(kafka: KafkaConfig, plan: TopicPlan, purpose: str, **extra: Any) -> Consumer:
    """Create a `reading_consumer` for reads that finish at an end: to follow a topic it would ask 50 times a second."""
    return reading_consumer(kafka, plan, purpose, **{"fetch.wait.max.ms": END_WAIT_MS, **extra})


class GuardedWriter:
    """A producer that refuses every topic outside the trial's prefix."""

    def __init__(self, config: Config, settings: dict[str, Any]) -> None:
        self._plan, self._allowed = config.plan, set[str]()
        self.producer = make_client(Producer, client_config(config.kafka, **settings))
        self.transactional = "transactional.id" in settings
        """Whether a transaction's commit proves delivery; otherwise `flush` does."""
        self._failed: list[str] = []
        self.delivered: dict[Partition, list[int]] = {}
        """Offsets of the records written since `note`, in order; only without transactions."""
        self._noted: frozenset[str] = frozenset()

    def note(self, topics: frozenset[str]) -> None:
        """Begin to collect the offsets of delivered records of these topics in `delivered`."""
        self._noted, self.delivered = topics, {}

    def flush(self, limit_s: float) -> None:
        """Wait until the broker has all records; raises `BrokerError` if it lacks one."""
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
        """Pass records to the client. Raises `IsolationError` before a record outside the prefix is passed."""
        produce, allowed = self.producer.produce, self._allowed
        # A transaction's commit proves its records; without one only the delivery report does.
        delivered = None if self.transactional else self._delivered
        with translated_errors("produce"):
            for topic, partition, key, value, at_ms, headers in writes:
                if topic not in allowed:
                    self._plan.check_write(topic)
                    allowed.add(topic)
                while True:
                    try:
                        given: Any = headers or None
                        # The client takes a time of 0 as now.
                        produce(topic, value, key, partition, delivered, timestamp=max(at_ms, 0), headers=given)
                        break
                    except BufferError:  # the client's queue is full: wait while it sends
                        self.producer.poll(0.05)


def transactional_writer(config: Config, role: str, instance: str) -> GuardedWriter:
    """Create the transactional producer of a role's instance; its id is stable, so that a zombie is fenced."""
    name = f"{config.plan.group(role)}.{'0' if role == 'judge' else instance}"
    transaction = {"transactional.id": name, "transaction.timeout.ms": config.limits.transaction_timeout_ms}
    return GuardedWriter(config, {**transaction, **effects_settings(config, role)})


def effects_settings(config: Config, role: str) -> dict[str, Any]:
    """Return the settings of the producer of a role's effects, beside those of its transactions."""
    tuned = {"linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000}
    # The judge writes little, and Faust's client in the alerts role needs a further package for any compression.
    fixed: dict[str, Any] = {"compression.codec": "none"} if role == "judge" else {}
    # A longer timeout than the transaction's would block readers behind a frozen member.
    fixed |= {"message.timeout.ms": config.limits.transaction_timeout_ms - 1_000}
    return _unless_set(config.kafka, tuned) | fixed


def role_writer(config: Config, role: str, instance: str) -> GuardedWriter:
    """Create the producer of a role's effects, as the config's `delivery` requires."""
    if config.delivery == "exactly_once":
        return transactional_writer(config, role, instance)
    return GuardedWriter(config, {"enable.idempotence": True, "acks": "all", **effects_settings(config, role)})


def plain_writer(config: Config) -> GuardedWriter:
    """Create a producer for records written after a commit (marks): idempotent, not transactional."""
    settings = _unless_set(config.kafka, {"linger.ms": 5})
    return GuardedWriter(config, {"enable.idempotence": True, "message.timeout.ms": 30_000, **settings})


class Stoppable:
    """A stop flag that signal handlers set and loops read."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.begun = False
        """Whether work has begun that must end in order; before it, the process may end at any moment."""

    def begin(self) -> None:
        self.begun = True

    def stop(self) -> None:
        """Ask the loop to end after its next commit."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    @property
    def stopped(self) -> bool:
        return self._event.is_set()
