"""Play a history: its actions one after the other, then everybody to the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.task import Task
from shadowstream.kafka.joining.spill_file import SpillFile
from shadowstream.records import Partition, Side
from shadowstream.testing.simulation.history import IDLE_MS, ROUNDS, Action, History
from shadowstream.testing.simulation.joiners import Process, Stored
from shadowstream.testing.simulation.world import World

SPILL_MAX = 1_000_000_000
SPILLS = 0.3
LOOKS = 4
"""So many looks, half of `idle_ms` apart, show what is still while others go on."""


class Trial:
    """One trial being played. `cut_short`: it does not come to its end, so that records may be left without a word."""

    cut_short = False

    def __init__(self, history: History) -> None:
        self.history, self.setup = history, history.setup
        self.world = World(history)
        self.stored = Stored(self.setup.outputs)
        self.tasks = [(topic, p) for topic in self.world.topics for p in range(self.setup.outputs)]
        self.processes = [Process(self.world, self.stored, self.tasks), Process(self.world, self.stored, [])]
        self.befallen: Counter[str] = Counter()
        self.spill = SpillFile(None, SPILL_MAX)

    def play(self) -> Trial:
        for action in self.history.actions:
            self.do(action)
        self.drain()
        return self

    def do(self, action: Action) -> None:
        name, which, n = action
        if name in ("arrive", "produce", "run", "twin"):
            self._handle(name, self.world.inputs[which % len(self.world.inputs)], n)
        elif name.startswith("read_"):
            task = self.tasks[which % len(self.tasks)]
            self._read(Side[name.removeprefix("read_").upper()], task, n)
        elif name in ("poll", "observe", "fetch", "commit", "crash", "torn", "unheard", "retention"):
            self._process(name, self.processes[which % len(self.processes)], n)
        elif name == "freeze":
            places = [place for place in self.world.logs.records if place not in self.world.inputs]
            self.world.freeze(places[which % len(places)])
        else:
            getattr(self, f"_{name}")(which, n)

    def _handle(self, name: str, place: Partition, n: int) -> None:
        world = self.world
        if name == "arrive":
            world.arrive(place, n)
        elif name == "produce":
            world.produce(world.production, place, n)
        elif name == "run":
            world.run(place, n)
        elif world.twin is not None:
            world.produce(world.twin, place, n)

    def _read(self, side: Side, task: tuple[str, int], n: int) -> None:
        if side not in self.setup.sides:
            return
        for process in self.processes:
            if task in process.tasks:
                process.read(process.step.tasks[Partition(*task)].sources.places[side], n)

    def _process(self, name: str, process: Process, n: int) -> None:
        if name in ("poll", "fetch", "observe", "commit"):
            getattr(process, name)(*([n] if name in ("poll", "fetch") else []))
        elif name == "retention":
            self._delete(process)
        else:
            if name != "crash":
                process.commit(torn=name == "torn")
            process.start(process.tasks)

    def _delete(self, process: Process) -> None:
        """A process commits, retention takes what it has read of one side, and it dies: what was pending is gone."""
        process.commit()
        for place in process.positions:
            commit = process.stored.commits.get(place)
            if place.topic in (self.world.topics[0], self.setup.adopted) and commit is not None:
                self.world.logs.lows[place] = max(self.world.logs.low(place), checkpoint.decode(commit[1]).high)
        process.start(process.tasks)

    def _commit_production(self, which: int, n: int) -> None:
        self.world.production.commit()
        self.world.end_warm_up()

    def _commit_twin(self, which: int, n: int) -> None:
        if self.world.twin is not None:
            self.world.twin.commit()

    def _commit_runner(self, which: int, n: int) -> None:
        self.world.commit_candidate()

    def _crash_runner(self, which: int, n: int) -> None:
        if self.world.running is not None:
            self.world.running.crash()

    def _crash_production(self, which: int, n: int) -> None:
        self.world.production.crash(self.world.at)

    def _replay(self, which: int, n: int) -> None:
        """Production's group is set back, everybody has a look, and it answers the same inputs again."""
        world = self.world
        self._commit_production(0, 0)
        back = world.production.replay(world.at, world.inputs[which % len(world.inputs)], n)
        for process in self.processes:
            process.observe()
            process.observe(back)
        world.production.answer_again(world.at, back)
        self._commit_production(0, 0)
        for process in self.processes:
            process.observe()
            process.commit()

    def _revision(self, which: int, n: int) -> None:
        self.world.switch()

    def _full(self, which: int) -> list[Task]:
        """The memory of one task is full."""
        place = Partition(*self.tasks[which % len(self.tasks)])
        return [process.step.tasks[place] for process in self.processes if place in process.step.tasks]

    def _shed(self, which: int, n: int) -> None:
        for task in self._full(which):
            task.shed_more()

    def _spill(self, which: int, n: int) -> None:
        self.befallen["bytes spilled"] += sum(task.spill(self.spill, 0) for task in self._full(which))

    def _wait(self, which: int, n: int) -> None:
        """Time passes, and everybody looks now and then who goes on."""
        for _ in range(LOOKS):
            self.world.move_to(self.world.now_ms + IDLE_MS // 2)
            for process in self.processes:
                process.observe_times()

    def _live(self, which: int, n: int) -> None:
        for name in ("arrive", "produce", "run", "twin"):
            for place in self.world.inputs:
                self._handle(name, place, n)
        self._commit_production(0, 0)
        self._commit_twin(0, 0)
        self._commit_runner(0, 0)

    def _turn(self, which: int, n: int) -> None:
        for process in self.processes:
            self._look(process)

    def _rebalance(self, which: int, n: int) -> None:
        """Tasks move between the processes; those revoked have been committed, or they have not."""
        if n % 2:
            for process in self.processes:
                process.commit()
        split = [task for place, task in enumerate(self.tasks) if which >> place & 1]
        rest = [task for task in self.tasks if task not in split]
        for process, tasks in zip(self.processes, (rest, split), strict=True):
            process.reassign(tasks)

    def drain(self) -> None:
        """Everybody does what is left; where only time closes, sentinels follow."""
        world = self.world
        world.logs.frozen.clear()
        for sentinels in range(ROUNDS + 1 if not self.setup.bounded else 1):
            for place in world.inputs:
                world.arrive(place, len(self.history.inputs), sentinels)
            self._handle_all()
            for producer in (world.production, world.job):
                if producer is not None:
                    producer.flush()
            self._commit_production(0, 0)
            self._commit_twin(0, 0)
            world.commit_candidate()
            for _ in range(4):
                self.turn()

    def _handle_all(self) -> None:
        """Everybody handles every input; within the strict order of time one partition may have to wait for another."""
        before: list[dict[Partition, int]] = []
        while before != (now := self.world.positions()):
            before = now
            for place in self.world.inputs:
                for name in ("produce", "run", "twin"):
                    self._handle(name, place, self.world.logs.end(place))

    def turn(self) -> None:
        """Every process reads all that there is, observes and commits; then time passes."""
        for process in self.processes:
            if process.revision != self.world.revision:
                process.start(process.tasks)
            self._look(process)
            while process.step.wanted():
                process.fetch(len(process.positions))
                process.commit_all()
        self._wait(0, 0)

    def _look(self, process: Process) -> None:
        process.observe()
        for place in process.positions:
            process.read(place, self.world.logs.end(place) + 1)
        process.poll(len(self.world.progress))
        process.commit_all()
        self.world.answer()

    def offences(self) -> Iterator[str]:
        """What went wrong beside the outcomes."""
        yield from ()


def played(history: History) -> Trial:
    return Trial(history).play()


def played_spilling(history: History) -> Trial:
    """The same, with tasks that spill all they can again and again."""
    draw = Random(f"spills of {history.setup.seed}")
    actions: list[Action] = []
    for action in history.actions:
        actions += [action, *([Action("spill", draw.randrange(4))] if draw.random() < SPILLS else [])]
    return played(History(history.setup, history.inputs, tuple(actions)))


def played_shedding(history: History) -> Trial:
    """The same, with a task or two that shed half of their identities somewhere, once or twice."""
    draw = Random(f"sheds of {history.setup.seed}")
    actions = list(history.actions)
    for _ in range(draw.randint(1, 4)):
        actions.insert(draw.randint(0, len(actions)), Action("shed", draw.randrange(4)))
    return played(History(replace(history.setup, shed=True), history.inputs, tuple(actions)))
