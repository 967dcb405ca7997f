"""The loop of runner, joiner and labels: consume -> step -> produce -> transaction -> commit.

`kafka.partition_state` holds the states of a partition and their transitions; `kafka.role` holds the order of calls.

Each of these rules prevents a loss or a double count that once happened. The numbers are those of docs/exactly-once.md.
1 `init_transactions` runs before the consumer subscribes. 2 State comes from committed metadata only, never from memory
after an abort. 5 The offset list is never empty; group metadata is fresh each time; the commit follows only after
`send_offsets_to_transaction` returned in the same transaction. 6 Retry, abort and rewind, or exit. 7 A client call in a
transaction that lasts too long ends the process. 8 Revoked partitions commit, lost ones abort. 10 Effects are buffered
and the transaction begins at the commit, so that a crash seldom leaves one open.
"""

import gc
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, CandidateDown, ConfigError, RegistryError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka import role_report
from shadowstream.kafka.batch_size import CommitSize
from shadowstream.kafka.client.broken_batches import BrokenBatches, is_unreadable
from shadowstream.kafka.client.client_log import is_outage
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable
from shadowstream.kafka.client.errors import broker_error, code_of, event_error, translated_errors
from shadowstream.kafka.client.lag import Lag
from shadowstream.kafka.client.messages import columns, is_end, is_fatal, is_offset_gone, offset_of, place_of
from shadowstream.kafka.commit_time import next_commit
from shadowstream.kafka.partition_state import Assignment, Event, State
from shadowstream.kafka.paused_partitions import PausedPartitions
from shadowstream.kafka.rate_limit import RateLimit
from shadowstream.kafka.read_ahead import LoopTurn, ReadAhead, parts_of
from shadowstream.kafka.role import Role
from shadowstream.kafka.step_time import StepTime
from shadowstream.kafka.transaction import TRANSACTION_WAIT_S, commit_at_least_once, commit_exactly_once
from shadowstream.kafka.watchdog import CALL_MAX_S, Watchdog
from shadowstream.logs import get_logger
from shadowstream.records import Commit, Partition, Write

log = get_logger("loop")
IDLE_WAIT_S = 0.2  # the first record ends the wait; a turn without records costs CPU all the same
GATHER_S, GATHER_BELOW = 0.05, 1_000
"""Time for which a turn with fewer records than these waits for more: it costs about the same for one as for many."""
TICK_MAX_S = 90.0  # A role's `tick` sends several requests to the broker, and each of them may take its whole timeout
COMMIT_SHARE = 4
"""Transactions grow while they take less than this part of their timeout, as the sink may become slower."""
SETTLE_S = 15.0  # Time after its timeout by which any transaction has ended at the broker. Afterwards a call is stuck.
GATED_MAX_S = 120.0
"""Time for which a slow member, or a dead one that the group still counts, may keep one side of a task."""


def now_ms() -> int:
    """Return the wall clock in ms since the epoch: the edge passes time to steps as an argument."""
    return time.time_ns() // 1_000_000


