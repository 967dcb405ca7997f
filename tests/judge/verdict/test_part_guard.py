"""A promote is of every declared part: values of dimensions and output topics that nobody compared hold it back."""

import json
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import World
from tests.joiner.joiner_world import config as of_world
from tests.joiner.outcome_cases import inputs
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.trials_by_slice import hour, judged, sliced
from tests.judge.trials_through_the_joiner import verdict_of

HOURS = 24


def of_topics(alerts: dict[str, int], criteria: list[dict[str, Any]] | None = None, restart: bool = False) -> Any:
    """The verdict on a trial of two output topics, one of which holds so much an hour."""
    whole = config().model_dump(exclude_unset=True)
    outputs = {"production": whole["production"] | {"outputs": ["scores", "alerts"]}}
    settings = Config.model_validate(whole | outputs | {"judge": {"criteria": criteria} if criteria else {}})
    step, at = JudgeStep(settings, REVISION, ["scores/0", "alerts/0"]), 0
    for index in range(HOURS + 1):
        for topic, outcomes in (("scores", {"match": 10_000, "input": 10_050}), ("alerts", alerts)):
            windows = [cell(index * HOUR_MS, **outcomes)] if index < HOURS and outcomes else []
            passed = {"watermark_ms": (index + 1) * HOUR_MS, "complete": index == HOURS}
            step.step(0, at, stats(f"{topic}/0", index + 1, *windows, **passed))
            at += 1
        if restart:
            state = step.state()
            step = JudgeStep(settings, REVISION, ["scores/0", "alerts/0"])
            step.restore(state)
    return step.verdict(0)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ({"undecodable_production": 50}, "0 % of production's records (0 of 1,200) were compared"),
        ({"match": 30, "unpairable_production": 20}, "60 % of production's records (720 of 1,200) were compared"),
        ({"match": 50, "duplicate_shadow": 50}, "50 % of the candidate's records (1,200 of 2,400) were compared"),
        ({"mismatch": 50}, "1,200 of 1,200 pairs (100 %) differ"),
        ({"missing": 50}, "1,200 of 1,200 production records (100 %) have no partner"),
        ({"match": 10, "extra": 40}, "960 of 1,200 shadow records (80 %) have no partner"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, dict) else "",
)
def test_a_small_output_topic_bad_or_uncompared_holds_promote_back(
    alerts: dict[str, int], why: str, restart: bool
) -> None:
    verdict = of_topics(alerts, restart=restart)
    assert verdict["decision"] == "not_yet"
    assert [reason for reason in verdict["reasons"] if reason.startswith(f"output topic alerts: {why}")]


@pytest.mark.parametrize("alerts", [{"match": 50}, {"match": 5, "mismatch": 0}, {"match": 200, "mismatch": 1}])
def test_a_small_output_topic_that_is_good_holds_nothing_back(alerts: dict[str, int]) -> None:
    assert of_topics(alerts)["decision"] == "promote"


def test_an_output_topic_without_a_record_is_named() -> None:
    verdict = of_topics({})
    assert verdict["decision"] == "promote"
    assert "output topic alerts: no record of it has been compared, so nothing is known of it" in verdict["caveats"]


def test_a_criterion_of_the_topic_itself_decides_in_place_of_the_guard() -> None:
    own = [{"rate": "mismatch", "limit": 0.01}, {"rate": "mismatch", "limit": 0.9, "topic": "alerts"}]
    assert of_topics({"match": 25, "mismatch": 25}, own)["decision"] == "promote"
    assert of_topics({"match": 25, "mismatch": 25}, own[:1])["decision"] == "not_yet"


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({"undecodable_production": 40}, "0 % of production's records (0 of 960) were compared"),
        ({"n": 20, "repeated_production": 20}, "50 % of production's records (480 of 960) were compared"),
        ({"n": 20, "duplicate_shadow": 20}, "50 % of the candidate's records (480 of 960) were compared"),
        ({"n": 36, "unpairable_production": 4}, "90 % of production's records (864 of 960) were compared"),
        ({"n": 1, "undecodable_input": 1}, "50 % of production's records (24 of 48) were compared"),
        ({"n": 20, "extra": 20}, "480 of 960 shadow records (50 %) have no partner"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, dict) else "",
)
def test_a_value_that_was_not_compared_holds_it_back(figures: dict[str, int], why: str) -> None:
    without_n = {name: n for name, n in figures.items() if name != "n"}
    values = {"big": {"n": 6_000}, "eu": figures}
    outcomes = {"match": 6_000 + figures.get("n", 0), "input": 6_040, **without_n}
    hours = [hour(index, values, **outcomes) for index in range(HOURS)]
    verdict = judged(sliced(), hours)
    assert verdict["decision"] == "not_yet"
    assert [reason for reason in verdict["reasons"] if reason.startswith(f"slice tenant=eu: {why}")]
    assert judged(sliced(slices="show"), hours)["decision"] == "promote"


def test_a_value_with_an_allowed_loss_blocks_nothing() -> None:
    values = {"big": {"n": 6_000}, "eu": {"n": 99, "undecodable_production": 1}}
    hours = [hour(index, values, match=6_099, undecodable_production=1, input=6_100) for index in range(HOURS)]
    assert judged(sliced(), hours)["decision"] == "promote"


def test_values_beyond_those_that_are_distinguished_are_named() -> None:
    values = {"a": {"n": 5_000}, "(other)": {"n": 1_000, "s": 5}}
    verdict = judged(sliced(), [hour(index, values) for index in range(HOURS)])
    assert any(
        one.startswith("dimension tenant: 16.67 % of the pairs have values beyond the 64 of compare.values_max")
        for one in verdict["caveats"]
    )


