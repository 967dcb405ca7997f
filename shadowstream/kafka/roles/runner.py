"""Runner role: it calls the candidate for each input and writes outputs and marks."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.codecs.encoder import Encoder
from shadowstream.config import Config
from shadowstream.errors import CandidateDown, ConfigError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka import candidate_loading
from shadowstream.kafka.at_least_once.decided_commits import ranges_decided
from shadowstream.kafka.batch_size import CallSize
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
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.loop import Loop, now_ms
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.reading.runner_snapshots import read_counters, read_snapshots
from shadowstream.kafka.role import BATCH, Role, RoleFigures
from shadowstream.kafka.roles.mark_publishing import publish_marks
from shadowstream.kafka.roles.repartition_copier import CopyProgress
from shadowstream.kafka.roles.second_answers import SecondAnswers
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.step_time import StepTime
from shadowstream.kafka.transaction import start_transactions
from shadowstream.kafka.trial import bound_topics, hash_key, start_log, start_mark
from shadowstream.kafka.trial.attempt_log import log_ended, read_attempts
from shadowstream.kafka.trial.partitioner_check import PartitionerRechecks
from shadowstream.kafka.trial.runner_commands import RunnerCommands
from shadowstream.kafka.trial.topic_changes import TopicChanges
from shadowstream.kafka.trial.until import Until
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.protocol.size_limits import MARK_BYTES
from shadowstream.records import Batch, Partition, Prepared
from shadowstream.runner import commit_metadata
from shadowstream.runner.absences import short
from shadowstream.runner.candidate_state import Stateful
from shadowstream.runner.early_end import end_after, end_inputs
from shadowstream.runner.step import RunnerStep

log = get_logger("runner")
MARKS_EVERY_S = 1.0
REPEAT_S = 10.0  # an unchanged mark is written again after this time: its delivery may have failed


class RunnerParts(NamedTuple):
    """Clients and parts of the runner's role, other than the loop's own clients."""

    admin: AdminClient
    marks: GuardedWriter
    copies: CopyProgress
    rechecks: PartitionerRechecks
    call_size: CallSize
    step_time: StepTime
    until: Until
    commands: RunnerCommands
    second: SecondAnswers
    forget: Callable[[], None] = lambda: None
    """Drop the objects of the candidate in its own process."""


class RunnerRole(Role):
    """The runner's step between the loop and the broker."""

    def __init__(
        self, config: Config, step: RunnerStep, parts: RunnerParts, pinned: start_mark.PinnedStart, watch: RoleHealth
    ) -> None:
        self._config, self._step, self._pinned, self._watch = config, step, pinned, watch
        self._client, self._marks, self._copies, self._rechecks, self._call_size, self._step_time = parts[:6]
        self._until, self._commands, self._second, self._forget = parts[6:]
        client = parts.admin
        outputs = offsets.partition_counts(client, [config.plan.out(t) for t in config.production.outputs])
        self._outputs = offsets.places(outputs)
        self._next_marks_at = self._repeat_at = 0.0
        self._warm = pinned.warm or not pinned.start.has_warm_up or not config.production.group
        self._warm_ends: dict[Partition, int] | None = None
        self._group_commits = GroupCommits(config, client, "runner")
        self.topics = TopicChanges(config, client, pinned.topics)
        self._snapshots_reported: set[tuple[Partition, str]] = set()
        self._obey()

    def limit(self) -> int:
        """Return the number of records that the candidate answers in a fraction of a second; `BATCH` for copies."""
        return self._call_size.limit if self._step.records or not self._copies.topics else BATCH

    def records_in_transaction(self, new: int) -> int:
        """Return the new inputs; more, if the ids of inputs without output nearly fill a mark."""
        return max(new, self._config.limits.commit_records * self._step.mark_bytes() // MARK_BYTES)

    def wants_headers(self, topic: str) -> bool:
        """Return whether the step needs headers of inputs; a copy has all headers of its original."""
        return topic in self._copies.topics or self._step.wants_headers()

    def side_word(self, topic: str) -> str:
        return "production" if topic in self._copies.topics else "input"

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Continue from the committed offsets with their counters; without a commit, from the start mark."""
        counted: dict[Partition, marks.Counters] = {}
        if self._config.delivery == "at_least_once":
            committed, counted = ranges_decided(self._config, self._client, committed, self._uncommitted(committed))
        done = last_done(self._config, self._client, self._uncommitted(committed))
        inputs = [one for one in committed if not self._is_copied(one.place)]
        self._assign_states(inputs)
        counted |= self._overflows([one for one in inputs if one.place not in counted])
        lows = offsets.beginnings(self._client, [one.place for one in inputs]) if inputs else {}
        begins: dict[Partition, int] = {}
        self._until.turn(now=True)
        for place, offset, metadata in inputs:
            if offset >= 0:
                position, counters = offset, counted.get(place) or commit_metadata.of_metadata(metadata)
            else:
                position, counters = self._pinned.start.committed.get(place, 0), marks.Counters()
                if done.get(place, 0) > position:
                    group = self._config.plan.group("runner")
                    offsets.check_not_ahead(self._client, group, [place])
                    raise ConfigError(
                        f"group {group} has no commit for {place}, but marks report the input done to {done[place]}: "
                        "the commits expired or were deleted. Refused to guess: remove the topics of this trial and "
                        "start anew"
                    )
            if position < lows[place]:
                raise ConfigError(
                    f"{place}: retention deleted inputs {position} to {lows[place] - 1} before the candidate read "
                    "them. Refused to guess its answers: raise the topic's retention, remove the topics and groups of "
                    "this trial and start anew"
                )
            bound = self._pinned.start.bounds.get(place, -1) if self._config.bounded else -1
            self._step.assign(place, position, counters, bound)
            begins[place] = position
        end_inputs(self._step.inputs, self._until.bounds or {})
        self._next_marks_at = self._repeat_at = 0.0
        self._assign_attempts(begins)
        self._second.assigned()
        return begins | {one.place: self._copies.begin(one) for one in committed if self._is_copied(one.place)}

    def _is_copied(self, place: Partition) -> bool:
        return place.topic in self._copies.topics

    def _assign_attempts(self, begins: Mapping[Partition, int]) -> None:
        """Restore the records of calls that earlier processes made and did not survive."""
        attempts = self._step.attempts
        if attempts is None or not begins:
            return
        if not attempts.recorded:
            for place, begin in begins.items():
                attempts.assign(place, begin, -1, None)
            return
        found, ends = read_attempts(self._config, begins), offsets.ends(self._client, begins)
        for place, begin in begins.items():
            attempts.assign(place, begin, ends[place], found.get(place))
        log_ended(attempts.ended_inputs)

    def _uncommitted(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        """Return the beginnings of inputs that have records and no commit; marks may explain that.

        Inputs without records are left out: each start of an old trial would read its marks for nothing.
        """
        without = [one.place for one in committed if one.offset < 0 and not self._is_copied(one.place)]
        begins = {place: self._pinned.start.committed.get(place, 0) for place in without}
        ends = offsets.ends(self._client, begins) if begins else {}
        return {place: begin for place, begin in begins.items() if ends[place] > begin}

    def _overflows(self, inputs: Sequence[Committed]) -> dict[Partition, marks.Counters]:
        named = {p: commit_metadata.overflow_of(metadata, offset) for p, offset, metadata in inputs if offset >= 0}
        wanted = {place: overflow for place, overflow in named.items() if overflow is not None}
        return read_counters(self._config, wanted, self._state_partitions(wanted))

    def _state_partitions(self, places: Iterable[Partition]) -> dict[Partition, int]:
        return {place: self._step.kept_in(place).partition for place in places}

    def _assign_states(self, inputs: Sequence[Committed]) -> None:
        """Restore the candidate's state of each input partition from its commit, or create a new one."""
        stateful = self._step.call
        if not isinstance(stateful, Stateful):
            return
        notes = {p: commit_metadata.kept_of(metadata) if offset >= 0 else None for p, offset, metadata in inputs}
        wanted = {place: at for place, note in notes.items() if (at := stateful.wanted(place, note)) is not None}
        snapshots = read_snapshots(self._config, wanted, self._state_partitions(wanted))
        for place, note in notes.items():
            stateful.assign(place, note, snapshots.get(place))
        self._report_snapshots(stateful)

    def _report_snapshots(self, stateful: Stateful) -> None:
        results, stateful.snapshot_results = stateful.snapshot_results, []
        for result, place, reason in results:
            self._watch.metrics.add("snapshots_total", result=result)
            if reason and (place, result) not in self._snapshots_reported:
                self._snapshots_reported.add((place, result))  # each commit repeats it; the metric counts all
                log.error("snapshot_not_kept", input=str(place), result=result, reason=reason)

    def _obey(self) -> None:
        """Apply what people's commands say now, from the next batch on."""
        steering = self._commands.steering
        self._step.selection.share = steering.share
        was, self.is_paused = self.is_paused, steering.paused is not None
        if self.is_paused:
            self._step.held = [short(steering.pause_text())]
        elif was:
            self._step.held = []
        if was != self.is_paused:
            self._repeat_at = 0.0  # the next marks show it

    def dropped(self) -> None:
        self._step.drop()
        self._second.dropped()
        self._forget()
        self._copies.step.drop()

    def consume(self, batch: Batch, now_ms: int) -> int:
        if self._is_copied(batch.place):
            self._copies.step.copy(batch, now_ms)
            return len(batch)
        left = self._until.left({place: state.position for place, state in self._step.inputs.items()})
        if left is not None:
            end_after(self._step.inputs, batch, left)
        self._step_time.begin()
        try:
            done = self._step.step(batch, now_ms)
            self._step.held = []
            return done
        except CandidateDown as down:
            self._step.held = [short(str(down))]
            raise
        finally:
            if self._step.attempts is not None:
                log_ended(self._step.attempts.ended_inputs)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        step = self._copies.step if self._is_copied(place) else self._step
        step.end(place, offset)

    def tick(self, now_ms: int) -> None:
        """Repeat the marks each second while nothing is uncommitted, and check partitioners and topics."""
        self._commands.turn()
        self._obey()
        publish_marks(self._until.turn)
        end_inputs(self._step.inputs, self._until.bounds or {})
        if time.monotonic() >= self._next_marks_at and not self._step.dirty() and self._step.inputs:
            publish_marks(self._write_marks)
        self._rechecks.turn(time.monotonic())
        self.topics.turn()
        self._second.turn()

    def ask(self) -> None:
        """Call the candidate again on inputs where it differs, unless a person has paused it."""
        if not self.is_paused:
            self._second.ask()

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        writes, commits = self._step.prepare()
        copies, copied = self._copies.step.prepare()
        return Prepared(writes + copies, commits + copied)

    def committed(self, now_ms: int) -> None:
        for outcome, n in self._step.ended.items():
            self._watch.metrics.add("records_total", n, role="runner", side="input", outcome=outcome)
        for exception, n in self._step.exceptions.items():
            self._watch.metrics.add("candidate_errors_total", n, exception=exception)
        self._copies.committed(self._watch)
        self._step.committed()
        if self._step.attempts is not None:
            for place, state in self._step.inputs.items():
                self._step.attempts.committed(place, state.committed)
        if isinstance(self._step.call, Stateful):
            self._report_snapshots(self._step.call)
        publish_marks(self._write_marks)

    def deciding(self) -> dict[str, int | None]:
        """Return the topic of range marks, written after their outputs. The next process reads which was first."""
        return {self._config.plan.of("progress"): 0}

    def _write_marks(self) -> None:
        self._next_marks_at = time.monotonic() + MARKS_EVERY_S
        if not self._warm:
            self._close_warm_up()
        repeat = time.monotonic() >= self._repeat_at
        if repeat:
            self._repeat_at = time.monotonic() + REPEAT_S
        if repeat or self._step.finished():
            self._marks.write(self._until.writes())
        self._marks.write(self._step.done_marks(offsets.ends(self._client, self._outputs), again=repeat))
        self._marks.producer.poll(0)
        # The joiner waits for the end of the warm-up, and for copies of all of production's outputs of these inputs.
        is_fixed = self._config.until is None or self._until.bounds is not None
        if self._step.finished() and is_fixed and self._warm and self._copies.ended() and self._second.ended():
            if self._copies.topics:
                log.info("copy_finished", topics=self._copies.topics)
            self._marks.flush(30)
            self.finished = True

    def _close_warm_up(self) -> None:
        """Pin E1 once production is done to S: the ends of its outputs, or of their copies. Unpaired below: warm-up."""
        if self._warm_ends is None:
            below = self._pinned.start.warm_below
            committed = self._group_commits.of(self._config.production.group or "", below)
            self._group_commits.look(below)
            if any(committed.get(place, 0) < end for place, end in below.items()):
                return
            counts = offsets.partition_counts(self._client, self._config.production.outputs)
            self._warm_ends = offsets.ends(self._client, offsets.places(counts))
        ends = self._copies.translated(self._warm_ends)
        if ends is not None:
            warm = marks.mark("warm", self._step.revision, ends=marks.ends_field(ends))
            start_log.announce(self._config, self._marks, warm)
            self._warm = True


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Run the runner until it has finished or is stopped; return its figures."""
    figures, client = RoleFigures("runner"), admin(config.kafka)
    bound_topics.check(config, client)
    marks_writer, step_time = plain_writer(config), StepTime()
    call_size = CallSize(BATCH, config.candidate.values_at_once)
    loaded = candidate_loading.load(config, revision, marks_writer, watch, (call_size, step_time))
    with loaded.watched(config, watch):
        sources = start_check.ensure_topics(client, config, "runner")
        config = hash_key.keyed(config, client)
        schemas = schema_source(config.schemas)
        decoder = Decoder(schemas, config.schemas.formats, decoded_bounds(config), names="plain")
        partitions = {topic: sources[topic] for topic in config.production.outputs}
        subject = "value" if config.production.answer is None else "answer"
        encoders = {t: Encoder(schemas, f"{t}-{subject}", config.candidate.output_format) for t in partitions}
        writer = role_writer(config, "runner", instance)
        start_transactions(writer, watch)
        call, attempts = loaded.call_of(partitions), loaded.attempts
        pinned = start_mark.pin_until_stopped(config, revision, (client, marks_writer), stop, watch)
        if pinned is None:
            return figures.ended()
        if loaded.isolated is not None:
            start_log.note_confinement(config, marks_writer, revision, loaded.isolated.enforced)
        kinds, meter = pinned.partitioners, loaded.meter
        until = Until(config, revision, pinned.start, (client, marks_writer))
        commands = RunnerCommands(config, client)
        step = RunnerStep(config, revision, call, decoder, encoders, partitions, kinds, now_ms, meter, attempts)
        copies = CopyProgress(config, client, pinned, decoder.decode_many)
        rechecks = PartitionerRechecks(config, client, kinds)
        second = SecondAnswers(config, client, step, marks_writer, watch)
        followed = (until, commands, second, loaded.forget)
        parts = RunnerParts(client, marks_writer, copies, rechecks, call_size, step_time, *followed)
        role = RunnerRole(config, step, parts, pinned, watch)
        consumer = group_consumer(config, "runner", instance, **TrafficMeter(watch).settings())
        loop = Loop(config, role, consumer, writer, client, watch)
        with role.topics.explaining(), contextlib.closing(commands), contextlib.closing(second):
            loop.run([*config.inputs, *copies.topics], stop)
        figures.add(records=loop.records, commits=loop.commits, partitioners=kinds)
    return figures.ended()
