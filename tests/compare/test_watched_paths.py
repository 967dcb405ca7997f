"""Which watched paths a mismatch touches: rows, columns and Arrow find the same, and what a plain search finds."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.by_value import compare_rows, mismatches
from shadowstream.compare.pairs import compare_pairs
from shadowstream.compare.presence import fields, holds
from shadowstream.compare.result import DIFFERENCES_MAX
from shadowstream.compare.rules import RuleSet
from shadowstream.config import Rule
from shadowstream.errors import ConfigError, RecordError
from shadowstream.paths import join_path, parse_path
from tests.compare.avro_cases import Given, pairs_of_one_schema
from tests.compare.cases import rule_sets

NAMES = st.sampled_from(["a", "b", "0", "x.y"])
VALUES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["s", "t"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "0", "1", "*", r"x\.y"]), min_size=1, max_size=3).map(".".join),
    max_size=4,
    unique=True,
)
JSON = Decoder(NoSchemas())


def ruled(paths: list[str], rules: list[Rule]) -> RuleSet:
    found = RuleSet(rules)
    found.watch(paths)
    return found


def touched(production: Any, shadow: Any, paths: list[str], rules: RuleSet) -> set[str]:
    """By all differences, one by one."""
    found = set()
    for at, *_ in mismatches(production, shadow, rules):
        for path in paths:
            names = parse_path(path)
            if all(one is None or one == other for one, other in zip(names, at, strict=False)):
                found.add(path)
    return found


@given(VALUES, VALUES, PATHS, st.sampled_from([[], [Rule(path="a", ignore=True)], [Rule(path="a", lists="unordered")]]))
def test_a_mismatch_touches_what_any_of_its_differences_touches(
    production: Any, shadow: Any, paths: list[str], rules: list[Rule]
) -> None:
    ruleset = ruled(paths, rules)
    result = compare_rows(production, shadow, ruleset)
    assert result.touched == (touched(production, shadow, paths, ruleset) if result.outcome == "mismatch" else set())


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30), PATHS)
def test_many_pairs_touch_what_each_touches_by_itself(pairs: list[tuple[Any, Any]], paths: list[str]) -> None:
    rules = ruled(paths, [])
    raw = [[json.dumps(one).encode() for one in column] for column in zip(*pairs, strict=True)]
    for result, (one, other) in zip(compare_pairs(*raw, JSON, JSON, rules), pairs, strict=True):
        # A JSON null beside a value is a difference of the whole, by whatever way it comes.
        expected = touched(one, other, paths, rules) if one is not None and other is not None else None
        assert result.touched == (expected if expected is not None else set(paths) if one != other else set())


@pytest.mark.parametrize("many", [DIFFERENCES_MAX - 1, DIFFERENCES_MAX, DIFFERENCES_MAX + 1, 500])
def test_the_differences_kept_are_bounded_and_those_looked_for_are_not(many: int) -> None:
    one, other = ({**{f"f{i}": value for i in range(many)}, "last": value} for value in (1, 2))
    result = compare_rows(one, other, ruled(["last", "none"], []))
    assert (result.touched, len(result.differences)) == ({"last"}, min(many + 1, DIFFERENCES_MAX))


@given(VALUES)
def test_a_value_holds_the_fields_that_it_is_declared_to_hold(value: Any) -> None:
    assert all(holds(value, parse_path(path), RuleSet()) for path in fields(value))


ODD_NAMES = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["$", "a[0]", "[1][*]", "*", "$[0]"])


@given(st.lists(ODD_NAMES, min_size=1))
def test_a_path_of_any_names_is_read_as_it_was_written(names: list[str]) -> None:
    assert parse_path(join_path(names)) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$", []),
        ("$.a", ["a"]),
        ("$[0].a", ["0", "a"]),
        ("[0]", ["0"]),
        ("a[0][*].b", ["a", "0", None, "b"]),
        (r"a\[0]", ["a[0]"]),
        (r"\$", ["$"]),
        ("$schema", ["$schema"]),
        ("a[x]", ["a[x]"]),
        ("a.$", ["a", "$"]),
    ],
)
def test_paths_as_in_jsonpath(text: str, names: list[str | None]) -> None:
    assert parse_path(text) == names


def test_a_rule_for_the_whole_value_reaches_it() -> None:
    rules = RuleSet([Rule(path="$", atol=0.5)])
    raw = [[b"1.0", b'{"a": 1.0}', b"[1.0]"], [b"1.25", b'{"a": 1.25}', b"[2.0]"]]
    assert compare_pairs(*raw, JSON, JSON, rules).outcomes == ["tolerated", "tolerated", "mismatch"]
    unordered = RuleSet([Rule(path="$", lists="unordered")])
    assert compare_pairs([b"[1, 2]"], [b"[2, 1]"], JSON, JSON, unordered).outcomes == ["tolerated"]


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="ends in a backslash"):
        RuleSet().watch(["a\\"])


@settings(max_examples=60, deadline=None)
@given(pairs=pairs_of_one_schema(), rules=rule_sets)
def test_columns_in_arrow_touch_what_rows_touch(pairs: tuple[Given, list[bytes], list[bytes]], rules: RuleSet) -> None:
    source, production, shadow = pairs
    decoder = Decoder(source)
    names = {name for raw in production for name in decoded_names(decoder, raw)}
    rules.watch([*(join_path([name]) for name in sorted(names)), "*.*", "$", "nowhere"])
    found = compare_pairs(production, shadow, decoder, Decoder(source), rules)
    for result, one, other in zip(found, production, shadow, strict=True):
        if result.outcome == "mismatch":
            assert result.touched == compare_rows(decoder.decode(one), decoder.decode(other), rules).touched
            assert "$" in result.touched
            assert "nowhere" not in result.touched or any(not one.path for one in result.differences)


def decoded_names(decoder: Decoder, raw: bytes) -> list[str]:
    try:
        value = decoder.decode(raw)
    except RecordError:
        return []
    return [str(name) for name in value] if isinstance(value, dict) else []
