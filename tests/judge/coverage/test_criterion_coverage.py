"""A criterion sees what it names, or it is not shown good: means without numbers, checks without values."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import REVISION, WINDOW_MS, World
from tests.joiner.joiner_world import config as of_world
from tests.joiner.outcome_cases import inputs
from tests.judge.coverage.test_coverage import verdict
from tests.judge.stats_records import config

Value = Callable[[int], Any]
PAIRS = 1_000
MEAN = {"rate": "mean", "path": "s", "bound": 1.0, "limit": 0.05}
RANGE = {"rate": "check", "check": "range", "path": "s", "limit": 0.05}
CATEGORY = {"rate": "check", "check": "category", "path": "s", "limit": 0.05}
FIELD = {"rate": "field", "path": "s", "limit": 0.05}


def judged(production: Value, candidate: Value, criterion: dict[str, Any], **compare: Any) -> dict[str, Any]:
    """The verdict on pairs of JSON values by their number, through the joiner and the judge."""
    settings = of_world(
        judge={"window_ms": WINDOW_MS, "min_duration_ms": 0, "criteria": [criterion]},
        compare={"match_sample": 0, "rules": [{"path": "*", "ignore": True}], **compare},
    )
    world = World(settings)
    inputs(PAIRS)(world)
    world.start()
    world.start_joiner()
    for number in range(PAIRS):
        world.production(f"k{number}", json.dumps(production(number)), number)
        world.shadow(f"k{number}", json.dumps(candidate(number)), number, number)
        if number % 250 == 249:
            world.turn()
    step = JudgeStep(settings, REVISION, sorted({one["task"] for one in world.stats}))
    for at, one in enumerate(world.stats):
        step.step(0, at, {**one, "ledgers": [line for line in one["ledgers"] if line["ledger"] == 3]})
    last = world.stats[-1]
    step.step(0, len(world.stats), {**last, "seq": last["seq"] + 1, "windows": [], "complete": True, "ledgers": []})
    return step.verdict(0)


def one(number: int) -> dict[str, Any]:
    return {"s": 1.0}


NOTHING: list[Any] = [None, "text", True, [], {}, float("1e400")]


@pytest.mark.parametrize("wrong", NOTHING, ids=repr)
@pytest.mark.parametrize("share", [60, 99])
def test_a_candidate_without_a_number_is_as_far_off_as_can_be(share: int, wrong: Any) -> None:
    if wrong == float("inf"):
        wrong = "inf"  # JSON has none
    found = judged(one, lambda n: {"s": wrong} if n % 100 < share else {"s": 1.0}, MEAN)
    assert found["decision"] == "reject"
    assert found["criteria"][0]["n"] == PAIRS
    assert found["criteria"][0]["bad"] == pytest.approx(PAIRS * share / 100)


def test_a_number_where_production_has_none_is_as_far_off_too() -> None:
    found = judged(lambda n: {"s": None} if n % 2 else {"s": 1.0}, one, MEAN)
    assert (found["decision"], found["criteria"][0]["bad"]) == ("reject", pytest.approx(PAIRS / 2))


def test_a_mean_of_few_pairs_is_not_yet_unless_configured() -> None:
    def sparse(n: int) -> dict[str, Any]:
        return {"s": 1.0} if n % 5 < 2 else {}

    found = judged(sparse, sparse, MEAN)
    assert found["decision"] == "not_yet"
    assert found["reasons"] == [
        "mean:s: 40 % (400 of 1,000) pairs have a number at the path on either side; its min_coverage asks for 99 %: "
        "see whether the path is right, or set a smaller min_coverage where that is meant"
    ]
    assert found["criteria"][0]["shown_good"] is False
    assert judged(sparse, sparse, MEAN | {"min_coverage": 0.4})["decision"] == "promote"


def test_a_path_that_nothing_has_is_never_promoted() -> None:
    for criterion in (MEAN, FIELD, RANGE | {"path": "scroe"}):
        named = criterion | {"path": "scroe"}
        found = judged(one, one, named, checks=[{"path": "scroe", "low": 0}])
        assert found["decision"] == "not_yet", criterion


@pytest.mark.parametrize("wrong", [{}, {"s": None}, {"s": "1"}, {"s": []}, {"s": True}], ids=repr)
@pytest.mark.parametrize("criterion", [RANGE, CATEGORY], ids=["range", "category"])
def test_a_check_counts_a_value_that_is_gone_or_of_another_type(criterion: dict[str, Any], wrong: Any) -> None:
    checks = [{"path": "s", "low": 0, "high": 2, "categories": [1.0]}]
    assert judged(one, one, criterion, checks=checks)["decision"] == "promote"
    found = judged(one, lambda n: wrong if n % 2 else {"s": 1.0}, criterion, checks=checks)
    assert (found["decision"], found["criteria"][0]["s"]) == ("reject", PAIRS // 2)


def test_a_value_absent_on_both_sides_lowers_the_coverage_of_its_check() -> None:
    checks = [{"path": "s", "low": 0, "high": 2}]

    def sparse(n: int) -> dict[str, Any]:
        return {"s": 1.0} if n % 2 else {}

    found = judged(sparse, sparse, RANGE, checks=checks)
    assert found["decision"] == "not_yet"
    assert (found["criteria"][0]["n"], found["criteria"][0]["s"]) == (PAIRS // 2, 0)
    assert found["criteria"][0]["coverage"] == 0.5
    assert judged(sparse, sparse, RANGE | {"min_coverage": 0.5}, checks=checks)["decision"] == "promote"


def test_a_field_that_few_records_have_is_not_yet() -> None:
    def sparse(n: int) -> dict[str, Any]:
        return {"s": 1.0} if n % 4 == 0 else {"t": n}

    found = judged(sparse, sparse, FIELD)
    assert found["decision"] == "not_yet"
    assert 0.1 < found["criteria"][0]["coverage"] < 0.4
    assert judged(one, one, FIELD)["decision"] == "promote"
    assert judged(one, lambda n: {}, FIELD)["criteria"][0]["coverage"] == 1.0


GOOD = {"match": 100_000, "input": 100_000, "missing": 0}
SEEN: dict[str, tuple[dict[str, Any], dict[str, int], dict[str, int]]] = {
    "labels": (
        {"rate": "labels", "limit": 0.6},
        {"label_candidate_only": 600, "label_unlabelled": 99_400},
        {"label_candidate_only": 600, "label_both_right": 59_400, "label_unlabelled": 40_000},
    ),
    "slower": ({"rate": "slower", "limit": 0.1}, {"latency_pairs": 6_000}, {"latency_pairs": 95_000}),
    "over": ({"rate": "over", "limit": 0.1}, {"latency_pairs": 89_000}, {"latency_pairs": 91_000}),
    "cost": (
        {"rate": "cost", "limit": 0.1, "reference_ms": 1.0, "ratio": 3.0},
        {"cost_measured:3ms": 40_000},
        {"cost_measured:3ms": 100_000},
    ),
    "twin": (
        {"rate": "twin", "limit": 0.6},
        {"joint_twin": 600, "joint_neither": 10_000},
        {"joint_twin": 600, "joint_neither": 99_000},
    ),
}


@pytest.mark.parametrize("rate", SEEN)
def test_few_labels_latencies_costs_or_twins_show_nothing_good(rate: str) -> None:
    criterion, few, enough = SEEN[rate]
    mismatch = {"rate": "mismatch", "limit": 0.01}
    held = verdict([GOOD | few] * 24, config(criteria=[criterion, mismatch]))
    assert held["decision"] == "not_yet"
    assert held["reasons"][0].startswith(f"{rate}: ")
    assert "its min_coverage asks for" in held["reasons"][0]
    assert (
        verdict([GOOD | few] * 24, config(criteria=[criterion | {"min_coverage": 0}, mismatch]))["decision"]
        == "promote"
    )
    assert verdict([GOOD | enough] * 24, config(criteria=[criterion, mismatch]))["decision"] == "promote"


def test_by_key_pairs_without_a_key_are_not_seen() -> None:
    by_key = {"rate": "mismatch", "limit": 0.01, "unit": "key"}
    found = verdict([{"match": 1_000, "input": 1_000}] * 24, config(criteria=[by_key]))
    assert found["decision"] == "not_yet"
    assert any("0 % (0 of 24,000) pairs have a key" in reason for reason in found["reasons"])
