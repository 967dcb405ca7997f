"""Pairs that differ wait for a second answer: nothing is counted before it, and each pair ends in one outcome."""

from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.config.sides import RECHECKS_FREE
from shadowstream.joiner.outcomes import rechecks
from shadowstream.protocol.rechecks import ANSWERED, FAILED, GONE, SILENT, UNDECODABLE, Answer, Request, answer_mark
from tests.joiner.joiner_world import REVISION, World
from tests.joiner.outcome_cases import P, S, Step, begun, committed, counted, done, play, restart

OTHER = "ff" * 16
WAIT_MS = 5_000
ASKS = {"call": "m:f", "partitioner": "input", "recheck": "on_mismatch", "recheck_ms": WAIT_MS, "recheck_share_max": 1}
HELD: dict[str, int] = {}  # nothing is counted


def asking(**more: Any) -> World:
    return begun(**{"candidate": ASKS} | more)


def answered(value: str | None, n: int = -1, result: str = ANSWERED, revision: str = REVISION, **changed: Any) -> Step:
    """The runner answers request `n`."""

    def step(world: World) -> None:
        request = Request.of(world.requests[n] | changed)
        given = Answer(result, None if value is None else value.encode())
        world.answers.append(answer_mark(revision, request, given))

    return step


def later(ms: int) -> Step:
    def step(world: World) -> None:
        world.now_ms += ms

    return step


def asks(world: World) -> list[tuple[str, int]]:
    return [(one["pair_id"], one["input_offset"]) for one in world.requests if one["kind"] == "ask"]


def waiting(world: World) -> list[int]:
    (task,) = world.joiner.tasks.values()
    return [task.commit.pending.count(side) for side in task.sources.sides]


PAIR = [P("a", "1"), S("a", "2", 3)]
ENDS: dict[str, tuple[Step, dict[str, int]]] = {
    "another answer": (answered("7"), {"unstable": 1}),
    "production's answer": (answered("1"), {"unstable": 1}),
    "the same answer": (answered("2"), {"mismatch": 1}),
    "the same in other bytes": (answered(" 2 "), {"mismatch": 1}),
    "no output": (answered(None, result=SILENT), {"unstable": 1}),
    "a tombstone": (answered(None), {"unstable": 1}),
    "a failure": (answered(None, result=FAILED), {"mismatch": 1, "recheck_unanswered": 1}),
    "an undecodable input": (answered(None, result=UNDECODABLE), {"mismatch": 1, "recheck_unanswered": 1}),
    "a deleted input": (answered(None, result=GONE), {"mismatch": 1, "recheck_unanswered": 1}),
    "bytes that are no value": (answered("{"), {"mismatch": 1, "recheck_unanswered": 1}),
    "nothing in time": (later(WAIT_MS), {"mismatch": 1, "recheck_unanswered": 1}),
    "a clock set back": (later(-1), {"mismatch": 1, "recheck_unanswered": 1}),
}


@pytest.mark.parametrize(("step", "ends"), ENDS.values(), ids=ENDS)
def test_a_pair_waits_and_ends_by_the_second_answer(step: Step, ends: dict[str, int]) -> None:
    world = asking()
    play(world, [*PAIR, HELD, HELD])
    assert asks(world) == [("out/0/0", 3)]
    assert waiting(world) == [1, 1]
    assert world.stats[-1]["pending"] == 2
    assert world.stats[-1]["watermark_ms"] in (None, 0)
    play(world, [step, ends, HELD])
    assert waiting(world) == [0, 0]
    assert [row["outcome"] for row in world.diff] == [next(iter(ends))]


def test_the_row_of_an_unstable_pair_shows_pair_and_place() -> None:
    world = asking()
    play(world, [P("a", '{"x": 1, "y": 1}'), S("a", '{"x": 2, "y": 1}', 3), HELD])
    play(world, [answered('{"x": 3, "y": 1}'), {"unstable": 1}])
    (row,) = world.diff
    assert [one["path"] for one in row["differences"]] == ["x"]
    assert row["reason"] == "called again on the same input, the candidate gave another answer: x"


def test_pairs_that_agree_neither_wait_nor_ask() -> None:
    world = asking()
    play(world, [P("a"), S("a"), {"match": 1}])
    assert world.requests == []


def test_without_recheck_nobody_is_asked() -> None:
    world = begun()
    play(world, [*PAIR, {"mismatch": 1}])
    assert world.requests == []


def test_a_tolerance_holds_between_the_two_answers_too() -> None:
    world = asking(compare={"match_sample": 1, "rules": [{"path": "x", "atol": 0.5}]})
    play(world, [P("a", '{"x": 1}'), S("a", '{"x": 2}'), HELD, answered('{"x": 2.3}'), {"mismatch": 1}])


