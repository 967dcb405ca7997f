"""The real runner with a counting candidate on the broker in memory: dying at any call, aborting, it counts once."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.kafka import runner
from shadowstream.kafka.clients import Stoppable
from shadowstream.records import PACKED_HEADER, Place, unpack
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from shadowstream.watch import Watch

REVISION = "00112233445566778899aabbccddeeff"
PARTITIONS = 2
CUSTOMERS = 3
CONFIG = Config.model_validate(
    {
        "name": "counts",
        "inputs": ["in"],
        "production": {"outputs": ["out"]},
        "candidate": {
            "call": "tests.memory.test_stateful:Counting",
            "trusted": True,
            "partitioner": "input",
            "state": "snapshot",
        },
        "start": "earliest",
        "limits": {"commit_ms": 20},
    }
)


class Counting:
    """The running count per customer."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, order: dict[str, Any]) -> dict[str, Any]:
        self.counts[order["customer"]] += 1
        return {"customer": order["customer"], "count": self.counts[order["customer"]]}

    def snapshot(self) -> bytes:
        return json.dumps(self.counts).encode()

    def restore(self, snapshot: bytes) -> None:
        self.counts = Counter(json.loads(snapshot))


class World:
    """A broker, orders in two partitions, and runners that come and go."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.config = config
        self.broker = MemoryBroker(ManualClock(wall_ms=1_000_000))
        self.broker.create("in", PARTITIONS)
        self.broker.create("out", PARTITIONS)
        self.running: Process | None = None
        self.orders = 0

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def arrive(self, n: int) -> None:
        for _ in range(n):
            value = json.dumps({"customer": f"c{self.orders % CUSTOMERS}"}).encode()
            place = Place("in", self.orders % PARTITIONS)
            self.broker.logs[place].append(Entry(b"k%d" % self.orders, value, self.broker.clock.now_ms))
            self.orders += 1

    def runner(self, instance: str = "0") -> Process:
        watch = Watch("counts", "runner")
        return Process(
            instance, self.broker.clock, lambda: runner.run(self.config, REVISION, Stoppable(), watch, instance)
        )

    def turn(self, process: Process, calls: int) -> None:
        self.running = process
        process.run(calls)

    def said(self) -> dict[tuple[int, int], list[Any]]:
        """Committed outputs by input partition and offset; more than one where something is double."""
        found: dict[tuple[int, int], list[Any]] = {}
        for partition in range(PARTITIONS):
            for _, entry in self.broker.logs[Place("shadow.counts.out.out", partition)].records():
                at = unpack(dict(entry.headers or [])[PACKED_HEADER]).coordinate
                found.setdefault((at.partition, at.offset), []).append(json.loads(entry.value or b""))
        return found

    def undisturbed(self) -> dict[tuple[int, int], list[Any]]:
        """What one object a partition says of its inputs in their order."""
        found = {}
        for partition in range(PARTITIONS):
            counting = Counting()
            for offset, entry in self.broker.logs[Place("in", partition)].records():
                found[partition, offset] = [counting(json.loads(entry.value or b""))]
        return found


def test_killed_at_any_call_the_counts_are_those_of_a_run_without() -> None:
    world, calls = World(), Counter[str]()
    with inside(world.broker, world.host):
        for last in range(1, 260):
            world.arrive(last % 5)
            process = world.runner()
            world.turn(process, last)
            assert process.error is None, process.error
            calls += process.calls
            process.kill()
        process = world.runner()
        world.turn(process, 1_000)
        assert calls["commit_transaction"] > 100
        assert world.said() == world.undisturbed()
        assert max(one["count"] for (one,) in world.said().values()) > 50
        process.kill()


@pytest.mark.parametrize("seed", range(6))
def test_with_aborts_zombies_and_partitions_that_move_the_counts_are_those_of_a_run_without(seed: int) -> None:
    world, draw = World(), Random(seed)
    world.broker.trouble = lambda call: (
        draw.choice(("abort", "unheard", "late")) if call.endswith("_transaction") and draw.random() < 0.1 else ""
    )
    with inside(world.broker, world.host):
        runners = [world.runner("0"), world.runner("1")]
        for _ in range(60):
            world.arrive(draw.randint(0, 6))
            for i, process in enumerate(runners):
                world.turn(process, draw.randint(1, 120))
                if draw.random() < 0.1:
                    process.kill()
                if process.ended:
                    world.broker.clock.advance(draw.choice((0, 11)))  # within its session, or after it
                    runners[i] = world.runner(str(i))
        world.broker.trouble = lambda call: ""
        for _ in range(20):
            for i, process in enumerate(runners):
                world.turn(process, 200)
                if process.ended:
                    runners[i] = world.runner(str(i))
        assert world.said() == world.undisturbed()
        for process in runners:
            process.kill()


def test_without_hooks_and_without_transactions_another_process_goes_on() -> None:
    candidate = CONFIG.candidate.model_copy(update={"state": "warm_up", "warm_up_records": 2})
    world = World(CONFIG.model_copy(update={"candidate": candidate, "delivery": "at_least_once"}))
    with inside(world.broker, world.host):
        for runs in range(1, 4):
            world.arrive(20)
            process = world.runner()
            world.turn(process, 1_000)
            assert process.error is None, process.error
            process.kill()
            assert len(world.said()) == 20 * runs


def test_the_tests_before_would_see_a_candidate_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "restore", lambda self, snapshot: None)
    world = World()
    with inside(world.broker, world.host):
        for _ in range(2):
            world.arrive(20)
            process = world.runner()
            world.turn(process, 1_000)
            process.kill()
        assert world.said().keys() == world.undisturbed().keys()
        assert world.said() != world.undisturbed()
