"""The real roles as processes: what `shadowstream up` would start."""

import contextlib
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from shadowstream.compare.hooks import Unanswered, load
from shadowstream.config import Config
from shadowstream.errors import BrokerError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.roles import external_candidate, joiner, judge, runner
from shadowstream.kafka.roles import second_answers as edge
from shadowstream.records import Batch, Partition
from shadowstream.runner.candidate import load as load_candidate
from shadowstream.runner.step import RunnerStep
from shadowstream.testing.memory.consumer import MemoryConsumer
from shadowstream.testing.memory.processes import Process
from shadowstream.testing.simulation.on_broker.faults import Faults
from shadowstream.testing.simulation.on_broker.world import BrokerWorld
from shadowstream.testing.simulation.running import AGAIN, Retelling
from shadowstream.testing.simulation.second_answers import called_again

RUN: dict[str, Callable[..., dict[str, Any]]] = {
    "runner": runner.run,
    "watcher": external_candidate.run,
    "joiner": joiner.run,
    "judge": judge.run,
}
ENDLESS = 60
"""Restarts of one process after which it is taken to die again and again."""


@contextlib.contextmanager
def retelling(world: BrokerWorld) -> Iterator[None]:
    """Within, the runner's step hears from the inputs what a candidate's call cannot bring about, and the joiner's
    functions are called in memory."""
    reteller = Retelling(world.setup, world.config, world.at)

    class Step(RunnerStep):
        """The real step."""

        def step(self, batch: Batch, now_ms: int) -> int:
            done = super().step(batch, now_ms)
            reteller.retell(self, batch.part(0, done))
            return done

    again = called_again(load_candidate(world.config.candidate.model_copy(update={"call": AGAIN})))
    of_runner = patch.object(runner, "RunnerStep", Step), patch.object(edge, "second_answers", again)
    with of_runner[0], of_runner[1], patch.object(joiner, "HookProcess", Functions):
        yield


class Functions(HookProcess):
    """The real one, but for the process: it goes by the same clock as everybody in memory, and is no other program."""

    def _ask(self, request: bytes, limit_s: float) -> tuple[str, Any]:
        _, entry, takes, arguments = pickle.loads(request)
        function = load(entry, "", takes)
        try:
            return "returned", None if arguments is None else function(*arguments)
        except Unanswered as error:
            self.close()
            return "ended", str(error)


class Service:
    """One role's instance and the process that is it at present; those before it may still be about as zombies."""

    def __init__(self, world: BrokerWorld, faults: Faults, role: str, instance: str = "0") -> None:
        self.world, self.faults, self.role, self.instance = world, faults, role, instance
        self.process: Process | None = None
        self.stop = Stoppable()
        self.wanted = True
        self.starts = 0
        self.revision = ""
        self.offences: list[str] = []

    @property
    def running(self) -> bool:
        return self.process is not None and not self.process.ended

    def start(self, watches: dict[str, RoleHealth]) -> None:
        world, self.revision, self.stop = self.world, self.world.revision, Stoppable()
        config, revision, stop, watch = world.config, world.revision, self.stop, watches[self.role]
        self.starts += 1
        self.process = Process(
            f"{self.role} {self.instance}",
            world.broker.clock,
            lambda: RUN[self.role](config, revision, stop, watch, self.instance),
        )
        self.process.fault = self.faults.befall

    def heed(self) -> None:
        """A process that has ended: by itself, or because the broker made it. Anything else is an offence."""
        if self.process is None or self.process.error is None:
            return
        error, self.process.error = self.process.error, None
        if not isinstance(error, BrokerError):
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            self.offences.append(f"{self.role} {self.instance} ended by {type(error).__name__}: {error} ({at})")

    @property
    def finished(self) -> bool:
        """Whether it has come to its end by itself: a bounded trial."""
        ended = self.process is not None and self.process.ended and self.process.result is not None
        return ended and not self.stop.stopped

    def positions(self) -> dict[Partition, int]:
        """How far its group's consumer has read."""
        group = self.world.config.plan.group(self.role)
        clients = self.process.clients if self.process is not None else []
        mine = [c for c in clients if isinstance(c, MemoryConsumer) and c.group.name == group]
        return mine[-1].positions if mine else {}


def watches(config: Config) -> dict[str, RoleHealth]:
    """One for each role, used by all its processes: nothing is asked of them."""
    return {role: RoleHealth(config.name, "runner" if role == "watcher" else role) for role in RUN}
