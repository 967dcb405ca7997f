"""Each kind of rule: what it tolerates, what it does not, where it holds."""

import datetime as dt
import math
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.compare import RuleSet, compare_columns, compare_rows
from shadowstream.config import Rule
from shadowstream.errors import ConfigError

HERE = "tests.compare.cases"
NEXT = math.nextafter(1.0, 2.0)
NOON = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def outcome(production: Any, shadow: Any, **rule: Any) -> str:
    """By rows and, the same, by columns."""
    rules = RuleSet([Rule(path="x", **rule)])
    found = compare_rows({"x": production}, {"x": shadow}, rules)
    assert compare_columns([{"x": production}] * 2, [{"x": shadow}] * 2, rules) == [found] * 2
    return found.outcome


@pytest.mark.parametrize(
    ("rule", "production", "shadow", "expected"),
    [
        ({"ulp": 1}, 1.0, NEXT, "tolerated"),
        ({"ulp": 1}, 1.0, math.nextafter(NEXT, 2.0), "mismatch"),
        ({"ulp": 1}, 5e-324, -5e-324, "mismatch"),
        ({"ulp": 2}, 5e-324, -5e-324, "tolerated"),
        ({"ulp": 1}, 0.0, 5e-324, "tolerated"),
        ({"ulp": 5}, math.inf, 1.7976931348623157e308, "mismatch"),
        ({"ulp": 5}, 1, 2, "mismatch"),
        ({"ulp": 1}, math.nan, math.nan, "match"),
        ({"ignore_case": True}, "Straße", "STRASSE", "tolerated"),
        ({"ignore_case": True}, "a ", "A", "mismatch"),
        ({"ignore_space": True}, " a  b\t", "a b", "tolerated"),
        ({"ignore_space": True}, "ab", "a b", "mismatch"),
        ({"ignore_case": True, "ignore_space": True}, " A", "a ", "tolerated"),
        ({"ignore_case": True}, b"a", b"A", "mismatch"),
        ({"round_ms": 1_000}, NOON, NOON + SECOND * 0.999, "tolerated"),
        ({"round_ms": 1_000}, NOON, NOON + SECOND, "mismatch"),
        ({"round_ms": 1_000}, NOON, NOON - SECOND * 0.001, "mismatch"),
        ({"round_ms": 60_000}, "2020-01-01T12:00:01Z", "2020-01-01T13:00:59.5+01:00", "tolerated"),
        ({"round_ms": 60_000}, "2020-01-01T12:00:01Z", "soon", "mismatch"),
        ({"round_ms": 1_000}, 1_577_880_000_000, 1_577_880_000_999, "tolerated"),
        ({"round_ms": 1_000}, 999, 1_000, "mismatch"),
        ({"values": {"NEW": "created"}}, "NEW", "created", "tolerated"),
        ({"values": {"NEW": "created"}}, "NEW", "NEW", "match"),
        ({"values": {"NEW": "created"}}, "created", "NEW", "mismatch"),
        ({"values": {"1": "one", "true": False, "null": 0}}, 1, "one", "tolerated"),
        ({"values": {"1": "one", "true": False, "null": 0}}, True, False, "tolerated"),
        ({"values": {"1": "one", "true": False, "null": 0}}, None, 0, "tolerated"),
        ({"values": {"1": "one", "true": False, "null": 0}}, None, False, "mismatch"),
        ({"lists": "unordered"}, [1, 2, 2], [2, 1, 2], "tolerated"),
        ({"lists": "unordered"}, [1, 2, 2], [2, 1, 1], "mismatch"),
        ({"lists": "unordered"}, [1, 2], [1, 2, 3], "mismatch"),
        ({"lists": "unordered"}, [1, 2], [2, 1.0], "mismatch"),
        ({"lists": "unordered", "atol": 1.0}, [1.0, 2.0], [1.0, 0.0], "tolerated"),
        ({"lists": "unordered"}, list(range(200)), list(reversed(range(200))), "tolerated"),
        ({"lists": "unordered"}, [{"a": 1}, {"b": 2}], [{"b": 2}, {"a": 1}], "tolerated"),
        ({"lists": "unordered"}, [1], None, "mismatch"),
        ({"lists": "set"}, [1, 2, 2], [2, 1], "tolerated"),
        ({"lists": "set"}, [1, 2], [1, 3], "mismatch"),
        ({"key": "id"}, [{"id": 1, "v": 1}, {"id": 2, "v": 2}], [{"id": 2, "v": 2}, {"id": 1, "v": 1}], "tolerated"),
        ({"key": "id"}, [{"id": 1, "v": 1}], [{"id": 1, "v": 2}], "mismatch"),
        ({"key": "id"}, [{"id": 1}], [{"id": 1}, {"id": 2}], "mismatch"),
        ({"key": "id"}, [{"id": 1}, {"id": 1}], [{"id": 1}], "mismatch"),
        ({"key": "id"}, [5, {"id": 1}], [{"id": 1}, 5], "tolerated"),
        ({"call": f"{HERE}:near"}, "ab", "cd", "tolerated"),
        ({"call": f"{HERE}:near"}, "ab", "c", "mismatch"),
        ({"call": f"{HERE}:near"}, [1, 2], {"a": 1, "b": 2}, "tolerated"),
        ({"call": f"{HERE}:near_columns", "on": "column"}, "ab", "cd", "tolerated"),
        ({"call": f"{HERE}:near_columns", "on": "column"}, "ab", "c", "mismatch"),
        ({"normalise": ["trim", "lower"]}, " A", "a", "match"),
        ({"normalise": ["number"]}, "1.50", 1.5, "match"),
        ({"normalise": ["number"], "atol": 0.5}, "1", "1.25", "tolerated"),
        ({"normalise": ["nfc"]}, "e\u0301", "\xe9", "match"),
        ({"normalise": ["json"]}, '{"a": 1, "b": 2}', '{"b":2,"a":1}', "match"),
        ({"normalise": ["json"], "lists": "unordered"}, "[1, 2]", "[2, 1]", "tolerated"),
        ({"normalise": ["utc"]}, "2020-01-01T12:00:00Z", "2020-01-01T13:00:00+01:00", "match"),
        ({"normalise": [f"{HERE}:shortened"]}, "ab", "ac", "match"),
    ],
)
def test_a_rule_tolerates_what_it_says_and_nothing_else(
    rule: dict[str, Any], production: Any, shadow: Any, expected: str
) -> None:
    assert outcome(production, shadow, **rule) == expected
    assert outcome(production, production, **rule) == outcome(shadow, shadow, **rule) == "match"


