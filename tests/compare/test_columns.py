"""Columns and rows are one engine in two executions."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.config import Rule
from shadowstream.errors import ShadowstreamBug

NUMBERS = [0, 1, 2, -1, 2**53, 2**53 + 1, 2**63, -(2**63), 10**400, True, False]
FLOATS = [0.0, -0.0, 1.0, 1.0 + 2**-52, 1.5, 2.0, -1.0, 1e308, -1e308, 5e-324, 2.0**53, math.nan, math.inf, -math.inf]
scalars = st.one_of(
    st.none(),
    st.sampled_from(NUMBERS),
    st.sampled_from(FLOATS),
    st.floats(),
    st.sampled_from(["", "a", "b", b"a", Decimal("1"), Decimal("1.5"), Decimal("NaN"), dt.date(2020, 1, 1)]),
)
names = st.sampled_from(["a", "b", "c", "x.y", "*"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
tolerances = st.sampled_from([0.0, 1e-9, 0.5, 1.0, 1e300, math.inf])
paths = st.sampled_from(["a", "b", "c", "*", "a.b", "a.*", "*.b", "a.0", "*.*.a", r"x\.y", r"\*"])


@st.composite
def rule(draw: st.DrawFn) -> Rule:
    atol, rtol = draw(tolerances), draw(tolerances)
    if draw(st.booleans()) or not (atol or rtol):
        return Rule(path=draw(paths), ignore=True)
    return Rule(path=draw(paths), atol=atol, rtol=rtol)


rule_sets = st.lists(rule(), max_size=4, unique_by=lambda r: r.path).map(RuleSet)
# Kinds of a field as a schema has them: most columns are of one type, as they are in life.
kinds = st.sampled_from(
    [
        st.sampled_from(FLOATS),
        st.floats(),
        st.none() | st.sampled_from(FLOATS),
        st.sampled_from([0, 1, 2, 2**53, 2**53 + 1, 2**63, 10**400]),
        st.integers() | st.none(),
        st.booleans(),
        st.sampled_from(["", "a", "b"]) | st.none(),
        st.sampled_from(["a", "b"]),
        st.sampled_from([b"a", b"b"]),
        st.none(),
        st.sampled_from([dt.date(2020, 1, 1), dt.date(2020, 1, 2)]),
        st.sampled_from(NUMBERS),
        values,
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Two columns of objects of one schema; some without a field, some that are no objects."""
    fields = draw(st.dictionaries(names, kinds, max_size=4))
    count = draw(st.integers(0, 6))
    odd = draw(st.booleans())

    def side() -> list[Any]:
        rows: list[Any] = [{name: draw(kind) for name, kind in fields.items()} for _ in range(count)]
        for index in range(count if odd else 0):
            change = draw(st.integers(0, 9))
            if change == 0:
                rows[index] = draw(values)
            elif change == 1 and rows[index]:
                del rows[index][draw(st.sampled_from(sorted(rows[index])))]
            elif change == 2:
                rows[index][draw(names)] = draw(values)
        return rows

    production, shadow = side(), side()
    for index in range(count):
        if draw(st.booleans()):
            shadow[index] = production[index]
    return production, shadow


@settings(max_examples=400, deadline=None)
@given(table=tables(), rules=rule_sets)
def test_columns_equal_rows(table: tuple[list[Any], list[Any]], rules: RuleSet) -> None:
    production, shadow = table
    expected = [compare_rows(one, other, rules) for one, other in zip(production, shadow, strict=True)]
    assert compare_columns(production, shadow, rules) == expected


@pytest.mark.parametrize("numbers", [FLOATS, [*FLOATS, None], NUMBERS[:-2], [True, False], [*NUMBERS, *FLOATS]])
@pytest.mark.parametrize(
    ("atol", "rtol"), [(0.5, 0.0), (0.0, 0.4), (0.5, 0.4), (0.0, 2.0), (math.inf, 0.0), (0.0, math.inf)]
)
def test_columns_equal_rows_on_every_pair_of_odd_numbers(numbers: list[Any], atol: float, rtol: float) -> None:
    rules = RuleSet([Rule(path="a", atol=atol, rtol=rtol)])
    pairs = [({"a": one}, {"a": other}) for one in numbers for other in numbers]
    expected = [compare_rows(one, other, rules) for one, other in pairs]
    assert compare_columns([one for one, _ in pairs], [other for _, other in pairs], rules) == expected


@settings(max_examples=200, deadline=None)
@given(value=values, rules=rule_sets)
def test_comparison_is_reflexive(value: Any, rules: RuleSet) -> None:
    assert compare_rows(value, value, rules).outcome == "match"
    assert compare_columns([{"a": value}], [{"a": value}], rules)[0].outcome == "match"


@settings(max_examples=200, deadline=None)
@given(one=values, other=values)
def test_without_rules_comparison_is_symmetric(one: Any, other: Any) -> None:
    assert compare_rows(one, other, RuleSet()).outcome == compare_rows(other, one, RuleSet()).outcome


@settings(max_examples=200, deadline=None)
@given(table=tables(), rules=rule_sets)
def test_the_order_of_fields_does_not_matter(table: tuple[list[Any], list[Any]], rules: RuleSet) -> None:
    production, shadow = table
    turned = [dict(reversed(value.items())) if isinstance(value, dict) else value for value in shadow]
    before, after = compare_columns(production, shadow, rules), compare_columns(production, turned, rules)
    assert [r.outcome for r in before] == [r.outcome for r in after]


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
