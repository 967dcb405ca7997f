"""Units of count other than the record, criteria beside the outcomes, and levels over attempts."""

import math
import random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from shadowstream.config import Config
from shadowstream.config.judging import SHARE_MIN
from shadowstream.judge.evidence.bounded_mean import critical_grid_n
from shadowstream.judge.evidence.rates import grid_sums, log_e_grid
from shadowstream.judge.verdict.alpha_spending import at_attempt, attempt_of
from shadowstream.judge.verdict.outlook import outlook_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import JudgeLoop

CHANGE = {"name": "tax", "paths": ["tax"], "rate_max": 0.1, "until": "2100-01-01T00:00:00Z"}


def judged(criterion: dict[str, Any], *cells: dict[str, Any], **judge: Any) -> dict[str, Any]:
    """The verdict on these windows under one criterion."""
    loop = JudgeLoop(settings=config(criteria=[criterion], **judge))
    loop.give(stats("scores/0", 1, *cells, complete=True))
    return loop.evaluate()


def only(verdict: dict[str, Any]) -> dict[str, Any]:
    """The criterion that was written; the guards stand behind it."""
    return dict(verdict["criteria"][0])


def test_by_block_each_window_is_one_unit_with_its_share() -> None:
    shares = [(100, 0), (1000, 10), (40, 1)] * 50
    cells = [cell(hour * HOUR_MS, match=n - s, mismatch=s) for hour, (n, s) in enumerate(shares)]
    criterion = only(judged({"rate": "mismatch", "limit": 0.05, "unit": "block"}, *cells))
    y = np.array([s / n for n, s in shares])
    assert (criterion["n"], criterion["unit"]) == (150, "block")
    assert criterion["bad"] == pytest.approx(y.sum())
    assert criterion["log_e_below"] == pytest.approx(log_e_grid(y, 0.05), abs=1e-6)
    assert (criterion["upper"], criterion["shown_good"]) == (None, True)


def test_by_key_each_bucket_is_one_unit_a_season() -> None:
    cells = []
    for hour in range(60):
        one = cell(hour * HOUR_MS, match=40)
        one["buckets"] = [{"bucket": b, "n": 4, "s": int(b == 3 and hour != 24)} for b in range(10)]
        cells.append(one)
    criterion = only(judged({"rate": "mismatch", "limit": 0.05, "unit": "key"}, *cells, min_duration_ms=24 * HOUR_MS))
    # A bucket counts in the hours 0, 24 and 48, by its share in that hour.
    y = np.array([0, 0, 0, 0.25, 0, 0, 0, 0, 0, 0] + [0] * 10 + [0, 0, 0, 0.25, 0, 0, 0, 0, 0, 0])
    assert (criterion["n"], criterion["bad"]) == (30, 0.5)
    assert criterion["log_e_below"] == pytest.approx(log_e_grid(y, 0.05), abs=1e-6)
    assert (criterion["keys"], criterion["keys_needed"]) == (10, critical_grid_n(0.05, 0.05))


@pytest.mark.parametrize(("keys", "decision"), [(50, "not_yet"), (500, "promote")])
def test_many_windows_of_few_keys_never_promote_by_key(keys: int, decision: str) -> None:
    cells = []
    for hour in range(30 * 24):
        one = cell(hour * HOUR_MS, match=keys, input=keys)
        one["buckets"] = [{"bucket": b, "n": 1, "s": 0} for b in range(keys)]
        cells.append(one)
    verdict = judged({"rate": "mismatch", "limit": 0.01, "unit": "key"}, *cells)
    assert only(verdict)["shown_good"], "30 seasons of keys"
    assert verdict["decision"] == decision
    outlook = outlook_of(only(verdict), verdict)
    assert outlook.state == ("shown good" if decision == "promote" else "too few keys")
    if decision == "not_yet":
        assert verdict["reasons"][0].startswith("mismatch: its records are of 50 buckets of keys; at least 424 are")


@pytest.mark.parametrize(("stretch", "decision"), [(1, "promote"), (12, "not_yet")])
def test_outages_of_many_windows_are_no_pieces_of_evidence_of_their_own(stretch: int, decision: str) -> None:
    bad_hours = {hour + more for hour in range(100, 20 * 24, 40 * stretch) for more in range(stretch)}
    cells = [
        cell(hour * HOUR_MS, match=100 - bad, mismatch=bad, input=100)
        for hour in range(20 * 24)
        for bad in [40 if hour in bad_hours else 0]
    ]
    verdict = judged({"rate": "mismatch", "limit": 0.05, "unit": "block"}, *cells)
    assert verdict["decision"] == decision
    assert (only(verdict)["dependence"] > only(verdict)["dependence_max"]) == (decision == "not_yet")


