"""A criterion on a field sees every difference at, above and below its path, and says where there is no such field."""

from typing import Any

import pytest

from shadowstream.judge.verdict.explain import explain
from tests.judge.trials_through_the_joiner import counts_of, field_of, joined, judged, trial, verdict_of

ITEMS = {"items": [{"p": 1, "q": 1}, {"p": 2, "q": 2}], "user": {"zip": "a", "age": 3}, "score": 1}


def changed(**parts: Any) -> dict[str, Any]:
    return ITEMS | parts


SEEN = [
    ("beyond the 32nd difference", "score", {"e": [0] * 40, "score": 1}, {"e": [1] * 40, "score": 2}),
    ("a star", "r.*.s", {"r": [{"s": 1}]}, {"r": [{"s": 2}]}),
    ("the object around it is gone", "r.s", {"r": {"s": 1}}, {}),
    ("the object around it is null", "r.s", {"r": {"s": 1}}, {"r": None}),
    ("the object around it is a text", "r.s", {"r": {"s": 1}}, {"r": "1"}),
    ("below it", "user", ITEMS, changed(user={"zip": "b", "age": 3})),
    ("a field more below it", "user", ITEMS, changed(user={"zip": "a", "age": 3, "new": 1})),
    ("a list as a whole", "items", ITEMS, changed(items=[{"p": 1, "q": 1}, {"p": 2, "q": 3}])),
    ("a shorter list", "items.*.p", ITEMS, changed(items=[{"p": 1, "q": 1}])),
    ("one element", "items.1.p", ITEMS, changed(items=[{"p": 1, "q": 1}, {"p": 9, "q": 2}])),
    ("one element, in brackets", "items[1].p", ITEMS, changed(items=[{"p": 1, "q": 1}, {"p": 9, "q": 2}])),
    ("each element, in brackets", "items[*].p", ITEMS, changed(items=[{"p": 7, "q": 1}, {"p": 2, "q": 2}])),
    ("from the root", "$.score", ITEMS, changed(score=2)),
    ("the whole value", "$", ITEMS, changed(score=2)),
    ("an empty list instead of the value", "score", ITEMS, []),
    ("a text instead of the value", "score", ITEMS, "x"),
    ("a number instead of the value", "user.zip", ITEMS, 7),
    ("null instead of the value", "score", ITEMS, None),
    ("a name with a dot", r"a\.b", {"a.b": 1}, {"a.b": 2}),
    ("deep below many others", "z.*.deep.x", {**{f"f{i}": 0 for i in range(50)}, "z": {"k": {"deep": {"x": 1}}}},
     {**{f"f{i}": 1 for i in range(50)}, "z": {"k": {"deep": {"x": 2}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "production", "candidate"), [c[1:] for c in SEEN], ids=[c[0] for c in SEEN])
def test_a_difference_in_each_pair_rejects(path: str, production: Any, candidate: Any) -> None:
    verdict = verdict_of(production, candidate, field_of(path))
    assert counts_of(verdict, f"field:{path}") == (1_000, 1_000)
    assert verdict["decision"] == "reject"


UNTOUCHED = [
    ("a neighbour", "user.zip", changed(user={"zip": "a", "age": 4})),
    ("another element", "items.0.p", changed(items=[{"p": 1, "q": 1}, {"p": 9, "q": 2}])),
    ("another field of each element", "items.*.p", changed(items=[{"p": 1, "q": 9}, {"p": 2, "q": 9}])),
    ("a name that begins alike", "score", changed(scores=1)),
]


@pytest.mark.parametrize(("path", "candidate"), [c[1:] for c in UNTOUCHED], ids=[c[0] for c in UNTOUCHED])
def test_a_difference_elsewhere_counts_for_nothing(path: str, candidate: Any) -> None:
    verdict = verdict_of(ITEMS, candidate, field_of(path))
    assert counts_of(verdict, f"field:{path}") == (1_000, 0)
    assert verdict["decision"] == "promote"


def test_what_a_rule_tolerates_or_ignores_at_the_path_is_no_difference() -> None:
    rules = [{"path": "score", "atol": 1.0}, {"path": "user", "ignore": True}]
    candidate = changed(score=1.5, user={}, items=[])
    verdict = verdict_of(ITEMS, candidate, [*field_of("score"), *field_of("user.zip"), *field_of("items")], rules=rules)
    assert [counts_of(verdict, f"field:{path}")[1] for path in ("score", "user.zip", "items")] == [0, 0, 1_000]


def test_elements_that_a_rule_knows_by_a_key_are_called_by_it() -> None:
    rules = [{"path": "items", "key": "id"}]
    production = {"items": [{"id": "a", "p": 1}, {"id": "b", "p": 2}]}
    candidate = {"items": [{"id": "b", "p": 3}, {"id": "a", "p": 1}]}
    verdict = verdict_of(production, candidate, [*field_of("items.b.p"), *field_of("items.a.p")], rules=rules)
    assert [counts_of(verdict, f"field:items.{name}.p") for name in "ba"] == [(1_000, 1_000), (1_000, 0)]


@pytest.mark.parametrize("path", ["scroe", "user.zpi", "items.*.price", "items.7.p"])
def test_a_path_in_no_record_is_not_yet_and_lists_the_fields(path: str) -> None:
    verdict = verdict_of(ITEMS, changed(score=2), field_of(path))
    assert verdict["decision"] == "not_yet"
    (reason,) = verdict["reasons"]
    assert reason == (
        f"criterion field:{path} can see no fault: {path} occurs in none of 1,000 pairs (a sample was looked at); "
        "fields seen: items.*.p, items.*.q, score, user.age, user.zip. Correct its path in judge.criteria"
    )
    explained = explain(verdict, verdict["decision"], verdict["reasons"])
    standing = explained.outlooks[0]
    assert (standing.state, standing.passed, explained.blockers) == ("no such field", False, (reason,))
    assert any("correct its path" in todo for todo in explained.todo)


def test_a_field_of_few_records_is_found_when_it_comes() -> None:
    verdict = verdict_of(lambda i: {"a": 1} | ({"rare": 1} if i == 200 else {}), lambda i: {"a": 1}, field_of("rare"))
    assert counts_of(verdict, "field:rare") == (1_000, 1)
    assert not any("occurs in none" in reason for reason in verdict["reasons"])


def test_another_number_of_outputs_differs_in_each_field() -> None:
    settings = trial(field_of("score"), identity={"kind": "coordinate", "outputs": "many", "header": "origin"})
    world = joined(settings, lambda i: {"score": 1}, lambda i: {"score": 1}, n=0)
    assert judged_of_cardinality(world) == {"cardinality": 1, "named": [{"path": "score", "n": 1, "s": 1}]}


def judged_of_cardinality(world: Any) -> dict[str, Any]:
    from tests.joiner.outcome_cases import P, S, done

    for step in (
        P("a", '{"score": 1}', of="in/0/0"),
        P("a", '{"score": 1}', of="in/0/0"),
        S("a", '{"score": 1}', of=0),
    ):
        step(world)
    done(10)(world)
    world.production_committed.update({world.inputs[0]: 10})
    world.turn()
    (window,) = [one for record in world.stats for one in record["windows"] if one["named"]]
    return {"cardinality": window["outcomes"]["cardinality"], "named": window["named"]}


def test_records_of_a_joiner_that_did_not_look_prove_nothing() -> None:
    world = joined(trial([{"rate": "mismatch", "limit": 0.01}]), {"score": 1}, {"score": 1})
    verdict = judged(world, trial(field_of("score")))
    assert verdict["decision"] == "not_yet"
    assert verdict["reasons"] == [
        "criterion field:score: the joiner did not look at its path in 1,000 pairs; `replay --from-topics` compares "
        "them again"
    ]
