"""The joiner at its edge: both sides in one group, marks beside it, observations of the broker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.joiner import checkpoint
from shadowstream.joiner.comparing import comparer
from shadowstream.joiner.identity import Identity
from shadowstream.joiner.progress import Progress
from shadowstream.joiner.step import JoinerStep
from shadowstream.joiner.task import Task
from shadowstream.kafka import offsets, own_topics
from shadowstream.kafka.clients import Stoppable, admin, group_consumer, transactional_writer
from shadowstream.kafka.loop import Committed, Loop, process_seconds, start_transactions
from shadowstream.kafka.marks import MarksReader
from shadowstream.kafka.registry import schema_source
from shadowstream.kafka.states import read_states
from shadowstream.observe import get_logger
from shadowstream.records import Batch, Commit, Place, Side, Write
from shadowstream.watch import Watch

log = get_logger("joiner")
OBSERVE_EVERY_MS = 1_000


class JoinerRole:
    """The joiner's step between the loop and the broker."""

    def __init__(self, config: Config, step: JoinerStep, client: AdminClient, consumer: Consumer, watch: Watch) -> None:
        self._watch = watch
        self._config, self._step, self._client, self._consumer = config, step, client, consumer
        self._marks = MarksReader(config, "joiner")
        self._identity = Identity(config)
        self._outputs = [Place(topic, p) for topic in config.production.outputs for p in range(step.partitions)]
        self._next_observation_ms = 0
        self._held: Side | None = None
        self.pending_at_restart = 0
        self.finished = False

    def wants_headers(self, topic: str) -> bool:
        """Production's headers only where they hold the id."""
        side = Side.PRODUCTION if topic in self._config.production.outputs else Side.SHADOW
        return self._identity.needs_headers(side)

    def side_word(self, topic: str) -> str:
        """production or shadow."""
        return (Side.PRODUCTION if topic in self._config.production.outputs else Side.SHADOW).word

    def assigned(self, committed: Sequence[Committed]) -> dict[Place, int]:
        """Take tasks: both sides of each, from the lower of what is pending and the log's start."""
        by_place = {one.place: one for one in committed}
        self._check_together(set(by_place))
        lows = offsets.beginnings(self._client, by_place)
        self._marks.restart()
        said = self._marks.read_to_end()
        begins = self._begins(said)
        points = {place: checkpoint.decode(c.metadata) for place, c in by_place.items() if c.offset >= 0}
        starts: dict[Place, int] = {}
        tasks: list[Task] = []
        for place in sorted(by_place):
            if place.topic not in self._config.production.outputs:
                continue
            task = self._step.assign(place.topic, place.partition)
            tasks.append(task)
            for side in Side:
                at = task.places[side]
                point = points.get(at)
                first = begins.get(at, 0) if point is None else by_place[at].offset
                starts[at] = max(first, lows[at])
                task.restore(side, point, starts[at])
        self._restore_counts(tasks)
        for record in said:
            self._step.mark(record)
        self.pending_at_restart = sum(len(side.announced) for task in tasks for side in task.sides)
        log.info("restored", tasks=len(tasks), pending=self.pending_at_restart, committed=len(points))
        self._next_observation_ms = 0
        self._held = None
        return starts

    def _begins(self, said: list[dict[str, Any]]) -> dict[Place, int]:
        """E0 of the start mark: no production output below it can belong to a pair that counts."""
        progress = Progress(self._step.revision, self._config.inputs)
        for record in said:
            progress.add(record)
        if progress.start is None:
            raise BrokerError("the start mark is gone from the progress topic; was the topic deleted?", fatal=True)
        return progress.start.ends

    def _check_together(self, places: set[Place]) -> None:
        """Partition p of production and of the candidate must be ours together, or no pair would ever meet."""
        for place in places:
            if place.topic in self._config.production.outputs:
                other = Place(self._config.plan.out(place.topic), place.partition)
            else:
                other = Place(place.topic.removeprefix(self._config.plan.out("")), place.partition)
            if other not in places:
                raise ConfigError(
                    f"assigned {place} without {other}: the group's assignor tears tasks apart; every member must use "
                    "partition.assignment.strategy=range and subscribe to both topics"
                )

    def _restore_counts(self, tasks: list[Task]) -> None:
        wanted = {str(t.places[Side.PRODUCTION]): t.sequence for t in tasks if t.sequence}
        states = read_states(self._config, {name: int(name.rpartition("/")[2]) for name in wanted}, wanted)
        for task in tasks:
            record = states.get(str(task.places[Side.PRODUCTION]))
            if record is not None:
                task.restore_counts(record)

    def dropped(self) -> None:
        """Forget every task. After an abort the partitions stay ours, and paused ones would stay paused."""
        if self._held is not None:
            self._consumer.resume(self._of_side(self._held))
            self._held = None
        self._step.drop()

    def restored(self) -> bool:
        """Whether both sides of each task have been read again to where they had been."""
        return all(side.read_to >= side.high for task in self._step.tasks.values() for side in task.sides)

    def batch(self, batch: Batch, now_ms: int) -> None:
        """A batch of one side of one task."""
        self._step.read(batch, now_ms)

    def end(self, place: Place, offset: int, now_ms: int) -> None:
        """A place was read to its present end."""
        self._step.end(place, offset, now_ms)

    def turn(self, now_ms: int) -> None:
        """Marks, observations and back-pressure."""
        if not self._step.tasks:
            return
        if now_ms >= self._next_observation_ms:
            self._next_observation_ms = now_ms + OBSERVE_EVERY_MS
            try:
                self._observe()
            except BrokerError as error:  # what is not observed now is decided a little later
                if not error.retriable:
                    raise
                log.warning("observation_put_off", error=str(error))
            self._hold_back()
        for record in self._marks.poll():
            self._step.mark(record)

    def _observe(self) -> None:
        """Order matters: each observation is true because of what was read before what."""
        group = self._config.production.group
        committed = offsets.committed(self._client, group, self._step.inputs) if group else None
        ends = offsets.ends(self._client, self._outputs)
        inputs = offsets.ends(self._client, self._step.inputs)
        self._step.observe_born(ends, inputs)
        if committed is not None:
            self._step.observe_production(committed, ends)

    def _hold_back(self) -> None:
        """Pause the leading side over the bound of pending bytes; resume under half of it, or once the other side leads
        (what waits on that one waits for the side held back). Never both."""
        bound = self._config.limits.pending_bytes_max
        pending = self._step.pending_bytes()
        if self._held is None and sum(pending) > bound:
            self._held = _leading(pending)
            self._consumer.pause(self._of_side(self._held))
            log.warning("side_held_back", side=self._held.word, pending_bytes=sum(pending), bound=bound)
        elif self._held is not None and (sum(pending) < bound // 2 or self._held is not _leading(pending)):
            self._consumer.resume(self._of_side(self._held))
            log.info("side_resumed", side=self._held.word, pending_bytes=sum(pending))
            self._held = None

    def _of_side(self, side: Side) -> list[TopicPartition]:
        return [TopicPartition(t.places[side].topic, t.places[side].partition) for t in self._step.tasks.values()]

    def prepare(self, now_ms: int) -> tuple[list[Write], list[Commit]]:
        """Everything of one transaction."""
        return self._step.prepare(now_ms)

    def committed(self, now_ms: int) -> None:
        """After the commit has returned."""
        self._show()
        self._step.committed()
        self.finished = self._step.finished()

    def _show(self) -> None:
        """Metrics of what has just been committed."""
        metrics = self._watch.metrics
        for book in self._step.books():
            for (word, outcome), n in book.records.items():
                metrics.add("records_total", n, role="joiner", side=word, outcome=outcome)
            for outcome, n in book.pairs.items():
                metrics.add("pairs_total", n, outcome=outcome)
            for (path, kind), n in book.paths.items():
                metrics.add("difference_total", n, path=path, kind=kind)
        for side, (records, size, watermark_ms) in self._step.sides().items():
            metrics.set("pending_records", records, side=side.word)
            metrics.set("pending_bytes", size, side=side.word)
            if watermark_ms is not None:
                metrics.set("watermark_seconds", watermark_ms / 1000, side=side.word)


def _leading(pending: tuple[int, int]) -> Side:
    """The side of which more waits for the other."""
    return Side.PRODUCTION if pending[Side.PRODUCTION] >= pending[Side.SHADOW] else Side.SHADOW


def await_start(config: Config, revision: str, stop: Stoppable, watch: Watch) -> bool:
    """Wait until the runner has pinned the start of this revision; False when stopped before."""
    reader = MarksReader(config, "joiner.start")
    waiting = False
    try:
        while not stop.stopped:
            watch.turned()
            for record in reader.poll(0.2):
                if record["kind"] == "start" and record["revision"] == revision:
                    return True
            if reader.caught_up and not waiting:
                waiting = True
                log.info("waiting_for_start_mark", revision=revision)
        return False
    finally:
        reader.close()


def run(config: Config, revision: str, stop: Stoppable, watch: Watch, instance: str = "0") -> dict[str, Any]:
    """Run the joiner until it has finished or is stopped; returns its figures."""
    began = time.monotonic()
    client = admin(config.kafka)
    sources = own_topics.ensure(client, config)
    inputs = offsets.places({topic: sources[topic] for topic in config.inputs})
    compare = comparer(schema_source(config.schemas), config.compare.rules)
    writer = transactional_writer(config, "joiner", instance)
    start_transactions(writer)
    figures: dict[str, Any] = {"role": "joiner", "records": 0, "commits": 0}
    if await_start(config, revision, stop, watch):
        step = JoinerStep(config, revision, compare, sources[config.production.outputs[0]], inputs)
        consumer = group_consumer(config, "joiner", instance)
        role = JoinerRole(config, step, client, consumer, watch)
        loop = Loop(config, role, consumer, writer, client, watch)
        topics = [*config.production.outputs, *(config.plan.out(t) for t in config.production.outputs)]
        loop.run(topics, stop)
        figures |= {"records": loop.records, "commits": loop.commits, "pending_at_restart": role.pending_at_restart}
    wall = time.monotonic() - began
    return {**figures, "wall_s": round(wall, 2), "records_per_s": round(figures["records"] / wall), **process_seconds()}
