"""The end of a trial by `until`: production goes on, and what it answers beyond the end is left out, once."""

from collections import Counter

import pytest

from shadowstream.protocol import marks
from shadowstream.records import Partition, Side
from tests.joiner.joiner_world import REVISION, World, config

IN = Partition("in", 0)
NEWER = "ffeeddccbbaa99887766554433221100"
BY_COORDINATE = {"kind": "coordinate", "header": "origin"}


def world(**more: object) -> World:
    return World(config(until=4, **more)).begin()


def answer(trial: World, inputs: range, lost: int = 1) -> None:
    """Inputs arrive, and production answers them; the candidate answers those below 4, but for one that it loses."""
    for n in inputs:
        trial.marker(IN)
        trial.production(f"k{n}", "1", origin=f"in/0/{n}")
        if n < 4 and n != lost:
            trial.shadow(f"k{n}", "1", of=n)


def fix(trial: World, bound: int, revision: str = REVISION) -> None:
    begins = [{"topic": "in", "partition": 0, "committed": -1, "end": -1, "bound": bound}]
    trial.mark("until", begins=begins, revision=revision)


def end(trial: World, bound: int = 4, committed: int = 4) -> None:
    """The end is fixed at `bound` and the runner has committed a little more or less; production is done with all."""
    fix(trial, bound)
    account(trial, 4, trial.end(trial.sides[Side.SHADOW][0]), committed)


def account(trial: World, read: int, written: int, to: int, begin: int = 0, revision: str = REVISION) -> None:
    """The runner accounts for its inputs up to `to`, and production is done with all."""
    counters = marks.Counters(read, written, read - written, written=Counter({"out/0": written})).record()
    window = {"start_ms": 0, "read": read, "failed": 0, "cost": None, "undecodable": 0, "left_out": 0}
    place = {"input_topic": "in", "input_partition": 0, "counters": counters, "floor_ms": 0}
    trial.mark("range", revision=revision, from_offset=begin, to_offset=to, windows=[window], **place)
    trial.done(to, "end", counters=counters, revision=revision)
    trial.production_committed = {IN: trial.end(IN)}


@pytest.mark.parametrize("bound", [4, 3])
def test_answers_beyond_the_end_are_left_out_and_missing_ones_count(bound: int) -> None:
    trial = world()
    answer(trial, range(4))
    trial.done(4, counters=None)
    trial.turn(2)
    assert trial.outcomes() == {"match": 3, "missing": 1}
    answer(trial, range(4, 6))
    end(trial, bound)
    trial.turn(3)
    assert trial.outcomes() == {"match": 3, "missing": 1, "sampled_out": 2}
    assert trial.joiner.finished()
    assert trial.stats[-1]["complete"]
    assert trial.remainders() == []
    left_out = [row for row in trial.last_words().values() if row["outcome"] == "sampled_out"]
    assert {row["reason"] for row in left_out} == {"beyond the end of the trial (until)"}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"kind": "key"}, {"match": 3, "sampled_out": 3}),
        (BY_COORDINATE, {"match": 3, "missing": 1, "sampled_out": 2}),
    ],
    ids=["unnamed", "named"],
)
def test_only_a_named_input_is_missing_if_the_end_hides_its_turn(
    identity: dict[str, str], expected: dict[str, int], restarts: bool
) -> None:
    trial = world(identity=identity)
    answer(trial, range(6))
    end(trial)
    for _ in range(4):
        trial.turn()
        if restarts:
            trial.start_joiner()
    trial.turn(3)
    assert trial.outcomes() == expected
    assert trial.remainders() == []


def test_what_comes_after_the_end_is_not_read_whoever_looks() -> None:
    trial = world()
    answer(trial, range(6))
    end(trial)
    trial.turn(3)
    written, outcomes = len(trial.stats), trial.outcomes()
    answer(trial, range(6, 9))
    trial.turn(2)
    trial.start_joiner()
    answer(trial, range(9, 12))
    trial.turn(3)
    assert trial.joiner.finished()
    assert trial.outcomes() == outcomes
    assert all(record["complete"] for record in trial.stats[written - 1 :])
    assert trial.remainders() == []


@pytest.mark.parametrize("is_known", [True, False], ids=["in the snapshot", "read after it"])
def test_a_later_revision_has_an_end_of_its_own(is_known: bool) -> None:
    trial = world()
    answer(trial, range(4), lost=9)
    if is_known:
        fix(trial, 6, NEWER)
    end(trial)
    trial.turn(4)
    assert trial.joiner.finished()
    trial.start_joiner(NEWER)
    trial.turn(2)
    assert not trial.joiner.finished()
    assert trial.joiner.progress.needed_from() == len(trial.progress), "retention may delete the marks of the first"
    for n in (4, 5):
        trial.marker(IN)
        trial.production(f"k{n}", "1")
        trial.shadow(f"k{n}", "1", of=n, revision=NEWER)
    if not is_known:
        fix(trial, 6, NEWER)
    account(trial, 2, 2, 6, begin=4, revision=NEWER)
    trial.turn(4)
    assert trial.outcomes() == {"match": 6}
    assert trial.joiner.finished()


def test_the_end_waits_until_production_is_done_with_the_inputs() -> None:
    trial = world()
    answer(trial, range(4), lost=9)
    end(trial)
    trial.production_committed = {IN: 3}
    trial.turn(3)
    assert not trial.joiner.finished()
    trial.production_committed = {IN: 4}
    trial.turn(3)
    assert trial.joiner.finished()
    assert trial.outcomes() == {"match": 4}
