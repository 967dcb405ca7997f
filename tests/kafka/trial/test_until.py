"""Where a trial ends by `until`: once, whichever process dies at any call, and each process ends there by itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.records import Partition, Write
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from tests.cli.verdict_topic import verdict
from tests.memory.runner_world import REVISION, Runners, config

GROUP = "shadow.ends.runner"


class World(Runners):
    """Runners of a trial that ends by itself."""

    def __init__(self, until: Any, inputs: int = 2, **more: Any) -> None:
        production = {"outputs": ["out"], "group": "production"}
        sections = {"candidate": {"call": "builtins:int"}, "production": production, **more}
        super().__init__(config("ends", until=until, **sections), inputs, 1)

    def marks(self, topic: str, kind: str) -> list[dict[str, Any]]:
        log = self.broker.logs[Partition(self.config.plan.of(topic), 0)]
        records = [own.decode(entry.value or b"")[1] for _, entry in log.records()]
        return [one for one in records if one["kind"] == kind]

    def bounds(self) -> dict[int, int]:
        """The first pinned end; all joiners read the same."""
        pinned = [{one["partition"]: one["bound"] for one in mark["begins"]} for mark in self.marks("starts", "until")]
        announced = [
            {one["partition"]: one["bound"] for one in mark["begins"]} for mark in self.marks("progress", "until")
        ]
        assert announced
        assert all(one == pinned[0] for one in announced)
        return pinned[0]

    def ended(self) -> dict[int, int]:
        """Where the end marks say that each input ended; repeated marks agree."""
        found = {(one["input_partition"], one["to_offset"]) for one in self.marks("progress", "end")}
        assert len(found) == self.inputs
        return dict(sorted(found))

    def answered(self) -> list[int]:
        """Numbers of the inputs that have an output that readers see."""
        log = self.broker.logs[Partition(self.config.plan.out("out"), 0)]
        return sorted(int((entry.key or b"")[1:]) for _, entry in log.records())

    def write(self, write: Write) -> None:
        entry = Entry(write.key, write.value, self.broker.clock.now_ms)
        self.broker.logs[Partition(write.topic, write.partition)].append(entry)


def test_a_number_of_inputs_ends_one_process_with_exactly_these() -> None:
    world = World(25)
    with inside(world.broker, world.host):
        world.arrive(60)
        process = world.runner()
        world.turn(process, 3_000)
    assert process.error is None
    assert process.ended
    assert sum(world.bounds().values()) == sum(world.ended().values()) == len(world.answered()) == 25


@pytest.mark.parametrize("seed", range(3))
def test_runners_in_trouble_agree_on_one_end(seed: int) -> None:
    world = World(60)
    with inside(world.broker, world.host):
        for process in world.troubled(seed):
            process.kill()
        world.arrive(80)
        last = world.runner("2")
        world.turn(last, 8_000)
    assert last.error is None
    assert last.ended
    pinned, ended = world.bounds(), world.ended()
    assert all(ended[partition] >= bound for partition, bound in pinned.items())
    assert sum(ended.values()) >= 60
    answered = world.answered()
    assert answered == sorted(n for n in range(world.arrived) if n // 2 < ended[n % 2])


def test_a_runner_outlives_a_transaction_that_another_left_open() -> None:
    world = World(1_000, limits={"commit_ms": 20, "transaction_timeout_ms": 60_000})
    places = [Partition("in", partition) for partition in range(world.inputs)]
    with inside(world.broker, world.host):
        world.arrive(20)
        lives, dies = world.runner("0"), world.runner("1")
        for _ in range(30):
            world.turn(lives, 60)
            world.turn(dies, 60)
        world.arrive(6)
        group = world.broker.groups.of(GROUP)
        while group.is_stable(places):
            assert dies.error is None
            world.turn(dies, 1)
        dies.kill()
        began_ms = world.broker.clock.now_ms
        while lives.error is None and world.broker.clock.now_ms < began_ms + 20_000:
            world.turn(lives, 50)
        assert not group.is_stable(places)
        lives.kill()
    assert lives.error is None


def test_a_time_ends_inputs_at_their_first_record_of_it() -> None:
    world = World(datetime.fromtimestamp(2_000, UTC))
    with inside(world.broker, world.host):
        world.arrive(10)
        process = world.runner()
        world.turn(process, 1_500)
        assert not world.marks("starts", "until")
        world.broker.clock.advance(1_500)
        world.arrive(6)
        world.turn(process, 3_000)
    assert process.error is None
    assert process.ended
    assert world.bounds() == world.ended() == {0: 5, 1: 5}
    assert world.answered() == list(range(10))


@pytest.mark.parametrize(("revision", "decision", "ends"), [
    (REVISION, "reject", True), (REVISION, "promote", True), (REVISION, "not_yet", False), ("ff" * 16, "reject", False),
])  # fmt: skip
def test_only_a_decision_about_this_revision_ends_it(revision: str, decision: str, ends: bool) -> None:
    world = World("decision")
    with inside(world.broker, world.host):
        world.arrive(10)
        process = world.runner()
        world.turn(process, 1_500)
        world.write(
            Write(
                world.config.plan.of("verdict"),
                0,
                revision.encode(),
                own.encode("verdict", verdict(decision, revision)),
            )
        )
        world.broker.clock.advance(5)
        world.turn(process, 3_000)
        process.kill()
    assert process.error is None
    assert bool(world.marks("starts", "until")) == ends
    if ends:
        assert sum(world.ended().values()) == 10