@pytest.mark.parametrize("bad", [999, 20])
def test_one_large_bad_key_blocks_promote_by_unit_key(bad: int) -> None:
    cells = []
    for hour in range(48):
        one = cell(hour * HOUR_MS, match=999, mismatch=bad, input=999 + bad)
        one["buckets"] = [{"bucket": 0, "n": bad, "s": bad}, *({"bucket": b, "n": 1, "s": 0} for b in range(1, 1000))]
        cells.append(one)
    verdict = judged({"rate": "mismatch", "limit": 0.01, "unit": "key"}, *cells)
    assert verdict["decision"] == "not_yet"
    assert only(verdict)["bad"] < 0.01 * only(verdict)["n"], "of the buckets it is one in a thousand"
    assert f" wrong ({48 * bad:,} of {48 * (999 + bad):,} pairs)" in verdict["reasons"][0]
    outlook = outlook_of(only(verdict), verdict)
    assert (outlook.state, outlook.needed) == ("over the limit", None)


@pytest.mark.parametrize(("bad", "decision"), [(3_800, "not_yet"), (550, "not_yet"), (300, "promote")])
def test_a_peak_hour_that_dominates_counts_by_its_records_too(bad: int, decision: str) -> None:
    hours = [(9_500 - bad, bad) if hour % 24 == 12 else (20, 0) for hour in range(24 * 60)]
    cells = [cell(hour * HOUR_MS, match=n, mismatch=s, input=n + s) for hour, (n, s) in enumerate(hours)]
    assert judged({"rate": "mismatch", "limit": 0.05, "unit": "block"}, *cells)["decision"] == decision


def test_clustered_mismatches_hold_unit_record_back_and_reject_all_the_same() -> None:
    draw = random.Random(1)
    hours = [10 * draw.randint(0, 1) if draw.random() < 0.2 else 0 for _ in range(48)]
    cells = [cell(hour * HOUR_MS, match=1000 - s, mismatch=s) for hour, s in enumerate(hours)]
    verdict = judged({"rate": "mismatch", "limit": 0.01}, *cells)
    criterion = only(verdict)
    assert criterion["shown_good"]
    assert criterion["deff_window"] > 1.5
    assert (criterion["passed"], verdict["decision"]) == (False, "not_yet")
    assert "bad ones cluster" in verdict["reasons"][0]
    bad = [cell(hour * HOUR_MS, match=500, mismatch=500 if hour % 2 else 0) for hour in range(48)]
    assert judged({"rate": "mismatch", "limit": 0.01}, *bad)["decision"] == "reject"


def test_a_bounded_mean_is_judged_from_sums_in_any_split() -> None:
    y = np.random.default_rng(1).uniform(0, 0.04, 2000)
    cells = []
    for hour, part in enumerate(np.split(y, 40)):
        for piece in (part[:13], part[13:]):
            one = cell(hour * HOUR_MS, match=len(piece))
            one["means"] = [
                {"path": "score", "n": len(piece), "sums": list(grid_sums(piece, 0.05)), "bound": 2.0, "limit": 0.05}
            ]
            cells.append(one)
    criterion = {"rate": "mean", "path": "score", "bound": 2.0, "limit": 0.05}
    verdict = judged(criterion, *cells)
    found = only(verdict)
    assert (found["rate"], found["n"], verdict["decision"]) == ("mean:score", 2000, "promote")
    assert found["estimate"] == pytest.approx(y.mean(), abs=1e-6)
    assert found["log_e_below"] == pytest.approx(log_e_grid(y, 0.05), abs=1e-3)


ROWS = [
    ({"rate": "field", "path": "score", "limit": 0.01}, "field:score", {"match": 990, "mismatch": 10}, (1000, 7)),
    ({"rate": "slower", "limit": 0.5}, "slower", {"latency_pairs": 50, "latency_slower": 9}, (50, 9)),
    ({"rate": "over", "limit": 0.1}, "over", {"latency_pairs": 50, "latency_over": 2}, (50, 2)),
    ({"rate": "duplicate", "limit": 0.1}, "duplicate", {"match": 50, "duplicate_shadow": 2}, (52, 2)),
    (
        {"rate": "cost", "reference_ms": 2.0, "ratio": 1.5, "limit": 0.1},
        *("cost", {"cost_measured:3ms": 50, "cost_over:3ms": 4, "input": 60}, (50, 4)),
    ),
    ({"rate": "labels", "limit": 0.5}, "labels", {"label_production_only": 3, "label_candidate_only": 8}, (11, 3)),
    (
        {"rate": "twin", "limit": 0.6},
        "twin",
        {"match": 9, "joint_shadow": 3, "joint_twin": 8, "joint_both": 9},
        (11, 3),
    ),
    ({"rate": "expected", "name": "round", "limit": 0.1}, "expected:round", {"match": 9, "expected:round": 1}, (10, 1)),
    ({"rate": "check", "check": "null", "path": "zip", "limit": 0.1}, "check:null:zip", {"match": 1}, (40, 4)),
]