def test_the_joiner_counts_uncompared_records_by_their_value() -> None:
    judge = {"window_ms": 1_000, "min_duration_ms": 0}
    settings = of_world(judge=judge, compare={"dimensions": [{"name": "tenant", "path": "tenant"}]})
    world = World(settings)
    inputs(40)(world)
    world.start()
    world.start_joiner()
    for i in range(40):
        value = json.dumps({"tenant": "eu" if i % 10 == 0 else "us", "i": i})
        key = "same" if i % 10 == 0 else None if i == 33 else f"k{i}"
        world.production(key, value, i)
        world.shadow(key, value, i, i)
    world.turn()
    found: dict[tuple[str, str], int] = {}
    for record in world.stats:
        for window in record["windows"]:
            for one in window["values"]:
                for name, n in one["figures"].items():
                    found[one["value"], name] = found.get((one["value"], name), 0) + n
    assert found["eu", "repeated_production"] == found["eu", "repeated_shadow"] == 3
    assert found["us", "unpairable_production"] == found["us", "unpairable_shadow"] == 1


def test_a_pair_with_unreadable_production_counts_by_the_candidates_value() -> None:
    judge = {"window_ms": 1_000, "min_duration_ms": 0}
    dimensions = [{"name": "tenant", "path": "tenant"}, {"name": "size", "path": "size"}]
    world = World(of_world(judge=judge, compare={"dimensions": dimensions}))
    inputs(40)(world)
    world.start()
    world.start_joiner()
    for i in range(40):
        value = json.dumps({"tenant": "eu" if i % 10 == 0 else "us", "size": i % 2})
        world.production(f"k{i}", "{" if i % 20 == 0 else value, i)
        world.shadow(f"k{i}", "{" if i in (20, 5) else value, i, i)
    world.turn()
    values = [one for record in world.stats for window in record["windows"] for one in window["values"]]
    found = {(one["value"], name): n for one in values for name, n in one["figures"].items()}
    # k20 agrees byte by byte, k5 was the candidate's alone to write.
    assert found == {
        ("eu", "undecodable_production"): 1,
        ("0", "undecodable_production"): 1,
        ("us", "undecodable_shadow"): 1,
        ("1", "undecodable_shadow"): 1,
    }


@pytest.mark.parametrize(
    ("criterion", "compare", "value", "why"),
    [
        ({"rate": "mean", "bound": 1.0}, {}, 7.0, "differ at score by the whole bound"),
        ({"rate": "mean", "bound": 1.0}, {}, "0.5", "differ at score by the whole bound"),
        ({"rate": "check", "check": "range"}, {"low": 0.0, "high": 1.0}, 7.0, "fail the check of score"),
        ({"rate": "check", "check": "null"}, {"not_null": True}, None, "fail the check of score"),
    ],
)
def test_a_value_whose_means_or_checks_are_bad_holds_it_back(
    criterion: dict[str, Any], compare: dict[str, Any], value: Any, why: str
) -> None:
    checks = {"checks": [{"path": "score"} | compare]} if compare else {}
    more = {"compare": {"dimensions": [{"name": "tenant", "path": "tenant"}], **checks}}

    def of(wrong: Any) -> Any:
        return lambda i: {"tenant": "eu" if i % 100 == 0 else "us", "score": wrong if i % 100 == 0 else 0.5}

    criteria = [criterion | {"path": "score", "limit": 0.1}]
    bad = verdict_of(of(0.5), of(value), criteria, 1_000, **more)
    assert bad["decision"] == "not_yet"
    assert any(reason.startswith("slice tenant=eu: 10 of 10") and why in reason for reason in bad["reasons"])
    assert verdict_of(of(0.5), of(0.5), criteria, 1_000, **more)["decision"] == "promote"


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("share", [1, 2])
def test_a_parts_criterion_has_the_coverage_of_the_part(required: bool, share: int) -> None:
    def value(i: int) -> dict[str, Any]:
        text = i % 20 == 0 and i // 20 % share == 0
        return {"tenant": "eu" if i % 20 == 0 else "us", "score": "0.5" if text else 0.5}

    whole = {"rate": "mean", "bound": 1.0, "path": "score", "limit": 0.2, "min_coverage": 0.9}
    criteria = [whole, whole | {"where": {"tenant": "eu"}, "required": required}]
    compare = {"dimensions": [{"name": "tenant", "path": "tenant"}]}
    verdict = verdict_of(value, value, criteria, 2_000, compare=compare)
    assert verdict["decision"] == "not_yet"
    measured, percent = {1: (0, "0 %"), 2: (50, "50 %")}[share]
    assert any(
        one.startswith(f"mean:score@tenant=eu: {percent} ({measured} of 100) pairs have a number")
        for one in verdict["reasons"]
    )


def test_an_extra_whose_partner_nobody_could_read_is_not_the_candidates_fault() -> None:
    verdict = of_topics({"undecodable_production": 50, "extra": 50})
    assert verdict["decision"] == "not_yet"
    assert not [reason for reason in verdict["reasons"] if "of extra" in reason]
    values = {"big": {"n": 6_000}, "eu": {"n": 20, "extra": 20}}
    outcomes = {"match": 6_020, "extra": 20, "undecodable_production": 20, "input": 6_040}
    verdict = judged(sliced(), [hour(index, values, **outcomes) for index in range(HOURS)])
    assert not [reason for reason in verdict["reasons"] if reason.startswith("slice")]
