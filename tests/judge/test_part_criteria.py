"""Criteria of one value of a dimension, of one output topic and of both: each counts its own records and no others."""

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.config import Config, Criterion
from shadowstream.judge.replay import course
from shadowstream.judge.step import JudgeStep
from tests.joiner.joiner_world import config as of_world
from tests.joiner.outcome_cases import absent
from tests.judge.stats_records import REVISION, cell, stats
from tests.judge.trials_by_slice import sliced
from tests.judge.trials_through_the_joiner import SILENT, counts_of, joined, judged, only_criteria, trial

TENANTS = {"dimensions": [{"name": "tenant", "path": "tenant"}, {"name": "paid", "path": "paid"}]}
EU, US = {"where": {"tenant": "eu"}}, {"where": {"tenant": "us"}}


def record(i: int, score: float = 1.0) -> dict[str, Any]:
    """Each third record is of tenant eu, each second one is paid."""
    return {"tenant": "eu" if i % 3 == 0 else "us", "paid": i % 2 == 0, "score": score}


def wrong_for(tenant: str, score: Any = 2.0) -> Any:
    return lambda i: record(i) | ({"score": score} if record(i)["tenant"] == tenant else {})


def of(rate: str, part: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rate": rate, "limit": 0.01, "required": False, **part, **more}


@pytest.mark.parametrize(
    "criterion",
    [
        of("mismatch", EU),
        of("field", EU, path="score"),
        of("mean", EU, path="score", bound=1.0),
        of("check", EU, check="range", path="score"),
        of("mismatch", {"where": {"tenant": "eu", "paid": True}}),
    ],
    ids=lambda one: one["rate"] + str(len(one["where"])),
)
def test_a_part_sees_its_own_records_and_no_others(criterion: dict[str, Any]) -> None:
    compare = TENANTS | {"checks": [{"path": "score", "low": 0, "high": 1.5}]}
    of_others = criterion | {"where": criterion["where"] | {"tenant": "us"}}
    settings = trial([criterion, of_others], compare=compare, judge={"slices": "show"})
    verdict = judged(joined(settings, record, wrong_for("eu"), 600))
    first, second = verdict["criteria"][:2]
    share = 2 if len(criterion["where"]) > 1 else 1
    assert (first["n"], first["s"]) == (200 // share, 200 // share)
    assert (second["n"], second["s"]) == (400 // share, 0)
    assert first["rate"].endswith("@paid=true,tenant=eu" if share == 2 else "@tenant=eu")
    assert verdict["decision"] == "reject"


def test_a_criterion_of_the_whole_stands_beside_one_of_a_part() -> None:
    settings = trial(
        [of("mismatch", {}, limit=0.5), of("mismatch", EU), of("mismatch", US)],
        compare=TENANTS,
        judge={"slices": "show"},
    )
    verdict = judged(joined(settings, record, wrong_for("eu"), 600))
    assert [(one["rate"], one["n"], one["s"]) for one in verdict["criteria"][:3]] == [
        ("mismatch", 600, 200),
        ("mismatch@tenant=eu", 200, 200),
        ("mismatch@tenant=us", 400, 0),
    ]


def test_records_that_ended_unmatched_count_by_what_their_own_side_says() -> None:
    criteria = [of(rate, part) for rate in ("missing", "extra", "error", "duplicate") for part in (EU, US)]
    settings = trial(criteria, compare=TENANTS, judge={"slices": "show"})

    def silent(i: int) -> Any:
        return SILENT if i % 3 == 0 and i < 30 else record(i)

    def other(i: int) -> Any:
        return SILENT if i % 3 == 1 and i < 60 else record(i)

    world = joined(settings, other, silent, 600)
    for offset in range(0, 9, 3):
        absent(offset, "failed", f"k{offset}")(world)
    world.done(600)
    world.done(600, "end")
    world.production_committed.update({world.inputs[0]: 600})
    world.turn()
    totals: dict[str, int] = {}
    for one in world.stats:
        for window in one["windows"]:
            for scope in window["scopes"]:
                for outcome, n in scope["outcomes"].items():
                    totals[f"{scope['scope']} {outcome}"] = totals.get(f"{scope['scope']} {outcome}", 0) + n
    lost = {name: n for name, n in totals.items() if not name.endswith("match")}
    assert lost == {"tenant=eu missing": 7, "tenant=eu candidate_error": 3, "tenant=us extra": 20}
    verdict = judged(world)
    assert counts_of(verdict, "missing@tenant=eu") == (200, 10)
    assert counts_of(verdict, "error@tenant=eu") == (200, 3)
    assert counts_of(verdict, "missing@tenant=us") == (380, 0)
    assert counts_of(verdict, "extra@tenant=us") == (400, 20)


def test_a_late_partner_takes_back_what_its_part_was_short_of() -> None:
    settings = trial([of("missing", EU), of("mismatch", EU)], compare=TENANTS)
    world = joined(settings, lambda i: record(0), lambda i: SILENT if i < 5 else record(0), 50)
    world.done(50)
    world.turn()
    assert _scope(world, "missing") == 5
    for i in range(5):
        world.shadow(f"k{i}", '{"tenant": "eu", "paid": true, "score": 2.0}', i, i)
    world.production_committed.update({world.inputs[0]: 50})
    world.turn()
    world.turn()
    assert (_scope(world, "missing"), _scope(world, "mismatch"), _value(world, "missing")) == (0, 5, 0)


def _scope(world: Any, outcome: str) -> int:
    windows = [window for one in world.stats for window in one["windows"]]
    return sum(scope["outcomes"].get(outcome, 0) for window in windows for scope in window["scopes"])


def _value(world: Any, figure: str) -> int:
    windows = [window for one in world.stats for window in one["windows"]]
    of_tenant = [one for window in windows for one in window["values"] if one["dimension"] == "tenant"]
    return sum(one["figures"].get(figure, 0) for one in of_tenant)


# ---------------------------------------------------------------- topics

TWO = {"production": {"outputs": ["scores", "audits"], "group": "scorer", "commits": "after_output"}}


def verdict_for(criteria: list[dict[str, Any]], order: tuple[int, ...] = (0, 1), scopes: Any = None) -> dict[str, Any]:
    settings = sliced().model_dump(exclude_unset=True) | TWO | {"judge": {"criteria": only_criteria(criteria)}}
    step = JudgeStep(Config.model_validate(settings), REVISION, ["scores/0", "audits/0"])
    good, bad = cell(0, match=900, mismatch=0, fields={"a": 0}), cell(0, match=450, mismatch=50, fields={"a": 50})
    good["scopes"], bad["scopes"] = scopes or ((), ())
    records = [stats("scores/0", 1, good, complete=True), stats("audits/0", 1, bad, complete=True)]
    for offset, index in enumerate(order):
        step.step(0, offset, records[index])
    return step.verdict(0)


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1))))
def test_a_topic_counts_its_own_tasks_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    criteria = [
        {"rate": "mismatch", "limit": 0.2},
        {"rate": "mismatch", "limit": 0.01, "topic": "scores"},
        {"rate": "mismatch", "limit": 0.01, "topic": "audits", "critical": False},
        {"rate": "field", "path": "a", "limit": 0.01, "topic": "audits", "critical": False},
    ]
    entry = verdict_for(criteria, order)
    assert [(one["rate"], one["n"], one["s"]) for one in entry["criteria"][:4]] == [
        ("mismatch", 1_400, 50),
        ("mismatch@topic=scores", 900, 0),
        ("mismatch@topic=audits", 500, 50),
        ("field:a@topic=audits", 500, 50),
    ]


