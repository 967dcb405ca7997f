"""Production's answer in the inputs, by the real roles in memory: killed at any call, each counts once."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.roles import joiner, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.least_config import shown
from tests.memory.runner_world import REVISION

PARTITIONS, INPUTS = 2, 60
CONFIG = {
    "name": "answer",
    "inputs": ["in"],
    "production": {"answer": "result.score"},
    "candidate": {"call": "tests.memory.test_answer:score", "isolation": "in-process", "trusted": True},
    "start": "earliest",
    "bounded": True,
    "limits": {"commit_ms": 20},
}


def score(payment: dict[str, Any]) -> float | None:
    """Answer as production does, but for every seventh payment; every tenth has no answer."""
    assert "score" not in payment.get("result", {}), "production's answer is shown to the candidate"
    if payment["n"] % 10 == 0:
        return None
    return float(payment["n"] + (payment["n"] % 7 == 0))


def expected() -> dict[str, int]:
    kinds = Counter(
        "missing" if n % 10 == 0 else "undecodable_production" if n % 11 == 0 else "mismatch" if n % 7 == 0 else "match"
        for n in range(INPUTS)
    )
    return dict(kinds)


class World:
    """A broker whose topic `in` holds all inputs; one process at a time runs on it."""

    def __init__(self, **more: Any) -> None:
        self.config = Config.model_validate(shown(CONFIG | more))
        self.broker = MemoryBroker(ManualClock(wall_ms=1_000_000))
        self.broker.create("in", PARTITIONS)
        for n in range(INPUTS):
            value = {"n": n, "result": {} if n % 11 == 0 else {"score": float(n)}}
            entry = Entry(b"k%d" % (n % 3), json.dumps(value).encode(), self.broker.clock.now_ms)
            self.broker.logs[Partition("in", n % PARTITIONS)].append(entry)
        self.running: Process | None = None
        self.watch: RoleHealth | None = None
        """Of the last process."""

    def host(self) -> Process:
        assert self.running is not None
        return self.running

    def lives(self, role: Callable[..., Any], calls: int) -> Process:
        """A process of a role that has died after so many calls, or has come to its end."""
        name = role.__module__.rpartition(".")[2]
        watch = self.watch = RoleHealth("answer", name)
        self.running = Process(name, self.broker.clock, lambda: role(self.config, REVISION, Stoppable(), watch, "0"))
        self.running.run(calls)
        assert self.running.error is None, self.running.error
        self.running.kill()
        return self.running

    def stats(self) -> list[dict[str, Any]]:
        places = [place for place in self.broker.logs if place.topic == "shadow.answer.stats"]
        entries = [entry for place in places for _, entry in self.broker.logs[place].records()]
        return [own.decode(entry.value or b"")[1] for entry in entries]

    def outcomes(self) -> dict[str, int]:
        total: Counter[str] = Counter()
        for record in self.stats():
            for window in record["windows"]:
                total.update(window["outcomes"])
        return {name: n for name, n in total.items() if n and not name.startswith("input")}


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_killed_at_any_call_each_input_ends_once(delivery: str) -> None:
    world = World(delivery=delivery)
    with inside(world.broker, world.host):
        for calls in range(20, 400, 45):
            world.lives(runner.run, calls)
        assert world.lives(runner.run, 20_000).result is not None
        for calls in range(20, 400, 45):
            world.lives(joiner.run, calls)
        assert world.lives(joiner.run, 60_000).result is not None
    assert world.outcomes() == expected()
    last = {record["task"]: record for record in world.stats()}
    assert all(record["complete"] and not record["pending"] for record in last.values())
    assert not any(one["expected"] - one["counted"] for record in last.values() for one in record["ledgers"])


def test_a_trial_that_ends_early_leaves_later_inputs_out() -> None:
    world = World(bounded=False, until=20)
    with inside(world.broker, world.host):
        assert world.lives(runner.run, 20_000).result is not None
        assert world.lives(joiner.run, 60_000).result is not None
    outcomes = world.outcomes()
    assert outcomes.pop("sampled_out") == INPUTS - 20
    assert sum(outcomes.values()) == 20
    assert outcomes["match"] > 0
