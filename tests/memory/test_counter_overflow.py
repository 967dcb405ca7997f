"""The real runner whose counters fit no metadata, on the broker in memory: dying at any call, it has counted once."""

from collections import Counter
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.errors import BrokerError
from shadowstream.kafka.reading.newest import WAIT_S
from shadowstream.kafka.roles import runner
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.records import Partition
from shadowstream.runner import commit_metadata
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from tests.memory.runner_world import Runners, config

INPUTS = 3
OUTPUTS = 2
"""Fewer than inputs: a partition of runner-state holds the counters of more than one."""
HERE = "tests.memory.test_counter_overflow"
STATE, WRITTEN = (
    [Partition(f"shadow.wide.{name}", partition) for partition in range(OUTPUTS)]
    for name in ("runner-state", "out.out")
)


def twice(value: int) -> list[int]:
    """Two outputs of each input but every third, which raises."""
    return [value, 1 // (value % 3)]


class Kept:
    """A candidate whose snapshots stand beside the counters, of the same place and offset."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, value: int) -> list[int]:
        self.seen += 1
        return [self.seen]

    def snapshot(self) -> bytes:
        return b"%d" % self.seen

    def restore(self, snapshot: bytes) -> None:
        self.seen = int(snapshot)


class World(Runners):
    """A broker, inputs in three partitions, and runners that come and go."""

    def __init__(self, **more: Any) -> None:
        super().__init__(config("wide", **{"candidate": {"call": f"{HERE}:twice"}} | more), INPUTS, OUTPUTS)

    def metadata(self) -> list[str]:
        """Of the commits as they stand."""
        return [kept.metadata for kept in self.broker.groups.of("shadow.wide.runner").offsets.values()]

    def counted(self) -> dict[Partition, marks.Counters]:
        """The last counters said of each input partition."""
        records = [own.decode(entry.value or b"")[1] for _, entry in self.read(Partition("shadow.wide.progress", 0))]
        with_counters = [one for one in records if one["counters"] is not None]
        return {Partition("in", one["input_partition"]): marks.Counters.of(one["counters"]) for one in with_counters}

    def read(self, place: Partition) -> list[tuple[int, Entry]]:
        return self.broker.logs[place].records()

    def true_counts(self) -> dict[Partition, marks.Counters]:
        """From the inputs, and from the outputs that stand there."""
        written = {Partition("in", p): Counter[str]() for p in range(INPUTS)}
        for place in WRITTEN:
            for _, entry in self.read(place):
                at = unpack(dict(entry.headers or [])[PACKED_HEADER]).coordinate
                written[Partition("in", at.partition)][f"out/{place.partition}"] += 1
        found = {}
        for place, outputs in written.items():
            values = [int(entry.value or b"") for _, entry in self.read(place)]
            errors = sum(value % 3 == 0 for value in values)
            absent = Counter(error=errors) if errors else Counter[str]()
            found[place] = marks.Counters(len(values), len(values) - errors, 0, absent, outputs)
        return found


@pytest.fixture(autouse=True)
def _no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with thousands of output partitions: the counters of no commit fit."""
    monkeypatch.setattr(commit_metadata, "METADATA_CHARS_MAX", 0)


@pytest.mark.parametrize(("lives", "commits"), [(200, 25), pytest.param(280, 50, marks=pytest.mark.long)])
@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_killed_at_any_call_every_count_is_there_once(delivery: str, lives: int, commits: int) -> None:
    world, calls = World(delivery=delivery), Counter[str]()
    with inside(world.broker, world.host):
        for last in range(1, lives):
            world.arrive(last % 3 == 0)  # few: each is three calls, and all that has come is one commit's
            calls += world.lives(last).calls
        world.lives(1_000)
        assert calls["commit_transaction" if delivery == "exactly_once" else "commit"] > commits
        assert {text[0] for text in world.metadata()} == {"2"}
        counted = world.counted()
        assert {place: (one.read, one.ended()) for place, one in counted.items()} == {
            place: (one.read, one.read) for place, one in world.true_counts().items()
        }
        if delivery == "exactly_once":  # else outputs are repeated, and none but the first counts
            assert counted == world.true_counts()


@pytest.mark.parametrize("seed", range(4))
def test_with_aborts_zombies_and_partitions_that_move_every_count_is_there_once(seed: int) -> None:
    world = World()
    with inside(world.broker, world.host):
        runners = world.troubled(seed)
        assert world.counted() == world.true_counts()
        for process in runners:
            process.kill()


def test_the_tests_before_would_see_a_runner_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "read_counters", lambda _, wanted, __: dict.fromkeys(wanted, marks.Counters()))
    world = World()
    with inside(world.broker, world.host):
        world.once_and_again()
        assert world.counted() != world.true_counts()


def test_snapshot_and_counters_of_one_offset_are_not_confused() -> None:
    world = World(candidate={"call": f"{HERE}:Kept", "state": "snapshot"})
    with inside(world.broker, world.host):
        world.once_and_again()
        assert {place: (one.read, one.with_output) for place, one in world.counted().items()} == {
            Partition("in", 0): (14, 14), Partition("in", 1): (13, 13), Partition("in", 2): (13, 13),
        }  # fmt: skip
        outputs = [int(e.value or b"") for place in WRITTEN for _, e in world.read(place)]
        assert sorted(outputs) == sorted([*range(1, 15), *range(1, 14), *range(1, 14)])


def test_a_record_whose_marker_lands_later_than_the_commit_is_waited_for() -> None:
    world = World()
    with inside(world.broker, world.host):
        world.once_and_again(1)
        world.arrive(20)
        for place in STATE:
            world.broker.logs[place].held = 0
        process, before = world.runner(), world.counted()
        world.turn(process, 300)
        assert process.error is None
        assert world.counted() == before != world.true_counts()
        for place in STATE:
            world.broker.logs[place].held = None
        world.turn(process, 1_500)
        assert world.counted() == world.true_counts()
        process.kill()


def test_a_record_that_never_comes_ends_the_runner_and_is_named() -> None:
    world = World()
    with inside(world.broker, world.host):
        world.once_and_again(1)
        for place in STATE:
            world.broker.logs[place].low = world.broker.logs[place].end
        began = world.broker.clock.monotonic()
        process = world.runner()
        world.turn(process, 20_000)
        assert world.broker.clock.monotonic() - began > WAIT_S
        assert isinstance(process.error, BrokerError)
        assert process.error.fatal
        assert "no record of the counters of in/0 at offset" in str(process.error)
        assert "although the group's commit names it" in str(process.error)
