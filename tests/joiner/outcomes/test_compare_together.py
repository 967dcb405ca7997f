"""Pairs of many tasks compared together are counted as each task compares its own: to the byte."""

import random
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from shadowstream.errors import RegistryError
from shadowstream.joiner import step
from shadowstream.joiner.outcomes import compare_stage
from shadowstream.records import Partition, Side, Write
from tests.joiner.joiner_world import Record, World, config

TASKS = 7
SETTINGS: dict[str, Any] = {
    "candidate": {"topic": "new", "group": "new", "version": "2", "commits": "after_output"},
    "compare": {
        "match_sample": 0.3,
        "values_max": 3,
        "rules": [{"path": "near", "atol": 0.1}, {"path": "noise", "ignore": True}],
        "dimensions": [{"name": "country", "path": "country"}, {"name": "label", "path": "label"}],
        "checks": [{"path": "score", "not_null": True, "low": 0, "high": 8}],
        "distributions": [{"path": "label", "categories": 10}, {"path": "score"}],
    },
    "judge": {
        "window_ms": 1_000,
        "criteria": [
            {"rate": "mismatch", "limit": 0.1},
            {"rate": "field", "path": "score", "limit": 0.1},
            {"rate": "mean", "path": "score", "limit": 0.1, "bound": 5},
        ],
    },
}


def value(dice: random.Random) -> bytes | None:
    if dice.random() < 0.1:
        return dice.choice([None, b"{", b'{"score": "x"}'])
    score = dice.choice(["null", "1", "2.5", "9"])
    place = f'"country": "c{dice.randrange(6)}", "label": "l{dice.randrange(3)}", "noise": {dice.random()}'
    return f'{{"score": {score}, "near": {dice.choice(["1.0", "1.05", "2.0"])}, {place}}}'.encode()


def filled(seed: int) -> World:
    """A trial whose tasks have from none to a good many pairs, some of them equal, and records without a partner."""
    dice = random.Random(seed)
    # With room for three values, each window decides which of them have a cell; with room for all, the batch knows.
    compare = {**SETTINGS["compare"], "values_max": 3 if seed % 2 else 50}
    world = World(config(**{**SETTINGS, "compare": compare}), outputs=TASKS)
    for partition in range(TASKS):
        for n in range(dice.choice([0, 1, 3, 20, 120])):
            key, time_ms, one = b"%d" % n, dice.randrange(3_000), value(dice)
            other = one if dice.random() < 0.4 else value(dice)
            for side, its in ((Side.PRODUCTION, one), (Side.SHADOW, other)):
                if dice.random() < 0.95:
                    world.logs[world.sides[side][partition]].append(Record(key, its, time_ms))
    return world.begin()


def commits(seed: int) -> Iterator[tuple[list[Write], object]]:
    """Yield what each of several commits writes."""
    world, dice = filled(seed), random.Random(seed)
    world.observe()
    for _ in range(4):
        for partition in range(TASKS):
            for side in (Side.PRODUCTION, Side.SHADOW):
                world.read(side, partition, dice.choice([1, 10, 60, 200]))
        prepared = world.joiner.prepare(world.now_ms)
        yield prepared.writes, prepared.commits
        world.joiner.committed()


@pytest.mark.parametrize("seed", range(6))
def test_a_common_batch_gives_each_task_the_bytes_of_its_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    real = compare_stage.compare_columns
    monkeypatch.setattr(compare_stage, "compare_columns", lambda of: batches.append(len(of)) or real(of))
    together = list(commits(seed))
    assert max(batches) == TASKS, "they were compared together"
    with patch.object(step, "compare_together", lambda stages: None):
        batches.clear()
        assert list(commits(seed)) == together
        assert max(batches) == 1


def test_large_shares_are_compared_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_stage, "COMPARE_AT", 50)
    together = list(commits(3))
    with patch.object(step, "compare_together", lambda stages: None):
        assert list(commits(3)) == together


def test_where_a_schema_is_not_available_each_task_compares_what_it_can() -> None:
    world = filled(4)
    world.read_all()
    comparer = world.joiner.tasks[Partition("out", 0)].comparing.comparer
    stages = [task.comparing for task in world.joiner.tasks.values()]
    gathered = [stage.records_to_compare() for stage in stages]
    assert sum(map(bool, gathered)) > 2
    with patch.object(type(comparer), "__call__", side_effect=RegistryError("not now")):
        compare_stage.compare_together(stages)
    assert [stage.records_to_compare() for stage in stages] == gathered, "nothing was counted, nothing lost"
    assert not any(task.counts.cells for task in world.joiner.tasks.values() if task.counts.pairs)
