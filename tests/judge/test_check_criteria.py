"""A check counts where the candidate is worse than production: doing what production does is no reject."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.judge.trials_through_the_joiner import joined, judged, trial

N = 1_000
KINDS: dict[str, dict[str, Any]] = {
    "null": {"not_null": True},
    "schema": {"type": "number"},
    "range": {"low": 0, "high": 10},
    "category": {"categories": [1, 2]},
}
GOOD: Any = {"s": 1}
FAILING: dict[str, list[Any]] = {
    "null": [{"s": None}, {}],
    "schema": [{"s": "1"}, {"s": []}, {}],
    "range": [{"s": 11}, {"s": -0.5}, {"s": "1"}, {"s": True}, {"s": None}, {}],
    "category": [{"s": 3}, {"s": "1"}, {"s": None}, {}],
}
"""Values that fail a check by its kind."""


def cases() -> Iterator[Any]:
    for kind, values in FAILING.items():
        for value in values:
            yield pytest.param(kind, value, id=f"{kind}-{value}")


def verdict(kind: str, production: Any, candidate: Any, **more: Any) -> dict[str, Any]:
    """The verdict of one criterion on a check of this kind."""
    criterion = {"rate": "check", "check": kind, "path": "s", "limit": 0.05, **more.pop("criterion", {})}
    checks = [{"path": "s", **KINDS[kind]}]
    compare = {"checks": checks, **more.pop("compare", {})}
    settings = trial([criterion], [{"path": "*", "ignore": True}], compare=compare, **more)
    return judged(joined(settings, production, candidate, N))


def some(value: Any, of: int = 4) -> Callable[[int], Any]:
    """That value in each `of`th record, a good one in all others."""
    return lambda i: value if i % of == 0 else GOOD


@pytest.mark.parametrize(("kind", "value"), cases())
@pytest.mark.parametrize("of", [1, 4])
def test_an_identical_candidate_is_never_rejected(kind: str, value: Any, of: int) -> None:
    found = verdict(kind, some(value, of), some(value, of))
    assert found["decision"] != "reject", found["reasons"]
    (criterion,) = [one for one in found["criteria"] if one["rate"].startswith("check")]
    assert criterion["s"] == 0
    if kind == "null" or value == {} or value == {"s": None}:
        assert found["decision"] == ("promote" if (kind, value) == ("schema", {"s": None}) else "not_yet")
        assert criterion["n"] == (0 if of == 1 else N - N // 4)
    else:
        assert found["decision"] == "promote", found["reasons"]
        assert criterion["n"] == N
        share = "100 %" if of == 1 else "25 %"
        (named,) = [one for one in found["caveats"] if "production fails the same check" in one]
        assert f"in {N // of:,} of {N:,} pairs ({share})" in named


@pytest.mark.parametrize(("kind", "value"), cases())
def test_a_candidate_that_is_worse_is_rejected(kind: str, value: Any) -> None:
    found = verdict(kind, GOOD, some(value))
    assert found["decision"] == "reject"
    assert next(one["s"] for one in found["criteria"] if one["rate"].startswith("check")) == N // 4


@pytest.mark.parametrize(("kind", "value"), cases())
def test_what_production_fails_elsewhere_excuses_nothing(kind: str, value: Any) -> None:
    """Production fails in as many records as the candidate, and in others."""
    found = verdict(kind, lambda i: value if i % 4 == 1 else GOOD, some(value))
    assert found["decision"] == "reject"


@pytest.mark.parametrize("kind", KINDS)
def test_a_candidate_that_mends_what_production_fails_is_promoted(kind: str) -> None:
    assert verdict(kind, some(FAILING[kind][0]), GOOD)["decision"] == "promote"


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_in_no_record_is_not_yet_never_a_reject(kind: str) -> None:
    found = verdict(kind, {"other": 1}, {"other": 1})
    assert found["decision"] == "not_yet"


@pytest.mark.parametrize("kind", ["null", "schema"])
def test_a_smaller_min_coverage_means_that_few_records_have_the_field(kind: str) -> None:
    found = verdict(kind, some({}), some({}), criterion={"min_coverage": 0.7})
    assert found["decision"] == "promote"


def test_null_and_no_field_are_distinguished_by_type_only() -> None:
    assert verdict("schema", some({"s": None}), some({"s": None}))["decision"] == "promote"
    assert verdict("schema", some({"s": None}), some({}))["decision"] == "reject"
    assert verdict("null", some({}), some({"s": None}))["decision"] == "not_yet"


@pytest.mark.parametrize(("kind", "value"), [("range", {"s": 11}), ("category", {"s": 7}), ("schema", {"s": "x"})])
def test_a_slice_in_which_production_fails_too_holds_no_promote_back(kind: str, value: dict[str, Any]) -> None:
    def sides(i: int) -> dict[str, Any]:
        return {**value, "tenant": "bad"} if i % 10 == 0 else {"s": 1, "tenant": "good"}

    compare = {"dimensions": [{"name": "tenant", "path": "tenant"}], "values_max": 4}
    assert verdict(kind, sides, sides, compare=compare)["decision"] == "promote"

    def good(i: int) -> dict[str, Any]:
        return {**sides(i), "s": 1}

    found = verdict(kind, good, sides, compare=compare, criterion={"limit": 0.2})
    assert found["decision"] == "not_yet"
    assert any(one.startswith("slice tenant=bad: 100 of 100") for one in found["reasons"]), found["reasons"]
