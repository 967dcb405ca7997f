"""What the joiner finds changed behind its back when it comes back: said, accounted, or refused; the real roles."""

import logging
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.joining.task_partitions import TaskPartitions
from shadowstream.kafka.roles import joiner, judge, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.groups import CommittedOffset
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.processes import Process
from tests.memory.test_shedding import BATCH, ORDERS, OUT, SHADOW, World

LOST = 100
COMMITS = 4
"""Records and markers of stats after which the first joiner dies."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A joiner has died in the midst of it."""
    monkeypatch.setattr(joiner, "BATCH", BATCH)
    made = World("hold")
    with inside(made.broker, made.host):
        made.answer(turned=False)
        made.lives(joiner, 40_000, lambda: made.commits() >= COMMITS)
        yield made


def read_to(world: World) -> int:
    """How far production's side has been read and accounted."""
    return int(
        max(one["to_offset"] for record in world.records("stats") for one in record["sources"] if one["topic"] == "out")
    )


def ended(world: World, process: Process) -> Process:
    world.running = process
    process.run(40_000, lambda: False)
    process.kill()
    return process


def test_records_deleted_unread_are_reported_and_keep_the_verdict_open(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.broker.logs[OUT].low = read_to(world) + LOST
    with caplog.at_level(logging.ERROR):
        process = world.process(joiner.run, world.watch)
        world.turn(process, 60_000, lambda: process.calls.total() % 20 == 0 and read_to(world) == ORDERS)
        world.turn(process, 500)
        process.kill()
    assert f"'offsets': {LOST}" in caplog.text
    assert "source_records_lost" in caplog.text
    world.lives(judge, 2_000)
    verdict = world.records("verdict")[-1]
    assert verdict["decision"] == "not_yet"
    assert verdict["remainder"] == LOST
    assert world.ended().keys() == {"match", "evicted"}, "of what retention took nobody knows that it lacks"


Offsets = dict[Partition, CommittedOffset]
HAPPENS: dict[str, tuple[Callable[[Offsets], object], str]] = {
    "expired": (lambda offsets: offsets.clear(), "counting anew would count twice"),
    "expired of one side": (lambda offsets: offsets.pop(OUT), "are not of one transaction"),
    "reset by hand": (lambda offsets: offsets.update({OUT: CommittedOffset(0, "")}), "reset-offsets"),
    "set forth beside our metadata": (
        lambda offsets: offsets.update({OUT: offsets[OUT]._replace(offset=ORDERS)}),
        "has committed to the trial's group",
    ),
    "of a newer release": (
        lambda offsets: offsets.update({OUT: offsets[OUT]._replace(metadata="9" + offsets[OUT].metadata[1:])}),
        "unknown form",
    ),
}


@pytest.mark.parametrize(("happens", "expected"), HAPPENS.values(), ids=HAPPENS)
def test_foreign_or_vanished_commits_are_refused_and_nothing_is_written(
    world: World, happens: Callable[[Offsets], object], expected: str
) -> None:
    happens(world.broker.groups.of(world.config.plan.group("joiner")).offsets)
    before = {place: log.end for place, log in world.broker.logs.items() if place.topic.startswith("shadow.")}
    error = ended(world, world.process(joiner.run, world.watch)).error
    assert isinstance(error, ConfigError), error
    assert expected in str(error)
    assert {place: log.end for place, log in world.broker.logs.items() if place in before} == before


@pytest.mark.parametrize("role", [runner, joiner], ids=["runner", "joiner"])
def test_a_start_that_another_process_overtakes_ends_and_is_no_refusal(world: World, role: ModuleType) -> None:
    """Between its question what is committed and its look at what has been written another one commits."""
    name = role.__name__.rpartition(".")[2]
    offsets = world.broker.groups.of(world.config.plan.group(name)).offsets
    kept = dict(offsets)
    offsets.clear()

    def overtaken(_: Process, phase: str, call: str) -> None:
        if (phase, call) == ("after", "committed"):
            offsets.update(kept)

    process = world.process(role.run, RoleHealth("turns", name))
    process.fault = overtaken
    ended(world, process)
    assert kept
    assert isinstance(process.error, BrokerError), process.error
    assert process.error.fatal
    assert "another process" in str(process.error)


def test_partitions_that_come_while_a_joiner_runs_are_refused_by_name(world: World) -> None:
    """The client tells a running member within minutes; at a start the counts are compared."""
    process = Process("asks", world.broker.clock, lambda: TaskPartitions(world.config, (), admin(world.config.kafka)))
    world.turn(process, 100)
    families = process.result
    assert families.tasks_in([OUT, SHADOW]) == [("out", 0)]
    for ask in (families.tasks_in, families.whole):
        with pytest.raises(ConfigError, match=r"out/1 did not exist .* more partitions"):
            ask([OUT, SHADOW, Partition("out", 1)])