def test_the_course_of_the_evidence_has_the_parts_of_a_topic_too() -> None:
    criteria = [{"rate": "mismatch", "limit": 0.01, "topic": topic} for topic in ("scores", "audits")]
    settings = Config.model_validate(
        sliced().model_dump(exclude_unset=True) | TWO | {"judge": {"criteria": only_criteria(criteria)}}
    )
    records = [stats("scores/0", 1, cell(0, match=900)), stats("audits/0", 1, cell(0, match=450, mismatch=50))]
    (entry,) = course(settings, REVISION, records, 10)
    assert [(one["n"], one["s"]) for one in entry["criteria"][:2]] == [(900, 0), (500, 50)]


def test_a_part_of_a_topic_counts_both_ways() -> None:
    scope = {"scope": "tenant=eu", "outcomes": {"match": 40, "mismatch": 10}, "named": [], "checks": {}, "means": []}
    criterion = {"rate": "mismatch", "limit": 0.01, "topic": "audits", "where": {"tenant": "eu"}}
    found = verdict_for([criterion], scopes=([{**scope, "outcomes": {"match": 7}}], [scope]))
    assert counts_of(found, "mismatch@topic=audits,tenant=eu") == (50, 10)


# ---------------------------------------------------------------- what cannot be counted is refused


@pytest.mark.parametrize(
    ("criterion", "why"),
    [
        ({"rate": "cost", "reference_ms": 1.0, "ratio": 2.0} | EU, "where does not go with rate: cost"),
        ({"rate": "labels"} | EU, "where does not go with rate: labels"),
        ({"rate": "twin"} | EU, "where does not go with rate: twin"),
        ({"rate": "error", "topic": "out"}, "topic does not go with rate: error"),
        ({"rate": "mismatch", "unit": "key"} | EU, "unit: key is of all pairs"),
        ({"rate": "mismatch", "unit": "key", "topic": "out"}, "unit: key is of all pairs"),
        ({"rate": "mean", "path": "a.*", "bound": 1.0}, "a star names several values"),
    ],
)
def test_what_nobody_counts_by_part_is_refused(criterion: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Criterion.model_validate(criterion | {"limit": 0.01})


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"rate": "mismatch", "where": {"region": "eu"}}, "needs the dimension region in compare.dimensions"),
        ({"rate": "mismatch", "topic": "elsewhere"}, "names a topic that is none of production.outputs: out"),
        ({"rate": "missing", "where": {"country": "NO"}}, "country is a header of the input"),
    ],
)
def test_a_part_that_does_not_exist_is_refused(part: dict[str, Any], why: str) -> None:
    compare = {"dimensions": [*TENANTS["dimensions"], {"name": "country", "header": "country"}]}
    with pytest.raises(ValidationError, match=why):
        of_world(judge={"criteria": [part | {"limit": 0.01}]}, compare=compare)


def test_one_criterion_twice_is_refused_and_of_two_parts_it_is_two() -> None:
    with pytest.raises(ValidationError, match=r"mismatch@tenant=eu is judged more than once"):
        of_world(judge={"criteria": [of("mismatch", EU), of("mismatch", EU, limit=0.5)]}, compare=TENANTS)
    of_world(judge={"criteria": [of("mismatch", EU), of("mismatch", US)]}, compare=TENANTS)
