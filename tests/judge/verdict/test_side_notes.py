"""What a verdict names beside its rates: paths that match nothing, shifts that go one way, production's own noise."""

import random
from typing import Any

import pytest

from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.side_notes import rechecks
from tests.joiner.joiner_world import REVISION, World, config
from tests.judge.trials_through_the_joiner import field_of, joined, judged, trial, verdict_of

MISMATCH = [{"rate": "mismatch", "limit": 0.01}]
PAIR = {"score": 0.5, "model_version": "a"}


def caveats_on(verdict: dict[str, Any], word: str) -> list[str]:
    return [caveat for caveat in verdict["caveats"] if word in caveat]


# ---------------------------------------------------------------- paths that match nothing


def test_a_rule_that_matches_nothing_is_named_with_the_existing_fields() -> None:
    rules = [{"path": "scoer", "atol": 0.1}, {"path": "model_version", "ignore": True}]
    verdict = verdict_of(PAIR, PAIR | {"model_version": "b"}, MISMATCH, rules=rules)
    assert caveats_on(verdict, "matched no field") == [
        "rule 'scoer' matched no field in 1,000 pairs (a sample was looked at); fields seen: model_version, score"
    ]
    assert verdict["decision"] == "promote", "the rule tolerates nothing, which is the stricter reading"


@pytest.mark.parametrize(
    ("compare", "named"),
    [
        ({"rules": [{"path": "items.*.prize", "atol": 1}]}, "rule 'items.*.prize'"),
        ({"checks": [{"path": "modle", "type": "string"}]}, "check of 'modle'"),
        (
            {"expected": [{"name": "round", "paths": ["sc"], "rate_max": 0.5, "until": "2100-01-01T00:00:00Z"}]},
            "expected change 'round', path 'sc',",
        ),
        ({"redact": {"paths": ["usr.name"], "how": "drop"}}, "redact path 'usr.name'"),
    ],
)
def test_other_settings_that_match_nothing_are_named_too(compare: dict[str, Any], named: str) -> None:
    verdict = verdict_of(PAIR, PAIR, MISMATCH, rules=compare.pop("rules", ()), compare=compare)
    assert [caveat.partition(" matched")[0] for caveat in caveats_on(verdict, "matched no field")] == [named]


def test_a_rule_for_a_field_that_only_the_candidate_has_matches() -> None:
    rules = [{"path": "new", "ignore": True}, {"path": "items.b.p", "atol": 1}, {"path": "items", "key": "id"}]
    production = PAIR | {"items": [{"id": "b", "p": 1}]}
    verdict = verdict_of(production, production | {"new": 1}, MISMATCH, rules=rules)
    assert caveats_on(verdict, "matched no field") == []


@pytest.mark.parametrize(
    ("criterion", "compare"),
    [
        ({"rate": "mean", "path": "scoer", "bound": 1.0, "limit": 0.1}, {}),
        ({"rate": "check", "check": "range", "path": "scoer", "limit": 0.1}, {"checks": [{"path": "scoer", "low": 0}]}),
        (
            {"rate": "check", "check": "schema", "path": "sc", "limit": 0.1},
            {"checks": [{"path": "sc", "type": "number"}]},
        ),
    ],
    ids=["mean", "range", "schema"],
)  # fmt: skip
def test_other_criteria_of_a_path_that_no_value_has_promote_nothing(
    criterion: dict[str, Any], compare: dict[str, Any]
) -> None:
    verdict = verdict_of(PAIR, PAIR, [criterion], compare=compare)
    assert verdict["decision"] != "promote"


def test_a_dimension_with_an_unseen_path_is_not_yet_under_guard() -> None:
    compare = {"dimensions": [{"name": "tenant", "path": "tennant"}]}
    verdict = verdict_of(PAIR, PAIR, MISMATCH, compare=compare)
    assert verdict["decision"] == "not_yet"
    assert verdict["reasons"] == [
        "dimension tenant has no value: tennant occurs in none of 1,000 pairs (a sample was looked at); fields seen: "
        "model_version, score. Correct its path in compare.dimensions"
    ]
    assert verdict_of(PAIR, PAIR, MISMATCH, compare=compare, judge={"slices": "show"})["decision"] == "promote"


def test_seen_paths_survive_a_restart_of_judge_and_joiner() -> None:
    settings = trial(field_of("score"), [{"path": "scoer", "atol": 1}])
    world = joined(settings, PAIR, PAIR, 500)
    world.start_joiner()
    more: World = world
    for i in range(500, 1_000):
        more.production(f"k{i}", '{"score": 0.5}', i)
        more.shadow(f"k{i}", '{"score": 0.5}', i, i)
    more.turn()
    one = JudgeStep(settings, REVISION, ["out/0"])
    for at, record in enumerate(world.stats):
        one.step(0, at, record)
        again = JudgeStep(settings, REVISION, ["out/0"])
        again.restore(one.state())
        assert again.paths.snapshot() == one.paths.snapshot()
        one = again
    assert (one.paths.unseen("score"), one.paths.unseen("scoer")) == (False, True)


