"""What is equal, what is tolerated, what is a difference, and how it is said."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.compare import Difference, PairResult, RuleSet, compare_rows
from shadowstream.config import Rule

NAN, INF = math.nan, math.inf
EXACT = RuleSet()


def outcome(production: Any, shadow: Any, **rule: Any) -> str:
    rules = RuleSet([Rule(path="x", **rule)]) if rule else EXACT
    return compare_rows({"x": production}, {"x": shadow}, rules).outcome


def only(production: Any, shadow: Any, *rules: Rule) -> Difference:
    (difference,) = compare_rows(production, shadow, RuleSet(rules)).differences
    return difference


@pytest.mark.parametrize(
    ("production", "shadow"),
    [
        (1, 1),
        (NAN, NAN),
        (NAN, -NAN),
        (0.0, -0.0),
        (INF, INF),
        ("é", "é"),
        (b"\0", b"\0"),
        (None, None),
        ([], []),
        ({}, {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Decimal("1.0"), Decimal("1.00")),
        (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_equal_values_match(production: Any, shadow: Any) -> None:
    assert outcome(production, shadow) == "match"
    assert outcome(production, shadow, atol=1) == "match"
    assert outcome(production, shadow, ignore=True) == "match"


@pytest.mark.parametrize(
    ("production", "shadow", "kind"),
    [
        (1, 2, "value"),
        (2**53, 2**53 + 1, "value"),
        (0.1 + 0.2, 0.3, "value"),
        (NAN, 1.0, "value"),
        (INF, -INF, "value"),
        (INF, 1e308, "value"),
        ("a", "A", "value"),
        (Decimal("0.1"), Decimal("0.10000000000000000000000000001"), "value"),
        (1, True, "type"),
        (0, False, "type"),
        (1, 1.0, "type"),
        (1, "1", "type"),
        ("a", b"a", "type"),
        (1, Decimal(1), "type"),
        ([], {}, "type"),
        (None, 0, "null"),
        ("", None, "null"),
        ([], None, "null"),
        ([1], [1, 2], "length"),
    ],
)
def test_other_values_do_not_match(production: Any, shadow: Any, kind: str) -> None:
    for one, other in ((production, shadow), (shadow, production)):
        assert outcome(one, other) == "mismatch"
        assert only({"x": one}, {"x": other}).kind == kind
        assert outcome(one, other, ignore=True) == "ignored"


@pytest.mark.parametrize(
    ("production", "shadow", "rule", "expected"),
    [
        (1.0, 1.5, {"atol": 0.5}, "tolerated"),
        (1.0, 1.5000001, {"atol": 0.5}, "mismatch"),
        (100.0, 101.0, {"rtol": 0.01}, "tolerated"),
        (101.0, 100.0, {"rtol": 0.0099}, "mismatch"),
        (-100.0, -101.0, {"rtol": 0.01}, "tolerated"),
        (100.0, 101.5, {"rtol": 0.01, "atol": 0.5}, "tolerated"),
        (0.0, 1e-300, {"rtol": 1.0}, "mismatch"),
        (10, 12, {"atol": 2}, "tolerated"),
        (10, 13, {"atol": 2}, "mismatch"),
        (2**60, 2**60 + 2, {"atol": 1}, "mismatch"),
        (2**60, 2**60 + 1, {"atol": 1}, "tolerated"),
        (10**400, 10**400 + 1, {"atol": 1}, "tolerated"),
        (10**400, 10**400 + 2, {"atol": 1}, "mismatch"),
        (10**400, 1.0, {"atol": 1}, "mismatch"),
        (1, 1.0, {"atol": 1}, "tolerated"),
        (1, 1.5, {"atol": 1}, "tolerated"),
        (1, 2.5, {"atol": 1}, "mismatch"),
        (1, NAN, {"atol": 1}, "mismatch"),
        (INF, INF, {"atol": 1}, "match"),
        (INF, 1.0, {"atol": 1, "rtol": 1}, "mismatch"),
        (INF, -INF, {"rtol": 2}, "mismatch"),
        (1.0, INF, {"atol": 1e308}, "mismatch"),
        (NAN, NAN, {"atol": 1}, "match"),
        (Decimal("1.0"), Decimal("1.5"), {"atol": 0.5}, "tolerated"),
        (Decimal("1.0"), Decimal("1.6"), {"atol": 0.5}, "mismatch"),
        (Decimal("1.0"), 1.2, {"atol": 0.5}, "mismatch"),
        (True, False, {"atol": 5}, "mismatch"),
        (1, True, {"atol": 5}, "mismatch"),
        ("1", "2", {"atol": 5}, "mismatch"),
        (None, 1.0, {"atol": 5}, "mismatch"),
        ([1.0, 2.0], [1.1, 2.1], {"atol": 0.2}, "tolerated"),
        ([1.0], [1.0, 1.0], {"atol": 5}, "mismatch"),
    ],
)
def test_a_tolerance_is_of_numbers_and_relative_to_production(
    production: Any, shadow: Any, rule: dict[str, Any], expected: str
) -> None:
    assert outcome(production, shadow, **rule) == expected


def test_the_relative_tolerance_is_not_symmetric() -> None:
    assert outcome(100.0, 110.0, rtol=0.095) == "mismatch"
    assert outcome(110.0, 100.0, rtol=0.095) == "tolerated"


def test_a_real_difference_outweighs_a_tolerated_one_and_that_an_ignored_one() -> None:
    rules = RuleSet([Rule(path="near", atol=1), Rule(path="noise", ignore=True)])
    base = {"near": 1.0, "noise": 1, "real": 1}
    assert compare_rows(base, {**base, "noise": 2}, rules).outcome == "ignored"
    assert compare_rows(base, {**base, "noise": 2, "near": 1.5}, rules).outcome == "tolerated"
    assert compare_rows(base, {**base, "noise": 2, "near": 1.5, "real": 2}, rules).outcome == "mismatch"


def test_the_differences_are_those_that_made_the_outcome() -> None:
    rules = RuleSet([Rule(path="near", atol=1), Rule(path="noise", ignore=True)])
    base = {"noise": 1, "near": 1.0, "real": 1}

    def paths(**change: Any) -> list[str]:
        return [d.path for d in compare_rows(base, {**base, **change}, rules).differences]

    assert paths(noise=2) == ["noise"]
    assert paths(noise=2, near=1.5) == ["near"]
    assert paths(noise=2, near=1.5, real=2) == ["real"]


def test_an_ignored_parent_covers_children_without_their_own_rule() -> None:
    rules = RuleSet([Rule(path="user", ignore=True), Rule(path="user.age", atol=1)])
    for age, expected in ((1, "ignored"), (9, "mismatch")):
        one, other = {"user": {"name": "a", "age": 1}}, {"user": {"name": "b", "age": age}}
        assert compare_rows(one, other, rules).outcome == expected
    assert compare_rows({"user": {"age": 1}}, {}, rules).outcome == "ignored"


def test_a_rule_below_says_nothing_about_the_whole() -> None:
    rules = RuleSet([Rule(path="user.name", ignore=True)])
    assert compare_rows({"user": {"name": "a"}}, {"user": {}}, rules).outcome == "ignored"
    assert compare_rows({"user": {"name": "a"}}, {"user": None}, rules).outcome == "mismatch"
    assert compare_rows({"user": {"name": "a"}}, {}, rules).outcome == "mismatch"


def test_a_star_stands_for_an_index() -> None:
    rules = RuleSet([Rule(path="items.*.price", atol=0.1)])
    production = {"items": [{"price": 1.0, "n": 1}, {"price": 2.0, "n": 1}]}
    for n, expected in ((1, "tolerated"), (2, "mismatch")):
        shadow = {"items": [{"price": 1.05, "n": n}, {"price": 2.0, "n": 1}]}
        assert compare_rows(production, shadow, rules).outcome == expected


# ---------------------------------------------------------------- differences


def test_a_difference_says_path_kind_values_and_delta() -> None:
    production = {"a": {"b": [{"c": 1.5}]}, "s": "é", "gone": 1, "was": None}
    shadow = {"a": {"b": [{"c": 2.0}]}, "s": "e", "was": 0, "new": [True]}
    assert compare_rows(production, shadow, EXACT).differences == (
        Difference("a.b.0.c", "value", "1.5", "2.0", 0.5),
        Difference("s", "value", '"é"', '"e"', None),
        Difference("gone", "missing", "1", None, None),
        Difference("was", "null", "null", "0", None),
        Difference("new", "extra", None, "[true]", None),
    )


def test_null_and_absent_differ() -> None:
    assert only({"a": None}, {}) == Difference("a", "missing", "null", None, None)
    assert only({}, {"a": None}) == Difference("a", "extra", None, "null", None)


def test_lists_are_compared_by_place_and_their_lengths_too() -> None:
    found = compare_rows({"l": [1, 2, 3]}, {"l": [1, 9]}, EXACT).differences
    assert found == (Difference("l", "length", "[1, 2, 3]", "[1, 9]", -1.0), Difference("l.1", "value", "2", "9", 7.0))


def test_two_tombstones_match_and_one_is_a_difference() -> None:
    assert compare_rows(None, None, EXACT).outcome == "match"
    assert only(None, {"a": 1}) == Difference("", "tombstone", None, '{"a": 1}', None)
    assert only({"a": 1}, None) == Difference("", "tombstone", '{"a": 1}', None, None)


def test_values_that_are_no_objects_stand_at_the_empty_path() -> None:
    assert only(1, 3) == Difference("", "value", "1", "3", 2.0)
    assert only([1], [2]).path == "0"


def test_names_with_dots_are_distinguished_from_paths() -> None:
    assert only({"a.b": 1}, {"a.b": 2}).path == r"a\.b"
    assert compare_rows({"a.b": 1}, {"a.b": 2}, RuleSet([Rule(path=r"a\.b", ignore=True)])).outcome == "ignored"
    assert compare_rows({"a.b": 1}, {"a.b": 2}, RuleSet([Rule(path="a.b", ignore=True)])).outcome == "mismatch"


def test_up_to_32_differences_are_kept_and_the_outcome_stays_right() -> None:
    many = compare_rows(list(range(100)), list(range(1, 101)), EXACT)
    assert len(many.differences) == 32
    rules = RuleSet([Rule(path="noise", ignore=True)])
    late = compare_rows({"noise": [0] * 100, "real": 1}, {"noise": [1] * 100, "real": 2}, rules)
    assert (late.outcome, [d.path for d in late.differences]) == ("mismatch", ["real"])
    ignored = compare_rows({"noise": [0] * 100}, {"noise": [1] * 100}, rules)
    assert (ignored.outcome, len(ignored.differences)) == ("ignored", 32)


@pytest.mark.parametrize("value", ["x" * 10_000, ["y"] * 10_000, {"k" * 300: 1}, b"\xff" * 10_000, "é" * 300], ids=type)
def test_values_are_cut_at_256_characters_and_it_shows(value: Any) -> None:
    text = only({"a": value}, {"a": 0}).production
    assert text is not None
    assert len(text) == 256
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "NaN"),
        (-INF, "-Infinity"),
        (b"\x00\xff", '"0x00ff"'),
        (Decimal("1.50"), '"1.50"'),
        (dt.date(2020, 1, 2), '"2020-01-02"'),
        pytest.param(10**5000, '"<int>"', id="an int too long to print"),
        ({(1, 2): 3}, '"<dict>"'),
        ("x" * 254, '"' + "x" * 254 + '"'),
    ],
)
def test_every_value_has_a_text(value: Any, text: str) -> None:
    assert only({"a": value}, {"a": "other"}).production == text


@pytest.mark.parametrize(("production", "shadow"), [(NAN, 1.0), (1.0, INF), (10**400, 1), (True, False), ("a", "b")])
def test_a_delta_that_is_no_finite_number_is_left_out(production: Any, shadow: Any) -> None:
    assert only({"a": production}, {"a": shadow}).delta is None


def test_a_decimal_has_a_delta() -> None:
    assert only({"a": Decimal("1.5")}, {"a": Decimal("1.25")}).delta == -0.25


def test_a_difference_is_a_record_of_our_diff_topic() -> None:
    (field,) = [f for f in own.schema("diff")["fields"] if f["name"] == "differences"]
    assert [f["name"] for f in field["type"]["items"]["fields"]] == list(only(1, 2).record())


def test_results_are_equal_when_outcome_and_differences_are() -> None:
    assert compare_rows(1, 1, EXACT) == PairResult("match")
    assert compare_rows(1, 2, EXACT) == PairResult("mismatch", [Difference("", "value", "1", "2", 1.0)])
    assert compare_rows(1, 2, EXACT) != compare_rows(1, 3, EXACT)
