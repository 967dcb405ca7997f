"""The joiner's step, pure: all tasks of one process, and the marks that they share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shadowstream.config import Config
from shadowstream.joiner.book import Book
from shadowstream.joiner.progress import Progress
from shadowstream.joiner.task import Compare, Task
from shadowstream.records import Batch, Commit, Place, Side, Write


class JoinerStep:
    """Tasks by their place on production's side. `partitions` counts production's output topic;
    `inputs` are all input partitions."""

    def __init__(
        self, config: Config, revision: str, compare: Compare, partitions: int, inputs: Iterable[Place]
    ) -> None:
        self.config, self.revision, self.compare = config, revision, compare
        self.partitions = partitions
        self.inputs = frozenset(inputs)
        self.tasks: dict[Place, Task] = {}
        self.progress = Progress(revision, config.inputs)
        self._by_place: dict[Place, tuple[Task, Side]] = {}
        self._by_input: dict[Place, Task] = {}
        self._prepared: list[Task] = []

    def assign(self, topic: str, partition: int) -> Task:
        """Take a task; `Task.restore` gives it what was committed."""
        places = (Place(topic, partition), Place(self.config.plan.out(topic), partition))
        own = frozenset(place for place in self.inputs if place.partition % self.partitions == partition)
        task = Task(self.config, self.revision, places, self.progress, self.compare, own)
        self.tasks[places[Side.PRODUCTION]] = task
        for side in Side:
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

    def read(self, batch: Batch, now_ms: int) -> None:
        """A batch of either side of one of our tasks."""
        task, side = self._by_place[batch.place]
        task.read(side, batch, now_ms)

    def end(self, place: Place, offset: int, now_ms: int) -> None:
        """A place was read to its present end."""
        task, side = self._by_place[place]
        task.end(side, offset, now_ms)

    def mark(self, record: dict[str, Any]) -> None:
        """One mark, in the order of the progress topic."""
        done = self.progress.add(record)
        if done is not None:
            for task in self.tasks.values():
                task.mark(done)
        elif record["kind"] == "range":
            task_of = self._by_input.get(Place(record["input_topic"], record["input_partition"]))
            if task_of is not None:
                task_of.input_range(record)

    def observe_born(self, ends: dict[Place, int], inputs: dict[Place, int]) -> None:
        """Ends of production's outputs, read *before* the ends of the inputs."""
        for place, task in self.tasks.items():
            task.clocks.observe_born(ends[place], inputs)

    def observe_production(self, committed: dict[Place, int], ends: dict[Place, int]) -> None:
        """Production's committed offsets, read *before* the ends of its outputs."""
        for place, task in self.tasks.items():
            task.clocks.observe_production(ends[place], committed)

    def prepare(self, now_ms: int) -> tuple[list[Write], list[Commit]]:
        """Everything of one transaction, of all tasks that have something to say."""
        writes: list[Write] = []
        commits: list[Commit] = []
        self._prepared = []
        for task in self.tasks.values():
            task_writes, task_commits = task.prepare(now_ms)
            if task_commits:
                writes += task_writes
                commits += task_commits
                self._prepared.append(task)
        return writes, commits

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed."""
        for task in self._prepared:
            task.committed()
        self._prepared = []
        ended = [t.clocks.production_ended(t.sides[Side.PRODUCTION].low) for t in self.tasks.values()]
        if ended:
            self.progress.forget_absences({place: min(e.get(place, 0) for e in ended) for place in ended[0]})

    def books(self) -> list[Book]:
        """Books of the tasks of the last `prepare`, until `committed`."""
        return [task.book for task in self._prepared]

    def sides(self) -> dict[Side, tuple[int, int, int | None]]:
        """Waiting records, their bytes and the lowest watermark, by side."""
        shown: dict[Side, tuple[int, int, int | None]] = {}
        for side in Side:
            marks = [task.clocks.watermarks[side] for task in self.tasks.values()]
            known = [mark for mark in marks if mark is not None]
            records = sum(len(task.waiting.rows[side]) for task in self.tasks.values())
            shown[side] = (records, self.pending_bytes()[side], min(known, default=None))
        return shown

    def pending_bytes(self) -> tuple[int, int]:
        """Bytes of unpaired records by side."""
        waiting = [task.waiting.bytes for task in self.tasks.values()]
        return sum(w[0] for w in waiting), sum(w[1] for w in waiting)

    def finished(self) -> bool:
        """Bounded run: every task of ours has ended everything and committed it."""
        return bool(self.tasks) and all(task.closed for task in self.tasks.values())