@pytest.mark.parametrize(("criterion", "name", "outcomes", "counted"), ROWS, ids=[row[1] for row in ROWS])
def test_each_criterion_counts_what_it_names(
    criterion: dict[str, Any], name: str, outcomes: dict[str, int], counted: tuple[int, int]
) -> None:
    one = cell(0, fields={"score": 7}) | {"outcomes": outcomes, "checks": {"checked:zip": 40, "null:zip": 4}}
    found = only(judged(criterion, one))
    assert (found["rate"], found["n"], found["s"]) == (name, *counted)


@pytest.mark.parametrize(
    ("only_decision", "limit", "decision"),
    [(20, 0.6, "promote"), (20, 0.5, "not_yet"), (60, 0.6, "reject"), (5, 0.5, "promote")],
    ids=["as noisy", "as noisy and asked to be better", "three times as noisy", "less noisy"],
)
def test_a_candidate_is_judged_by_its_excess_over_the_noise_of_production(
    only_decision: int, limit: float, decision: str
) -> None:
    """Production differs from itself in 4 % of pairs: of these half in what the candidate says too."""
    criterion = {
        "match": 960 - only_decision,
        "mismatch": 20 + only_decision,
        "input": 980,
        "joint_neither": 940 - only_decision,
    }
    hours = [
        cell(hour * HOUR_MS, **criterion, joint_both=20, joint_twin=20, joint_shadow=only_decision)
        for hour in range(30)
    ]
    verdict = judged({"rate": "twin", "limit": limit, "trailing_units": 500}, *hours)
    assert only(verdict)["n"] == 30 * (20 + only_decision)
    assert verdict["decision"] == decision, verdict["reasons"]


COST = {"rate": "cost", "reference_ms": 2.0, "ratio": 1.5, "limit": 0.01}


