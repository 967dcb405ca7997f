"""Runners that come and go on the broker in memory, and the troubles that they live through."""

from random import Random
from typing import Any

from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import runner
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.least_config import shown

REVISION = "00112233445566778899aabbccddeeff"


def config(name: str, **more: Any) -> Config:
    """A trial from `in` to `out` that commits often; `candidate` is filled up."""
    sections = {"name": name, "inputs": ["in"], "production": {"outputs": ["out"]}, "start": "earliest"}
    candidate = {
        "isolation": "in-process",
        "trusted": True,
        "partitioner": "murmur2",
        **more.pop("candidate", {"call": "m:f"}),
    }
    return Config.model_validate(shown(sections | {"candidate": candidate, "limits": {"commit_ms": 20}} | more))


def latest(name: str) -> Config:
    """A trial that begins at what comes next, for what needs no candidate to run."""
    return config(name, start="latest", limits={})


class Runners:
    """A broker with the topics `in` and `out`, and processes of the real runner."""

    def __init__(self, config: Config, inputs: int, outputs: int) -> None:
        self.config, self.inputs = config, inputs
        self.broker = MemoryBroker(ManualClock(wall_ms=1_000_000))
        self.broker.create("in", inputs)
        self.broker.create("out", outputs)
        self.running: Process | None = None
        self.arrived = 0
        self.watch: RoleHealth | None = None
        """Of the last runner."""

    def value(self, n: int) -> bytes:
        """Of the n-th input."""
        return b"%d" % n

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def arrive(self, n: int) -> None:
        for _ in range(n):
            entry = Entry(b"k%d" % self.arrived, self.value(self.arrived), self.broker.clock.now_ms)
            self.broker.logs[Partition("in", self.arrived % self.inputs)].append(entry)
            self.arrived += 1

    def runner(self, instance: str = "0") -> Process:
        watch, config = RoleHealth(self.config.name, "runner"), self.config
        self.watch = watch
        return Process(instance, self.broker.clock, lambda: runner.run(config, REVISION, Stoppable(), watch, instance))

    def turn(self, process: Process, calls: int) -> None:
        self.running = process
        process.run(calls)

    def lives(self, calls: int) -> Process:
        """A runner that has died after so many calls, without an error."""
        process = self.runner()
        self.turn(process, calls)
        assert process.error is None, process.error
        process.kill()
        return process

    def once_and_again(self, times: int = 2, calls: int = 1_500) -> None:
        """A runner commits and dies, more arrives, and another goes on."""
        for _ in range(times):
            self.arrive(20)
            self.lives(calls)

    def troubled(self, seed: int) -> list[Process]:
        """Two runners through aborts, commits of which nobody hears, deaths and partitions that move, then in peace
        until all has been read; they live on."""
        draw = Random(seed)
        self.broker.trouble = lambda call: (
            draw.choice(("abort", "unheard", "late")) if call.endswith("_transaction") and draw.random() < 0.1 else ""
        )
        runners = [self.runner("0"), self.runner("1")]
        for _ in range(60):
            self.arrive(draw.randint(0, 6))
            for i, process in enumerate(runners):
                self.turn(process, draw.randint(1, 120))
                if draw.random() < 0.1:
                    process.kill()
                if process.ended:
                    self.broker.clock.advance(draw.choice((0, 11)))  # within its session, or after it
                    runners[i] = self.runner(str(i))
        self.broker.trouble = lambda call: ""
        for _ in range(20):
            for i, process in enumerate(runners):
                self.turn(process, 200)
                if process.ended:
                    runners[i] = self.runner(str(i))
        return runners
