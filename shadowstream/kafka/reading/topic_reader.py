"""Read a whole topic, or follow it, outside any group: without joining, committing or creating anything."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shadowstream.config import Kafka
from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import BASE_CONSUMER, CONNECT_S, END_WAIT_MS, client_config, make_client
from shadowstream.kafka.client.errors import code_of, translated_errors
from shadowstream.kafka.client.messages import offset_of, place_of
from shadowstream.kafka.client.offsets import LEADERLESS
from shadowstream.kafka.reading.bounded import BATCH, WAIT_S, NotReadToEnd, quiet, read_on, sort_out
from shadowstream.records import Partition

Form = TypeVar("Form")
_POLL_S = 0.1
_ASK_S = 2.5
_COMPLAINTS_MAX = 8
ABSENT = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_MOVING = LEADERLESS | {KafkaError._UNKNOWN_PARTITION}
_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


class TopicMissing(BrokerError):
    """The cluster answers, but has no such topic or does not show it."""


class TopicRecord(NamedTuple):
    """One record. `time_ms` is its timestamp, -1 if it has none."""

    partition: int
    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None


def read_topic(kafka: Kafka, topic: str, timeout_s: float) -> list[TopicRecord]:
    """Return every committed record of a topic, up to the ends at the call, in order by partition.

    Raises `TopicMissing`, and `BrokerError` if no broker answers (within 10 s), reading is not allowed, or nothing came
    for `timeout_s`.
    """
    return list(stream_topic(kafka, topic, timeout_s))


def stream_topic(
    kafka: Kafka, topic: str, timeout_s: float, *, follow: bool = False
) -> Generator[TopicRecord, None, None]:
    """Yield the records of `read_topic` one by one; `follow` continues with later records, until closed."""
    return _stream(kafka, topic, timeout_s, record_of, follow=follow)


def stream_with_headers(
    kafka: Kafka, topic: str, timeout_s: float
) -> Generator[tuple[TopicRecord, dict[str, bytes]], None, None]:
    """Yield the records of `read_topic` one by one with their headers, of each name the last."""

    def with_headers(message: Message) -> tuple[TopicRecord, dict[str, bytes]]:
        headers: Any = message.headers() or ()
        return record_of(message), {name: content or b"" for name, content in headers}

    return _stream(kafka, topic, timeout_s, with_headers)


def _stream(
    kafka: Kafka, topic: str, timeout_s: float, form: Callable[[Message], Form], *, follow: bool = False
) -> Generator[Form, None, None]:
    client_errors = deque[str]()
    wait = {} if follow else {"fetch.wait.max.ms": END_WAIT_MS}
    consumer = topic_consumer(kafka, _group(topic), client_errors, **wait)
    with translated_errors(f"close ({topic})"), contextlib.closing(consumer):
        try:
            found = ranges(consumer, topic, min(timeout_s, CONNECT_S))
            consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _) in found.items()])
            # A read to the present ends would leave out what comes behind them in the meantime.
            places = {Partition(topic, partition): None for partition in found}
            while follow:
                yield from map(form, sort_out(consumer.consume(BATCH, WAIT_S), places, _raise).records)
            ends = {Partition(topic, partition): high for partition, (low, high) in found.items() if low < high}
            for polled in read_on(consumer, ends, quiet(timeout_s), _raise):
                yield from map(form, polled.records)
        except KafkaException as error:
            raise explain_error(kafka, topic, error.args[0], consumer, client_errors) from error
        except NotReadToEnd as error:
            timed_out = KafkaError(KafkaError._TIMED_OUT, f"nothing read for {timeout_s:g} s")
            raise explain_error(kafka, topic, timed_out, consumer, client_errors) from error


def topic_consumer(kafka: Kafka, group: str, client_errors: deque[str], **extra: Any) -> Consumer:
    """Create a consumer that creates no topics and reports the client's errors only in `client_errors`."""
    settings = {
        "group.id": group,
        "allow.auto.create.topics": False,
        "auto.offset.reset": "earliest",  # retention may delete the first offset after the request for it
        "error_cb": lambda error: client_errors.append(error.str()),
        "log_level": 2,
    }
    return make_client(Consumer, client_config(kafka, **{**BASE_CONSUMER, **settings, **extra}))


def _group(topic: str) -> str:
    """Return a group of the same trial, whose rights include it, with a name that no role uses."""
    parts = topic.split(".")
    return ".".join([*parts[:2], "reading"]) if parts[0] == "shadow" and len(parts) > 2 else "shadow.reading"


def ranges(consumer: Consumer, topic: str, timeout_s: float) -> dict[int, tuple[int, int]]:
    """Return the first offset and last stable offset of each partition. Raises KafkaException."""
    deadline = time.monotonic() + timeout_s
    found = _partitions(consumer, topic, deadline)
    return {partition: _extent(consumer, TopicPartition(topic, partition), deadline) for partition in found}


def offset_range(consumer: Consumer, place: TopicPartition, timeout_s: float = 15.0) -> tuple[int, int]:
    """Return the first offset and last stable offset of one partition; raises `BrokerError`."""
    try:
        return _extent(consumer, place, time.monotonic() + timeout_s)
    except (KafkaException, BrokerError) as error:
        raise BrokerError(f"{place.topic}/{place.partition}: no offsets: {error}", retriable=True) from error


def _extent(consumer: Consumer, place: TopicPartition, deadline: float) -> tuple[int, int]:
    """Ask again for a moment, because a leader that was just elected does not answer yet."""
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            return consumer.get_watermark_offsets(place, timeout=left)
        except (KafkaException, BrokerError) as error:
            if code_of(error) not in _MOVING or left <= _POLL_S:
                raise
            time.sleep(_POLL_S)


def _partitions(consumer: Consumer, topic: str, deadline: float) -> list[int]:
    """Ask in slices, because Ctrl-C takes effect only between two calls of the client."""
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        try:
            found = consumer.list_topics(topic, timeout=min(left, _ASK_S)).topics[topic]
            break
        except KafkaException:
            if left <= _ASK_S:
                raise
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _raise(_: Message, error: KafkaError) -> None:
    raise KafkaException(error)


def record_of(message: Message) -> TopicRecord:
    key: Any = message.key()
    value: Any = message.value()
    return TopicRecord(place_of(message).partition, offset_of(message), message.timestamp()[1], key, value)


def explain_error(
    kafka: Kafka, topic: str, error: KafkaError, consumer: Consumer, client_errors: Iterable[str]
) -> BrokerError:
    """Explain the client's error; `client_errors` are the errors that it reported before."""
    code = error.code()
    if code in ABSENT:
        return TopicMissing(f"there is no topic {topic!r} on {kafka.bootstrap!r}; has the role that writes it run?")
    if code in _DENIED:
        return BrokerError(f"not allowed to read {topic!r} ({error.str()}); grant Read and Describe on it", fatal=True)
    with contextlib.suppress(KafkaException):
        for _ in range(_COMPLAINTS_MAX):  # each call reports one reason why the client could not connect
            consumer.poll(0)
    causes = [one.partition(" (after")[0] for one in client_errors if "brokers are down" not in one]
    why = "; ".join(dict.fromkeys(causes)) or error.str()
    return BrokerError(
        f"cannot read {topic!r} from kafka.bootstrap {kafka.bootstrap!r} ({why}); check the address, the network "
        "and the security settings",
        retriable=error.retriable(),
    )
