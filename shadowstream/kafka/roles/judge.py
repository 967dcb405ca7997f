"""Judge role: one process, fenced by its transactional id, that assigns all partitions of stats to itself."""

import contextlib
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.health import RoleHealth
from shadowstream.judge.judge_state import VERSION
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.alpha_spending import attempt_of
from shadowstream.judge.windows.expected_tasks import expected_tasks
from shadowstream.kafka import role_report
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import (
    GuardedWriter,
    Stoppable,
    admin,
    bounded_consumer,
    reading_consumer,
    role_writer,
)
from shadowstream.kafka.client.errors import event_error, translated_errors
from shadowstream.kafka.client.messages import is_end, is_fatal, is_offset_gone, offset_of, place_of
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.reading.newest import BackwardReader
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_topic
from shadowstream.kafka.refused_records import FURTHER, Refusals, own_record, usable
from shadowstream.kafka.role import RoleFigures
from shadowstream.kafka.transaction import commit_exactly_once, publish_in_order, start_transactions
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.judged_topics import JudgedTopics
from shadowstream.kafka.watchdog import Watchdog
from shadowstream.logs import get_logger
from shadowstream.metrics import DECISIONS
from shadowstream.protocol.command_signatures import CommandCheck
from shadowstream.protocol.verdict_signatures import HEADER, signature_of
from shadowstream.records import Partition, Write

log = get_logger("judge")
FIRST_STEP = 20
HEARTBEAT_S = 30.0
READ_TIMEOUT_S = 30.0
ERROR_CHARS_MAX = 200


def resumed_step(config: Config, revision: str, tasks: Collection[str], attempt: int) -> JudgeStep:
    """Return the judge's step, restored from the newest usable judge-state record of the revision.

    Records of another version of the format are passed over: after a rollback, older ones are usable. Without a usable
    record it is a new step: the topic stats holds all statistics, so only time is lost.
    """
    topic, refusals = config.plan.of("judge-state"), Refusals()

    def pick(message: Message) -> tuple[int, dict[str, Any]] | None:
        record = own_record("judge_state", message, refusals)
        is_own = record is not None and record["revision"] == revision and record["version"] == VERSION
        return (offset_of(message), record) if record is not None and is_own else None

    with contextlib.closing(bounded_consumer(config.kafka, config.plan, "judge.state")) as consumer:
        reader = BackwardReader(consumer, Partition(topic, 0), FIRST_STEP)
        while not reader.whole:
            for record in reversed(reader.block(pick).values()):
                step = JudgeStep(config, revision, tasks, attempt)
                try:
                    step.restore(record)
                except Exception as error:  # noqa: BLE001 - a partly restored step is dropped, whatever the error
                    log.error("state_refused", topic=topic, error=repr(error)[:ERROR_CHARS_MAX])
                    continue
                log.info("restored", offsets=record["offsets"])
                return step
    return JudgeStep(config, revision, tasks, attempt)


def attempt_at(config: Config, revision: str) -> int:
    """Return the number of the revision's attempt at its release; the topic audit is read up to its first verdict."""
    if config.release is None:
        return 1
    topic = config.plan.of("audit")
    rows = stream_topic(config.kafka, topic, READ_TIMEOUT_S)
    with contextlib.closing(rows), contextlib.suppress(TopicMissing):
        return attempt_of(config, revision, (one.record for one in usable(rows, topic, "verdict")))
    return 1


