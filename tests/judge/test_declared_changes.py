"""Declared changes: within their bound they are no mismatch, beyond it nothing is promoted."""

import random
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.guard_criteria import declared
from tests.judge.stats_records import REVISION, Trial, config, interleaved

TAX = {"name": "tax", "paths": ["tax"], "rate_max": 0.05, "until": "2100-01-01T00:00:00Z"}


def trial(**judge: Any) -> Config:
    settings = config(min_duration_ms=0, **judge).model_dump(mode="json")
    return Config.model_validate(settings | {"compare": {"expected": [TAX]}})


def verdict(settings: Config, expected: int) -> dict[str, Any]:
    """Of ten windows of 1,000 pairs, with so many declared changes in each."""
    windows = [{"match": 1_000 - expected, "expected:tax": expected, "input": 1_000} for _ in range(10)]
    draw = random.Random(7)
    step = JudgeStep(settings, REVISION, ["scores/0", "scores/1"])
    for offset, record in enumerate(interleaved(draw, Trial(windows).task_logs(draw, 2))):
        step.step(0, offset, record)
    return step.verdict(0)


@pytest.mark.parametrize(("expected", "decision"), [(20, "promote"), (50, "not_yet"), (80, "not_yet")])
def test_a_declared_change_beyond_its_bound_is_not_promoted(expected: int, decision: str) -> None:
    judged_verdict = verdict(trial(), expected)
    assert judged_verdict["decision"] == decision
    assert any(one["rate"] == "expected:tax" for one in judged_verdict["criteria"])
    assert decision == "promote" or any("expected:tax" in reason for reason in judged_verdict["reasons"])


def test_a_criterion_of_ones_own_takes_the_place_of_the_bound() -> None:
    own = {"rate": "expected", "name": "tax", "limit": 0.2}
    settings = trial(criteria=[{"rate": "mismatch", "limit": 0.01}, own])
    assert [one.limit for one in declared(settings).judge.criteria if one.rate == "expected"] == [0.2]
    assert verdict(settings, 80)["decision"] == "promote"


def test_default_criteria_do_not_count_as_given_for_a_bound() -> None:
    plain = Config.model_validate(
        {
            "name": "fraud",
            "inputs": ["payments"],
            "production": {"outputs": ["scores"]},
            "candidate": {"topic": "next", "group": "next", "version": "1"},
            "compare": {"expected": [TAX]},
        }
    )
    assert [one.id for one in declared(plain).judge.criteria][-1] == "expected:tax"
    assert "criteria" not in declared(plain).judge.model_fields_set
