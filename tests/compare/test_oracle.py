"""The oracle of the comparison's proof: it is small, it is apart, and it knows the documented rules."""

import ast
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.compare.proof.oracle import Node, Rule, verdict
from tests.compare.proof.scenes import ROUND, scene

ORACLE = Path(__file__).parent / "proof" / "oracle.py"
MAY_IMPORT = {
    *("__future__", "collections.abc", "datetime", "decimal", "fractions", "functools", "json", "math", "re", "struct"),
    *("typing", "unicodedata"),
}


def test_the_oracle_is_under_200_lines_and_imports_nothing_of_the_product() -> None:
    source = ORACLE.read_text("utf-8")
    assert len(source.splitlines()) < 200
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    assert found <= MAY_IMPORT


INT, BIG, DOUBLE, TEXT = Node("int", 1), Node("int", 2**53 + 1), Node("double", 1.0), Node("text", "a")


def money(text: str) -> Node:
    return Node("decimal", Decimal(text))


def text(value: str) -> Node:
    return Node("text", value)


def rule(*at: str | None, **says: Any) -> Rule:
    return Rule(at=at, **says)


@pytest.mark.parametrize(
    ("one", "other", "rules", "outcome", "kind"),
    [
        (INT, DOUBLE, [], "mismatch", "type"),
        (INT._replace(promoted=True), DOUBLE._replace(promoted=True), [], "match", None),
        (BIG._replace(promoted=True), Node("double", 2.0**53, promoted=True), [], "mismatch", "value"),
        (Node("double", math.nan), Node("double", math.nan), [], "match", None),
        (Node("double", 0.0), Node("double", -0.0), [], "match", None),
        (Node("double", math.inf), Node("double", 1e308), [rule(atol="1e309")], "mismatch", "value"),
        (money("10.00"), money("10.03"), [rule(atol="0.03")], "tolerated", "value"),
        (money("10.00"), money("10.04"), [rule(atol="0.03")], "mismatch", "value"),
        (BIG, Node("int", 2**53), [rule(atol="0.5")], "mismatch", "value"),
        (Node("double", 1.0), Node("double", 1.1), [rule(atol="0.1")], "mismatch", "value"),
        (money("100"), money("90"), [rule(rtol="0.1")], "tolerated", "value"),
        (money("90"), money("100"), [rule(rtol="0.1")], "mismatch", "value"),
        (Node("object", {}, "A"), Node("object", {}, "B"), [], "mismatch", "type"),
        (Node("object", {}, "A"), Node("object", {}, "B"), [rule(types="loose")], "tolerated", "type"),
        (TEXT, Node("null"), [rule(ignore=True)], "ignored", "null"),
        (Node("text", "a b"), Node("text", " A  b"), [rule(ignore_case=True, ignore_space=True)], "tolerated", "value"),
        (Node("int", 999), Node("text", "1970-01-01T00:00:00.999999999Z"), [rule(round_ms=1)], "tolerated", "type"),
        (text("9007199254740993"), text("9007199254740992.0"), [rule(normalise=["number"])], "mismatch", "value"),
        (Node("text", " 1e0"), Node("int", 1), [rule(normalise=["number"])], "match", None),
        (text("1970-01-01T01:00:00+01:00"), text("1970-01-01T00:00:00Z"), [rule(normalise=["utc"])], "match", None),
        (Node("double", 1.0), Node("double", math.nextafter(1.0, 2)), [rule(ulp=1)], "tolerated", "value"),
        (Node("double", 1.0), Node("double", math.nextafter(1.0, 2)), [Rule(at=(None,), ulp=1)], "tolerated", "value"),
        (Node("int", 999), Node("text", "1970-01-01T00:00:01Z"), [rule(round_ms=1)], "mismatch", "value"),
        (Node("double", 0.123), Node("int", 0), [rule(round_ms=1)], "tolerated", "type"),
    ],
)
def test_the_oracle_knows_the_rules(one: Node, other: Node, rules: list[Rule], outcome: str, kind: str | None) -> None:
    found = verdict(one, other, rules)
    assert found.outcome == outcome
    assert found.found == (frozenset() if kind is None else {((), kind)})


def test_the_oracle_takes_the_narrowest_rule_and_says_where() -> None:
    one, other = (Node("object", {"a.b": Node("list", [Node("int", n), TEXT])}) for n in (1, 5))
    assert verdict(one, other, []).found == {(("a.b", "0"), "value")}
    loose, tight = rule("a.b", None, atol="4"), rule(None, "0", atol="3")
    assert verdict(one, other, [tight]).outcome == "mismatch"
    assert verdict(one, other, [tight, loose]).outcome == "tolerated"


def test_the_oracle_finds_a_pairing_that_the_first_that_fits_would_miss() -> None:
    def listed(*numbers: int) -> Node:
        return Node("list", [Node("int", n) for n in numbers])

    rules = [rule(lists="unordered"), rule(None, atol="1")]
    assert verdict(listed(1, 2), listed(1, 0), rules).outcome == "tolerated"
    assert verdict(listed(1, 2), listed(4, 0), rules).outcome == "mismatch"
    assert verdict(listed(1, 2, 1), listed(2, 1), [rule(lists="set")]).outcome == "tolerated"


def test_generator_and_oracle_agree_on_every_edit_and_scenes_repeat() -> None:
    for number in range(len(ROUND)):
        assert scene.__wrapped__(7, number) == scene.__wrapped__(7, number)
