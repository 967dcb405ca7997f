"""Retention of topics that exist: what keeps too little is a problem, what keeps more is a note; and the warnings."""

from collections.abc import Callable

import pytest

from shadowstream.errors import ConfigError
from shadowstream.joiner.recovery import checkpoint
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.trial import topic_admin
from shadowstream.kafka.trial.expiry import KeptRecords, Need, _needed_by_joiner, expiring, sentences
from shadowstream.protocol.metadata_codec import opened
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.processes import Process
from tests.least_config import least_config
from tests.memory.runner_world import Runners

CONFIG = least_config(
    name="kept",
    production={"outputs": ["out"], "group": "production"},
    candidate={"call": "builtins:int", "trusted": True, "partitioner": "input"},
    start="earliest",
    retention={"ms": 10**9, "event_ms": 10**9},
)
OUT, STATS = Partition(CONFIG.plan.out("out"), 0), Partition(CONFIG.plan.of("stats"), 0)
NEEDED = {"retention.ms": CONFIG.kept_ms_min, "retention.bytes": CONFIG.kept_bytes_min}


@pytest.mark.parametrize(
    ("topic", "name", "found", "is_problem"),
    [
        ("stats", "retention.ms", -1, False),
        ("stats", "retention.ms", 10**9 + 1, False),
        ("stats", "retention.ms", 10**9 - 1, False),
        ("stats", "retention.ms", CONFIG.kept_ms_min - 1, True),
        ("stats", "retention.bytes", -1, False),
        ("stats", "retention.bytes", CONFIG.kept_bytes_min, False),
        ("stats", "retention.bytes", CONFIG.kept_bytes_min - 1, True),
        ("audit", "retention.ms", 10**12, True),
    ],
)
def test_only_a_topic_that_keeps_too_little_does_not_fit(topic: str, name: str, found: int, is_problem: bool) -> None:
    spec = next(one for one in topic_admin.planned(CONFIG, {"out": 1}) if one.name == CONFIG.plan.of(topic))
    state = topic_admin._state(spec, spec.partitions, {**dict(spec.config), name: str(found)}, NEEDED)
    assert (bool(state.problems), bool(state.notes)) == (is_problem, not is_problem)
    wanted = dict(spec.config)[name]
    assert state.differing == ((name, wanted),)
    command = topic_admin.alter_command(CONFIG, spec.name, state.differing)
    assert command.endswith(f"--entity-name {spec.name} --add-config {name}={wanted}")


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (KeptRecords(0, 1_000, soon=500), []),
        (KeptRecords(0, 1_000, soon=501), ["older than 208 h of the 278 h that retention."]),
        (KeptRecords(0, 1_000, soon=-1), ["older than 208 h of the 278 h that retention."]),
        (KeptRecords(0, 500, soon=-1), []),
        (KeptRecords(501, 1_000), ["retention has deleted 1 offsets that the joiner needs from 500 on"]),
        (KeptRecords(400, 1_000), ["100 of 600 kept offsets from deletion"]),
        (KeptRecords(300, 1_000), []),
        (KeptRecords(100, 1_000, correctable=True), ["may not correct outcomes"]),
    ],
)
def test_needed_records_are_named_before_they_expire(kept: KeptRecords, expected: list[str]) -> None:
    for place, key in ((OUT, "event_ms"), (STATS, "ms")):
        found = list(sentences(CONFIG, [Need("joiner", place, 500)], {place: kept}))
        assert len(found) == len(expected)
        for sentence, part in zip(found, expected, strict=True):
            assert (
                part.replace("retention.", f"retention.{key} " if "older" in part else "retention.").strip() in sentence
            )
            assert str(place) in sentence


@pytest.mark.parametrize(("pending", "needed"), [((), 20), ((5, 6, 9), 5)])
def test_a_joiner_needs_its_pending_records_and_not_its_dedupe_span(pending: tuple[int, ...], needed: int) -> None:
    metadata = checkpoint.encode(checkpoint.Checkpoint(3, 20, pending, progress=7))
    assert opened(metadata, _needed_by_joiner) == (needed, 7)


def ended(world: Runners, function: Callable[[], object]) -> Process:
    process = Process("test", world.broker.clock, function)
    world.turn(process, 400)
    return process


def test_marks_that_retention_deleted_unread_are_refused_and_warned_of() -> None:
    world = Runners(CONFIG, 1, 1)
    with inside(world.broker, world.host):
        world.arrive(3)
        runner = world.runner()
        world.turn(runner, 400)
        runner.kill()
        assert ended(world, lambda: expiring(CONFIG)).result == []
        world.broker.logs[Partition(CONFIG.plan.of("progress"), 0)].low = 2
        assert ended(world, lambda: MarksReader(CONFIG, "test").restart(2)).error is None
        assert ended(world, lambda: MarksReader(CONFIG, "test").restart()).error is None
        error = ended(world, lambda: MarksReader(CONFIG, "test").restart(1)).error
    assert isinstance(error, ConfigError)
    assert "retention deleted the marks at 1 to 1 before they were read" in str(error)
