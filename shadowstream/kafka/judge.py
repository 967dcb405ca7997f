"""The judge at its edge: one owner, fenced by its transactional id; all stats partitions, assigned by itself."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.judge.attempts import attempt_of
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.tasks import expected_tasks
from shadowstream.kafka import offsets, own_topics, rights
from shadowstream.kafka.clients import GuardedWriter, Stoppable, admin, reading_consumer, role_writer
from shadowstream.kafka.delivery import TRANSACTION_WAIT_S, commit_transaction, hand_over, start_transactions
from shadowstream.kafka.failures import event_error, told
from shadowstream.kafka.loop import (
    now_ms,
    process_seconds,
)
from shadowstream.kafka.messages import is_begin_gone, is_end, is_fatal, offset_of, place_of
from shadowstream.kafka.reading import TopicMissing, stream_topic
from shadowstream.kafka.tail import read_tail
from shadowstream.kafka.watchdog import Watchdog
from shadowstream.metrics import DECISIONS
from shadowstream.observe import get_logger
from shadowstream.records import Write
from shadowstream.watch import Watch

log = get_logger("judge")
FIRST_STEP = 20
HEARTBEAT_S = 30.0
READ_TIMEOUT_S = 30.0


def read_snapshot(config: Config, revision: str) -> dict[str, Any] | None:
    """The newest judge-state record of the revision, or None."""
    topic = config.plan.of("judge-state")
    consumer = reading_consumer(config.kafka, config.plan, "judge.state")
    back, whole = FIRST_STEP, False
    try:
        while not whole:
            records, whole = read_tail(consumer, TopicPartition(topic, 0), back)
            mine = [record for record in records if record["revision"] == revision]
            if mine:
                return mine[-1]
            back *= 8
    finally:
        consumer.close()
    return None


def attempt_at(config: Config, revision: str) -> int:
    """Which attempt at its release the revision is, counted in the topic audit: read to the revision's first verdict,
    and never held whole, for it gets a record with every evaluation."""
    if config.release is None:
        return 1
    rows = stream_topic(config.kafka, config.plan.of("audit"), READ_TIMEOUT_S)
    with contextlib.closing(rows), contextlib.suppress(TopicMissing):
        return attempt_of(config, revision, (own.decode(row.value)[1] for row in rows if row.value))
    return 1


class JudgeLoop:
    """Consume stats, evaluate, and write verdict, events and snapshot in one transaction with the offsets."""

    def __init__(
        self, config: Config, step: JudgeStep, consumer: Consumer, writer: GuardedWriter, watch: Watch
    ) -> None:
        self._watch = watch
        self._config, self._step, self._consumer, self._writer = config, step, consumer, writer
        self._watchdog = Watchdog(watch)
        self.records = 0
        self.commits = 0
        self.unreadable = 0
        self._shown = 0
        self._next_heartbeat = 0.0

    def run(self, stop: Stoppable) -> None:
        """Turn until every task is complete (bounded run) or the end is asked for."""
        next_commit = time.monotonic() + self._config.limits.commit_ms / 1000
        while not stop.stopped and not self._step.finished:
            self._consume()
            self._watch.turned()
            if time.monotonic() >= next_commit:
                self._commit()
                next_commit = time.monotonic() + self._config.limits.commit_ms / 1000
        self._commit()

    def _consume(self) -> None:
        with self._watchdog.call("consume"), told("consume"):
            messages = self._consumer.consume(500, 0.05)
        for message in messages:
            error = message.error()
            if error is None:
                self._take(place_of(message).partition, offset_of(message), message.value() or b"")
            elif not is_end(error):
                if is_fatal(error) or is_begin_gone(error):
                    raise event_error(error, f"{message.topic()}/{message.partition()}")
                log.warning("consume_error", error=error.str())

    def _take(self, partition: int, offset: int, value: bytes) -> None:
        try:
            name, record = own.decode(value)
        except RecordError as broken:
            # A lost delta shows as a gap in the task's sequence, which is a remainder: nothing is hidden.
            self.unreadable += 1
            log.error("stats_unreadable", partition=partition, offset=offset, error=str(broken))
            return
        if name == "command":
            self._step.command(offset, record)
        if name == "stats":
            self._step.step(partition, offset, record)
            self.records += 1

    def _commit(self) -> None:
        at = time.monotonic()
        force = at >= self._next_heartbeat
        if force:
            # A verdict that is written anew says that the judge lives: the gate refuses a stale one.
            self._next_heartbeat = at + HEARTBEAT_S
        effects = self._step.evaluate(now_ms(), force=force)
        writes = effects.writes
        if effects.unsaved:
            log.warning(
                "state_too_large",
                bytes=effects.unsaved,
                why="too many windows are open; a restart reads statistics anew from the last state",
            )
        if not writes:
            return
        began = time.monotonic()
        # The judge's state is small and its own: after any failure the supervisor starts it anew from judge-state.
        with self._watchdog.call("transaction"), told("transaction"):
            self._transaction(writes)
        self.commits += 1
        self._show(effects.verdict, time.monotonic() - began)
        for write in writes:
            if write.topic == self._config.plan.of("drift"):
                event = own.decode(write.value or b"")[1]
                log.info("drift", drift=event["event"], criterion=event["criterion"], reason=event["reason"])
        self._watch.reached("consuming")

    def _show(self, verdict: dict[str, Any], seconds: float) -> None:
        """Metrics of what has just been committed."""
        metrics = self._watch.metrics
        metrics.observe("commit_seconds", seconds, role="judge")
        metrics.add("records_total", self.records - self._shown, role="judge", side="stats", outcome="added")
        self._shown = self.records
        for decision in DECISIONS:
            metrics.set("verdict", decision == verdict["decision"], decision=decision)
        for one in verdict["criteria"]:
            metrics.set("evidence", one["log_e_below"], criterion=one["rate"])
            if one["estimate"] is not None:
                metrics.set("rate", one["estimate"], criterion=one["rate"])
        for side, share in (("production", verdict["coverage"]), ("candidate", verdict["coverage_candidate"])):
            if share is not None:
                metrics.set("coverage", share, side=side)
        metrics.set("incidents_open", len(verdict["incidents_open"]))
        metrics.set("conservation_remainder", verdict["remainder"])

    def _transaction(self, writes: list[Write]) -> None:
        producer, topic = self._writer.producer, self._config.plan.of("stats")
        reached = self._watch.reached
        ends = [TopicPartition(topic, partition, offset) for partition, offset in self._step.offsets().items()]
        if not self._writer.transactional:
            # Its own state decides and is a function of the statistics: whoever has an older one says the same again.
            hand_over(self._writer, writes, frozenset([self._config.plan.of("judge-state")]), reached)
            reached("committing")
            if ends:
                self._consumer.commit(offsets=ends, asynchronous=False)
            reached("committed")
            return
        producer.begin_transaction()
        reached("begun")
        self._writer.write(writes)
        reached("produced")
        if ends:
            metadata = self._consumer.consumer_group_metadata()
            producer.send_offsets_to_transaction(ends, metadata, TRANSACTION_WAIT_S)
        reached("offsets_sent")
        reached("committing")
        commit_transaction(self._writer)
        reached("committed")


def run(config: Config, revision: str, stop: Stoppable, watch: Watch, instance: str = "0") -> dict[str, Any]:
    """Run the judge until it has finished or is stopped; returns its figures."""
    began = time.monotonic()
    client = admin(config.kafka)
    sources = own_topics.ensure(client, config)
    rights.check(client, config, sources)
    writer = role_writer(config, "judge", instance)
    start_transactions(writer, watch)  # fences a predecessor before its state is read
    step = JudgeStep(config, revision, expected_tasks(config, sources), attempt_at(config, revision))
    record = read_snapshot(config, revision)
    if record is not None:
        step.restore(record)
        log.info("restored", offsets=record["offsets"])
    stats = offsets.partition_counts(client, [config.plan.of("stats")])
    consumer = reading_consumer(config.kafka, config.plan, "judge")
    begin = offsets.beginnings(client, offsets.places(stats))
    known = step.offsets()
    places = [TopicPartition(p.topic, p.partition, known.get(p.partition, offset)) for p, offset in begin.items()]
    # Commands change no evidence, so their place is kept in the snapshot alone and not among the group's offsets.
    commands = TopicPartition(config.plan.of("commands"), 0, step.commands_offset or OFFSET_BEGINNING)
    consumer.assign([*places, commands])
    loop = JudgeLoop(config, step, consumer, writer, watch)
    watch.ready = True
    try:
        loop.run(stop)
    finally:
        consumer.close()
    wall = time.monotonic() - began
    return {
        "role": "judge",
        "records": loop.records,
        "commits": loop.commits,
        "wall_s": round(wall, 2),
        "records_per_s": round(loop.records / wall),
        **process_seconds(),
    }
