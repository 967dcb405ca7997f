"""`shadowstream.subscribe`: rows of diff, drift and verdict as they come, for programs of the user.

A subscription yields committed rows only. Without a `group` it joins and commits nothing, and each subscription begins
anew. With a group, members share the partitions and continue where they stopped, **at least once**. A row counts as
taken when the program asks for the next one, or when the `with` block ends without an exception. Taken rows are
committed once a second and on closing. A row whose handling raised or was killed comes again, and so may those of the
last second; `row.at` identifies them.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack, cast, overload

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from shadowstream.codecs import own
from shadowstream.config import Config, Kafka
from shadowstream.configfile import load, nearest
from shadowstream.errors import ConfigError, RecordError
from shadowstream.kafka.client.consumers import CONNECT_S, SESSION
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import is_end, is_fatal, offset_of, place_of
from shadowstream.kafka.reading.topic_reader import ABSENT, explain_error, ranges, topic_consumer
from shadowstream.logs import get_logger
from shadowstream.public_records import ROWS, DiffRow, DriftEvent, PublicRecord, RecordId, Verdict, row_of
from shadowstream.topics import TopicPlan

log = get_logger("subscribe")
COMMIT_MS = 1_000
QUIET_S = 30.0
_POLL_S = 0.1
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,100}")


Trial = Config | str | os.PathLike[str]
R = TypeVar("R", bound=PublicRecord)


class Options(TypedDict, total=False):
    """Options of `subscribe`; each has a default."""

    bootstrap: str
    name: str
    client: Mapping[str, str | int | float | bool]
    group: str | None
    from_beginning: bool
    follow: bool
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """`Options` with their defaults; an unknown option raises TypeError."""

    bootstrap: str | None = None
    name: str | None = None
    client: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    group: str | None = None
    from_beginning: bool = True
    follow: bool = True
    timeout_s: float | None = None


@overload
def subscribe(
    trial: Trial | None = None, topic: Literal["diff"] = "diff", **options: Unpack[Options]
) -> Subscription[DiffRow]: ...
@overload
def subscribe(trial: Trial | None, topic: Literal["drift"], **options: Unpack[Options]) -> Subscription[DriftEvent]: ...
@overload
def subscribe(
    trial: None = None, *, topic: Literal["drift"], **options: Unpack[Options]
) -> Subscription[DriftEvent]: ...
@overload
def subscribe(trial: Trial | None, topic: Literal["verdict"], **options: Unpack[Options]) -> Subscription[Verdict]: ...
@overload
def subscribe(
    trial: None = None, *, topic: Literal["verdict"], **options: Unpack[Options]
) -> Subscription[Verdict]: ...
def subscribe(trial: Trial | None = None, topic: str = "diff", **options: Unpack[Options]) -> Subscription[Any]:
    """Iterate over the rows of one topic of a trial; use it in a `with` block.

    `trial` is a config or the path of one. Without it, give `bootstrap` (host:port), `name` (of the trial) and, if the
    cluster needs them, `client` (librdkafka properties). `topic` is diff, drift or verdict.

    - `group`: share the rows among all subscribers of this name and continue where they stopped (see the head of this
      file); the consumer group is ``shadow.<name>.sub.<group>``. None: read all rows, commit nothing.
    - `from_beginning`: begin with stored rows; False: yield only rows written from now on. A group that has a
      position continues from there either way.
    - `follow`: wait for further rows; False: end once every partition was read to its end.
    - `timeout_s`: the longest wait for a row. With `follow` the iteration ends then (None: never). Otherwise a
      `BrokerError` is raised, because rows that exist do not come (None: 30 s).

    Raises:
        ConfigError: the arguments do not name a trial, a topic or a group.
        TopicMissing: the cluster has no such topic, or does not show it.
        BrokerError: no broker answers, or reading is not allowed.
        RecordError: while iterating: a row cannot be read, for instance of a newer release. The next call continues
            after it.
    """
    chosen = _Chosen(**options)
    if topic not in ROWS:
        raise ConfigError(f"subscribe: topic {topic!r} has no rows; {nearest(topic, ROWS)}")
    (kafka, plan, production), group = _trial(trial, chosen), None
    if chosen.group is not None:
        if not _GROUP.fullmatch(chosen.group):
            raise ConfigError(f"subscribe: group {chosen.group!r}: use 1-100 of letters, digits, '.', '_' and '-'")
        group = plan.group(f"sub.{chosen.group}")
        plan.check_group(group, production)
    return Subscription(kafka, plan, topic, group, chosen)


def _trial(trial: Trial | None, chosen: _Chosen) -> tuple[Kafka, TopicPlan, list[str]]:
    if trial is None:
        if not chosen.bootstrap or not chosen.name:
            raise ConfigError("subscribe: give a config (or its path), or bootstrap=host:port and name=trial")
        try:
            return Kafka(bootstrap=chosen.bootstrap, client=dict(chosen.client)), TopicPlan(chosen.name), []
        except ValidationError as error:
            raise ConfigError(f"subscribe: {'; '.join(one['msg'] for one in error.errors())}") from error
    if chosen.bootstrap or chosen.name or chosen.client:
        raise ConfigError("subscribe: the config holds bootstrap, name and client; give them or a config, not both")
    config = (trial if isinstance(trial, Config) else load(trial)).acting_as("reader")
    return config.kafka, config.plan, [config.production.group] if config.production.group else []


class Subscription(Generic[R]):
    """Rows of one topic, in order, for one thread; closed at its end or after the `with` block."""

    def __init__(self, kafka: Kafka, plan: TopicPlan, topic: str, group: str | None, chosen: _Chosen) -> None:
        self.topic, self.group = plan.of(topic), group
        self._kafka, self._kind, self._chosen = kafka, topic, chosen
        self._client_errors: deque[str] = deque(maxlen=8)
        self._last: Message | None = None
        self._open: set[int] | None = None
        session: dict[str, Any] = {**SESSION, "partition.assignment.strategy": "range"}
        # Only `_take_last` stores offsets for a commit: the current row has not been taken yet.
        session |= {"enable.auto.commit": group is not None, "auto.commit.interval.ms": COMMIT_MS}
        own_group = group or plan.group("reading")
        self._consumer: Consumer | None = topic_consumer(kafka, own_group, self._client_errors, **session)
        try:
            found = ranges(self._consumer, self.topic, CONNECT_S)
            self._starts = {p: low if chosen.from_beginning else high for p, (low, high) in found.items()}
            if group is None:
                self._consumer.assign([TopicPartition(self.topic, p, start) for p, start in self._starts.items()])
                self._open = set(self._starts)
            else:
                self._consumer.subscribe([self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        except KafkaException as error:
            raise self._failed(error) from error

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        self._take_last()
        if self._consumer is None:
            raise StopIteration
        try:
            message = self._wait(self._consumer)
        except KafkaException as error:
            raise self._failed(error) from error
        if message is None:
            self.close()
            raise StopIteration
        row = self._row(message)
        self._last = message
        return row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._take_last()
        self.close()

    def close(self) -> None:
        """Commit the taken rows and leave the group. The last row stays untaken; a second call does nothing."""
        self._last = None
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with translated_errors(f"close ({self.topic})"):
                consumer.close()

    def _failed(self, error: KafkaException) -> Exception:
        consumer = cast(Consumer, self._consumer)
        explanation = explain_error(self._kafka, self.topic, error.args[0], consumer, list(self._client_errors))
        self.close()
        return explanation

    def _wait(self, consumer: Consumer) -> Message | None:
        """Return the next message with a value, or None at the end of the iteration."""
        limit_s = self._chosen.timeout_s if self._chosen.follow or self._chosen.timeout_s is not None else QUIET_S
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while self._chosen.follow or self._open is None or self._open:
            message = consumer.poll(_POLL_S)
            if message is not None:
                error = message.error()
                if error is None and message.value() is not None:
                    return message
                self._event(message, error)
            elif deadline is not None and time.monotonic() >= deadline:
                if self._chosen.follow:
                    return None
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"nothing read for {limit_s:g} s"))
        return None

    def _event(self, message: Message, error: KafkaError | None) -> None:
        """Handle a message that is no row: an end, a tombstone, or an error, which is mostly transient."""
        if error is None:
            return
        if is_end(error):
            if self._open is not None:
                self._open.discard(place_of(message).partition)
        elif is_fatal(error) or error.code() in ABSENT:
            raise KafkaException(error)
        else:
            log.warning("consume_error", topic=self.topic, error=error.str())

    def _row(self, message: Message) -> R:
        place, offset = place_of(message), offset_of(message)
        try:
            name, record = own.decode(cast(bytes, message.value()))
            if name != self._kind:
                raise RecordError(f"a record of {name}, not of {self._kind}", reason="schema")
        except RecordError as error:
            raise RecordError(f"{place}/{offset}: {error}", reason=error.reason) from error
        return cast(R, row_of(self._kind, record, RecordId(place.topic, place.partition, offset)))

    def _take_last(self) -> None:
        """Mark the last row as taken: its offset may be committed."""
        last, self._last = self._last, None
        if last is None or self._consumer is None or self.group is None:
            return
        try:
            self._consumer.store_offsets(last)
        except KafkaException as error:
            # Another member has the partition now, and yields this row again.
            log.info("row_not_taken", topic=self.topic, error=error.args[0].str())

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Continue from the commits; a new group stores its start, or it would lose rows before its first commit."""
        found = consumer.committed(partitions, timeout=CONNECT_S) if partitions else []
        if errors := [tp.error for tp in found if tp.error is not None]:
            raise KafkaException(errors[0])
        starts = self._starts
        new = [TopicPartition(tp.topic, tp.partition, starts.get(tp.partition, 0)) for tp in found if tp.offset < 0]
        consumer.assign([*(tp for tp in found if tp.offset >= 0), *new])
        if new:
            consumer.store_offsets(offsets=new)
        self._open = {tp.partition for tp in partitions}

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._open = None
