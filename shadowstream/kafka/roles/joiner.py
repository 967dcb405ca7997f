"""Joiner role: it reads all sides in one group, follows the marks, and observes the broker."""

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from shadowstream.compare.comparer import comparer_of
from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.joiner.intake.header_fields import asks_headers
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.joiner.recovery.restore import Committed, check_unknown, checkpoints_of
from shadowstream.joiner.step import JoinerStep
from shadowstream.joiner.task import Task
from shadowstream.kafka.at_least_once.joiner_recovery import AtLeastOnceRecovery
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable, admin, group_consumer, role_writer
from shadowstream.kafka.client.traffic import TrafficMeter
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.joining.backpressure import Backpressure
from shadowstream.kafka.joining.broker_observer import BrokerObserver
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.joining.spill import Spiller
from shadowstream.kafka.joining.task_partitions import TaskPartitions, repartitioned_of
from shadowstream.kafka.joining.timed_comparison import TimedComparison
from shadowstream.kafka.loop import Loop
from shadowstream.kafka.reading.correctable_rows import read_correctable
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.reading.refetch import SourceFetcher
from shadowstream.kafka.reading.state_records import newest_states, read_logs, read_states
from shadowstream.kafka.role import Role, RoleFigures
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.transaction import start_transactions
from shadowstream.kafka.trial import bound_topics, hash_key, start_log
from shadowstream.kafka.trial.topic_changes import TopicChanges, compacted, topics_of
from shadowstream.logs import get_logger
from shadowstream.native import library
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.latency_buckets import edge_ms
from shadowstream.protocol.outcomes import OF_ABSENCE
from shadowstream.protocol.size_limits import BIN_BYTES
from shadowstream.records import Batch, Partition, Prepared, Side

log = get_logger("joiner")
T = TypeVar("T")
BATCH = 4_000
"""The fixed work of a batch costs as much as some hundred records; larger batches leave the processor's cache."""
ANSWERS = "second-answers"
NAMED_WITHIN_S = 5.0  # the time to wait for a mark that names an unknown revision, once for each


class Clients(NamedTuple):
    """Clients and processes of the joiner's role."""

    admin: AdminClient
    consumer: Consumer
    writer: GuardedWriter
    received: TrafficMeter
    hooks: HookProcess