def test_only_the_values_of_both_answers_are_compared() -> None:
    world = asking(compare={"match_sample": 1, "rules": [], "headers": ["model"]})
    play(world, [P("a", "1", model="x"), S("a", "1", 3, model="y"), HELD, answered("1"), {"mismatch": 1}])


def test_a_differing_pair_in_a_batch_waits_and_the_others_count() -> None:
    world = asking()
    steps = [step for n in range(20) for step in (P(f"k{n}"), S(f"k{n}", "2" if n % 5 == 0 else "1", n % 10))]
    play(world, [*steps, {"match": 16}])
    assert sorted(asks(world)) == [(f"out/0/{n}", n % 10) for n in (0, 10, 15, 5)]
    play(world, [*(answered("3" if n < 2 else "2", n) for n in range(4)), {"unstable": 2, "mismatch": 2}])


FURTHER = {
    "twice": [answered("2"), {"mismatch": 1}, answered("3"), HELD],
    "twice at once, the first counts": [answered("3"), answered("2"), {"unstable": 1}],
    "late": [later(WAIT_MS), {"mismatch": 1, "recheck_unanswered": 1}, answered("3"), HELD],
    "for an unknown pair": [answered("3", pair_id="out/0/99"), HELD, answered("2"), {"mismatch": 1}],
    "for another input": [answered("3", input_offset=4), HELD, answered("2"), {"mismatch": 1}],
    "by another revision": [answered("3", revision=OTHER), HELD, answered("2"), {"mismatch": 1}],
}


@pytest.mark.parametrize("case", FURTHER.values(), ids=FURTHER)
def test_the_first_answer_to_a_request_counts_and_no_other(case: list[Any]) -> None:
    world = asking()
    play(world, [*PAIR, HELD, HELD, *case])
    assert len(world.diff) == 1


@pytest.mark.parametrize("answer", ["2", "3"])
def test_restarts_hold_pairs_and_ask_again_until_one_answer(answer: str) -> None:
    world = asking()
    play(world, [P("a", "1", 50), S("a", "2", 3, 50), P("b", "1", 60), S("b", "1", 4, 60), done(10), committed(10)])
    play(world, [{"match": 1}, restart, HELD, restart, HELD])
    assert waiting(world) == [1, 1]
    assert set(asks(world)) == {("out/0/0", 3)}
    assert len(asks(world)) == 3  # at least once: each holder asks
    play(world, [answered(answer), {"unstable" if answer == "3" else "mismatch": 1}, restart, HELD, restart, HELD])
    assert waiting(world) == [0, 0]
    assert sorted(world.last_words()) == ["out/0/0", "out/0/1"]
    assert len(world.diff) == 2


def test_an_answer_before_the_commit_that_died_is_asked_for_again() -> None:
    world = asking()
    play(world, [*PAIR, HELD, answered("3")])
    world.read_all()
    world.joiner.prepare(world.now_ms)  # and the process dies
    play(world, [restart, HELD])
    assert len(asks(world)) == 2
    play(world, [answered("3"), {"unstable": 1}])


def test_a_window_stays_open_while_a_pair_waits() -> None:
    world = asking()
    play(world, [P("a", "1", 50), S("a", "2", 3, 50), P("b", "1", 9_000), S("b", "1", 4, 9_000), {"match": 1}])
    (task,) = world.joiner.tasks.values()
    assert task.commit.pending.floors_ms() == [0]
    play(world, [answered("2"), {"mismatch": 1}, HELD])
    assert task.commit.pending.floors_ms() == []


def differing(n: int, begin: int = 0) -> list[Step]:
    return [step for i in range(begin, begin + n) for step in (P(f"k{i}"), S(f"k{i}", "2", i % 10))]


def test_beyond_the_share_a_pair_is_a_mismatch_at_once() -> None:
    world = asking(candidate=ASKS | {"recheck_share_max": 0.1})
    play(world, [*differing(200), {"mismatch": 80, "recheck_skipped": 80}])
    assert len(asks(world)) == RECHECKS_FREE + 20
    assert waiting(world) == [120, 120]


def test_the_share_survives_a_restart() -> None:
    world = asking(candidate=ASKS | {"recheck_share_max": 0.1})
    play(world, [*differing(200), {"mismatch": 80, "recheck_skipped": 80}])
    play(world, [later(1), HELD, later(WAIT_MS), {"mismatch": 120, "recheck_unanswered": 120}, restart])
    play(world, [*differing(10, 200), {"mismatch": 9, "recheck_skipped": 9}])


