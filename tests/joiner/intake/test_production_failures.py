"""Production that says of its own output that it failed: the candidate's failure there is no difference."""

from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.config import Criterion
from shadowstream.judge.criteria import Counts, rate_of
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import Case, P, absent, begun, committed, done, play, restart

BY_HEADER = {"header": "error"}
BY_PATH = {"path": "error.code"}


def world_of(error: dict[str, str] | None, **more: Any) -> World:
    production = {"outputs": ["out"], "group": "g", "commits": "after_output", **({"error": error} if error else {})}
    return begun(production=production, **more)


def failing(value: str = "1", reason: str = "failed", **headers: str) -> Case:
    return [P("a", value, **headers), absent(3, reason, "a"), done(10), committed(10)]


@pytest.mark.parametrize(
    ("error", "case", "outcome"),
    [
        (BY_HEADER, failing(error="no model"), "both_failed"),
        (BY_HEADER, failing(), "candidate_error"),
        (BY_HEADER | {"equals": "down"}, failing(error="down"), "both_failed"),
        (BY_HEADER | {"equals": "down"}, failing(error="slow"), "candidate_error"),
        (BY_PATH, failing('{"error": {"code": 7}}'), "both_failed"),
        (BY_PATH, failing('{"error": {"code": null}}'), "candidate_error"),
        (BY_PATH, failing('{"error": null}'), "candidate_error"),
        (BY_PATH, failing("{"), "candidate_error"),
        (BY_PATH | {"equals": "7"}, failing('{"error": {"code": 7}}'), "both_failed"),
        (BY_PATH | {"equals": "7"}, failing('{"error": {"code": 8}}'), "candidate_error"),
        (None, failing('{"error": {"code": 7}}', error="x"), "candidate_error"),
        (BY_HEADER, failing(reason="undecodable", error="x"), "undecodable_input"),
        (BY_HEADER, [P("a", "1", error="x"), done(10), committed(10)], "missing"),
    ],
)
def test_a_failure_of_both_is_recognised_where_production_says_so(
    error: dict[str, str] | None, case: Case, outcome: str
) -> None:
    world = world_of(error)
    play(world, [*case, {outcome: 1}])
    assert {row["outcome"] for row in world.diff} == {outcome}


def test_a_failure_of_both_is_a_good_missing_unit_across_restarts() -> None:
    world = world_of(BY_HEADER, compare={"dimensions": [{"name": "tenant", "path": "tenant"}]})
    play(world, [P("a", '{"tenant": "eu"}', error="x"), restart, absent(3, "failed", "a"), done(10), committed(10),
                 {"both_failed": 1}])  # fmt: skip
    (row,) = world.diff
    assert row["reason"] == "production failed on this input too; the candidate: candidate_error"
    (values,) = [window["values"] for record in world.stats for window in record["windows"] if window["values"]]
    assert values == [{"dimension": "tenant", "value": "eu", "figures": {"both_failed": 1}}]


@pytest.mark.parametrize(
    "error", [{}, {"header": "a", "path": "b"}, {"equals": "x"}, {"silent": True, "equals": "x"}, {"silent": False}]
)
def test_a_failure_that_stands_nowhere_or_twice_is_refused(error: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give either header or path"):
        begun(production={"outputs": ["out"], "error": error})


@pytest.mark.parametrize(("silent", "bad"), [(True, 1), (False, 5)])
def test_where_silence_is_failure_only_errors_on_answered_inputs_count(silent: bool, bad: int) -> None:
    error: dict[str, Any] = {"silent": True} if silent else {"header": "error"}
    world = world_of(error)
    play(world, [P("a", "1"), absent(3, "failed", "a"), done(10), committed(10), {"candidate_error": 1}])
    outcomes = {"input": 10, "input_failed": 5, **world.outcomes()}
    row = rate_of(Criterion(rate="error", limit=0.01), world.config)
    assert row.counts(outcomes) == Counts(1 if silent else 10, bad)
