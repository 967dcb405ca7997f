"""The real runner with a counting candidate on the broker in memory: dying at any call, aborting, it counts once."""

import json
from collections import Counter
from typing import Any

import pytest

from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from tests.memory.runner_world import Runners, config

PARTITIONS = 2
CUSTOMERS = 3
COUNTING = {"call": "tests.memory.test_stateful_candidate:Counting", "partitioner": "input", "state": "snapshot"}


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


class World(Runners):
    """A broker, orders in two partitions, and runners that come and go."""

    def __init__(self, **more: Any) -> None:
        super().__init__(config("counts", **{"candidate": COUNTING} | more), PARTITIONS, PARTITIONS)

    def value(self, n: int) -> bytes:
        return json.dumps({"customer": f"c{n % CUSTOMERS}"}).encode()

    def written_counts(self) -> dict[tuple[int, int], list[Any]]:
        """Committed outputs by input partition and offset; more than one where something is double."""
        found: dict[tuple[int, int], list[Any]] = {}
        for partition in range(PARTITIONS):
            for _, entry in self.broker.logs[Partition("shadow.counts.out.out", partition)].records():
                at = unpack(dict(entry.headers or [])[PACKED_HEADER]).coordinate
                found.setdefault((at.partition, at.offset), []).append(json.loads(entry.value or b""))
        return found

    def undisturbed(self) -> dict[tuple[int, int], list[Any]]:
        """What one object a partition says of its inputs in their order."""
        found = {}
        for partition in range(PARTITIONS):
            counting = Counting()
            for offset, entry in self.broker.logs[Partition("in", partition)].records():
                found[partition, offset] = [counting(json.loads(entry.value or b""))]
        return found


@pytest.mark.parametrize("lives", [140, pytest.param(260, marks=pytest.mark.long)])
def test_killed_at_any_call_the_counts_are_those_of_a_run_without(lives: int) -> None:
    world, calls = World(), Counter[str]()
    with inside(world.broker, world.host):
        for last in range(1, lives):
            world.arrive(last % 5)
            calls += world.lives(last).calls
        world.lives(1_000)
        assert calls["commit_transaction"] > lives // 3
        assert world.written_counts() == world.undisturbed()
        assert max(one["count"] for (one,) in world.written_counts().values()) > lives // 6


@pytest.mark.parametrize("seed", range(6))
def test_aborts_zombies_and_moving_partitions_do_not_change_the_counts(seed: int) -> None:
    world = World()
    with inside(world.broker, world.host):
        runners = world.troubled(seed)
        assert world.written_counts() == world.undisturbed()
        for process in runners:
            process.kill()


def test_without_hooks_and_without_transactions_another_process_goes_on() -> None:
    world = World(candidate=COUNTING | {"state": "warm_up", "warm_up_records": 2}, delivery="at_least_once")
    with inside(world.broker, world.host):
        for runs in range(1, 4):
            world.once_and_again(1, 1_000)
            assert len(world.written_counts()) == 20 * runs


def test_the_tests_before_would_see_a_candidate_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "restore", lambda self, snapshot: None)
    world = World()
    with inside(world.broker, world.host):
        world.once_and_again(calls=1_000)
        assert world.written_counts().keys() == world.undisturbed().keys()
        assert world.written_counts() != world.undisturbed()