@pytest.mark.parametrize(("over", "decision"), [(0, "promote"), (2, "promote"), (40, "reject")])
def test_inputs_over_the_cost_decide_as_any_rate_does(over: int, decision: str) -> None:
    hours = [
        cell(hour * HOUR_MS, match=100) | {"outcomes": {"match": 100, "cost_measured:3ms": 100} | costly}
        for hour in range(24)
        for costly in [{"cost_over:3ms": 2} if hour < over // 2 else {}]
    ]
    verdict = judged(COST, *hours)
    assert (only(verdict)["n"], only(verdict)["s"], verdict["decision"]) == (2_400, over // 2 * 2, decision)
    assert not any("closed table" in reason for reason in verdict["reasons"])


def test_costs_counted_against_another_threshold_say_nothing_of_this_one() -> None:
    hours = [
        cell(hour * HOUR_MS) | {"outcomes": {"match": 100, "cost_measured:4ms": 100, "cost_over:4ms": 1}}
        for hour in range(24)
    ]
    verdict = judged(COST, *hours)
    assert (only(verdict)["n"], verdict["decision"]) == (0, "not_yet")
    (reason,) = [one for one in verdict["reasons"] if "over 4ms" in one]
    assert reason.startswith("cost: the runner counted inputs over 4ms, which says nothing of reference_ms 2.0 and")


def test_missing_data_is_not_yet_only_if_it_is_required() -> None:
    hours = [cell(hour * HOUR_MS, match=1000) for hour in range(24)]
    assert judged({"rate": "labels", "limit": 0.5}, *hours)["decision"] == "not_yet"
    lenient = [{"rate": "mismatch", "limit": 0.01}, {"rate": "labels", "limit": 0.5, "required": False}]
    loop = JudgeLoop(settings=config(criteria=lenient))
    loop.give(stats("scores/0", 1, *hours, complete=True))
    assert loop.evaluate()["decision"] == "promote"


def test_least_units_and_muted_criteria() -> None:
    hours = [cell(hour * HOUR_MS, match=500, mismatch=500) for hour in range(24)]
    good = [cell(hour * HOUR_MS, match=1000) for hour in range(24)]
    assert judged({"rate": "mismatch", "limit": 0.01, "min_units": 24_001}, *good)["decision"] == "not_yet"
    assert judged({"rate": "mismatch", "limit": 0.01, "min_units": 24_000}, *good)["decision"] == "promote"
    loop = JudgeLoop(
        settings=config(criteria=[{"rate": "mismatch", "limit": 0.01, "muted": True}, {"rate": "extra", "limit": 0.01}])
    )
    loop.give(stats("scores/0", 1, *hours, complete=True))
    criterion = loop.evaluate()
    assert (criterion["criteria"][0]["shown_bad"], criterion["decision"]) == (True, "promote")


@pytest.mark.parametrize(
    "criterion",
    [
        {"rate": "field", "limit": 0.1},
        {"rate": "mismatch", "limit": 0.1, "path": "score"},
        {"rate": "cost", "reference_ms": 2.0, "ratio": 1.5, "limit": 0.1, "unit": "key"},
        {"rate": "mean", "limit": 0.1, "path": "score", "bound": 1.0, "unit": "block"},
        {"rate": "check", "limit": 0.1, "path": "score"},
        {"rate": "mismatch", "limit": 0.99},
        {"rate": "mismatch", "limit": 1e-7, "unit": "block"},
        {"rate": "mean", "limit": 1e-7, "path": "score", "bound": 1.0},
        {"rate": "mismatch", "limit": 0.1, "muted": True},
    ],
)
def test_criteria_that_do_not_say_what_they_mean_are_refused(criterion: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(criteria=[criterion])


def test_null_without_quotes_is_no_check_and_the_message_says_so() -> None:
    with pytest.raises(ValidationError, match='needs check: schema, "null" in quotes'):
        config(criteria=[{"rate": "check", "check": None, "path": "score", "limit": 0.1}])


def released(k: int) -> Config:
    return Config.model_validate(config().model_dump() | {"release": f"r{k}"})


@pytest.mark.parametrize(
    ("criterion", "parts", "needs"),
    [
        ({"rate": "labels"}, {}, "labels"),
        ({"rate": "slower"}, {}, "compare.latency"),
        ({"rate": "over"}, {}, "compare.latency"),
        ({"rate": "twin"}, {}, "twin"),
        ({"rate": "check", "check": "null", "path": "zip"}, {}, "compare.checks"),
        (
            {"rate": "check", "check": "null", "path": "zip"},
            {"checks": [{"path": "zip", "low": 1}, {"path": "score", "not_null": True}]},
            "compare.checks",
        ),
        ({"rate": "expected", "name": "round"}, {"expected": [CHANGE]}, "compare.expected"),
        ({"rate": "expected", "name": "added_fields"}, {"expected": [CHANGE]}, "compare.expected"),
    ],
    ids=str,
)
def test_a_criterion_of_which_nothing_would_be_counted_is_refused(
    criterion: dict[str, Any], parts: dict[str, Any], needs: str
) -> None:
    """It would be not yet for ever, and nobody would know why until the trial was over."""
    judge = {"criteria": [criterion | {"limit": 0.1}]}
    with pytest.raises(ValidationError, match=f"judge.criteria: .* needs .*{needs}"):
        Config.model_validate(config().model_dump(exclude_unset=True) | {"compare": parts, "judge": judge})


def test_added_fields_are_a_declared_change_where_the_policy_says_so() -> None:
    judge = {"criteria": [{"rate": "expected", "name": "added_fields", "limit": 0.1}]}
    parts = {"compare": {"added_fields": "expected"}, "judge": judge}
    criterion = Config.model_validate(config().model_dump(exclude_unset=True) | parts)
    assert criterion.judge.criteria[0].id == "expected:added_fields"


def test_the_least_share_limit_can_be_shown_the_greatest_watched() -> None:
    assert critical_grid_n(SHARE_MIN, 0.05) < 1e7
    judged({"rate": "mismatch", "limit": 0.989}, cell(0, match=1))


def test_attempt_k_at_a_release_is_judged_at_its_alpha_share() -> None:
    audit = [
        {"revision": name, "release": release, "attempt": attempt}
        for name, release, attempt in [("a", "r1", 1), ("a", "r1", 1), ("x", "r2", 1), ("b", "r1", 2), ("c", None, 1)]
    ]
    assert [attempt_of(released(1), name, audit) for name in ("a", "b", "c", "x")] == [1, 2, 3, 3]
    assert attempt_of(config(), "z", audit) == 1
    third = at_attempt(released(1), 3).judge
    assert third.alpha == pytest.approx(0.05 * 6 / (9 * math.pi**2))
    assert at_attempt(config(), 3) == config()


def test_a_third_attempt_needs_more_and_names_its_number() -> None:
    hours = [cell(hour * HOUR_MS, match=30) for hour in range(30)]
    found = []
    for attempt in (1, 3):
        loop = JudgeLoop(settings=released(1))
        loop.step = type(loop.step)(released(1), REVISION, loop.names, attempt)
        loop.give(stats("scores/0", 1, *hours, complete=True))
        found.append(loop.evaluate())
    first, third = found
    assert (first["attempt"], third["attempt"], first["release"]) == (1, 3, "r1")
    assert third["criteria"][0]["log_promote_at"] - first["criteria"][0]["log_promote_at"] == pytest.approx(math.log(9))
    assert first["criteria_hash"] == third["criteria_hash"]
