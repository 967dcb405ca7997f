"""A candidate that is random in one input of a hundred, called twice: unstable pairs are no mismatches."""

from collections import Counter
from typing import Any

import pytest

from tests.pipeline.candidates import SAME
from tests.pipeline.conftest import MakeTrial
from tests.pipeline.trial_fixture import Trial
from tests.pipeline.written_records import await_that

ORDERS, RANDOM, WRONG = 600, 7, 57
EACH = ORDERS // 100
CANDIDATE = (
    SAME
    + f"""
import random, time

same = judge


def judge(order):
    said, kind = same(order), order["n"] % 100
    if kind == {RANDOM}:
        said["score"] += 1 + random.random()
    if kind == {WRONG}:
        said["score"] += 1
    return said


def slow(order):
    if order["n"] % 100 in ({RANDOM}, {WRONG}):
        time.sleep(0.3)
    return judge(order)
"""
)
ENDS = {"match": ORDERS - 2 * EACH, "unstable": EACH, "mismatch": EACH}


def asked_twice(make_trial: MakeTrial, call: str = "judge") -> Trial:
    candidate: dict[str, Any] = {"call": f"trial_candidate:{call}", "partitioner": "input", "recheck": "on_mismatch"}
    return make_trial("recheck-", CANDIDATE, call, candidate=candidate).answered(ORDERS)


def unstable_orders(trial: Trial) -> Counter[int]:
    rows = [row for row in trial.records("diff") if row["outcome"] == "unstable"]
    return Counter(int(row["key"].decode().removeprefix("order-")) for row in rows)


def judged(trial: Trial) -> None:
    """The final verdict: unstable pairs are bad units of their own criterion, and of no other."""
    trial.play("judge")
    (verdict,) = trial.records("verdict")[-1:]
    assert verdict["final"]
    rates = {one["rate"]: (one["n"], one["s"], one["limit"]) for one in verdict["criteria"]}
    assert rates["mismatch"] == rates["unstable"] == (ORDERS, EACH, 0.01)
    assert [rates[name][1] for name in ("missing", "extra", "error", "duplicate")] == [0] * 4


@pytest.mark.long
def test_a_random_candidate_is_unstable_and_mismatch_counts_its_own_only(make_trial: MakeTrial) -> None:
    trial = asked_twice(make_trial)
    trial.play("run", "join")
    assert trial.outcomes() == ENDS
    judged(trial)


def test_killed_while_answers_are_due_each_pair_ends_once(make_trial: MakeTrial) -> None:
    trial = asked_twice(make_trial, "slow")
    running, joining = trial.start("run"), trial.start("join")
    await_that("an answer is asked for", lambda: bool(trial.records("rechecks")))
    joining.kill()
    joining.communicate()
    await_that("an answer has come", lambda: bool(trial.records("second-answers")))
    running.kill()
    running.communicate()
    assert trial.outcomes()["unstable"] < EACH, "nothing was outstanding"
    trial.play("run", "join")
    assert trial.outcomes() == ENDS
    assert unstable_orders(trial) == dict.fromkeys(range(RANDOM, ORDERS, 100), 1)
    assert set(Counter(row["pair_id"] for row in trial.records("diff")).values()) == {1}
    judged(trial)
