"""The joiner's step, pure: all tasks of one process, and the marks that they share."""

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.future_dates import Ahead
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.completeness.copied_time import CopyPosition, Originals
from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.joiner.completeness.marks_log import MarksLog, position_of
from shadowstream.joiner.completeness.observed_offsets import lowest
from shadowstream.joiner.outcomes.compare_stage import compare_together
from shadowstream.joiner.task import Task
from shadowstream.joiner.task_topics import TaskTopics, places_of, side_of
from shadowstream.records import Batch, Commit, Partition, Prepared, Side, Write


class JoinerStep:
    """The tasks of one joiner process, by their partition on production's side.

    `partitions` holds the partition count of each output topic of production, or of its copy if it is in
    `repartitioned`. `inputs` are all input partitions. All observed ends are high watermarks.
    """

    def __init__(
        self,
        config: Config,
        revision: str,
        compare: Comparing,
        partitions: Mapping[str, int],
        inputs: Iterable[Partition],
        repartitioned: Collection[str] = (),
    ) -> None:
        self.config, self.revision, self.compare = config, revision, compare
        self._compare_of: dict[str, Comparing] = {}
        self._id_secret = config.compare.id_secret  # without it, hidden keys could not be distinguished
        self.partitions = dict(partitions)
        self.inputs = frozenset(inputs)
        self.repartitioned = frozenset(repartitioned)
        self.compacted: frozenset[str] = frozenset()  # the compared topics that are compacted
        self.tasks: dict[Partition, Task] = {}
        self.progress = MarksLog(revision)
        self.incarnation = ""
        """The name under which this process commits between two assignments; only under at_least_once."""
        self._idleness = Idleness(config.idle_ms)
        self._ahead = Ahead(config.future_ms_max)
        self._originals: dict[str, Originals] = {}
        self._by_place: dict[Partition, tuple[Task, Side]] = {}
        self._by_input: dict[Partition, Task] = {}
        self.prepared: list[Task] = []  # the tasks of the last `prepare`, until `committed`

    def assign(self, topic: str, partition: int) -> Task:
        """Add the task of a partition of production's output `topic`; `Task.restore` gives it its committed state."""
        places = places_of(self.config, topic, partition, self.repartitioned)
        inputs = frozenset(p for p in self.inputs if p.partition % self.partitions[topic] == partition)
        # One task counts an input: a task of the first output topic. Without a runner, no input is counted.
        is_first = topic == self.config.production.outputs[0] and self.config.candidate.topic is None
        own: frozenset[Partition] = inputs if is_first else frozenset()
        copied = {Side.PRODUCTION} if topic in self.repartitioned else set()
        if copied and self.config.candidate.topic is not None:
            copied.add(Side.SHADOW)
        compacted = frozenset(side for side, place in zip(Side, places, strict=False) if place.topic in self.compacted)
        sources = TaskTopics(topic, places, inputs, own, frozenset(copied), compacted, self.incarnation)
        compare = self._compare_of.get(topic)
        if compare is None:  # one for all tasks of a topic, so that their pairs can be compared together
            compare = self._compare_of[topic] = self.compare.of(topic)
        task = Task(self.config, self.revision, sources, self.progress, compare)
        self.tasks[places[Side.PRODUCTION]] = task
        for side in sources.sides:
            self._by_place[places[side]] = (task, side)
        for place in own:
            self._by_input[place] = task
        return task

    def drop(self) -> None:
        """Forget all tasks and marks; the marks are read again from the beginning."""
        self.tasks.clear()
        self._by_place.clear()
        self._by_input.clear()
        self.prepared.clear()
        self.progress = MarksLog(self.revision)
        self._idleness = Idleness(self.config.idle_ms)
        self._originals.clear()

    def read(self, batch: Batch, now_ms: int) -> set[str]:
        """Read a batch as `Task.read` does. Offer it again after further marks, or after `MarksLog.take_as_named`."""
        task, side = self._by_place[batch.place]
        return task.read(side, batch, now_ms)

    def compare_gathered(self, place: Partition) -> None:
        self._by_place[place][0].comparing.compare_gathered()

    def accounted_to(self, place: Partition) -> int:
        """Return the offset below which a partition had been read before the restart."""
        task, side = self._by_place[place]
        return task.sides[side].position.accounted_to

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        task, side = self._by_place[place]
        if not task.completeness.has_ended_early:  # records before that end are left out, and no position passes them
            task.sides[side].end(offset, now_ms)

    def resume_marks(self, states: Mapping[str, Mapping[str, Any]], begins: Mapping[str, int]) -> int:
        """Restore the marks from the last commits of the assigned tasks; return the offset to read the marks from.

        `states` holds the state record of each task that has one, `begins` the mark offset of each commit.
        """
        snapshots: list[Any] = [states.get(task.name, {}).get("marks") for task in self.tasks.values()]
        if not snapshots or not all(snapshots):
            return 0  # a new task, or a commit of an earlier release: read all marks
        # The earliest snapshot: later marks are read again, and each task knows which of them it has counted.
        self.progress.restore(min(snapshots, key=position_of))
        return min(begins[task.name] for task in self.tasks.values())

    def mark(self, record: dict[str, Any] | None, at: int | None = None) -> None:
        """Apply the next mark of the progress topic, at offset `at`; None stands for a record that is no mark."""
        if record is None:
            self.progress.refuse(self.progress.position if at is None else at)
            return
        done = self.progress.add(record, at)
        if done is not None:
            for task in self.tasks.values():
                task.completeness.passed.add(done)
        elif record["kind"] == "range":
            task_of = self._by_input.get(Partition(record["input_topic"], record["input_partition"]))
            if task_of is not None:
                task_of.inputs.count_range(record)

    def answer(self, record: dict[str, Any]) -> None:
        """Apply a second answer of the candidate: a mark of the topic `second-answers`."""
        for task in self.tasks.values():
            task.comparing.rechecks.answer(record)

    def observe_born(self, ends: dict[Partition, int], inputs: dict[Partition, int]) -> None:
        """Note the ends of all sides' outputs, read *before* the ends of the inputs."""
        for task in self.tasks.values():
            for side in task.sources.sides:
                task.completeness.observe_born(ends[task.sources.places[side]], inputs, side)

    def observe_production(
        self, committed: dict[Partition, int], ends: dict[Partition, int], stored: dict[Partition, int] | None = None
    ) -> None:
        """Note production's committed offsets, read *before* the ends of its outputs (see `Completeness`)."""
        for place, task in self.tasks.items():
            task.completeness.observe_production(ends[place], committed, stored)

    def observe_twin(self, committed: dict[Partition, int], ends: dict[Partition, int]) -> None:
        """Note the twin's committed offsets, read *before* the ends of its topic."""
        for task in self.tasks.values():
            task.completeness.twin.observe(ends[task.sources.places[Side.TWIN]], committed)

    def limit_ms(self, now_ms: int) -> int:
        """The greatest event time that tells how far a partition is; see `future_dates`."""
        return self._ahead.limit_ms(now_ms)

    def observe_times(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """Apply the idle rule, given the ends of all output partitions and known event times up to `limit_ms`."""
        self._idleness.observe(ends, times, now_ms)
        sides = {side: [place for place in ends if side_of(self.config, place.topic) is side] for side in Side}
        for task in self.tasks.values():
            for side in task.sources.sides:
                place, position = task.sources.places[side], task.completeness.positions[side]
                task.completeness.idle_watermarks[side] = self._idleness.watermark(place, position, now_ms)
                if side not in task.completeness.copied:  # a copied side has the time of its originals
                    task.completeness.stated_ms[side] = self._idleness.stated(place, position, sides[side], now_ms)

    def observe_originals(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """Note the ends and greatest event times of the original partitions of a copied topic."""
        for topic in {place.topic for place in ends}:
            self._originals.setdefault(topic, Originals(self.config.idle_ms)).observe(ends, times, now_ms)

    def observe_copied(
        self, side: Side, copied: dict[Partition, CopyPosition], ends: dict[Partition, int], now_ms: int
    ) -> None:
        """Note the progress of the copier in one topic, read *before* the ends of the copies."""
        (topic,) = {place.topic for place in copied}
        low_ms = self._originals.setdefault(topic, Originals(self.config.idle_ms)).low_ms(copied, now_ms)
        if low_ms is None or low_ms > self._ahead.limit_ms(now_ms):
            return
        for task in self.tasks.values():
            if side in task.completeness.copied and topic in (task.sources.topic, self.config.candidate.topic):
                task.completeness.copied[side].observe(ends[task.sources.places[side]], low_ms)

    def observe_diff(self, ends: dict[int, int]) -> None:
        """Note the ends of the diff topic's partitions: each row of a later commit lies at or above its end."""
        for task in self.tasks.values():
            task.late.diff_end = max(task.late.diff_end, ends.get(task.sources.partition, 0))

    def wanted(self) -> dict[Partition, list[int]]:
        """Return the records of source topics that corrections need, as sorted offsets by partition."""
        found: dict[Partition, list[int]] = {}
        for task in self.tasks.values():
            for place, offsets in task.late.corrections.wanted().items():
                found[place] = sorted({*found.get(place, ()), *offsets})
        return found

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int] = ()) -> None:
        """Pass on wanted records of a partition; the records at the offsets `gone` can no longer be read."""
        lost = list(gone)
        for task in self.tasks.values():
            task.fetched(place, batch, lost)

    def prepare(self, now_ms: int, limit: int = sys.maxsize) -> Prepared:
        """Return the content of one transaction, from all tasks that have something new to commit.

        A mark, a restart or a bound may end more records than about `limit`: the rest is for the next (`has_more`).
        """
        share = max(1, limit // max(1, len(self.tasks)))
        writes: list[Write] = []
        commits: list[Commit] = []
        has_more = False
        self.prepared = []
        for task in self.tasks.values():
            task.comparing.rechecks.tick(now_ms)
            has_more |= task.decide(share)
        compare_together(task.comparing for task in self.tasks.values())
        for task in self.tasks.values():
            of_task, offsets = task.prepare(now_ms)
            if offsets:
                writes += of_task
                commits += offsets
                self.prepared.append(task)
        return Prepared(writes, commits, has_more)

    def committed(self) -> None:
        """Note that the transaction of the last `prepare` has been committed."""
        for task in self.prepared:
            task.commit.committed()
        self.prepared = []
        tasks = self.tasks.values()
        if self.progress.absences:
            self._forget_absences(tasks)
        elif self.config.production.is_exact:
            for task in tasks:  # what has ended need not be looked at again
                task.completeness.production.end_below(task.sides[Side.PRODUCTION].position.pending_from)

    def _forget_absences(self, tasks: Collection[Task]) -> None:
        # Ended records count, not read ones: a record that waits for marks may be much older.
        if (ended_ms := lowest([task.commit.watermark() for task in tasks])) is not None:
            self.progress.forget_absences_before(ended_ms - self.config.correctable_ms - self.config.grace_ms)
        if not self.config.production.is_exact:
            return  # a commit does not show that all outputs of an input exist: a later output may need its absence
        floors = [task.sides[Side.PRODUCTION].position.pending_from for task in tasks]
        ended = [t.completeness.production.end_below(floor) for t, floor in zip(tasks, floors, strict=True)]
        if ended:
            self.progress.forget_absences({place: min(e.get(place, 0) for e in ended) for place in ended[0]})

    def ended_records(self) -> int:
        return sum(task.ended_records() for task in self.tasks.values())

    def bin_bytes(self) -> int:
        """Return about how large the distributions are in the largest stats record of the next commit."""
        return max((task.counts.slices.bin_bytes() for task in self.tasks.values()), default=0)

    def prepared_counts(self) -> list[OutcomeCounts]:
        """Return the counts of the tasks of the last `prepare`, until `committed`."""
        return [task.counts for task in self.prepared]

    def sides(self) -> dict[Side, tuple[int, int, int | None]]:
        shown: dict[Side, tuple[int, int, int | None]] = {}
        size = self.pending_bytes()
        for side in Side:
            tasks = [task for task in self.tasks.values() if side < len(task.sources.places)]
            if not tasks:
                continue
            known = [mark for task in tasks if (mark := task.completeness.watermarks[side]) is not None]
            records = sum(task.commit.pending.in_memory(side) for task in tasks)
            shown[side] = (records, size[side], min(known, default=None))
        return shown

    def pending_bytes(self) -> tuple[int, ...]:
        return tuple(sum(task.store.held.bytes[side] for task in self.tasks.values()) for side in Side)

    def spilled_bytes(self) -> tuple[int, ...]:
        return tuple(sum(task.store.held.spilled[side] for task in self.tasks.values()) for side in Side)

    def finished(self) -> bool:
        """Return whether every task of a bounded run has ended all records and committed them."""
        return bool(self.tasks) and all(task.commit.closed for task in self.tasks.values())
