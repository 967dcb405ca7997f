"""Criteria on means, checks and latencies from end to end: the joiner's own step counts, this judge judges."""

from typing import Any

import numpy as np
import pytest

from shadowstream.config import Config
from shadowstream.judge.evidence.rates import log_e_grid
from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import REVISION, WINDOW_MS, World, config

CHECKS = [
    {"path": "n", "type": "number", "not_null": True, "low": 0, "high": 10},
    {"path": "kind", "categories": ["a", "b"]},
]
PAIRS = 900
MEAN = {"rate": "mean", "path": "n", "bound": 2.0, "limit": 0.05}


def settings_of(criterion: dict[str, Any]) -> Config:
    """A trial with this criterion alone."""
    return config(
        compare={"match_sample": 0, "checks": CHECKS, "rules": [{"path": "n", "atol": 1.0}]},
        judge={"window_ms": WINDOW_MS, "min_duration_ms": 0, "criteria": [criterion]},
    )


def joined(settings: Config, shadow: dict[int, str]) -> World:
    """A joiner's world in which the candidate says `shadow[i]` where it does not say what production does."""
    world = World(settings)
    world.start()
    world.start_joiner()
    for number in range(PAIRS):
        time_ms = number * 10 * WINDOW_MS // PAIRS
        world.production(f"k{number}", '{"n": 1.0, "kind": "a"}', time_ms)
        world.shadow(f"k{number}", shadow.get(number, '{"n": 1.0, "kind": "a"}'), number, time_ms)
        if number % 300 == 299:
            world.turn()
    world.turn()
    return world


def judged(world: World, settings: Config) -> dict[str, Any]:
    """The verdict of a judge under `settings` once every task has ended."""
    step = JudgeStep(settings, REVISION, sorted({record["task"] for record in world.stats}))
    for number, record in enumerate(world.stats):
        step.step(0, number, record)
    last = {record["task"]: record for record in world.stats}
    for number, record in enumerate(last.values(), start=len(world.stats)):
        end = {**record, "seq": record["seq"] + 1, "windows": [], "complete": True}
        step.step(0, number, end)
    return step.verdict(0)


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        ("schema", "n", '{"n": "1", "kind": "a"}'),
        ("null", "n", '{"n": null, "kind": "a"}'),
        ("range", "n", '{"n": 11.5, "kind": "a"}'),
        ("category", "kind", '{"n": 1.0, "kind": "new"}'),
    ],
)
def test_values_that_fail_a_check_reject_and_their_absence_promotes(check: str, path: str, value: str) -> None:
    settings = settings_of({"rate": "check", "check": check, "path": path, "limit": 0.02})
    good = judged(joined(settings, {}), settings)
    assert (good["criteria"][0]["n"], good["criteria"][0]["s"], good["decision"]) == (PAIRS, 0, "promote")
    bad = judged(joined(settings, dict.fromkeys(range(0, PAIRS, 9), value)), settings)
    assert (bad["criteria"][0]["rate"], bad["criteria"][0]["s"]) == (f"check:{check}:{path}", PAIRS // 9)
    assert bad["decision"] == "reject"


@pytest.mark.parametrize("windows", [1, 10], ids=["one window", "windows"])
def test_a_pair_that_several_changes_explain_counts_against_the_bound_of_each(windows: int) -> None:
    until = "2100-01-01T00:00:00Z"
    changes = [
        {"name": "number", "paths": ["n"], "rate_max": 0.9, "until": until},
        {"name": "kind", "paths": ["kind"], "rate_max": 0.05, "until": until},
    ]
    settings = config(
        compare={"match_sample": 0, "expected": changes},
        judge={
            "window_ms": WINDOW_MS * 10 // windows,
            "min_duration_ms": 0,
            "criteria": [{"rate": "mismatch", "limit": 0.02}],
        },
    )
    verdict = judged(joined(settings, dict.fromkeys(range(0, PAIRS, 3), '{"n": 2.0, "kind": "b"}')), settings)
    found = {one["rate"]: (one["n"], one["s"], one["shown_good"]) for one in verdict["criteria"]}
    assert found["mismatch"] == (PAIRS, 0, True), "each is one pair, and no mismatch"
    assert found["expected:number"] == (PAIRS, PAIRS // 3, True)
    assert found["expected:kind"] == (PAIRS, PAIRS // 3, False)
    assert verdict["decision"] == "not_yet"
    assert any(reason.startswith("expected:kind") for reason in verdict["reasons"])
    assert not any("closed table" in reason for reason in verdict["reasons"])


@pytest.mark.parametrize(("off", "decision"), [(0.02, "promote"), (0.9, "reject")])
def test_the_mean_difference_is_judged_by_the_sums_of_the_joiner(off: float, decision: str) -> None:
    settings = settings_of(MEAN)
    verdict = judged(joined(settings, dict.fromkeys(range(PAIRS), f'{{"n": {1.0 + off}}}')), settings)
    mean = verdict["criteria"][0]
    assert (mean["rate"], mean["n"], verdict["decision"]) == ("mean:n", PAIRS, decision)
    assert mean["estimate"] == pytest.approx(off / 2.0, abs=1e-6)
    assert mean["log_e_below"] == pytest.approx(log_e_grid(np.full(PAIRS, off / 2.0), 0.05), abs=1e-3)


@pytest.mark.parametrize("other", [{"limit": 0.1}, {"bound": 1.0}])
def test_sums_for_another_limit_or_bound_prove_nothing_and_it_is_reported(other: dict[str, float]) -> None:
    world = joined(settings_of(MEAN), {})
    verdict = judged(world, settings_of(MEAN | other))
    assert (verdict["criteria"][0]["n"], verdict["decision"]) == (0, "not_yet")
    assert any("the joiner's sums are for bound 2.0 and limit 0.05" in reason for reason in verdict["reasons"])
