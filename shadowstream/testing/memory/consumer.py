"""A consumer in the shape of confluent_kafka's."""

from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import OFFSET_INVALID, TIMESTAMP_CREATE_TIME, KafkaError, Message, TopicPartition

from shadowstream.records import Partition
from shadowstream.testing.memory import failures
from shadowstream.testing.memory.admin import described
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.groups import METADATA_MAX, CommittedOffset, Group, Member, Membership
from shadowstream.testing.memory.hosts import Host, client_call, wait_until
from shadowstream.testing.memory.log import Entry, Log

Callback = Callable[[Any, list[TopicPartition]], None]
FOR_EVER_S = 300.0
STEP_S = 0.02


def place_of(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)


class MemoryConsumer:
    """Reads its assigned partitions, by group or by `assign`; see confluent_kafka.Consumer for each method."""

    def __init__(self, broker: MemoryBroker, host: Host, config: dict[str, Any]) -> None:
        if config.get("group.protocol", "classic") != "classic":
            raise failures.failure(KafkaError._UNSUPPORTED_FEATURE, "in memory groups speak the classic protocol only")
        self.broker, self.host = broker, host
        host.clients.append(self)
        self._config = config
        self._group_id = str(config["group.id"])
        self._committed_only = config.get("isolation.level", "read_committed") == "read_committed"
        self._topics: tuple[str, ...] | None = None
        self._callbacks: dict[str, Callback | None] = {}
        self._member: Member | None = None
        self._assigned: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._ended: dict[Partition, int] = {}
        self._stuck: set[Partition] = set()
        self._fatal: KafkaError | None = None
        self._closed = False
        self._serving = False

    @property
    def group(self) -> Group:
        return self.broker.groups.of(self._group_id)

    @property
    def positions(self) -> dict[Partition, int]:
        return dict(self._assigned)

    def subscribe(
        self,
        topics: list[str],
        on_assign: Callback | None = None,
        on_revoke: Callback | None = None,
        on_lost: Callback | None = None,
    ) -> None:
        """Join the group at the next `consume`."""
        self._topics = tuple(topics)
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._check()
        self.unassign()
        for partition in partitions:
            self._assigned[place_of(partition)] = self._start(partition)

    def _start(self, partition: TopicPartition) -> int:
        log, offset = self._log(place_of(partition)), partition.offset
        if offset >= 0 or log is None:
            return offset
        if offset == -2:
            return log.low
        if offset == -1:
            return log.stable if self._committed_only else log.end
        kept = self.group.offsets.get(place_of(partition))
        return kept.offset if kept is not None else self._reset(log)

    def _reset(self, log: Log) -> int:
        where = self._config.get("auto.offset.reset", "latest")
        return -1 if where == "error" else log.low if where in ("earliest", "smallest", "beginning") else log.end

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._assigned]

    def unassign(self) -> None:
        self._assigned, self._ended, self._stuck = {}, {}, set()
        self._paused.clear()

    def seek(self, partition: TopicPartition) -> None:
        place = place_of(partition)
        if place not in self._assigned:
            raise failures.failure(KafkaError._UNKNOWN_PARTITION, "Failed to seek: Local: Unknown partition")
        self._assigned[place] = self._start(partition)
        self._ended.pop(place, None)
        self._stuck.discard(place)

    def position(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(p.topic, p.partition, self._assigned.get(place_of(p), OFFSET_INVALID)) for p in partitions
        ]

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.broker.pauses += len(new := {*map(place_of, partitions)} - self._paused)
        self._paused |= new

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused.difference_update(map(place_of, partitions))

    def _serve(self) -> None:
        """Serve the coordinator's requests, as callbacks within `consume`."""
        if self._topics is None or self._serving or self._fatal is not None:
            return
        self._serving = True
        try:
            self._serve_group(self._topics)
            if self._member is not None:
                self._member.polled_ms = self.broker.clock.now_ms
        finally:
            self._serving = False

    def _serve_group(self, topics: tuple[str, ...]) -> None:
        group, member = self.group, self._member
        if member is not None and member.fenced:
            # As an event it is of this code, and does not say of itself that it is fatal.
            self._fatal = KafkaError(KafkaError._FATAL, "Fatal error: Broker: Static consumer fenced by other consumer")
            return
        if member is not None and member.id not in group.members:
            self._call("lost")
            self._member = member = None
        if member is None:
            session_ms = int(self._config.get("session.timeout.ms", 45_000))
            instance = self._config.get("group.instance.id")
            self._member = member = group.join(self.host, topics, instance, session_ms)
            member.poll_max_ms = int(self._config.get("max.poll.interval.ms", 300_000))
        if group.preparing and not member.joined:
            if not member.fresh:
                self._call("revoke")
            if member.id in group.members:
                group.rejoin(member)
        if not group.preparing and member.fresh and member.id in group.members:
            self._called("assign", [TopicPartition(*place) for place in group.take(member)])

    def _call(self, what: str) -> None:
        self._called(what, self.assignment())
        self.unassign()

    def _called(self, what: str, partitions: list[TopicPartition]) -> None:
        callback = self._callbacks[what]
        if callback is not None:
            callback(self, partitions)
        elif what == "assign":
            self.assign(partitions)

    def consumer_group_metadata(self) -> Membership:
        name, instance = self._group_id, self._config.get("group.instance.id")
        if self._member is None:
            return Membership(name)
        return Membership(name, self._member.generation, self._member.id, instance)

    @client_call
    def committed(self, partitions: list[TopicPartition], timeout: float = FOR_EVER_S) -> list[TopicPartition]:
        """Return committed offsets; with read_committed, wait for transactions that may change them."""
        places = [place_of(partition) for partition in partitions]
        if self._committed_only and not wait_until(self.host, lambda: self.group.is_stable(places), timeout):
            raise failures.failure(KafkaError._TIMED_OUT, "Local: Timed out")
        return self.group.committed(places)

    @client_call
    def commit(self, offsets: list[TopicPartition], asynchronous: bool = True) -> list[TopicPartition]:
        refusal = self.group.refusal(self.consumer_group_metadata())
        if refusal is not None:
            raise failures.failure(refusal, "Commit failed")
        trouble = self.broker.trouble("commit")
        if trouble in ("", "late"):
            kept = {place_of(one): CommittedOffset(one.offset, one.metadata or "") for one in offsets}
            if any(len(one.metadata.encode()) > METADATA_MAX for one in kept.values()):
                raise failures.failure(KafkaError.OFFSET_METADATA_TOO_LARGE, "Commit failed")
            self.group.offsets |= kept
        if trouble:
            raise failures.failure(KafkaError._TIMED_OUT, "Local: Timed out")
        return offsets

    @client_call
    def close(self) -> None:
        """Give up the assignment; a member without an instance leaves its group."""
        was_closed, self._closed, member = self._closed, True, self._member
        if was_closed or member is None:
            return
        known = member.id in self.group.members
        if self._assigned:
            self._call("revoke" if known else "lost")
        if known and member.instance is None:
            self.group.leave(member)

    @client_call
    def consume(self, num_messages: int = 1, timeout: float = FOR_EVER_S) -> list[Message]:
        self._check()
        self._serve()
        if self._fatal is not None:
            return [Message("", -1, -1, None, None, None, self._fatal, (0, -1))]
        found = self._fetch(num_messages)
        if not found and timeout > 0:
            wait_until(self.host, self._has_news, timeout, min(timeout, STEP_S) if timeout < 1 else timeout / 20)
            self._serve()
            found = self._fetch(num_messages)
        return found

    def poll(self, timeout: float = FOR_EVER_S) -> Message | None:
        found: list[Message] = self.consume(1, timeout)
        return found[0] if found else None

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("Consumer closed")

    def _log(self, place: Partition) -> Log | None:
        return self.broker.logs.get(place)

    def _end(self, place: Partition, log: Log, position: int) -> int:
        """Return the offset up to which this consumer may read. The gate is asked only if it has not read that far."""
        end = log.stable if self._committed_only else log.end
        return min(end, self.broker.gate(self._group_id, place, end)) if position < end else end

    def _has_news(self) -> bool:
        for place, position in self._assigned.items():
            log = self.broker.logs.get(place)
            # No stable offset lies beyond the end.
            if log is None or position >= len(log.entries) or place in self._paused or place in self._stuck:
                continue
            if position < self._end(place, log, position):
                return True
        return False

    def _fetch(self, maximum: int) -> list[Message]:
        draw, places = self.broker.draw, [place for place in self._assigned if place not in self._paused]
        found: list[Message] = []
        if draw is not None and len(places) > 1:
            draw.shuffle(places)
        for place in places:
            left = maximum - len(found)
            if left <= 0:
                break
            found += self._fetch_from(place, left if draw is None else min(left, draw.choice((1, 2, 5, left))))
        return found

    def _fetch_from(self, place: Partition, maximum: int) -> list[Message]:
        log, position = self._log(place), self._assigned[place]
        if place in self._stuck:
            return []
        if log is None:
            self._stuck.add(place)
            return [_event(place, position, KafkaError.UNKNOWN_TOPIC_OR_PART)]
        if position < log.low or position > log.end:
            position = self._assigned[place] = self._reset(log)
            if position < 0:
                self._stuck.add(place)
                return [_event(place, position, KafkaError._AUTO_OFFSET_RESET)]
        end = self._end(place, log, position)
        records, self._assigned[place] = log.read(position, maximum, end, committed=self._committed_only)
        found = [_message(place, offset, entry) for offset, entry in records]
        at_end = self._assigned[place] >= (log.stable if self._committed_only else log.end)
        if at_end and self._config.get("enable.partition.eof") and self._ended.get(place) != self._assigned[place]:
            self._ended[place] = self._assigned[place]
            if len(found) < maximum or maximum == 1:
                found.append(_event(place, self._assigned[place], KafkaError._PARTITION_EOF))
            else:
                self._ended.pop(place)
        return found

    @client_call
    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = FOR_EVER_S, cached: bool = False
    ) -> tuple[int, int]:
        """Return the first offset and the last stable one (read_uncommitted: the high watermark)."""
        log = self._log(place_of(partition))
        if log is None:
            raise failures.failure(KafkaError.UNKNOWN_TOPIC_OR_PART, "Broker: Unknown topic or partition")
        return log.low, log.stable if self._committed_only and not cached else log.end

    @client_call
    def list_topics(self, topic: str | None = None, timeout: float = FOR_EVER_S) -> Any:
        return described(self.broker, topic)


def _message(place: Partition, offset: int, entry: Entry) -> Message:
    headers: Any = [*entry.headers] if entry.headers else None
    key, value, at = entry.key, entry.value, (TIMESTAMP_CREATE_TIME, entry.time_ms)
    return Message(place.topic, place.partition, offset, key, value, headers, None, at)


def _event(place: Partition, offset: int, code: int) -> Message:
    return Message(place.topic, place.partition, offset, None, None, None, KafkaError(code), (0, -1))