class JoinerRole(Role):
    """Joiner's step between the loop and the broker."""

    def __init__(
        self, step: JoinerStep, begun: start_log.Starts, families: TaskPartitions, clients: Clients, watch: RoleHealth
    ) -> None:
        self._config, self._step, self._families, self._watch = step.config, step, families, watch
        config, self._start, self._begins = step.config, begun.of[step.revision], begun.ends()
        self._client = clients.admin
        recovery = AtLeastOnceRecovery(config, clients.admin, clients.writer)
        self._recovery = None if clients.writer.transactional else recovery
        self._marks = MarksReader(config, "joiner")
        self._answers = MarksReader(config, "joiner.answers", ANSWERS) if config.candidate.rechecks else None
        self._identity = Identity(config)
        self._observer = BrokerObserver(config, step, clients.admin, families)
        self.topics = TopicChanges(config, clients.admin, topics_of(self._start))
        self._fetcher = SourceFetcher(config, clients.admin, clients.received.settings())
        self._backpressure = Backpressure(clients.consumer, config.limits.pending_bytes_max)
        self._slow_hooks = TimedComparison(clients.hooks, config.compare)
        self._spilling = Spiller(config.limits) if config.limits.overflow == "spill" else None
        self._cut: dict[str, int] = {}
        self.pending_at_restart = 0
        native = library.state(config.schemas.native)
        log.info("native_comparison", on=native.kernel is not None, reason=native.reason)

    def limit(self) -> int:
        return BATCH

    def accounted_to(self, place: Partition) -> int:
        return self._step.accounted_to(place)

    def wants_headers(self, topic: str) -> bool:
        """Return whether headers hold the id or a compared value of this side, or the origin of a copy."""
        copied = topic.startswith(self._config.plan.repartition(""))
        side = self._families.side_of(topic)
        return copied or self._identity.needs_headers(side) or asks_headers(self._config, side)

    def side_word(self, topic: str) -> str:
        return self._families.side_of(topic).word

    def complete_tasks(self, places: Collection[Partition]) -> list[Partition]:
        return self._families.whole(places)

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Restore tasks; each side is read from its lowest pending offset, or from the start of the log if later."""
        by_place = {one.place: one for one in committed}
        lows = offsets.beginnings(self._client, by_place)
        self._step.incarnation = "" if self._recovery is None else uuid.uuid4().hex[:12]
        tasks = [self._step.assign(topic, partition) for topic, partition in self._families.tasks_in(by_place)]
        if self._recovery is not None:
            states = self._recovery.adopt(tasks, by_place)
        points = {task.name: checkpoints_of(task.name, task.sources.places, by_place) for task in tasks}
        if self._recovery is None:
            states = self._states(tasks, points)
        logs = read_logs(self._config, tasks, points)
        self._marks.restart(
            self._step.resume_marks(states, {name: p.progress for name, (p, *_) in points.items() if p})
        )
        starts: dict[Partition, int] = {}
        for task in tasks:
            for side, point in zip(Side, points[task.name], strict=False):
                at = task.sources.places[side]
                first = self._begins.get(at, 0) if point is None else by_place[at].offset
                starts[at] = max(first, lows[at])
                task.restore(side, point, starts[at])
                if point is not None and starts[at] > point.high:
                    log.error("source_records_lost", place=str(at), offsets=starts[at] - point.high, to=starts[at])
            if task.name in states:
                task.commit.restore(states | logs)
        if self._recovery is not None:
            self._recovery.take_back(tasks, states)
        self._restore_correctable(tasks)
        read = 0
        for mark in self._marks.to_end(self._watch.turned):
            self._step.mark(mark.record, mark.at)
            read += 1
        if self._step.progress.start is None:
            # `starts` holds it; its writer died before it wrote it into `progress` too.
            self._step.progress.begin(self._start)
        self.pending_at_restart = sum(len(side.position.to_reread) for task in tasks for side in task.sides)
        log.info("restored", tasks=len(tasks), pending=self.pending_at_restart, committed=len(states), marks=read)
        for task in tasks:
            if task.shedding.level:
                log.warning("identities_shed", task=task.name, all_but_one_in=2**task.shedding.level, records=0)
        if self._answers is not None:  # pairs that wait are asked about again: earlier answers are not needed
            place = Partition(self._config.plan.of(ANSWERS), 0)
            self._answers.restart(offsets.ends(self._client, [place])[place])
        self._observer.restart()
        self._fetcher.restart()
        self._backpressure.assigned()
        return starts

    def _states(
        self, tasks: list[Task], points: Mapping[str, tuple[Checkpoint | None, ...]]
    ) -> dict[str, dict[str, Any]]:
        """Read the state records of the tasks' commits; refuse a task that has records and no commit."""
        partitions = {task.name: task.sources.partition for task in tasks}
        sequences = {name: point.sequence for name, (point, *_) in points.items() if point is not None}
        fresh = {name: partition for name, partition in partitions.items() if name not in sequences}
        known = newest_states(self._config, fresh)
        places = [place for task in tasks if task.name in known for place in task.sources.places]
        if known:
            offsets.check_not_ahead(self._client, self._config.plan.group("joiner"), places)
        for name in fresh:
            check_unknown(name, name in known)
        return read_states(self._config, partitions, sequences)

    def _restore_correctable(self, tasks: list[Task]) -> None:
        late = {task.name: task for task in tasks if task.late.correctable_from is not None}
        wanted = {name: (task.sources.partition, task.late.correctable_from or 0) for name, task in late.items()}
        for name, rows in read_correctable(self._config, self._client, wanted).items():
            late[name].late.restore(rows)

    def dropped(self) -> None:
        self._backpressure.dropped()
        self._fetcher.restart()
        self._step.drop()
        if self._spilling is not None:
            self._spilling.dropped()

    def restored(self) -> bool:
        """Return whether all sides of each task are re-read to their commits, and no pair awaits a schema."""
        return all(task.is_reread() for task in self._step.tasks.values())

    def consume(self, batch: Batch, now_ms: int) -> int:
        read, compare = partial(self._read, now_ms=now_ms), partial(self._step.compare_gathered, batch.place)
        return self._slow_hooks.take(batch, read, compare)

    def _read(self, batch: Batch, now_ms: int) -> None:
        deadline = time.monotonic() + NAMED_WITHIN_S
        while unnamed := self._step.read(batch, now_ms):
            # The runner flushes the start mark of a revision before it writes any output of it.
            for mark in self._marks.poll(0.05):
                self._step.mark(mark.record, mark.at)
            if self._config.candidate.topic is not None or time.monotonic() > deadline:
                log.warning("revisions_not_named", revisions=sorted(unnamed), place=str(batch.place))
                self._step.progress.take_as_named(unnamed)

    def records_in_transaction(self, new: int) -> int:
        """Return the number of matched records, as the others wait and write nothing; more, if distributions of many
        windows nearly fill a stats record."""
        return max(self._step.ended_records(), self._config.limits.commit_records * self._step.bin_bytes() // BIN_BYTES)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        self._step.end(place, offset, now_ms)

    def tick(self, now_ms: int) -> None:
        self.topics.turn()
        self._slow_hooks.tick()
        if not self._step.tasks:
            return
        self._observer.turn(now_ms)
        for mark in self._marks.poll():
            self._step.mark(mark.record, mark.at)
        for mark in self._answers.poll() if self._answers is not None else ():
            if mark.record is not None:
                self._step.answer(mark.record)
        for place, batch, gone in self._fetcher.turn(self._step.wanted):
            self._step.fetched(place, batch, gone)
        tasks = self._step.tasks.values()
        waits = [
            (task.sources.places, task.store.held, len(task.sources.places), task.sides_that_must_progress)
            for task in tasks
        ]
        over = self._backpressure.turn([(places, one.bytes[:n], one.spilled[:n], on) for places, one, n, on in waits])
        if self._spilling is not None:
            over = self._spilling.turn(self._step.tasks, over)
        if over:
            self._overflow(over)

    def _overflow(self, over: Sequence[Partition]) -> None:
        """Shed identities of tasks that back-pressure does not keep within the bound, or report them."""
        if self._config.limits.overflow != "shed":
            self._backpressure.warn_over(over, sum(self._step.pending_bytes()))
            return
        for place in over:
            task = self._step.tasks[place]
            records = task.shed_more()
            log.warning("identities_shed", task=task.name, all_but_one_in=2**task.shedding.level, records=records)

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        """Return one transaction; its outcomes of absence need topics that are unchanged after the decision."""
        prepared = self._step.prepare(now_ms, self._slow_hooks.pairs_limit(limit))
        absence = any(outcome in OF_ABSENCE for book in self._step.prepared_counts() for _, outcome in book.records)
        return Prepared([], []) if absence and not self.topics.unchanged() else prepared

    def committed(self, now_ms: int) -> None:
        self._show()
        self._warn()
        self._step.committed()
        self.finished = self._step.finished()

    def deciding(self) -> dict[str, int | None]:
        """Return the topic of stats records: each is written after the rows and the state that it counts."""
        return {self._config.plan.of("stats"): None}

    def decided(self, delivered: Mapping[Partition, Sequence[int]]) -> None:
        if self._recovery is not None:
            self._recovery.check(self._step.prepared, delivered)

    def _warn(self) -> None:
        """Log what bounds have cut since the last commit: it may change outcomes or evidence."""
        tasks = self._step.tasks.values()
        awaiting = sum(len(task.comparing.awaiting) for task in tasks)
        if awaiting:
            log.warning("schemas_awaited", pairs=awaiting)
        elif self._cut.get("schemas_awaited"):
            log.info("schemas_came")
        self._cut["schemas_awaited"] = awaiting
        if cut := sum(book.rows_cut for book in self._step.prepared_counts()):
            log.warning("rows_cut", rows=cut)
        self._warn_of("event_times_ahead", sum(task.completeness.ahead.records for task in tasks))
        self._warn_of("corrections_dropped", sum(task.late.dropped for task in tasks))
        self._warn_of("absences_dropped", self._step.progress.absences_dropped)

    def _warn_of(self, event: str, records: int) -> None:
        if records > self._cut.get(event, 0):
            log.warning(event, records=records)
        self._cut[event] = records

    def _show(self) -> None:
        metrics, books = self._watch.metrics, self._step.prepared_counts()
        for (word, outcome), n in _summed(book.records for book in books).items():
            metrics.add("records_total", n, role="joiner", side=word, outcome=outcome)
        for outcome, n in _summed(book.pairs for book in books).items():
            metrics.add("pairs_total", n, outcome=outcome)
        if books:
            metrics.add("rows_cut_total", sum(book.rows_cut for book in books))
        for (before, outcome), n in _summed(book.corrections for book in books).items():
            metrics.add("corrections_total", n, from_outcome=before, outcome=outcome)
        for (path, kind), n in _summed(book.paths for book in books).items():
            metrics.add("difference_total", n, path=path, kind=kind)
        for (word, bucket), n in _summed(book.slices.latencies() for book in books).items():
            metrics.observe_many("latency_seconds", edge_ms(bucket) / 1000, n, word)
        for result, n in _summed(book.rechecks for book in books).items():
            metrics.add("rechecks_total", n, result=result.removeprefix("recheck_"))
        for change, n in _summed(book.changes for book in books).items():
            metrics.add("schema_change_pairs_total", n, change=change)
        new_pairs = self._step.compare.evolutions.new_pairs
        for pair in new_pairs:
            log.warning("schemas_differ", production=str(pair.production), shadow=str(pair.shadow), **pair.changes)
        new_pairs.clear()
        spilled = self._step.spilled_bytes()
        for side, (records, size, watermark_ms) in self._step.sides().items():
            metrics.set("pending_records", records, side=side.word)
            metrics.set("pending_bytes", size, side=side.word)
            metrics.set("spilled_bytes", spilled[side], side=side.word)
            if watermark_ms is not None:
                metrics.set("watermark_seconds", watermark_ms / 1000, side=side.word)
        metrics.set("spill_full", int(self._spilling is not None and self._spilling.full))
        metrics.set("shed_level", max((task.shedding.level for task in self._step.tasks.values()), default=0))


def _summed(counts: Iterable[Counter[T]]) -> Counter[T]:
    """Add the counts of many tasks: a metric is looked up once for all of them."""
    total = Counter[T]()
    for one in counts:
        if one:
            total.update(one)
    return total


def await_start(config: Config, revision: str, stop: Stoppable, watch: RoleHealth) -> start_log.Starts | None:
    """Wait for the start mark of this revision, which the runner writes; return all starts, or None if stopped.

    Until a runner has moved the marks of an earlier release, only `progress` may hold it.
    """
    known, waiting = start_log.Starts(), False
    with contextlib.ExitStack() as open_:
        readers = [open_.enter_context(contextlib.closing(MarksReader(config, "joiner.start", "starts")))]
        while not stop.stopped:
            watch.turned()
            for reader in readers:
                for _, record in reader.poll(0.2 / len(readers)):
                    known.add(record)
            if revision in known.of:
                bound_topics.refuse_other_topics(config, known, revision)
                return known
            if not all(reader.caught_up for reader in readers):
                continue
            if not known.moved and len(readers) == 1:
                older = MarksReader(config, "joiner.start", keys=start_log.MOVED)
                readers.append(open_.enter_context(contextlib.closing(older)))
            elif not waiting:
                waiting = True
                log.info("waiting_for_start_mark", revision=revision)
    return None


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Run the joiner until it has finished or is stopped; return its figures."""
    figures, client = RoleFigures("joiner"), admin(config.kafka)
    bound_topics.check(config, client)
    sources = start_check.ensure_topics(client, config, "joiner")
    config = hash_key.keyed(config, client)
    inputs = offsets.places({topic: sources[topic] for topic in config.inputs})
    hooks = HookProcess(config)
    compare = comparer_of(schema_source(config.schemas), config, hooks.load)
    writer = role_writer(config, "joiner", instance)
    start_transactions(writer, watch)
    begun = await_start(config, revision, stop, watch)
    if begun is not None:
        families = TaskPartitions(config, repartitioned_of(begun.of[revision]), client)
        step = JoinerStep(config, revision, compare, families.counts, inputs, families.repartitioned)
        step.compacted = compacted(client, families.topics)
        received = TrafficMeter(watch)
        consumer = group_consumer(config, "joiner", instance, **received.settings())
        clients = Clients(client, consumer, writer, received, hooks)
        role = JoinerRole(step, begun, families, clients, watch)
        loop = Loop(config, role, consumer, writer, client, watch)
        with role.topics.explaining(), contextlib.closing(hooks):
            loop.run(families.topics, stop)
        figures.add(records=loop.records, commits=loop.commits, pending_at_restart=role.pending_at_restart)
        figures.add(received_bytes=received.total)
    return figures.ended()
