"""The joiner's processes: what an edge does with a joiner step, on the logs of the world.

Whatever a process knows after a restart comes from what is stored here: offsets with their metadata, state records,
rows of diff, and the source topics. A commit that was torn has stored nothing.
"""

import sys
from collections.abc import Iterable
from typing import Any

from shadowstream.codecs import own
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import comparer
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.reading.event_times import BACK
from shadowstream.records import Partition, Side
from shadowstream.testing.simulation.world import World


class Stored:
    """What the joiner's transactions have left in Kafka."""

    def __init__(self, partitions: int) -> None:
        self.commits: dict[Partition, tuple[int, str]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.stats: list[dict[str, Any]] = []
        self.diff: list[list[dict[str, Any] | None]] = [[] for _ in range(partitions)]

    def rows(self) -> Iterable[dict[str, Any]]:
        """Rows of diff; those of one pair id in the order in which they were written."""
        for partition in self.diff:
            yield from (row for row in partition if row is not None)


class Process:
    """One joiner process with the tasks that are its own."""

    def __init__(self, world: World, stored: Stored, tasks: list[tuple[str, int]]) -> None:
        self.world, self.stored = world, stored
        self.revision = world.revision
        self.positions: dict[Partition, int] = {}
        self.start(tasks)

    def start(self, tasks: list[tuple[str, int]]) -> None:
        """A new process: nothing is left of what an earlier one knew."""
        world = self.world
        self.revision = world.revision
        compare = comparer(NoSchemas(), world.config.compare)
        counts = dict.fromkeys(world.topics, world.setup.outputs)
        self.step = JoinerStep(world.config, self.revision, compare, counts, world.inputs)
        self.step.compacted = frozenset(world.topics if world.setup.compacted else ())
        self._take(tasks)

    def reassign(self, tasks: list[tuple[str, int]]) -> None:
        """The group has rebalanced: everything is dropped and taken anew."""
        self.step.drop()
        self._take(tasks)

    def _take(self, tasks: list[tuple[str, int]]) -> None:
        self.tasks, self.positions = tasks, {}
        logs, commits = self.world.logs, self.stored.commits
        assigned = [self.step.assign(topic, partition) for topic, partition in tasks]
        states = {task.name: self.stored.states[task.name] for task in assigned if task.name in self.stored.states}
        begins: dict[str, int] = {}
        for task in assigned:
            for side, place in enumerate(task.sources.places):
                offset, metadata = commits.get(place, (self.world.first_output.get(place, 0), ""))
                begin = max(offset, logs.low(place))
                self.positions[place] = begin
                point = checkpoint.decode(metadata) if metadata else None
                begins[task.name] = point.progress if point else 0
                task.restore(Side(side), point, begin)
            if task.name in states:
                task.commit.restore(self.stored.states)
            if task.late.correctable_from is not None:
                partition = task.sources.partition
                rows = [row for row in self.stored.diff[partition][task.late.correctable_from :] if row is not None]
                task.late.restore([row for row in rows if row["task"] == task.name])
        self.marks_read = self.step.resume_marks(states, begins)
        self.answers_read = len(self.world.running.second_answers) if self.world.running is not None else 0
        self.poll(len(self.world.progress))

    def poll(self, n: int) -> None:
        for at in range(self.marks_read, min(self.marks_read + n, len(self.world.progress))):
            self.step.mark(self.world.progress[at], at)
        self.marks_read = min(len(self.world.progress), self.marks_read + n)
        answers = self.world.running.second_answers if self.world.running is not None else []
        for record in answers[self.answers_read :]:
            self.step.answer(record)
        self.answers_read = len(answers)

    def read(self, place: Partition, n: int) -> None:
        begin = self.positions[place]
        batch, to = self.world.logs.batch(place, begin, n)
        if batch is not None:
            while self.step.read(batch, self.world.now_ms):
                self.poll(1)
        self.positions[place] = to
        if to == self.world.logs.stable(place):
            self.step.end(place, to, self.world.now_ms)
        elif begin < to < begin + n:  # before or behind what nobody can read
            self.read(place, begin + n - to)

    def fetch(self, n: int) -> None:
        logs = self.world.logs
        for place, offsets in list(self.step.wanted().items())[:n]:
            gone = [offset for offset in offsets if offset < logs.low(place)]
            self.step.fetched(place, logs.at(place, sorted(offsets)), gone)

    def places(self, side: Side) -> list[Partition]:
        return [task.sources.places[side] for task in self.step.tasks.values()]

    def observe(self, production: dict[Partition, int] | None = None) -> None:
        """Commits, and ends of outputs and inputs. `production` where its group has been set back."""
        world, logs = self.world, self.world.logs
        if not self.tasks:
            return
        born = logs.ends([place for task in self.step.tasks.values() for place in task.sources.places])
        self.step.observe_born(born, logs.ends(world.inputs))
        if world.config.production.group:
            committed = dict(world.production.committed) if production is None else production
            self.step.observe_production(committed, logs.ends(self.places(Side.PRODUCTION)))
        if world.twin:
            self.step.observe_twin(dict(world.twin.committed), logs.ends(self.places(Side.TWIN)))

    def observe_times(self) -> None:
        """High watermarks and greatest times of the newest records of every output place, as the edge asks for them."""
        logs, now_ms = self.world.logs, self.world.now_ms
        limit_ms = self.step.limit_ms(now_ms)
        outputs = [place for place in logs.records if place not in self.world.inputs]
        times = {}
        for place in outputs:
            newest = [record for record in logs.records[place][-BACK:] if record is not None]
            if known := [record.time_ms for record in newest if record.time_ms <= limit_ms]:
                times[place] = max(known)
        self.step.observe_times(logs.ends(outputs), times, now_ms)

    def commit_all(self) -> None:
        while self.commit():
            pass

    def commit(self, *, torn: bool = False) -> bool:
        """One transaction; whether there is more to commit. Torn: the process dies before it has been committed, and
        nothing is stored."""
        stored = self.stored
        self.step.observe_diff({p: len(rows) for p, rows in enumerate(stored.diff)})
        writes, commits, has_more = self.step.prepare(self.world.now_ms, self.world.setup.maximum or sys.maxsize)
        if torn:
            return has_more
        plan = self.world.config.plan
        for write in writes:
            if write.topic == plan.dead_letter("joiner"):
                continue  # no record of ours: what could not be read, as it was
            if write.value is None:
                stored.states.pop((write.key or b"").decode(), None)
                continue
            record = own.decode(write.value)[1]
            if write.topic == plan.of("state"):
                stored.states[record["task"]] = record
            elif write.topic == plan.of("rechecks"):
                self.world.requests.append(record)
            elif write.topic == plan.of("stats"):
                stored.stats.append(record)
            else:
                stored.diff[write.partition].append(record)
        for rows in stored.diff:
            if writes:
                rows.append(None)
        stored.commits |= {commit.place: (commit.offset, commit.metadata) for commit in commits}
        self.step.committed()
        return has_more
