"""The runner at its edge: the candidate's process, its group, its marks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.at_least_once.decided_commits import ranges_decided
from shadowstream.kafka.batch_size import CallSize
from shadowstream.kafka.call_watch import CallWatch
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import (
    GuardedWriter,
    Stoppable,
    admin,
    group_consumer,
    plain_writer,
    role_writer,
)
from shadowstream.kafka.client.traffic import TrafficMeter
from shadowstream.kafka.loop import Loop, now_ms
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.reading.runner_snapshots import read_counters, read_snapshots
from shadowstream.kafka.role import BATCH, PlainRole, Prepared, RoleFigures
from shadowstream.kafka.roles.copy_progress import Copies
from shadowstream.kafka.roles.mark_publishing import publish_marks
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.step_time import StepTime, timed
from shadowstream.kafka.transaction import start_transactions
from shadowstream.kafka.trial import bound_topics, rights, start_log, start_mark, topic_admin
from shadowstream.kafka.trial.attempt_log import FirstFailures, log_ended, read_attempts, saying
from shadowstream.kafka.trial.partitioner_check import PartitionerRechecks
from shadowstream.kafka.trial.topic_changes import TopicChanges
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Batch, Partition
from shadowstream.runner import candidate, commit_metadata
from shadowstream.runner.candidate_attempts import Attempts
from shadowstream.runner.candidate_state import Made, Stateful
from shadowstream.runner.cpu_cost import Meter, meter_of
from shadowstream.runner.outputs import Call
from shadowstream.runner.step import RunnerStep

log = get_logger("runner")
MARKS_EVERY_S = 1.0
AGAIN_S = 10.0
"""So long after it a mark that says nothing new is said again: its delivery may have failed."""


class Edge(NamedTuple):
    """What the runner's step meets the broker through, beside the loop's own clients."""

    admin: AdminClient
    marks: GuardedWriter
    copies: Copies
    rechecks: PartitionerRechecks
    call_size: CallSize
    step_time: StepTime


class RunnerRole(PlainRole):
    """The runner's step between the loop and the broker."""

    def __init__(
        self, config: Config, step: RunnerStep, edge: Edge, pinned: start_mark.Pinned, watch: RoleHealth
    ) -> None:
        self._watch = watch
        self._config, self._step, self._client = config, step, edge.admin
        self._marks, self._pinned = edge.marks, pinned
        self._copies, self._rechecks, self._call_size = edge.copies, edge.rechecks, edge.call_size
        self._step_time = edge.step_time
        client = edge.admin
        outputs = offsets.partition_counts(client, [config.plan.out(t) for t in config.production.outputs])
        self._outputs = offsets.places(outputs)
        self._next_marks_at = self._again_at = 0.0
        self._warm = pinned.warm or not pinned.start.has_warm_up or not config.production.group
        self._warm_ends: dict[Partition, int] | None = None
        self._commits = GroupCommits(config, client, "runner")
        self.topics = TopicChanges(config, client, pinned.topics)
        self._snapshots_reported: set[tuple[Partition, str]] = set()

    def limit(self) -> int:
        """Return the number of records that the candidate takes in a fraction of a second.

        While the loop only copies, and does not call the candidate yet, it takes whole batches.
        """
        return self._call_size.limit if self._step.records or not self._copies.topics else BATCH

    def wants_headers(self, topic: str) -> bool:
        """The inputs' only where one of them is the id; of what is copied all."""
        return topic in self._copies.topics or self._step.wants_headers()

    def side_word(self, topic: str) -> str:
        """What the runner reads is input, or production's to be copied."""
        return "production" if topic in self._copies.topics else "input"

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Go on from what is committed, with its counters; from the start mark where nothing is."""
        begins: dict[Partition, int] = {}
        lows = offsets.beginnings(self._client, [one.place for one in committed])
        counted: dict[Partition, marks.Counters] = {}
        if self._config.delivery == "at_least_once":
            committed, counted = ranges_decided(self._config, self._client, committed, self._fresh(committed))
        done = last_done(self._config, self._client, self._fresh(committed))
        self._assign_states(committed)
        counted |= self._overflows([one for one in committed if one.place not in counted])
        for one in committed:
            place = one.place
            if place.topic in self._copies.topics:
                begins[place] = self._copies.begin(one)
                continue
            if one.offset >= 0:
                position, counters = one.offset, counted.get(place) or commit_metadata.of_metadata(one.metadata)
            else:
                position, counters = self._pinned.start.committed.get(place, 0), marks.Counters()
                if done.get(place, 0) > position:
                    offsets.check_not_ahead(self._client, self._config.plan.group("runner"), [place])
                    raise ConfigError(
                        f"group {self._config.plan.group('runner')} has no commit for {place}, but marks say that it "
                        f"was done to {done[place]}: the commits expired or were deleted. Refused to "
                        "guess: remove the topics of this trial and start anew"
                    )
            if position < lows[place]:
                raise ConfigError(
                    f"{place}: inputs {position} to {lows[place] - 1} were deleted by retention before the candidate "
                    "read them. Refused to guess what it would have said: raise the topic's retention, remove the "
                    "topics and groups of this trial and start anew"
                )
            bound = self._pinned.start.bounds.get(place, -1) if self._config.bounded else -1
            self._step.assign(place, position, counters, bound)
            begins[place] = position
        self._next_marks_at = self._again_at = 0.0
        self._assign_attempts({place: at for place, at in begins.items() if place.topic not in self._copies.topics})
        return begins

    def _assign_attempts(self, begins: Mapping[Partition, int]) -> None:
        """What earlier processes said of inputs that they asked the candidate for and did not survive."""
        attempts = self._step.attempts
        if attempts is None or not begins:
            return
        found, ends = read_attempts(self._config, begins), offsets.ends(self._client, begins)
        for place, begin in begins.items():
            attempts.assign(place, begin, ends[place], found.get(place))
        log_ended(attempts.news)

    def _fresh(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Where those inputs begin of which nothing is committed although there is something: marks may tell why.
        Of one that has nothing yet they are not asked, at every start of a trial that may be old."""
        begins = {
            one.place: self._pinned.start.committed.get(one.place, 0)
            for one in committed
            if one.offset < 0 and one.place.topic not in self._copies.topics
        }
        ends = offsets.ends(self._client, begins) if begins else {}
        return {place: begin for place, begin in begins.items() if ends[place] > begin}

    def _overflows(self, committed: Sequence[Committed]) -> dict[Partition, marks.Counters]:
        """The counters of those commits whose metadata could not hold them."""
        inputs = [one for one in committed if one.offset >= 0 and one.place.topic not in self._copies.topics]
        named = {one.place: commit_metadata.overflow_of(one.metadata, one.offset) for one in inputs}
        wanted = {place: overflow for place, overflow in named.items() if overflow is not None}
        return read_counters(self._config, wanted, self._kept_in(wanted))

    def _kept_in(self, places: Iterable[Partition]) -> dict[Partition, int]:
        return {place: self._step.kept_in(place).partition for place in places}

    def _assign_states(self, committed: Sequence[Committed]) -> None:
        """The candidate's state of each input partition as it was committed, or a new one."""
        stateful = self._step.call
        if not isinstance(stateful, Stateful):
            return
        kept = {
            one.place: commit_metadata.kept_of(one.metadata) if one.offset >= 0 else None
            for one in committed
            if one.place.topic not in self._copies.topics
        }
        wanted = {place: at for place, one in kept.items() if (at := stateful.wanted(place, one)) is not None}
        snapshots = read_snapshots(self._config, wanted, self._kept_in(wanted))
        for place, one in kept.items():
            stateful.assign(place, one, snapshots.get(place))
        self._tell_of_snapshots(stateful)

    def _tell_of_snapshots(self, stateful: Stateful) -> None:
        news, stateful.news = stateful.news, []
        for result, place, reason in news:
            self._watch.metrics.add("snapshots_total", result=result)
            if reason and (place, result) not in self._snapshots_reported:
                self._snapshots_reported.add((place, result))  # each commit repeats it; the metric counts all
                log.error("snapshot_not_kept", input=str(place), result=result, reason=reason)

    def dropped(self) -> None:
        """Forget every partition."""
        self._step.drop()
        self._copies.step.drop()

    def consume(self, batch: Batch, now_ms: int) -> int:
        """Run the candidate, or copy what production has written."""
        if batch.place.topic in self._copies.topics:
            self._copies.step.copy(batch, now_ms)
            return len(batch)
        self._step_time.begin()
        return self._step.step(batch, now_ms)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        """A place was read to its end."""
        if place.topic in self._copies.topics:
            self._copies.step.end(place, offset)
        else:
            self._step.end(place, offset)

    def tick(self, now_ms: int) -> None:
        """Repeat the marks each second, while nothing is uncommitted."""
        if time.monotonic() >= self._next_marks_at and not self._step.dirty() and self._step.inputs:
            publish_marks(self._say_marks)
        self._rechecks.turn(time.monotonic())
        self.topics.turn()

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        """Everything of one transaction."""
        writes, commits = self._step.prepare()
        copies, copied = self._copies.step.prepare()
        return Prepared(writes + copies, commits + copied)

    def committed(self, now_ms: int) -> None:
        """After the commit has returned: say how far we are."""
        for outcome, n in self._step.ended.items():
            self._watch.metrics.add("records_total", n, role="runner", side="input", outcome=outcome)
        self._copies.committed(self._watch)
        self._step.committed()
        if isinstance(self._step.call, Stateful):
            self._tell_of_snapshots(self._step.call)
        publish_marks(self._say_marks)

    def deciding(self) -> dict[str, int | None]:
        """The range marks, of which each is written after the outputs that it speaks of."""
        return {self._config.plan.of("progress"): 0}

    def decided(self, delivered: Mapping[Partition, Sequence[int]]) -> None:
        """Who was first is told when the next one starts."""

    def _say_marks(self) -> None:
        self._next_marks_at = time.monotonic() + MARKS_EVERY_S
        if not self._warm:
            self._close_warm_up()
        again = time.monotonic() >= self._again_at
        if again:
            self._again_at = time.monotonic() + AGAIN_S
        self._marks.write(self._step.done_marks(offsets.ends(self._client, self._outputs), again=again))
        self._marks.producer.poll(0)
        # Over only when the end of the warm-up has been said, or the joiner would wait for it for ever; and when
        # everything that production has written for these inputs has been copied.
        if self._step.finished() and self._warm and self._copies.ended():
            if self._copies.topics:
                log.info("copy_finished", topics=self._copies.topics)
            self._marks.flush(30)
            self.finished = True

    def _close_warm_up(self) -> None:
        """Once production is done to S, pin E1 = ends of its outputs, or of our copies: unpaired below is warm-up."""
        if self._warm_ends is None:
            group = self._config.production.group or ""
            below = self._pinned.start.warm_below
            committed = self._commits.of(group, below)
            self._commits.look(below)
            if any(committed.get(place, 0) < end for place, end in below.items()):
                return
            counts = offsets.partition_counts(self._client, self._config.production.outputs)
            self._warm_ends = offsets.ends(self._client, offsets.places(counts))
        ends = self._copies.translated(self._warm_ends)
        if ends is not None:
            record = marks.mark("warm", self._step.revision, ends=marks.ends_field(ends))
            start_log.close_warm_up(self._config, self._marks, record)
            self._warm = True


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Run the runner until it has finished or is stopped; returns its figures."""
    figures = RoleFigures("runner")
    client = admin(config.kafka)
    call_size = CallSize(BATCH)
    meter = meter_of(config, time.thread_time_ns)
    bound_topics.check(config, client)
    marks_writer = plain_writer(config)
    step_time = StepTime()
    enough = step_time.up
    attempts = Attempts(config.plan.of("attempts"), revision, saying(marks_writer), enough)
    observer = candidate.CallObserver(attempts.calls, FirstFailures(config).raised, enough)
    loaded = _loaded(
        config, revision, lambda call: timed(call, watch, call_size, attempts.calls, enough), (meter, observer)
    )
    sources = topic_admin.ensure(client, config)
    rights.check(client, config, sources)
    schemas = schema_source(config.schemas)
    decoder = Decoder(schemas, config.schemas.formats, names="plain")
    outputs, written_as = config.production.outputs, config.candidate.output_format
    encoders = {topic: Encoder(schemas, f"{topic}-value", written_as) for topic in outputs}
    writer = role_writer(config, "runner", instance)
    start_transactions(writer, watch)
    call = loaded({topic: sources[topic] for topic in outputs})
    pinned = _pin(config, revision, (client, marks_writer), stop, watch)
    if pinned is not None:
        step = RunnerStep(
            config,
            revision,
            call,
            decoder,
            encoders,
            {topic: sources[topic] for topic in outputs},
            pinned.partitioners,
            now_ms,
            meter,
            attempts,
        )
        copies = Copies(config, client, pinned, decoder.decode_many)
        edge = Edge(
            client, marks_writer, copies, PartitionerRechecks(config, client, pinned.partitioners), call_size, step_time
        )
        role = RunnerRole(config, step, edge, pinned, watch)
        consumer = group_consumer(config, "runner", instance, **TrafficMeter(watch).settings())
        loop = Loop(config, role, consumer, writer, client, watch)
        calls = CallWatch(attempts.calls, config, watch, attempts.timed_out)
        with role.topics.explaining(), contextlib.closing(calls):
            loop.run([*config.inputs, *copies.topics], stop)
        figures.add(records=loop.records, commits=loop.commits, partitioners=pinned.partitioners)
    return figures.ended()


def _loaded(
    config: Config,
    revision: str,
    timing: Callable[[Call], Call],
    observers: tuple[Meter | None, candidate.CallObserver],
) -> Callable[[dict[str, int]], Call | Stateful]:
    """The candidate, given the partitions of production's outputs; said at once where it cannot be loaded."""
    if config.candidate.state == "none":
        call = timing(candidate.load(config.candidate, *observers))
        return lambda _: call
    made = candidate.load_stateful(config.candidate, *observers)

    def make() -> Made:
        one = made()
        return one._replace(call=timing(one.call))

    return lambda counts: Stateful(config, revision, make, max(counts.values()))


def _pin(
    config: Config, revision: str, clients: tuple[AdminClient, GuardedWriter], stop: Stoppable, watch: RoleHealth
) -> start_mark.Pinned | None:
    """The start; None when stopped while waiting for production's first records."""

    def keeps_running() -> bool:
        watch.turned()
        return not stop.stopped

    try:
        return start_mark.pin(config, revision, *clients, keeps_running)
    except start_mark.Stopped:
        return None
