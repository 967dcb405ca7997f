"""Columns and rows are one engine in two executions."""

from typing import Any

import pytest
from hypothesis import given, settings

from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.config import Rule
from shadowstream.errors import ShadowstreamBug
from tests.compare.cases import FLOATS, NUMBERS, rule_sets, tables


def assert_columns_equal_rows(table: tuple[list[Any], list[Any]], rules: RuleSet) -> None:
    production, shadow = table
    expected = [compare_rows(one, other, rules) for one, other in zip(production, shadow, strict=True)]
    assert compare_columns(production, shadow, rules) == expected


@settings(max_examples=500, deadline=None)
@given(table=tables(), rules=rule_sets)
def test_columns_equal_rows(table: tuple[list[Any], list[Any]], rules: RuleSet) -> None:
    assert_columns_equal_rows(table, rules)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(table=tables(), rules=rule_sets)
def test_columns_equal_rows_in_twenty_thousand_generated_cases(
    table: tuple[list[Any], list[Any]], rules: RuleSet
) -> None:
    assert_columns_equal_rows(table, rules)


@pytest.mark.parametrize("numbers", [FLOATS, [*FLOATS, None], NUMBERS[:-2], [True, False], [*NUMBERS, *FLOATS]])
@pytest.mark.parametrize(("atol", "rtol"), [(0.5, 0.0), (0.0, 0.4), (0.5, 0.4), (0.0, 2.0), (1e308, 0.0), (0.0, 1e308)])
def test_columns_equal_rows_on_every_pair_of_odd_numbers(numbers: list[Any], atol: float, rtol: float) -> None:
    rules = RuleSet([Rule(path="a", atol=atol, rtol=rtol)])
    pairs = [({"a": one}, {"a": other}) for one in numbers for other in numbers]
    expected = [compare_rows(one, other, rules) for one, other in pairs]
    assert compare_columns([one for one, _ in pairs], [other for _, other in pairs], rules) == expected


@pytest.mark.parametrize(
    ("value", "other"), [(1, 2), (0.5, 0.25), ("a", "b"), (None, 0), (True, False), (1, True), ([1], [2]), ({}, [])]
)
def test_every_kind_of_column_sees_its_one_difference(value: Any, other: Any) -> None:
    production = [{"a": value, "same": 1} for _ in range(5)]
    shadow = [dict(one) for one in production]
    shadow[3]["a"] = other
    found = compare_columns(production, shadow, RuleSet())
    assert [r.outcome for r in found] == ["match"] * 3 + ["mismatch", "match"]
    assert found[3] == compare_rows(production[3], shadow[3], RuleSet())


def test_objects_used_as_maps_do_not_make_a_column_for_each_key() -> None:
    count = 3000
    production = [{f"user{i}": 1} for i in range(count)]
    shadow = [{f"user{i}": 1 + (i == 7)} for i in range(count)]
    outcomes = [r.outcome for r in compare_columns(production, shadow, RuleSet())]
    assert (outcomes.count("mismatch"), outcomes[7]) == (1, "mismatch")


def test_nothing_compares_to_nothing() -> None:
    assert compare_columns([], [], RuleSet()) == []


def test_columns_of_two_lengths_are_our_bug() -> None:
    with pytest.raises(ShadowstreamBug):
        compare_columns([{}], [], RuleSet())
