"""Extra, missing and pairs reject only beyond what records that were never compared may explain."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.config import Config
from shadowstream.judge.drift.rate_monitor import WINDOWS
from tests.judge.stats_records import Trial, config
from tests.judge.test_step import JudgeLoop, judged

HOUR = {"match": 1_000, "input": 1_000}
Hours = list[dict[str, int]]


def configured(**sections: Any) -> Config:
    return Config.model_validate(config().model_dump(mode="json", exclude_unset=True) | sections)


def verdict_of(hours: Hours, settings: Config | None = None) -> dict[str, Any]:
    # How often one looks changes nothing (`test_step`), so the judge is asked once.
    loop = judged(Trial(hours).task_logs(random.Random(1))[0], every=10**6, settings=settings)
    return loop.evaluate(force=True)


def extra_in(hours: Hours, settings: Config | None = None) -> tuple[str, list[str]]:
    record = verdict_of(hours, settings)
    return record["decision"], [reason for reason in record["reasons"] if reason.startswith("extra")]


COORDINATE = configured(identity={"kind": "coordinate"})
BY_PATH = configured(identity={"kind": "id", "path": "order.id"})


@pytest.mark.parametrize(
    ("outcome", "settings"),
    [
        ("unpairable_production", None), ("undecodable_production", None), ("repeated_production", None),
        ("evicted", None), ("duplicate_production", COORDINATE),
    ],
)  # fmt: skip
def test_an_extra_that_uncompared_production_may_explain_does_not_reject(outcome: str, settings: Config | None) -> None:
    decision, reasons = extra_in([{"extra": 300, outcome: 300, "input": 300}] * 14, settings)
    assert decision == "not_yet"
    assert any("up to 4200 of 4200 may have their partner among 4200 records of production" in one for one in reasons)


def test_the_extras_beyond_them_reject_and_only_those_are_counted() -> None:
    decision, reasons = extra_in([HOUR | {"extra": 90, "unpairable_production": 30}] * 24)
    assert decision == "reject"
    s, explained = 24 * 90, 24 * 30
    shown = next(int(word) for word in reasons[0].split() if word.isdigit())
    assert 0 < shown <= s - explained


def test_a_good_half_and_an_unread_half_are_not_yet() -> None:
    hour = {"match": 500, "extra": 500, "undecodable_production": 500, "input": 1_000}
    assert extra_in([hour] * 24)[0] == "not_yet"


def test_a_promote_goes_by_all_of_them() -> None:
    """What may be explained is shown good by nothing."""
    decision, _ = extra_in([HOUR | {"extra": 40, "evicted": 40}] * 24)
    assert decision == "not_yet"


def test_what_explains_may_lie_in_another_window_and_come_later() -> None:
    loop = JudgeLoop()
    hours = [HOUR | {"extra": 100}, HOUR | {"unpairable_production": 100}, HOUR]
    decisions = []
    for record in Trial(hours).task_logs(random.Random(1))[0]:
        loop.give(record)
        decisions.append(loop.evaluate()["decision"])
        loop.restart()
    assert "reject" in decisions
    assert decisions[-1] == "not_yet"


def test_no_incident_rests_on_what_may_be_explained() -> None:
    quiet, loud = [HOUR] * 60, [HOUR | {"extra": 200, "undecodable_production": 200}] * (4 * WINDOWS)
    record = verdict_of(quiet + loud)
    assert record["incidents_open"] == []
    assert record["decision"] == "not_yet"
    assert verdict_of(quiet + [HOUR | {"extra": 200}] * (4 * WINDOWS))["decision"] == "reject"


@pytest.mark.parametrize(
    ("outcome", "settings", "decision"),
    [
        ("repeated_shadow", None, "not_yet"),
        ("undecodable_shadow", BY_PATH, "not_yet"),
        ("unpairable_shadow", None, "not_yet"),  # coverage of the candidate's side holds promote back
        ("undecodable_shadow", None, "not_yet"),
        ("duplicate_shadow", None, "reject"),  # of inputs that it has answered: the missing ones are others
    ],
)
def test_missing_is_explained_only_where_the_candidate_pays_elsewhere(
    outcome: str, settings: Config | None, decision: str
) -> None:
    lacking = {"match": 900, "missing": 100, outcome: 100, "input": 100_000}
    found = verdict_of([lacking] * 24, settings)
    # Those that come again are judged by a criterion of their own.
    rejected = any(one.startswith("missing") and "shown to be over" in one for one in found["reasons"])
    assert ("reject" if rejected else "not_yet") == decision


def test_by_block_more_than_a_tenth_explained_is_no_reject() -> None:
    block = configured(judge={"criteria": [{"rate": "extra", "limit": 0.01, "unit": "block"}]})
    assert extra_in([HOUR | {"extra": 300}] * 30, block)[0] == "reject"
    assert extra_in([HOUR | {"extra": 300, "evicted": 20}] * 30, block)[0] == "reject"
    assert extra_in([HOUR | {"extra": 300, "evicted": 200}] * 30, block)[0] == "not_yet"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_identical_candidate_is_never_rejected_whatever_became_of_productions_side(seed: int) -> None:
    draw = random.Random(seed)
    kinds = ("unpairable_production", "undecodable_production", "repeated_production", "evicted")
    share, hours = draw.choice((0.001, 0.05, 0.5, 1.0)), draw.randint(1, 30)
    windows: Hours = [{"match": 0, "input": 400} for _ in range(hours)]
    for at in range(hours):
        lost = round(400 * share * draw.random())
        windows[at]["match"] += 400 - lost
        windows[at]["extra"] = windows[at].get("extra", 0) + lost
        # A record and what may be its partner can be an hour apart.
        where, kind = windows[min(hours - 1, at + draw.randint(0, 1))], draw.choice(kinds)
        where[kind] = where.get(kind, 0) + lost
    assert verdict_of(windows)["decision"] != "reject"


BY_KEY = configured(identity={"kind": "key"})


def test_pairs_of_an_id_that_repeats_do_not_reject() -> None:
    record = verdict_of([{"mismatch": 50, "repeated_production": 50, "input": 100}] * 14, BY_KEY)
    assert record["decision"] == "not_yet"
    (doubt,) = (one for one in record["reasons"] if "do not belong together" in one)
    assert doubt == (
        "mismatch: up to 700 of 700 may be pairs of records that do not belong together: 700 records repeat an id with "
        "another value or input and were never compared; those do not count for a reject"
    )


def test_repeats_of_the_candidate_only_are_its_fault_not_the_pairs() -> None:
    record = verdict_of([{"mismatch": 50, "repeated_shadow": 50, "input": 100}] * 14, BY_KEY)
    assert record["decision"] == "reject"
    assert {one.partition(":")[0] for one in record["reasons"] if "shown to be over" in one} == {"duplicate"}


def test_pairs_that_differ_beyond_the_repeats_reject() -> None:
    hour = {"match": 700, "mismatch": 300, "repeated_production": 2, "repeated_shadow": 2, "input": 1_000}
    assert verdict_of([hour] * 24, BY_KEY)["decision"] == "reject"


def test_a_redelivery_excuses_no_pair() -> None:
    hour = {"match": 700, "mismatch": 300, "duplicate_production": 500, "input": 1_000}
    assert verdict_of([hour] * 24, BY_KEY)["decision"] == "reject"


@pytest.mark.parametrize(
    ("criterion", "bad"),
    [
        ({"rate": "field", "path": "score", "limit": 0.01}, {"mismatch": 300, "field/score": 300}),
        (
            {"rate": "check", "check": "null", "path": "score", "limit": 0.01},
            {"match": 300, "check/checked:score": 1_000, "check/null:score": 300},
        ),
        ({"rate": "mismatch", "limit": 0.01, "unit": "block"}, {"mismatch": 300}),
        ({"rate": "slower", "limit": 0.6}, {"match": 300, "latency_pairs": 1_000, "latency_slower": 900}),
    ],
)
def test_the_repeats_excuse_pairs_of_every_criterion(criterion: dict[str, Any], bad: dict[str, int]) -> None:
    compare = {"latency": {"over_ms": 100}, "checks": [{"path": "score", "not_null": True}]}
    settings = configured(identity={"kind": "key"}, judge={"criteria": [criterion]}, compare=compare)
    hour = {"match": 700, "input": 1_000} | bad
    hour["match"] = 1_000 - bad.get("mismatch", 0)
    assert verdict_of([hour] * 30, settings)["decision"] == "reject"
    assert verdict_of([hour | {"repeated_production": 900}] * 30, settings)["decision"] == "not_yet"
