"""The one loop of runner and joiner: consume -> step -> produce -> transaction -> commit.

States of a partition, as the loop sees it:

=========  ==========================================================  =======================================
state      entered                                                     left
=========  ==========================================================  =======================================
assigned   by the group's assignment                                   its committed state has been loaded
restoring  reading from the committed offset to ``high`` again         position >= high (the step knows)
live       every record read is new                                    revoked or lost
revoked    the group takes it away: commit if dirty, then forget       at once
lost       the group has taken it already: abort, forget               at once
gated      `group.protocol: consumer` only: ours, but another side of  the task is whole: assigned
           its task is still with another member                       never, for `TORN_MAX_S`: refused
=========  ==========================================================  =======================================

The classic protocol takes everything away and gives everything anew. Under the other one partitions come and go one by
one; at each such change what is there is committed and forgotten, and what is whole then is loaded as after a start.

Rules that each cost somebody a loss or a double count (docs/exactly-once.md; the numbers are theirs):
1 ``init_transactions`` before the consumer subscribes. 2 State comes from committed metadata only, never from memory
after an abort. 5 Never an empty offset list; group metadata fresh each time; commit only after
``send_offsets_to_transaction`` returned in this very transaction. 6 Retry, abort and rewind, or exit.
7 A client call in a transaction that lasts too long ends the process. 8 Revoked commits, lost aborts.
10 Effects are buffered and the transaction begins at the commit, so that a crash seldom leaves one open.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError, RegistryError
from shadowstream.health import Watch
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.batch_size import CommitPace
from shadowstream.kafka.client.broken_batches import BrokenBatches, is_unreadable
from shadowstream.kafka.client.client_log import is_outage
from shadowstream.kafka.client.consumer_events import check_event
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable
from shadowstream.kafka.client.errors import broker_error, code_of, told
from shadowstream.kafka.client.lag import Lag
from shadowstream.kafka.client.messages import (
    columns,
    is_end,
    new_of,
    offset_of,
    place_of,
    split,
    split_at,
)
from shadowstream.kafka.paused_partitions import PutOff
from shadowstream.kafka.role import Role
from shadowstream.kafka.step_time import StepTime
from shadowstream.kafka.transaction import TRANSACTION_WAIT_S, Deciding, commit_at_least_once, commit_transaction
from shadowstream.kafka.watchdog import CALL_MAX_S, Watchdog
from shadowstream.logs import get_logger
from shadowstream.records import Commit, Place, Write

log = get_logger("loop")
BATCH = 1_000
IDLE_WAIT_S = 0.02
TURN_MAX_S = 90.0
"""A turn asks the broker several things, each of which may take its whole timeout."""
COMMIT_SHARE = 4
"""Transactions grow while they take less than this part of their timeout: the sink may become so many times slower."""
SETTLE_S = 15.0
"""So long after its timeout a transaction has ended, whatever the broker has made of it; else a call is stuck."""
TORN_MAX_S = 120.0
"""So long a member that is slow, or dead but not yet known to be, may keep one side of a task from us."""


def now_ms() -> int:
    """Wall clock, ms since the epoch: the edge hands time to steps."""
    return time.time_ns() // 1_000_000


class Loop:
    """Runs one role until it has finished or is asked to stop; see the head of this file."""

    def __init__(
        self, config: Config, role: Role, consumer: Consumer, writer: GuardedWriter, client: AdminClient, watch: Watch
    ) -> None:
        self._config, self._role, self._consumer, self._writer = config, role, consumer, writer
        self._watch = watch
        self._lag = Lag(client, role.side_word, watch)
        self._watchdog = Watchdog(watch)
        self._ours: set[Place] = set()
        self.records = self.commits = self._since_commit = 0
        self._left_over: list[Message] = []
        self._behind = False
        self._forgotten = 0
        self._leaving = False
        timeout_s = config.limits.transaction_timeout_ms / 1000
        self._transaction_max_s = max(CALL_MAX_S, timeout_s + SETTLE_S)
        self._step_time = StepTime()
        self._pace = CommitPace(config.limits.commit_records, timeout_s / COMMIT_SHARE)
        self._restored = False
        self._put_off = PutOff(consumer, BrokenBatches(config, watch.role))
        self._incremental = config.kafka.group_protocol == "consumer"
        self._changed = False
        self._torn: tuple[float, Sequence[Place]] | None = None

    def run(self, topics: list[str], stop: Stoppable) -> None:
        """Subscribe and turn until the role has finished. The caller has called `init_transactions` (rule 1)."""
        spare_collections()
        stop.begin()
        consumer = self._consumer
        on_assign = self._on_added if self._incremental else self._on_assign
        consumer.subscribe(topics, on_assign=on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        commit_s = self._config.limits.commit_ms / 1000
        next_commit = time.monotonic() + commit_s
        try:
            while not stop.stopped and not self._role.finished:
                self._consume()
                self._settle()
                with self._watchdog.call("turn", TURN_MAX_S):
                    self._role.turn(now_ms())
                if self._incremental:  # no static membership: nothing else tells who has nothing to commit
                    self._watch.claim.check()
                self._put_off.take_up()
                self._restored = bool(self._ours) and self._role.restored()
                self._watch.ready = self._restored and not self._put_off
                self._watch.turned()
                if time.monotonic() >= next_commit or self._behind or self._full():
                    self._commit()
                    next_commit = time.monotonic() + commit_s
            if stop.stopped:
                self._commit()
        except KafkaException as error:
            raise broker_error(error, "consume") from error
        finally:
            self._close()

    def _full(self) -> bool:
        """Whether the next transaction holds as much as it may."""
        read = self._since_commit >= self._config.limits.commit_records
        return read or self._role.entered(self._since_commit) >= self._pace.most

    def _close(self) -> None:
        with self._watchdog.call("close"):
            self._ours.clear()  # what is uncommitted now stays uncommitted: closing must not commit half a turn
            self._consumer.close()

    # ---------------------------------------------------------------- consuming

    def _consume(self) -> None:
        groups, events = self._next()
        ends: dict[Place, int] = {}
        unreadable: list[Message] = []
        for message in events:
            error = message.error()
            if error is not None and is_end(error):
                ends[place_of(message)] = offset_of(message)
            elif error is not None and is_unreadable(error):
                unreadable.append(message)
            elif error is not None:
                check_event(message, error)
        at = now_ms()
        left = self._take(groups, ends, at)
        waiting = {place_of(message) for message in left}
        # A place has ended once all of it was taken; what is unreadable there says so again.
        ended = [one for one in events if place_of(one) in waiting and is_end(cast(KafkaError, one.error()))]
        ends = {place: offset for place, offset in ends.items() if place not in waiting}
        self._left_over = [*left, *ended, *self._left_over]
        unreadable = [message for message in unreadable if place_of(message) not in waiting]
        for lost in self._put_off.passed_by(unreadable, at):
            if lost.place in self._ours:
                self._role.batch(lost, at)
                self._since_commit += len(lost)
        for place, offset in ends.items():
            if place in self._ours:
                self._lag.read(place, offset)
                self._role.end(place, offset, at)

    def _take(self, groups: Mapping[Place, Sequence[Message]], ends: dict[Place, int], at: int) -> list[Message]:
        """Hand records to the role; returns those that are left because the step would take too long."""
        left: list[Message] = []
        self._step_time.begin()
        for place, group in groups.items():
            if place not in self._ours:
                continue
            if left or self._step_time.up():
                left += group
                continue
            high = self._role.high(place)  # before they are taken, which moves what has been read
            try:
                n = self._role.batch(columns(place, group, self._role.wants_headers(place.topic)), at)
            except RegistryError as error:
                ends.pop(place, None)
                self._left_over = [message for message in self._left_over if place_of(message) != place]
                self._put_off.wait(place, offset_of(group[0]), error)
                continue
            left += group[n:]
            self._lag.read(place, offset_of(group[n - 1]) + 1, group[n - 1].timestamp()[1])
            self.records += n
            self._since_commit += new_of(group[:n], high)
        return left

    def _next(self) -> tuple[dict[Place, Sequence[Message]], list[Message]]:
        """Records and events of this turn, of which no more are new than the transaction has room for."""
        room = max(1, self._pace.most - self._role.entered(self._since_commit))
        again = self._ours and not self._restored
        most = self._role.most() if again else min(self._role.most(), room)
        fetched = self._fetch(max(1, most - len(self._left_over)))
        messages, later = split_at(self._left_over + fetched, max(1, most))
        self._left_over = later
        groups, events = split(messages)
        if sum(self._new(place, group) for place, group in groups.items()) <= room:
            return groups, events
        new = 0
        for n, message in enumerate(messages):
            if message.error() is None:
                new += self._new(place_of(message), [message])
            if new > room:
                self._left_over = messages[n:] + later
                return split(messages[:n])
        return groups, events

    def _new(self, place: Place, messages: Sequence[Message]) -> int:
        """How many of these records of one place have not been read before a restart."""
        return new_of(messages, self._role.high(place)) if place in self._ours else 0

    def _fetch(self, most: int) -> list[Message]:
        consumer = self._consumer
        with self._watchdog.call("consume"):
            messages = consumer.consume(most, 0)
            if not messages and not self._left_over and not self._behind:
                messages = consumer.consume(1, IDLE_WAIT_S)
                if messages and most > 1:
                    before = self._forgotten
                    further = consumer.consume(most - 1, 0)
                    # A rebalance within this call has set us back to what is committed: the first one comes again.
                    messages = messages + further if before == self._forgotten else further
        return messages

    # ---------------------------------------------------------------- assignment

    def _load(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Committed state of the partitions into the role; rule 2."""
        wait_s = self._config.limits.transaction_timeout_ms / 1000 + 10  # a predecessor's open transaction
        with self._watchdog.call("committed", wait_s + 5):
            found = self._consumer.committed(list(partitions), timeout=wait_s)
        for tp in found:
            if tp.error is not None:
                raise KafkaException(tp.error)
        states = [Committed(Place(tp.topic, tp.partition), max(tp.offset, -1), tp.metadata or "") for tp in found]
        starts = self._role.assigned(states)
        self._ours = set(starts)
        self._lag.assigned(starts)
        self._restored = self._watch.ready = self._role.restored()
        log.info("assigned", partitions=[str(place) for place in sorted(starts)])
        return [TopicPartition(place.topic, place.partition, offset) for place, offset in starts.items()]

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._watchdog.unwatched():
            consumer.assign(self._load(partitions) if partitions else [])

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("revoked", partitions=len(partitions))
        self._leave_off()

    def _leave_off(self) -> None:
        """Commit what has been done so far, then forget all of it."""
        self._leaving = True
        try:
            self._commit()
        finally:
            self._leaving = False
            self._forget()

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost", partitions=len(partitions))
        self._forget()

    def _forget(self) -> None:
        self._ours.clear()
        self._forgotten += 1
        self._put_off.take_up(everything=True)  # a place that stays ours would stay paused
        self._restored = self._watch.ready = False
        self._lag.forgotten()
        self._role.dropped()
        self._since_commit = 0
        self._left_over = []
        self._behind = False
        self._changed = self._incremental

    # ---------------------------------------------------------------- partitions that come and go one by one

    def _on_added(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Held still until `_settle` says from where they are read."""
        with self._watchdog.unwatched():
            self._leave_off()
            consumer.incremental_assign([TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in partitions])
            consumer.pause(partitions)

    def _settle(self) -> None:
        """After a change: load what is whole and read on there; the rest is gated."""
        if self._torn is not None and time.monotonic() - self._torn[0] > TORN_MAX_S:
            raise ConfigError(
                f"assigned {', '.join(map(str, self._torn[1][:3]))} without the other sides of the task for "
                f"{TORN_MAX_S:.0f} s: the group's assignor tears tasks apart. Every member must use the same "
                "kafka.group_protocol, and none but ours may be in the group"
            )
        if not self._changed:
            return
        self._changed = False
        assigned = {Place(tp.topic, tp.partition): tp for tp in self._consumer.assignment()}
        whole = self._role.whole(assigned.keys())
        gated = sorted(assigned.keys() - set(whole))
        self._torn = (time.monotonic(), gated) if gated else None
        if gated:
            log.info("gated", partitions=[str(place) for place in gated])
            self._consumer.pause([assigned[place] for place in gated])
        if whole:
            starts = self._load([TopicPartition(*place) for place in whole])
            for tp in starts:
                self._consumer.seek(tp)
            self._consumer.resume(starts)

    # ---------------------------------------------------------------- the transaction

    def _commit(self) -> None:
        if not self._ours:
            return
        self._lag.show(now_ms())
        writes, commits, self._behind = self._role.prepare(now_ms(), self._pace.most)
        records, self._since_commit = self._role.entered(self._since_commit), 0
        if not commits:
            return
        began = time.monotonic()
        try:
            with self._watchdog.call("transaction", self._transaction_max_s):
                if self._writer.transactional:
                    self._transaction(writes, commits)
                else:
                    role, reached = cast(Deciding, self._role), self._watch.reached
                    commit_at_least_once(self._writer, self._consumer, (writes, commits), role, reached)
        except BrokerError as error:
            self._watch.metrics.add("aborts_total", role=self._watch.role)
            self._pace.failed()
            self._failed(error)
            return
        seconds = time.monotonic() - began
        self._watch.metrics.observe("commit_seconds", seconds, role=self._watch.role)
        self._pace.took(records, seconds)
        self.commits += 1
        self._role.committed(now_ms())
        self._watch.reached("consuming")

    def _transaction(self, writes: list[Write], commits: list[Commit]) -> None:
        producer, reached = self._writer.producer, self._watch.reached
        with told("begin_transaction"):
            producer.begin_transaction()
        reached("begun")
        with told("produce"):
            self._writer.write(writes)
        reached("produced")
        offsets = [TopicPartition(c.place.topic, c.place.partition, c.offset, c.metadata) for c in commits]
        with told("send_offsets_to_transaction"):
            producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), TRANSACTION_WAIT_S)
        reached("offsets_sent")
        reached("committing")
        commit_transaction(self._writer)
        reached("committed")

    def _failed(self, error: BrokerError) -> None:
        """Abort and rewind within the process where the client says so; else end it for the supervisor."""
        # A transaction that took too long is a slow broker, and needs its own line.
        if code_of(error) == KafkaError._TIMED_OUT or not is_outage(error):
            log.warning("commit_failed", error=str(error), abortable=error.abortable, fatal=error.fatal)
        if not error.abortable:
            raise error
        if self._writer.transactional:
            with self._watchdog.call("abort_transaction"), told("abort_transaction"):
                self._writer.producer.abort_transaction(TRANSACTION_WAIT_S)
        self._watch.reached("consuming")
        assignment = self._consumer.assignment()
        self._forget()
        if assignment and not self._leaving and not self._incremental:
            for tp in self._load(assignment):
                self._consumer.seek(tp)


def spare_collections() -> None:
    """Look for cycles seldom: a role holds many long-lived tuples and makes next to none. By Python's own thresholds a
    third of the joiner's time went into looking (docs/benchmarks.md)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def process_seconds() -> dict[str, Any]:
    """CPU seconds of this process, for the figures at a role's end."""
    return {"cpu_s": round(time.process_time(), 2)}