def test_nothing_is_looked_at_once_every_path_was_found() -> None:
    world = joined(trial(field_of("score")), PAIR, PAIR)
    assert [record["looked"] > 0 for record in world.stats if record["windows"]] == [True, False]
    assert sum(record["looked"] for record in world.stats) < 300
    none = joined(trial(MISMATCH), PAIR, PAIR)
    assert sum(record["looked"] for record in none.stats) == 0


# ---------------------------------------------------------------- shifts

MEAN = [{"rate": "mean", "path": "score", "bound": 1.0, "limit": 0.05}]


def test_a_one_sided_shift_is_named_with_size_and_sign() -> None:
    verdict = verdict_of({"score": 0.5}, {"score": 0.51}, MEAN, rules=[{"path": "score", "atol": 0.1}])
    assert verdict["decision"] == "promote"
    (caveat,) = caveats_on(verdict, "systematically")
    assert caveat.startswith(
        "mean:score: the candidate is systematically higher: in 1000 of 1000 pairs that differ (100 %), by +0.01 on "
        "average over all 1000 pairs with numbers (ln E "
    )


@pytest.mark.parametrize(
    ("shift", "way"),
    [
        (lambda i: -0.02 if i % 10 else 0.1, "lower"),
        (lambda i: 0.01 if i % 2 else -0.01, None),
        (lambda i: random.Random(i).gauss(0, 0.01), None),
        (lambda i: 0.0, None),
        (lambda i: 0.01 if i < 4 else 0.0, None),
    ],
    ids=["lower nine times in ten", "in turns", "noise", "none", "four pairs"],
)
def test_only_what_is_more_than_chance_is_a_shift(shift: Any, way: str | None) -> None:
    rules = [{"path": "score", "atol": 1.0}]
    verdict = verdict_of({"score": 0.5}, lambda i: {"score": 0.5 + shift(i)}, MEAN, rules=rules)
    found = [
        caveat.partition("systematically ")[2].partition(":")[0] for caveat in caveats_on(verdict, "systematically")
    ]
    assert found == ([way] if way else [])


# ---------------------------------------------------------------- noise

TWIN = {"twin": {"topic": "again", "group": "again"}}


def noisy(share: int) -> Any:
    return lambda i: {"score": 1 if i % share else 2, "user": {"zip": "a"}}


def test_the_noise_floor_of_each_field_stands_in_the_verdict() -> None:
    plain = {"score": 1, "user": {"zip": "a"}}
    settings = trial([*field_of("score"), *field_of("user")], **TWIN)
    verdict = judged(joined(settings, plain, plain, twin=noisy(25)))
    assert verdict["noise"] == [{"path": "score", "n": 1_000, "s": 40}]
    assert caveats_on(verdict, "noise floor") == [
        "field:score: its limit 1 % lies under the noise floor: production's two runs differ there in 40 of 1000 "
        "pairs (4 %). Set a limit above it, a tolerance for the field, or judge by rate: twin"
    ]


def test_noise_below_the_limit_and_of_other_fields_is_shown() -> None:
    plain = {"score": 1, "user": {"zip": "a"}}
    settings = trial(field_of("user.zip"), **TWIN)
    verdict = judged(joined(settings, plain, plain, twin=noisy(25)))
    assert caveats_on(verdict, "noise floor") == [
        "noise floor: of 1000 pairs of production and its twin there differ score in 40 (4 %)"
    ]


def test_a_twin_without_the_fields_object_is_the_fields_noise() -> None:
    settings = trial(field_of("user.zip"), **TWIN)
    verdict = judged(joined(settings, {"user": {"zip": "a"}}, {"user": {"zip": "a"}}, twin={}))
    assert {one["path"]: one["s"] for one in verdict["noise"]} == {"user": 1_000, "user.zip": 1_000}


def test_a_twin_that_agrees_has_no_noise() -> None:
    verdict = judged(joined(trial(field_of("score"), **TWIN), PAIR, PAIR, twin=PAIR))
    assert (verdict["noise"], caveats_on(verdict, "noise floor")) == ([], [])


# ---------------------------------------------------------------- rechecks


@pytest.mark.parametrize(
    ("name", "words"),
    [("recheck_skipped", "was not called again"), ("recheck_unanswered", "there is no second answer")],
)
def test_mismatches_that_were_not_asked_about_twice_are_named(name: str, words: str) -> None:
    settings = config(candidate={"call": "m:f", "recheck": "on_mismatch"})
    (caveat,) = rechecks(settings, {"mismatch": 9, name: 3})
    assert caveat.startswith("unstable: on 3 pairs that differ")
    assert words in caveat
    assert rechecks(settings, {"mismatch": 9}) == rechecks(config(), {name: 3}) == []