class Loop:
    """The loop around one role."""

    def __init__(
        self,
        config: Config,
        role: Role,
        consumer: Consumer,
        writer: GuardedWriter,
        client: AdminClient,
        watch: RoleHealth,
    ) -> None:
        self._config, self._role, self._consumer, self._writer, self._watch = config, role, consumer, writer, watch
        self._lag = Lag(client, role.side_word, watch)
        self._watchdog = Watchdog(watch)
        self._assignment = Assignment()
        self._read_ahead = ReadAhead()
        self._rate_limit = RateLimit(config, watch.role)
        self.records = self.commits = self._since_commit = 0
        self._has_more = self._has_reported = False
        self._next_commit = 0.0
        timeout_s = config.limits.transaction_timeout_ms / 1000
        self._transaction_max_s = max(CALL_MAX_S, timeout_s + SETTLE_S)
        self._step_time = StepTime()
        self._commit_size = CommitSize(config.limits.commit_records, timeout_s / COMMIT_SHARE)
        self._paused = PausedPartitions(consumer, BrokenBatches(config, watch.role))
        self._incremental = config.kafka.group_protocol == "consumer"

    def run(self, topics: list[str], stop: Stoppable) -> None:
        """Subscribe and turn until the role has finished or `stop` is set. Call `init_transactions` before (rule 1)."""
        spare_collections()
        stop.begin()
        on_assign = self._on_added if self._incremental else self._on_assign
        self._consumer.subscribe(topics, on_assign=on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        commit_s = self._config.limits.commit_ms / 1000
        self._next_commit = time.monotonic() + commit_s
        try:
            while not stop.stopped and not self._role.finished:
                self._consume()
                self._load_complete_tasks()
                with self._watchdog.call("turn", TICK_MAX_S):
                    self._role.tick(now_ms())
                self._role.ask()
                if self._incremental:  # without static membership, nothing else fences a member that commits nothing
                    self._watch.claim.check()
                self._paused.resume()
                self._assignment.follow(self._role.restored())
                self._watch.ready = self._assignment.restored and not self._paused
                self._report_start()
                self._watch.turned()
                if time.monotonic() >= self._next_commit or self._has_more or self._full():
                    began = time.monotonic()
                    self._commit()
                    self._next_commit = next_commit(began, time.monotonic(), commit_s)
            if stop.stopped:
                self._commit()
        except KafkaException as error:
            raise broker_error(error, "consume") from error
        finally:
            with self._watchdog.call("close"):
                self._assignment.close()  # first, because closing the consumer revokes and must not commit half a turn
                self._consumer.close()

    def _report_start(self) -> None:
        """Report once that all that a restart needs has been read again: the next start waits by what this one cost."""
        if self._watch.ready and not self._has_reported:
            self._has_reported = True
            role_report.send(role_report.Report.CAUGHT_UP)

    def _full(self) -> bool:
        read = self._since_commit >= self._config.limits.commit_records
        return read or self._role.records_in_transaction(self._since_commit) >= self._commit_size.limit

    def _consume(self) -> None:
        groups, events = self._next_turn()
        ends: dict[Partition, int] = {}
        unreadable: list[Message] = []
        for message in events:
            error = cast(KafkaError, message.error())
            if is_end(error):
                ends[place_of(message)] = offset_of(message)
            elif is_unreadable(error):
                unreadable.append(message)
            elif is_offset_gone(error):
                raise BrokerError(
                    f"{message.topic()}/{message.partition()}: the offset to continue from is gone ({error.str()}); "
                    "retention deleted records before they were read: raise it and start a new trial"
                )
            elif is_fatal(error):
                raise event_error(error, "consume")
            else:
                log.warning("consume_error", topic=message.topic(), partition=message.partition(), error=error.str())
        time_ms = now_ms()
        try:
            left = self._pass_to_role(groups, ends, time_ms)
        except (
            CandidateDown
        ) as down:  # the state of all partitions is lost, so what was read since the commit counts not
            log.warning("rewound", reason=str(down))
            self._rewind()
            return
        waiting = {place_of(message) for message in left}
        # An end counts once all records before it were consumed. The client reports an unreadable record again.
        ended = [event for event in events if place_of(event) in waiting and is_end(cast(KafkaError, event.error()))]
        self._read_ahead.put_back([*left, *ended])
        unreadable = [message for message in unreadable if place_of(message) not in waiting]
        for lost in self._paused.skip_unreadable(unreadable, time_ms):
            if lost.place in self._assignment.owned:
                self._role.consume(lost, time_ms)
                self._since_commit += len(lost)
        for place, offset in ends.items():
            if place in self._assignment.owned and place not in waiting:
                self._lag.read(place, offset)
                self._role.end(place, offset, time_ms)

    def _pass_to_role(
        self, groups: Mapping[Partition, Sequence[Message]], ends: dict[Partition, int], time_ms: int
    ) -> list[Message]:
        """Pass records to the role; return those left over because the turn would take too long, or the transaction
        would hold too many."""
        left: list[Message] = []
        self._step_time.begin()
        stopped: set[Partition] = set()
        least, room = 1, 0  # a turn passes on one record at least
        for place, group in parts_of(groups):
            while group and place in self._assignment.owned and place not in stopped:
                if (new := self._assignment.new_records(place, group)) > room:
                    room = max(least, self._room())  # records that only wait have taken none of it
                part = group[: len(group) - max(0, new - room)]
                if left or not part or self._step_time.up():
                    left += group
                    break
                try:
                    n = self._role.consume(columns(place, part, self._role.wants_headers(place.topic)), time_ms)
                except (RegistryError, CandidateDown) as error:
                    if isinstance(error, CandidateDown) and error.state_lost:
                        raise
                    stopped.add(place)
                    ends.pop(place, None)
                    self._read_ahead.drop(place)
                    self._paused.pause(place, offset_of(part[0]), error)
                    break
                self._lag.read(place, offset_of(part[n - 1]) + 1, part[n - 1].timestamp()[1])
                self.records += n
                taken = self._assignment.new_records(place, part[:n])
                self._since_commit, room, group = self._since_commit + taken, room - taken, group[n:]
                least = 0
                if n < len(part):
                    left += group
                    break
        return left

    def _room(self) -> int:
        """Return how many more records the transaction may hold."""
        return self._commit_size.limit - self._role.records_in_transaction(self._since_commit)

    def _next_turn(self) -> LoopTurn:
        """Fetch; return the messages of this turn."""
        limit = max(1, self._role.limit())
        fetched = self._fetch(max(1, limit - len(self._read_ahead)))
        return self._read_ahead.next(fetched, limit)

    def _fetch(self, limit: int) -> list[Message]:
        self._hold()
        consumer, limit = self._consumer, self._rate_limit.room(limit)
        if not limit:
            self._watch.metrics.add("rate_limited_seconds_total", self._rate_limit.wait(), role=self._watch.role)
            return []
        with self._watchdog.call("consume"):
            messages = consumer.consume(limit, 0)
            if not self._read_ahead and not self._has_more:
                messages = messages or consumer.consume(1, self._until_commit(IDLE_WAIT_S))
                if 0 < len(messages) < min(limit, GATHER_BELOW):
                    generation = self._assignment.generation
                    wait_s = self._until_commit(GATHER_S) if self._assignment.restored else 0.0
                    further = consumer.consume(limit - len(messages), wait_s)
                    # A rebalance within this call resets the consumer to committed offsets: the first come again.
                    messages = messages + further if generation == self._assignment.generation else further
        self._rate_limit.took(messages)
        return messages

    def _until_commit(self, wait_s: float) -> float:
        return max(0.0, min(wait_s, self._next_commit - time.monotonic()))

    def _hold(self) -> None:
        """Pause the partitions of a paused role; the consumer is polled all the same, so it stays in its group."""
        self._paused.hold(self._assignment.owned if self._role.is_paused else frozenset())

    def _load(self, places: Iterable[Partition]) -> list[TopicPartition]:
        """Load the committed state of the partitions into the role; return where to read from (rule 2)."""
        wait_s = self._config.limits.transaction_timeout_ms / 1000 + 10  # a predecessor's transaction may be open
        with self._watchdog.call("committed", wait_s + 5):
            found = self._consumer.committed([TopicPartition(*place) for place in places], timeout=wait_s)
        for tp in found:
            if tp.error is not None:
                raise KafkaException(tp.error)
        states = [Committed(Partition(tp.topic, tp.partition), max(tp.offset, -1), tp.metadata or "") for tp in found]
        starts = self._role.assigned(states)
        self._assignment.load({place: self._role.accounted_to(place) for place in starts})
        self._lag.assigned(starts)
        self._assignment.follow(self._role.restored())
        self._watch.ready = self._assignment.restored
        log.info("assigned", partitions=[str(place) for place in sorted(starts)])
        return [TopicPartition(*place, offset) for place, offset in starts.items()]

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._assignment.closed:
            return
        with self._watchdog.unwatched():
            places = places_of(partitions)
            self._assignment.move(places, Event.ASSIGN)
            consumer.assign(self._load(places) if places else [])
            self._hold()  # this poll may go on to return records

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("revoked", partitions=len(partitions))
        self._assignment.move(places_of(partitions), Event.REVOKE)
        self._commit_and_drop()

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("lost", partitions=len(partitions))
        self._assignment.move(places_of(partitions), Event.LOSE)
        self._drop()

    def _commit_and_drop(self) -> None:
        try:
            self._commit()
        finally:
            self._drop()

    def _drop(self) -> None:
        self._assignment.reset()
        self._paused.resume(everything=True)  # a partition that stays assigned would stay paused
        self._watch.ready = False
        self._lag.clear()
        self._role.dropped()
        self._since_commit = 0
        self._read_ahead.clear()
        self._has_more = False

    def _on_added(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Add partitions, paused until `_load_complete_tasks` sets the offset to read each of them from."""
        if self._assignment.closed:
            return
        with self._watchdog.unwatched():
            self._commit_and_drop()
            self._assignment.move(places_of(partitions), Event.ASSIGN)
            consumer.incremental_assign([TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in partitions])
            consumer.pause(partitions)

    def _load_complete_tasks(self) -> None:
        """Load the complete tasks after a change of the assignment; gate the partitions of incomplete ones."""
        if stuck := self._assignment.gated_longer_than(GATED_MAX_S, time.monotonic()):
            raise ConfigError(
                f"assigned {', '.join(map(str, sorted(stuck)[:3]))} without the other sides of the task for "
                f"{GATED_MAX_S:.0f} s: the group's assignor splits tasks. Give every member the same "
                "kafka.group_protocol, and remove consumers that are not members of this role from the group"
            )
        assigned = self._assignment.in_state(State.ASSIGNED) if self._incremental else []
        if not assigned:
            return
        complete = self._role.complete_tasks(assigned)
        if gated := sorted(set(assigned) - set(complete)):
            log.info("task_incomplete", partitions=[str(place) for place in gated])
            self._assignment.gate(gated, time.monotonic())
            self._consumer.pause([TopicPartition(*place) for place in gated])
        if complete:
            starts = self._load(complete)
            for tp in starts:
                self._consumer.seek(tp)
            self._consumer.resume(starts)

    def _commit(self) -> None:
        if not self._assignment.owned:
            return
        self._lag.show(now_ms())
        writes, commits, self._has_more = self._role.prepare(now_ms(), self._commit_size.limit)
        records, self._since_commit = self._role.records_in_transaction(self._since_commit), 0
        if not commits:
            return
        began = time.monotonic()
        try:
            with self._watchdog.call("transaction", self._transaction_max_s):
                if self._writer.transactional:
                    self._transaction(writes, commits)
                else:
                    effects, reached = (writes, commits), self._watch.reached
                    commit_at_least_once(self._writer, self._consumer, effects, self._role, reached)
        except BrokerError as error:
            self._watch.metrics.add("aborts_total", role=self._watch.role)
            self._commit_size.failed()
            self._failed(error)
            return
        seconds = time.monotonic() - began
        self._watch.metrics.observe("commit_seconds", seconds, role=self._watch.role)
        self._commit_size.took(records, seconds)
        self.commits += 1
        self._role.committed(now_ms())
        self._watch.reached("consuming")

    def _transaction(self, writes: list[Write], commits: list[Commit]) -> None:
        offsets = [TopicPartition(*c.place, c.offset, c.metadata) for c in commits]
        commit_exactly_once(self._writer, self._consumer, writes, offsets, self._watch.reached)

    def _failed(self, error: BrokerError) -> None:
        """Abort and rewind within the process where the client allows it; else raise, which ends the process."""
        # A transaction that took too long means a slow broker, and needs a log line of its own.
        if code_of(error) == KafkaError._TIMED_OUT or not is_outage(error):
            log.warning("commit_failed", error=str(error), abortable=error.abortable, fatal=error.fatal)
        if not error.abortable:
            raise error
        if self._writer.transactional:
            with self._watchdog.call("abort_transaction"), translated_errors("abort_transaction"):
                self._writer.producer.abort_transaction(TRANSACTION_WAIT_S)
        self._watch.reached("consuming")
        self._rewind()

    def _rewind(self) -> None:
        """Drop everything since the last commit and read it again."""
        self._drop()
        # The drop covers revoked partitions. Under the other protocol `_load_complete_tasks` loads the others.
        if not self._incremental and (assigned := self._assignment.in_state(State.ASSIGNED)):
            for tp in self._load(assigned):
                self._consumer.seek(tp)


def places_of(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(tp.topic, tp.partition) for tp in partitions]


def spare_collections() -> None:
    """Run the garbage collector seldom: a role holds many long-lived tuples and makes almost no cycles.

    With Python's default thresholds, collection took a third of the joiner's time (docs/benchmarks.md).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
