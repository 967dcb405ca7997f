"""The joiner's step, pure: all tasks of one process, and the marks that they share."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from shadowstream.ahead import Ahead
from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.completeness.copied_time import Copied, Originals
from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.joiner.completeness.marks_log import Progress, position_of
from shadowstream.joiner.recovery.task_commit import PreparedCommit
from shadowstream.joiner.task import Task
from shadowstream.joiner.task_topics import Sources, places_of, side_of
from shadowstream.records import Batch, Commit, Partition, Side, Write


class JoinerStep:
    """Tasks by their place on production's side. `partitions` counts each of production's output topics (of a topic in
    `repartitioned` our copy of it); `inputs` are all input partitions."""

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
        self.partitions = dict(partitions)
        self.inputs = frozenset(inputs)
        self.repartitioned = frozenset(repartitioned)
        self.compacted: frozenset[str] = frozenset()
        """Topics that are compacted, of those that are compared."""
        self.tasks: dict[Partition, Task] = {}
        self.progress = Progress(revision, config.inputs)
        self.incarnation = ""
        """Under at_least_once: whose commits these are, from one assignment to the next."""
        self._idleness = Idleness(config.idle_ms)
        self._ahead = Ahead(config.future_ms_max)
        self._originals: dict[str, Originals] = {}
        self._by_place: dict[Partition, tuple[Task, Side]] = {}
        self._by_input: dict[Partition, Task] = {}
        self._prepared: list[Task] = []

    def assign(self, topic: str, partition: int) -> Task:
        """Take a task of production's output `topic`; `Task.restore` gives it what was committed."""
        places = places_of(self.config, topic, partition, self.repartitioned)
        inputs = frozenset(p for p in self.inputs if p.partition % self.partitions[topic] == partition)
        # Each input is counted by one task: of the first family, and only where a runner of ours counts at all.
        is_first = topic == self.config.production.outputs[0] and self.config.candidate.topic is None
        own: frozenset[Partition] = inputs if is_first else frozenset()
        copied = {Side.PRODUCTION} if topic in self.repartitioned else set()
        if copied and self.config.candidate.topic is not None:
            copied.add(Side.SHADOW)
        compacted = frozenset(side for side, place in zip(Side, places, strict=False) if place.topic in self.compacted)
        sources = Sources(topic, places, inputs, own, frozenset(copied), compacted, self.incarnation)
        task = Task(self.config, self.revision, sources, self.progress, self.compare.of(topic))
        self.tasks[places[Side.PRODUCTION]] = task
        for side in sources.sides:
            self._by_place[places[side]] = (task, side)
        for place in own:
            self._by_input[place] = task
        return task

    def drop(self) -> None:
        """Forget everything, the marks included: they are read again from the start."""
        self.tasks.clear()
        self._by_place.clear()
        self._by_input.clear()
        self._prepared.clear()
        self.progress = Progress(self.revision, self.config.inputs)
        self._idleness = Idleness(self.config.idle_ms)
        self._originals.clear()

    def read(self, batch: Batch, now_ms: int) -> set[str]:
        """A batch of any side of one of our tasks.

        It is not taken, and revisions are returned, where no mark has named these yet: read on in the marks and try
        again, or `Progress.take_as_named`.
        """
        task, side = self._by_place[batch.place]
        return task.read(side, batch, now_ms)

    def compare_gathered(self, place: Partition) -> None:
        """Compare the pairs gathered so far of the task of a place."""
        task, _ = self._by_place[place]
        task.comparing.compare_gathered()

    def high(self, place: Partition) -> int:
        """Below this offset the place had been read before the restart."""
        task, side = self._by_place[place]
        return task.sides[side].position.accounted_to

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        """A place was read to its present end."""
        task, side = self._by_place[place]
        task.sides[side].end(offset, now_ms)

    def resume_marks(self, states: Mapping[str, Mapping[str, Any]], begins: Mapping[str, int]) -> int:
        """Take up what marks had said when the tasks assigned were last committed; the offset of the progress topic to
        read on from. By task its state record, where there is one, and the position of its commit's metadata."""
        snapshots = []
        for task in self.tasks.values():
            state = states.get(task.name)
            if state is None or not state["marks"]:
                return 0  # new, or committed by an earlier release: everything is read
            snapshots.append(state["marks"])
        if not snapshots:
            return 0
        # The earliest: what came after it is read again, and every task knows what it has counted.
        self.progress.restore(min(snapshots, key=position_of))
        return min(begins[task.name] for task in self.tasks.values())

    def mark(self, record: dict[str, Any] | None, at: int | None = None) -> None:
        """One mark, in the order of the progress topic, and its offset there; None for what cannot be one."""
        if record is None:
            self.progress.refuse(self.progress.position if at is None else at)
            return
        done = self.progress.add(record, at)
        if done is not None:
            for task in self.tasks.values():
                task.clocks.passed.add(done)
        elif record["kind"] == "range":
            task_of = self._by_input.get(Partition(record["input_topic"], record["input_partition"]))
            if task_of is not None:
                task_of.inputs.count_range(record)

    # ---------------------------------------------------------------- observations; all ends are high watermarks

    def observe_born(self, ends: dict[Partition, int], inputs: dict[Partition, int]) -> None:
        """Ends of all sides' outputs, read *before* the ends of the inputs."""
        for task in self.tasks.values():
            for side in task.sources.sides:
                task.clocks.observe_born(ends[task.places[side]], inputs, side)

    def observe_production(
        self, committed: dict[Partition, int], ends: dict[Partition, int], stored: dict[Partition, int] | None = None
    ) -> None:
        """Production's committed offsets, read *before* the ends of its outputs; `stored`: see `Completeness`."""
        for place, task in self.tasks.items():
            task.clocks.observe_production(ends[place], committed, stored)

    def observe_twin(self, committed: dict[Partition, int], ends: dict[Partition, int]) -> None:
        """The twin's committed offsets, read *before* the ends of its topic."""
        for task in self.tasks.values():
            task.clocks.observe_twin(ends[task.places[Side.TWIN]], committed)

    def limit_ms(self, now_ms: int) -> int:
        """The greatest event time that tells how far a partition is; see `ahead`."""
        return self._ahead.limit_ms(now_ms)

    def observe_times(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """The idle rule: end of every output place of every side, and the greatest event time up to `limit_ms` of those
        of which it was asked."""
        self._idleness.observe(ends, times, now_ms)
        sides = {side: [place for place in ends if side_of(self.config, place.topic) is side] for side in Side}
        for task in self.tasks.values():
            for side in task.sources.sides:
                place, position = task.places[side], task.clocks.positions[side]
                task.clocks.idle_watermarks[side] = self._idleness.watermark(place, position, now_ms)
                if side not in task.clocks.copied:  # there the time of all originals is each task's own
                    task.clocks.stated_ms[side] = self._idleness.stated(place, position, sides[side], now_ms)

    def has_idle(self, now_ms: int) -> bool:
        """Whether any task of ours has nothing to read, so that the times of the others are its own."""
        return any(task.commit.is_idle(now_ms) for task in self.tasks.values())

    def observe_originals(self, ends: dict[Partition, int], times: dict[Partition, int], now_ms: int) -> None:
        """End and greatest event time of the partitions of one topic that we read as a copy: which of them are idle."""
        for topic in {place.topic for place in ends}:
            self._originals.setdefault(topic, Originals(self.config.idle_ms)).observe(ends, times, now_ms)

    def observe_copied(
        self, side: Side, copied: dict[Partition, Copied], ends: dict[Partition, int], now_ms: int
    ) -> None:
        """How far the partitions of one topic have been copied, read *before* the ends of the copies."""
        (topic,) = {place.topic for place in copied}
        low_ms = self._originals.setdefault(topic, Originals(self.config.idle_ms)).low_ms(copied, now_ms)
        if low_ms is None or low_ms > self._ahead.limit_ms(now_ms):
            return
        for task in self.tasks.values():
            if side in task.clocks.copied and topic in (task.sources.topic, self.config.candidate.topic):
                task.clocks.copied[side].observe(ends[task.places[side]], low_ms)

    def observe_diff(self, ends: dict[int, int]) -> None:
        """Ends of the diff topic's partitions: no row of a later commit lies below."""
        for task in self.tasks.values():
            task.late.observe_diff_end(ends.get(task.sources.partition, 0))

    # ---------------------------------------------------------------- corrections

    def wanted(self) -> dict[Partition, list[int]]:
        """Records of source topics to be read again, offsets in order."""
        found: dict[Partition, list[int]] = {}
        for task in self.tasks.values():
            for place, offsets in task.late.corrections.wanted().items():
                found[place] = sorted({*found.get(place, ()), *offsets})
        return found

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int] = ()) -> None:
        """Records that were wanted, and offsets that can no longer be read."""
        lost = list(gone)
        for task in self.tasks.values():
            task.fetched(place, batch, lost)

    # ---------------------------------------------------------------- committing

    def prepare(self, now_ms: int, limit: int = sys.maxsize) -> PreparedCommit:
        """Return everything of one transaction, of all tasks that have something new to commit.

        `limit`: what ends at once because of a mark, a restart or a bound may be more than one transaction can hold.
        About `limit` records of it go into this one, and the rest into the next (`has_more`).
        """
        share = max(1, limit // max(1, len(self.tasks)))
        writes: list[Write] = []
        commits: list[Commit] = []
        has_more = False
        self._prepared = []
        for task in self.tasks.values():
            prepared = task.prepare(now_ms, share)
            has_more |= prepared.has_more
            if prepared.commits:
                writes += prepared.writes
                commits += prepared.commits
                self._prepared.append(task)
        return PreparedCommit(writes, commits, has_more)

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed."""
        for task in self._prepared:
            task.commit.committed()
        self._prepared = []
        # By what has ended, not by what has been read: a record that waits for marks may be much older than that.
        marks = [task.commit.watermark() for task in self.tasks.values()]
        known = [mark for mark in marks if mark is not None]
        if known and len(known) == len(marks):
            self.progress.forget_absences_before(int(min(known)) - self.config.correctable_ms - self.config.grace_ms)
        if self.config.production.commits != "after_output":
            return  # its commits do not say that an input's outputs are all there: another may ask yet
        floors = [(task.clocks, task.sides[Side.PRODUCTION].position.pending_from) for task in self.tasks.values()]
        ended = [clocks.production.end_below(floor) for clocks, floor in floors]
        if ended:
            self.progress.forget_absences({place: min(e.get(place, 0) for e in ended) for place in ended[0]})

    def entered(self) -> int:
        """How many records have ended since the last commit."""
        return sum(task.entered() for task in self.tasks.values())

    def prepared(self) -> list[Task]:
        """The tasks of the last `prepare`, until `committed`."""
        return list(self._prepared)

    def books(self) -> list[OutcomeCounts]:
        """Books of the tasks of the last `prepare`, until `committed`."""
        return [task.book for task in self._prepared]

    def sides(self) -> dict[Side, tuple[int, int, int | None]]:
        """Waiting records, their bytes and the lowest watermark, by side."""
        shown: dict[Side, tuple[int, int, int | None]] = {}
        size = self.pending_bytes()
        for side in Side:
            tasks = [task for task in self.tasks.values() if side < len(task.places)]
            if not tasks:
                continue
            known = [mark for task in tasks if (mark := task.clocks.watermarks[side]) is not None]
            records = sum(task.commit.pending.in_memory(side) for task in tasks)
            shown[side] = (records, size[side], min(known, default=None))
        return shown

    def pending_bytes(self) -> tuple[int, ...]:
        """Bytes of unpaired records by side."""
        waiting = [task.store.held.bytes for task in self.tasks.values()]
        return tuple(sum(one[side] for one in waiting) for side in Side)

    def spilled_bytes(self) -> tuple[int, ...]:
        """Bytes of their values that lie outside of memory, by side."""
        return tuple(sum(task.store.held.spilled[side] for task in self.tasks.values()) for side in Side)

    def finished(self) -> bool:
        """Bounded run: every task of ours has ended everything and committed it."""
        return bool(self.tasks) and all(task.commit.closed for task in self.tasks.values())