def test_absent_and_null_are_two_things_unless_configured_otherwise() -> None:
    rules = RuleSet([Rule(path="x", absent_is_null=True)])
    for one, other in (({}, {"x": None}), ({"x": None}, {})):
        assert compare_rows(one, other, RuleSet()).outcome == "mismatch"
        assert compare_rows(one, other, rules).outcome == "tolerated"
        assert compare_columns([one], [other], rules)[0].outcome == "tolerated"
    assert compare_rows({}, {"x": 0}, rules).outcome == "mismatch"


def test_exact_holds_below_a_path_that_tolerates_or_ignores() -> None:
    rules = RuleSet([Rule(path="user", ignore=True), Rule(path="user.id", exact=True)])
    assert compare_rows({"user": {"id": 1, "at": 1}}, {"user": {"id": 1, "at": 2}}, rules).outcome == "ignored"
    assert compare_rows({"user": {"id": 1}}, {"user": {"id": 2}}, rules).outcome == "mismatch"


def test_an_added_field_is_a_mismatch_or_ignored_by_policy() -> None:
    for policy, expected in (("mismatch", "mismatch"), ("ignore", "ignored")):
        rules = RuleSet([], policy)  # type: ignore[arg-type]  # the literals stand in the loop
        assert compare_rows({"a": 1}, {"a": 1, "b": 1}, rules).outcome == expected
        assert compare_columns([{"a": 1}], [{"a": 1, "b": 1}], rules)[0].outcome == expected
        assert compare_rows({"a": 1, "b": 1}, {"a": 1}, rules).outcome == "mismatch"