@pytest.mark.parametrize(("name", "value"), [("WAITING_MAX", 3), ("BYTES_SHARE", 300_000)])
def test_number_and_bytes_of_waiting_pairs_are_bounded(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rechecks, name, value)
    world = asking(limits={"pending_bytes_max": 1_000_000_000})
    play(world, differing(10))
    world.turn()
    held = waiting(world)[0]
    assert 0 < held < 10
    assert world.outcomes() == {"mismatch": 10 - held, "recheck_skipped": 10 - held}


def test_an_answer_of_another_revision_of_the_candidate_is_not_asked_for() -> None:
    world = asking()
    world.mark("start", revision=OTHER, begins=[], ends=[])
    play(world, [P("a"), S("a", "2", 3, revision=OTHER), {"mismatch": 1, "recheck_skipped": 1}])


def test_a_pair_that_corrects_an_earlier_outcome_is_not_asked_for() -> None:
    world = asking()
    play(world, [P("a"), done(10), {"missing": 1}, S("a", "2", of=3), committed(10), {}])
    play(world, [{"missing": -1, "mismatch": 1, "recheck_skipped": 1}])
    assert world.requests == []


def test_shed_pairs_end_as_evicted_and_no_answer_matters() -> None:
    world = asking()
    play(world, [*differing(8), HELD])
    (task,) = world.joiner.tasks.values()
    n = task.shed_more()
    assert 0 < n < 16
    play(world, [{"evicted": n}, *(answered("3", i) for i in range(8)), {"unstable": 8 - n // 2}])


def test_a_bounded_trial_ends_after_the_last_answer_and_tells_the_runner() -> None:
    world = asking(bounded=True)
    play(world, [*PAIR, counted, done(10, "end"), committed(10)])
    world.turn(3)
    assert not world.joiner.finished()
    play(world, [answered("3"), {"unstable": 1}, HELD, HELD])
    assert world.joiner.finished()
    assert [one["task"] for one in world.requests if one["kind"] == "complete"] == ["out/0"]


def test_a_replay_judges_by_stored_answers_and_asks_nobody() -> None:
    world = asking()
    play(world, [*PAIR, P("b", "1"), S("b", "2", 4), P("c", "1"), S("c", "2", 5), HELD])
    play(world, [answered("3", 0), answered("2", 1), {"unstable": 1, "mismatch": 1}])
    world.commits.clear()
    world.states.clear()
    world.requests.clear()
    assert replayed(world) == {"unstable": 1, "mismatch": 2, "recheck_skipped": 1}


def replayed(world: World) -> dict[str, int]:
    """What a reading from the beginning finds, in which nobody answers."""
    world.start_joiner()
    (task,) = world.joiner.tasks.values()
    task.comparing.rechecks.asks = False
    for answer in world.answers:
        world.joiner.answer(answer)
    since = len(world.stats)
    world.turn()
    assert world.requests == []
    return world.outcomes(since)


def test_the_twin_counts_beside_an_unstable_pair() -> None:
    world = asking(twin={"topic": "twin", "group": "prod-twin"})
    play(world, [*PAIR, lambda w: w.twin("a", "1"), {}])
    play(world, [answered("3"), {"unstable": 1, "twin_match": 1, "joint_shadow": 1}])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "state": ({"candidate": {**ASKS, "state": "snapshot"}}, "needs state: none"),
    "a job of its own": (
        {"candidate": {"topic": "t", "group": "g", "version": "1", "recheck": "on_mismatch"}},
        "recheck: goes with call or pickle or http",
    ),
    "inside the runner": ({"candidate": {**ASKS, "isolation": "in-process", "trusted": True}}, "isolation: process"),
    "several outputs": ({"candidate": ASKS, "identity": {"outputs": "many"}}, "identity.outputs: one"),
    "the order of a key": (
        {"candidate": ASKS, "compare": {"order": True}, "identity": {"kind": "coordinate"}},
        "goes without compare.order",
    ),
    "a wait without it": ({"candidate": {"call": "m:f", "recheck_ms": 5}}, "recheck_ms: goes with recheck"),
    "too long a wait": ({"candidate": {**ASKS, "recheck_ms": 3_600_001}}, "less than or equal to 3600000"),
    "a criterion without it": (
        {"candidate": {"call": "m:f"}, "judge": {"criteria": [{"rate": "unstable", "limit": 0.1}]}},
        "unstable needs candidate.recheck: on_mismatch",
    ),
}


@pytest.mark.parametrize(("settings", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_twice_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Config.model_validate({"name": "t", "inputs": ["in"], "production": {"outputs": ["out"]}} | settings)
