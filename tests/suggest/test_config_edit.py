"""Entries are added to a config's text: they are there afterwards, and all other lines are as they were."""

import difflib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shadowstream.suggest.config_edit import Entry, with_entries
from shadowstream.yaml_flow import flow
from shadowstream.yamlfile import parse

HEAD = "# a trial\nname: t  # its name\ninputs: [in]\n"
TAIL = "judge:  # strict\n  window_ms: 60000\n"
SECTIONS = {
    "no compare": "",
    "an empty compare": "compare:\n",
    "an empty compare in flow": "compare: {}  # nothing\n",
    "no rules": "compare:\n  match_sample: 0.1  # few\n",
    "no rules in flow": "compare: {match_sample: 0.1}\n",
    "empty rules": "compare:\n  rules:  # none\n  match_sample: 0.1\n",
    "empty rules in flow": "compare: {rules: [], match_sample: 0.1}\n",
    "rules in block": (
        "compare:\n  rules:\n    - {path: x, ignore: true}  # noise\n    # the last\n    - path: y\n      atol: 1\n\n"
    ),
    "rules in block without indent": "compare:\n  rules:\n  - path: x\n    values: {a: b}\n  match_sample: 0.1\n",
    "rules in flow": "compare: {rules: [{path: x, ignore: true}], match_sample: 0.1}\n",
    "rules in flow over lines": (
        "compare:\n  rules: [\n    {path: x, ignore: true},  # noise\n    {path: y, atol: 1}]\n"
    ),
}
RULES = ("compare", "rules")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", [TAIL, "", "judge: {window_ms: 60000}", "# the end"])
@pytest.mark.parametrize("section", SECTIONS)
def test_an_entry_is_added_and_nothing_else_changes(section: str, tail: str, newline: str) -> None:
    text = f"{HEAD}{SECTIONS[section]}{tail}".replace("\n", newline)
    rules = [{"path": "a.b", "atol": 0.001}, {"path": "*.c", "ignore": True}]
    changed = with_entries(text, [Entry(RULES, one) for one in rules])
    before, after = (parse(one, {}) for one in (text, changed))
    assert not after.problems
    compare = before.data.get("compare") or {}
    all_rules = [*(compare.get("rules") or []), *rules]
    assert after.data == before.data | {"compare": compare | {"rules": all_rules}}
    removed = [line for line in difflib.ndiff(text.splitlines(), changed.splitlines()) if line.startswith("- ")]
    assert len(removed) <= 1  # a section in flow style is one line
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert comments == [line.partition("#")[2] for line in changed.splitlines() if "#" in line]
    assert (newline == "\n") == ("\r" not in changed)


@pytest.mark.parametrize("section", ["rules in block", "rules in block without indent", "rules in flow"])
def test_a_rule_of_the_same_path_is_replaced(section: str) -> None:
    text = HEAD + SECTIONS[section] + TAIL
    changed = with_entries(text, [Entry(RULES, {"path": "$.x", "atol": 2})])
    rules = parse(changed, {}).data["compare"]["rules"]
    assert rules == [{"path": "$.x", "atol": 2}, *parse(text, {}).data["compare"]["rules"][1:]]


@pytest.mark.parametrize("section", ["identity:\n  kind: key  # unique\n", "identity: {kind: key}\n", ""])
def test_a_section_that_is_no_list_is_replaced(section: str) -> None:
    text = HEAD + section + TAIL
    changed = with_entries(text, [Entry(("identity",), {"kind": "id", "path": "a"}, is_list=False)])
    assert parse(changed, {}).data == parse(HEAD + TAIL, {}).data | {"identity": {"kind": "id", "path": "a"}}


def test_a_comment_stands_above_a_new_entry() -> None:
    changed = with_entries(HEAD, [Entry(("compare", "expected"), {"name": "a"}, comment="agreed: #7 $x")])
    assert "    # agreed: #7 $x\n    - {name: a}" in changed


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_entries_that_are_commented_out_stay_in_their_section(newline: str) -> None:
    rules = "compare:\n  rules:\n    - {path: a, atol: 1}\n    # perhaps\n\n    #- {path: b, ignore: true}\n"
    text = f"{HEAD}{rules}\n# the judge\n{TAIL}".replace("\n", newline)
    entries = [Entry(("compare", "expected"), {"name": "c"}), Entry(("limits",), {"lag_s": 9}, is_list=False)]
    after = parse(with_entries(text, entries).replace("#- ", "- "), {})
    assert not after.problems
    assert after.data["compare"]["rules"] == [{"path": "a", "atol": 1}, {"path": "b", "ignore": True}]
    assert after.data["compare"]["expected"] == [{"name": "c"}]


characters = st.one_of(st.characters(), st.sampled_from("\x00\n\x7f\x85\u2028\u2029\ufeff\ud83d\udc80'\"#:$"))
texts = st.text(characters, max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.floats(1e-9, 1e9), floats, texts)


@settings(max_examples=50, deadline=None)
@example({"${": None, "$${A}": 1, "$$": "$${A}"})
@example({"a": 1.0000000000000003e-09, "b": 5e-324, "c": -1.7976931348623157e308, "d": 3.3333333333333333e17})
@given(st.dictionaries(st.text(characters, min_size=1, max_size=12), scalars, max_size=4))
def test_any_value_is_read_back_as_it_was(value: dict[str, Any]) -> None:
    document = parse(f"a: {flow(value)}", {})
    assert not document.problems
    assert document.data == {"a": value}


@settings(max_examples=50, deadline=None)
@example(Decimal("0.1000000000000000000000000001"))
@example(Decimal("1e-40"))
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_stays_exact_whether_read_as_a_number_or_a_text(number: Decimal) -> None:
    assert Decimal(str(parse(f"a: {flow(number)}", {}).data["a"])) == number