@pytest.mark.parametrize(
    ("rule", "production", "shadow"),
    [
        ({"lists": "unordered"}, [[1, 2], [3]], [[2, 1], [3]]),
        ({"lists": "set"}, [[1, 1], [3]], [[1], [3]]),
        ({"lists": "unordered"}, [{"a": [1, 2]}], [{"a": [2, 1]}]),
        ({"key": "id"}, [{"id": 1, "a": [{"id": 1}, {"id": 2}]}], [{"id": 1, "a": [{"id": 2}, {"id": 1}]}]),
        ({"normalise": ["trim"]}, {"a": "b "}, {"a": "b"}),
        ({"normalise": ["lower"]}, ["B"], ["b"]),
    ],
)
@pytest.mark.parametrize("more", [[], [Rule(path="x.*.other", ignore=True)]], ids=["alone", "beside a rule below"])
def test_options_of_a_rules_own_path_do_not_hold_below_it(
    rule: dict[str, Any], production: Any, shadow: Any, more: list[Rule]
) -> None:
    rules = RuleSet([Rule(path="x", **rule), *more])
    found = compare_rows({"x": production}, {"x": shadow}, rules)
    assert found.outcome == "mismatch"
    assert compare_columns([{"x": production}] * 2, [{"x": shadow}] * 2, rules) == [found] * 2


def test_a_rule_for_each_level_reaches_lists_inside_lists() -> None:
    rules = RuleSet([Rule(path="x", lists="unordered"), Rule(path="x.*", lists="unordered")])
    assert compare_rows({"x": [[1, 2], [3]]}, {"x": [[3], [2, 1]]}, rules).outcome == "tolerated"


def test_of_lists_in_any_order_what_is_left_over_is_named() -> None:
    rules = RuleSet([Rule(path="x", lists="unordered")])
    found = compare_rows({"x": [1, 2, 3]}, {"x": [3, 9]}, rules).differences
    assert [(d.path, d.kind, d.production, d.shadow) for d in found] == [
        ("x.0", "value", "1", "9"),
        ("x.1", "missing", "2", None),
    ]
    (moved,) = compare_rows({"x": [1, 2]}, {"x": [2, 1]}, rules).differences
    assert (moved.path, moved.kind) == ("x", "order")


def test_list_elements_are_named_by_key_in_paths_and_rules() -> None:
    rules = RuleSet([Rule(path="x", key="id"), Rule(path="x.*.v", atol=1), Rule(path="x.7", ignore=True)])
    production = [{"id": 7, "v": 1.0}, {"id": 8, "v": 1.0}, {"id": 9, "v": 1.0}]
    assert compare_rows({"x": production}, {"x": production[1:]}, rules).outcome == "ignored"
    assert compare_rows({"x": production}, {"x": [*production[:2], {"id": 9, "v": 1.5}]}, rules).outcome == "tolerated"
    (found,) = compare_rows({"x": production}, {"x": [*production[:2], {"id": 9, "v": 3.5}]}, rules).differences
    assert (found.path, found.delta) == ("x.9.v", 2.5)


@pytest.mark.parametrize("rule", [{"call": f"{HERE}:near"}, {"normalise": [f"{HERE}:shortened"]}])
def test_a_failing_function_is_a_mismatch_that_names_it(rule: dict[str, Any]) -> None:
    rules = RuleSet([Rule(path="x", **rule)])
    found = compare_columns([{"x": 1}, {"x": "a"}], [{"x": 2}, {"x": "a"}], rules)
    assert [one.outcome for one in found] == ["mismatch", "match"]
    assert (found[0].reason or "").startswith(f"{HERE}:")
    assert "TypeError" in (found[0].reason or "")


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"ignore": True, "atol": 1},
        {"exact": True, "ignore": True},
        {"exact": True, "ulp": 1},
        {"lists": "set", "key": "id"},
        {"on": "column", "atol": 1},
        {"normalise": ["upper"]},
        {"call": "no entry point"},
        {"values": {"a": [1]}},
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule(path="x", **rule)


@pytest.mark.parametrize("call", ["tests.compare.nowhere:f", f"{HERE}:nothing", f"{HERE}:HERE"])
def test_a_function_that_cannot_be_loaded_is_refused_at_the_start(call: str) -> None:
    with pytest.raises(ConfigError, match="compare"):
        RuleSet([Rule(path="x", call=call)])
