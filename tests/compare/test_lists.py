"""Lists in any order, of any length: an order that lets all agree is found, or the row names the bound."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.compare.lists import EXACT_CELLS, WORK_MAX, Work, matching, unordered
from shadowstream.compare.result import PairResult
from shadowstream.config import Rule

NUMBERS = RuleSet([Rule(path="x", lists="unordered"), Rule(path="x.*", atol=0.01)])


def shuffled(values: list[Any], seed: int = 1) -> list[Any]:
    return random.Random(seed).sample(values, len(values))


def compared(production: list[Any], shadow: list[Any], rules: RuleSet = NUMBERS) -> PairResult:
    found = compare_rows({"x": production}, {"x": shadow}, rules)
    assert compare_columns([{"x": production}], [{"x": shadow}], rules) == [found]
    return found


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 70, 1_000])
def test_numbers_within_their_tolerance_agree_in_any_order(n: int) -> None:
    production = [float(i) for i in range(n)]
    near = [number + 0.001 for number in production]
    assert compared(production, near[::-1]).outcome == "tolerated"
    assert compared(production, shuffled(near)).outcome == "tolerated"
    for wrong in ([*near[:-1], -5.0], near[:-1], [*near, 3.0], [*near[1:], near[-1] + 1]):
        found = compared(production, shuffled(wrong))
        assert found.outcome == "mismatch"
        assert found.reason is None  # it is certain that no order lets all agree


@pytest.mark.parametrize("n", [65, 700])
def test_objects_texts_and_lists_agree_in_any_order(n: int) -> None:
    of_fields = {"score": {"rtol": 0.01}, "at": {"ignore": True}, "name": {"ignore_case": True}}
    rules = RuleSet(
        [Rule(path="x", lists="unordered"), *(Rule(path=f"x.*.{name}", **one) for name, one in of_fields.items())]
    )
    rng = random.Random(n)
    left = [{"at": rng.random(), "name": f"Name {i % 9}", "score": 1.0 + i, "tags": [i % 7]} for i in range(n)]
    right = [{**one, "at": 0, "name": one["name"].upper(), "score": one["score"] * 1.0001} for one in left]
    assert compared(left, shuffled(right), rules).outcome == "tolerated"
    right[n // 2]["tags"] = [8]
    found = compared(left, shuffled(right), rules)
    assert (found.outcome, found.reason) == ("mismatch", None)


def test_equal_elements_first_would_leave_others_unmatched() -> None:
    rules = RuleSet([Rule(path="x", lists="unordered"), Rule(path="x.*", atol=1.0)])
    filler = [10.0 * n for n in range(1, 100)]
    assert compared([1.0, 0.1, *filler], [1.9, *filler, 1.0], rules).outcome == "tolerated"


def test_a_set_has_no_bound_of_its_own() -> None:
    rules = RuleSet([Rule(path="x", lists="set"), Rule(path="x.*", atol=0.01)])
    production = [float(i % 100) for i in range(400)]
    assert compared(production, [i + 0.001 for i in range(100)][::-1], rules).outcome == "tolerated"
    assert compared(production, [i + 0.001 for i in range(99)][::-1], rules).outcome == "mismatch"


def of_points(path: str) -> list[Rule]:
    return [Rule(path=f"{path}.{name}", atol=1.0) for name in "ab"]


SPREAD = RuleSet([Rule(path="x", lists="unordered"), *of_points("x.*")])


def spread(n: int) -> tuple[list[Any], list[Any]]:
    """Points that agree one by one and have no common order."""
    rng = random.Random(n)
    left = [{"a": rng.random() * 20, "b": rng.random() * 20} for _ in range(n)]
    right = [{name: value + rng.uniform(-1, 1) for name, value in one.items()} for one in left]
    return left, shuffled(right)


@pytest.mark.parametrize("n", [60, 70, 200])
def test_what_has_no_common_order_is_held_each_against_each(n: int) -> None:
    found = compared(*spread(n), SPREAD)
    assert (found.outcome, found.reason) == ("tolerated", None)


def test_a_bound_that_was_reached_is_named_in_the_row() -> None:
    found = compared(*spread(400), SPREAD)
    assert found.outcome == "mismatch"
    assert found.reason is not None
    assert found.reason.startswith(
        "TooManyElements: x has lists of 400 and 400 elements in any order: some order may agree"
    )
    assert f"{WORK_MAX:,}" in found.reason


def test_lists_in_lists_share_one_bound() -> None:
    rules = RuleSet([Rule(path="x", lists="unordered"), Rule(path="x.*", lists="unordered"), *of_points("x.*.*")])
    left, right = spread(20)
    found = compared([left] * 10, [right] * 9 + [[*right[:-1], {"a": 1000.0, "b": 0.0}]], rules)
    assert found.outcome == "mismatch"


def test_each_field_has_a_bound_of_its_own() -> None:
    left, right = spread(200)
    rules = RuleSet(
        [rule for name in ("x", "y", "z") for rule in (Rule(path=name, lists="unordered"), *of_points(f"{name}.*"))]
    )
    result = compare_rows({"x": left, "y": left, "z": left}, {"x": right, "y": right, "z": right}, rules)
    assert result.outcome == "tolerated"


@given(
    fits=st.integers(1, 5).flatmap(
        lambda n: st.integers(1, 5).flatmap(
            lambda m: st.lists(st.lists(st.booleans(), min_size=m, max_size=m), min_size=n, max_size=n)
        )
    ),
    data=st.data(),
)
def test_a_matching_is_the_greatest_and_keeps_what_is_equal(fits: list[list[bool]], data: st.DataObject) -> None:
    cells = [(row, column) for row, line in enumerate(fits) for column, fit in enumerate(line) if fit]
    equal = data.draw(st.lists(st.sampled_from(cells), unique=True, max_size=4)) if cells else []
    found = [(row, column) for row, column in enumerate(matching(fits, equal)) if column is not None]
    assert len({column for _, column in found}) == len(found)
    assert all(fits[row][column] for row, column in found)

    def best(kept: list[tuple[int, int]]) -> tuple[int, int]:
        return len(kept), len(set(kept) & set(equal))

    every = [
        list(some)
        for size in range(min(len(fits), len(fits[0])) + 1)
        for some in itertools.combinations(cells, size)
        if len({row for row, _ in some}) == len({column for _, column in some}) == size
    ]
    assert best(found) == max(map(best, every))


@given(
    production=st.lists(st.integers(0, 8), max_size=6),
    shadow=st.lists(st.integers(0, 8), max_size=6),
    tolerance=st.integers(0, 2),
)
def test_a_plan_leaves_over_as_little_as_any_order(production: list[int], shadow: list[int], tolerance: int) -> None:
    spot = RuleSet([Rule(path="*", atol=1.0)]).root.step("0")
    plan = unordered(production, shadow, lambda one, other: abs(one - other) <= tolerance, Work(EXACT_CELLS * 4), spot)
    longer, shorter = (production, shadow) if len(production) >= len(shadow) else (shadow, production)
    best = max(
        sum(abs(one - other) <= tolerance for one, other in zip(order, shorter, strict=True))
        for order in itertools.permutations(longer, len(shorter))
    )
    assert len(plan.pairs) == best
    assert len(plan.pairs) + len(plan.missing) == len(production)
    assert len(plan.pairs) + len(plan.extra) == len(shadow)