class JudgeLoop:
    """Loop that consumes stats, evaluates, and commits verdict, events, snapshot and offsets in one transaction.

    `check_topics` is called before the first record counts. It is given if the judge started before the trial.
    """

    def __init__(
        self,
        config: Config,
        step: JudgeStep,
        clients: tuple[Consumer, GuardedWriter],
        watch: RoleHealth,
        topics: JudgedTopics | None = None,
        check_topics: Callable[[], object] | None = None,
    ) -> None:
        self._config, self._step, self._watch = config, step, watch
        self._topics, self._check_topics = topics, check_topics
        self._consumer, self._writer = clients
        self._watchdog = Watchdog(watch)
        self.records = self.commits = 0
        self._refusals = {kind: Refusals() for kind in ("stats", "command")}
        self._commands = config.plan.of("commands")
        self._check_command = CommandCheck(config.name, config.commands_key)
        self._shown = 0
        self._next_heartbeat = 0.0

    def run(self, stop: Stoppable) -> None:
        """Turn until every task of a bounded run is complete, or until stopped."""
        stop.begin()
        next_commit = time.monotonic() + self._config.limits.commit_ms / 1000
        while not stop.stopped and not self._step.finished:
            self._consume()
            self._watch.turned()
            self._watch.claim.check()
            if time.monotonic() >= next_commit:
                self._commit()
                next_commit = time.monotonic() + self._config.limits.commit_ms / 1000
        self._commit(last=True)

    def _consume(self) -> None:
        with self._watchdog.call("consume"), translated_errors("consume"):
            messages = self._consumer.consume(500, 0.05)
        for message in messages:
            error = message.error()
            if error is None:
                self._take(place_of(message), offset_of(message), message.value())
            elif not is_end(error):
                if is_fatal(error) or is_offset_gone(error):
                    raise event_error(error, f"{message.topic()}/{message.partition()}")
                log.warning("consume_error", error=error.str())

    def _take(self, place: Partition, offset: int, value: bytes | None) -> None:
        # The topic decides, not the record: the offsets of the two topics are independent.
        kind = "command" if place.topic == self._commands else "stats"
        try:
            record = own.read(kind, value)
        except RecordError as broken:
            # A lost delta shows as a gap in the task's sequence, which is a remainder: nothing is hidden.
            if kind == "stats":
                self._step.refuse(place.partition, offset, broken.reason)
            if self._refusals[kind].is_first(broken):
                details = {"partition": place.partition, "offset": offset, "error": str(broken), "further": FURTHER}
                if kind == "stats":
                    log.error("stats_unreadable", **details)
                else:
                    log.error("command_unreadable", **details)
            return
        if kind == "command":
            self._command(offset, record)
        else:
            if self._check_topics is not None:
                self._check_topics()
                self._check_topics = None
            self._step.step(place.partition, offset, record)
            self.records += 1

    def _command(self, offset: int, record: dict[str, Any]) -> None:
        refusal = self._check_command.refusal(record)
        if refusal is None:
            self._step.command(offset, record)
        else:
            by, subject = record["by"], record["subject"]
            log.warning(
                "command_refused", offset=offset, command=record["command"], by=by, subject=subject, reason=refusal
            )

    def _commit(self, *, last: bool = False) -> None:
        at = time.monotonic()
        if self._topics is not None:
            self._step.topics = self._topics.problems(now=last)
            self._step.confined = self._topics.confined
        force = at >= self._next_heartbeat
        if force:
            # A rewritten verdict shows that the judge runs: the gate refuses a stale one.
            self._next_heartbeat = at + HEARTBEAT_S
        effects = self._step.evaluate(now_ms(), force=force)
        writes = self._signed(effects.writes)
        if effects.unsaved:
            why = "too many windows are open; a restart re-reads statistics from the last state"
            log.warning("state_too_large", bytes=effects.unsaved, why=why)
        if not writes:
            return
        began = time.monotonic()
        # The judge's state is small: after any failure the supervisor restarts the judge from judge-state.
        with self._watchdog.call("transaction"), translated_errors("transaction"):
            self._transaction(writes)
        self.commits += 1
        self._show(effects.verdict, time.monotonic() - began)
        for write in writes:
            if write.topic == self._config.plan.of("verdict"):
                self._watch.metrics.set("last_verdict_timestamp_seconds", write.time_ms / 1000)
            if write.topic == self._config.plan.of("drift"):
                event = own.decode(write.value or b"")[1]
                log.info("drift", drift=event["event"], criterion=event["criterion"], reason=event["reason"])
        self._watch.reached("consuming")

    def _signed(self, writes: list[Write]) -> list[Write]:
        """Sign the verdicts among the writes, where the trial has a key."""
        if not self._config.signing_keys:
            return writes
        signed, key = {self._config.plan.of("verdict"), self._config.plan.of("audit")}, self._config.signing_keys[0]
        return [
            write._replace(headers=[(HEADER, self._signature(write.value or b"", key))])
            if write.topic in signed
            else write
            for write in writes
        ]

    def _signature(self, value: bytes, key: str) -> bytes:
        return signature_of(value, self._config.name, self._step.revision, key).encode()

    def _show(self, verdict: dict[str, Any], seconds: float) -> None:
        metrics = self._watch.metrics
        metrics.observe("commit_seconds", seconds, role="judge")
        metrics.add("records_total", self.records - self._shown, role="judge", side="stats", outcome="added")
        self._shown = self.records
        for decision in DECISIONS:
            metrics.set("verdict", decision == verdict["decision"], decision=decision)
        for one in verdict["criteria"]:
            criterion = one["rate"]
            metrics.set("evidence", one["log_e_below"], criterion=criterion)
            metrics.set("criterion_limit", one["limit"], criterion=criterion)
            metrics.set("criterion_units", one["n"], criterion=criterion)
            metrics.set("criterion_bad_units", one["bad"], criterion=criterion)
            if one["estimate"] is not None:
                metrics.set("rate", one["estimate"], criterion=criterion)
        for side, share in (("production", verdict["coverage"]), ("candidate", verdict["coverage_candidate"])):
            if share is not None:
                metrics.set("coverage", share, side=side)
        metrics.set("coverage_minimum", verdict["min_coverage"])
        metrics.set("windows_closed", verdict["windows_closed"])
        metrics.set("incidents_open", len(verdict["incidents_open"]))
        metrics.set("conservation_remainder", verdict["remainder"])

    def _transaction(self, writes: list[Write]) -> None:
        topic, reached = self._config.plan.of("stats"), self._watch.reached
        ends = [TopicPartition(topic, partition, offset) for partition, offset in self._step.offsets().items()]
        if not self._writer.transactional:
            # The judge-state record decides. It is a function of the statistics: an older one leads to the same state.
            publish_in_order(self._writer, writes, frozenset([self._config.plan.of("judge-state")]), reached)
            reached("committing")
            if ends:
                self._consumer.commit(offsets=ends, asynchronous=False)
            reached("committed")
            return
        commit_exactly_once(self._writer, self._consumer, writes, ends, reached)


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Run the judge until it has finished or is stopped; return its figures."""
    figures, client = RoleFigures("judge"), admin(config.kafka)
    bound = bound_topics.check(config, client)
    sources = start_check.ensure_topics(client, config, "judge")
    writer = role_writer(config, "judge", instance)
    start_transactions(writer, watch)  # fences a predecessor before its state is read
    step = resumed_step(config, revision, expected_tasks(config, sources), attempt_at(config, revision))
    stats = offsets.partition_counts(client, [config.plan.of("stats")])
    consumer = reading_consumer(config.kafka, config.plan, "judge")
    begin = offsets.beginnings(client, offsets.places(stats))
    known = step.offsets()
    places = [TopicPartition(p.topic, p.partition, known.get(p.partition, offset)) for p, offset in begin.items()]
    # Commands change no evidence, so only the snapshot holds their offset, not the group. With a key all are read
    # again: a repeated one is known by the earlier ones.
    commands_from = OFFSET_BEGINNING if config.commands_key else step.commands_offset or OFFSET_BEGINNING
    commands = TopicPartition(config.plan.of("commands"), 0, commands_from)
    consumer.assign([*places, commands])
    check_topics = None if bound else partial(bound_topics.check, config, client)
    topics = JudgedTopics(config, revision, client)
    loop = JudgeLoop(config, step, (consumer, writer), watch, topics, check_topics)
    watch.ready = True
    role_report.send(role_report.Report.CAUGHT_UP)
    with contextlib.closing(consumer):
        loop.run(stop)
    figures.add(records=loop.records, commits=loop.commits)
    return figures.ended()
