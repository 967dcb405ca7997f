"""One language of paths and one walker, whatever part of a config names a field."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shadowstream.compare import RuleSet, compare_rows
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.presence import holds
from shadowstream.compare.result import Difference
from shadowstream.config import Check, Criterion, Dimension, Expected, Failure, Identity, Labels, Redact, Rule
from shadowstream.errors import ConfigError
from shadowstream.paths import ABSENT, NAMES_MAX, join_path, parse_one, parse_path, value_at
from shadowstream.protocol.join_id import text_id
from shadowstream.protocol.scored_value import at_path
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import P, S, begun, committed, done
from tests.least_config import redactor

READ = [
    # a value, a path that leads to 7 in it, and one that leads nowhere
    ({"o.id": 7}, r"o\.id", "o.id"),
    ({"o": {"id": 7}}, "o.id", r"o\.id"),
    ({"items": [{"id": 1}, {"id": 7}]}, "items[1].id", "items[2].id"),
    ({"items": [{"id": 1}, {"id": 7}]}, "items.1.id", "items.01.id"),
    ({"m": [[1, 7]]}, "$.m[0][1]", "m[0][-1]"),
    ([3, 7], "$[1]", "$[2]"),
    ([{"a": 7}], "0.a", "a"),
    (7, "$", "x"),
    ({"*": 7}, r"\*", r"\*\*"),
    ({"$": 7}, r"\$", r"\$\$"),
    ({"a[0]": 7}, r"a\[0]", "a[0]"),
    ({"a\\b": 7}, r"a\\b", r"a\b"),
    ({"": 7}, "$.", "a"),
    ({"": {"": 7}}, ".", ".a"),
    ({"key": 7}, "$.key", "$.Key"),
]


@pytest.mark.parametrize(("value", "path", "nowhere"), READ)
def test_every_reader_finds_the_same_field(value: Any, path: str, nowhere: str) -> None:
    other = json.loads(json.dumps(value).replace("7", "8"))
    for one, found in ((path, True), (nowhere, False)):
        names = parse_one(one)
        assert value_at(value, names) == (7 if found else ABSENT)
        assert text_id(value, names) == (b"7" if found else None)
        assert at_path(value, names) == ("7" if found else None)
        assert holds(value, names, RuleSet()) is found
        ruled = compare_rows(value, other, RuleSet([Rule(path=one, atol=1.0)])).outcome
        assert ruled == ("tolerated" if found else "mismatch")
        if path == "$":
            continue
        (difference,) = compare_rows(value, other, RuleSet()).differences
        assert parse_path(difference.path) == parse_path(path)
        redacted = redactor(redact={"paths": [one], "how": "drop"}).difference(difference)
        alike = [name for name in names if not name.isdigit()][-1:] == list(parse_one(path))[-1:]
        assert ((redacted.production or "").startswith('"redacted:')) is (found or alike)
        changes = ExpectedChanges(
            [Expected.model_validate({"name": "c", "paths": [one], "rate_max": 0.1, "until": "2999-01-01T00:00:00Z"})]
        )
        at = tuple(names if found else parse_one(path))
        assert changes.names([(at, "value", 7, 8)], 0) == (["c"] if found else [])


@pytest.mark.parametrize(("value", "path", "nowhere"), READ)
def test_an_identity_reads_paths_as_rules_do(value: Any, path: str, nowhere: str) -> None:
    text = json.dumps(value)
    assert paired(path, text) == {"match": 1}
    assert paired(nowhere, text) == {"unpairable_production": 1, "unpairable_shadow": 1}


def paired(path: str, value: str) -> dict[str, int]:
    world: World = begun(identity={"kind": "id", "path": path})
    for step in (P("k", value), S("j", value), done(10), committed(10)):
        step(world)
    world.turn()
    return world.outcomes()


ONE_VALUE: dict[str, Any] = {
    "identity.path": lambda path: Identity(kind="id", path=path),
    "labels.path": lambda path: Labels(topic="l", path=path),
    "labels.label_path": lambda path: Labels(topic="l", path="a", label_path=path),
    "labels.id": lambda path: Labels(topic="l", path="a", id=path),
    "dimension": lambda path: Dimension(name="d", path=path),
    "check": lambda path: Check(path=path, not_null=True),
    "failure": lambda path: Failure(path=path),
    "mean": lambda path: Criterion(rate="mean", path=path, bound=1.0, limit=0.1),
    "check criterion": lambda path: Criterion(rate="check", check="null", path=path, limit=0.1),
    "key of a list": lambda path: Rule(path="a", key=path),
}
SEVERAL: dict[str, Any] = {
    "rule": lambda path: Rule(path=path, ignore=True),
    "field criterion": lambda path: Criterion(rate="field", path=path, limit=0.1),
    "redaction": lambda path: Redact(paths=[path], how="drop"),
    "expected": lambda path: Expected.model_validate(
        {"name": "e", "paths": [path], "rate_max": 0.1, "until": "2999-01-01T00:00:00Z"}
    ),
}


@pytest.mark.parametrize("make", ONE_VALUE.values(), ids=ONE_VALUE)
@pytest.mark.parametrize("path", ["a.*", "*", "items[*].price", "$[*]", r"a\.b.*"])
def test_where_one_value_is_needed_a_star_is_refused(make: Any, path: str) -> None:
    with pytest.raises(ValidationError, match="a star names several values"):
        make(path)


@pytest.mark.parametrize("make", [*ONE_VALUE.values(), *SEVERAL.values()], ids=[*ONE_VALUE, *SEVERAL])
def test_what_cannot_be_read_is_refused_everywhere(make: Any) -> None:
    with pytest.raises(ValidationError, match="ends in a backslash"):
        make("a\\")
    make(r"items[0].unit\.price")
    make(r"\*")


@pytest.mark.parametrize("make", SEVERAL.values(), ids=SEVERAL)
def test_where_several_may_stand_a_star_is_taken(make: Any) -> None:
    make("items[*].price")


@given(names=st.lists(st.none() | st.text(alphabet="ab.*\\$[0] é", max_size=4), max_size=4))
def test_any_names_survive_being_written_and_read(names: list[str | None]) -> None:
    assert parse_path(join_path(names)) == names


def test_a_star_stays_one_where_keys_of_elements_are_covered() -> None:
    covering = redactor(redact={"paths": ["items.*.id"], "how": "drop"}, rules=[{"path": "items", "key": "id"}])
    assert covering.field("items.*.price") == "items.*.price"
    found = covering.path(Difference(r"items.\*.price", "value", "1", "2"))
    assert found == "items.redacted:----------------.price"


def test_a_huge_index_is_no_element() -> None:
    assert value_at([1], ["9" * 10_000]) is ABSENT
    assert value_at([1], ["٠"]) is ABSENT  # a digit zero of another script


ROOTS = [
    (0.7300001, 0.73, {"atol": 0.001}, "tolerated"),
    ([3, 1, 2], [1, 2, 3], {"lists": "unordered"}, "tolerated"),
    ([1, 1, 2], [2, 1], {"lists": "set"}, "tolerated"),
    ("A", "a", {"ignore_case": True}, "tolerated"),
    ("NEW", 1, {"values": {"NEW": 1}}, "tolerated"),
    (1000, "1970-01-01T00:00:01Z", {"round_ms": 1}, "tolerated"),
    ({"a": 1}, {"a": 2}, {"ignore": True}, "ignored"),
    (0.8, 0.73, {"atol": 0.001}, "mismatch"),
    ([3, 1], [1, 2], {"lists": "unordered"}, "mismatch"),
    (1, [1], {"atol": 1.0}, "mismatch"),
]


@pytest.mark.parametrize(("production", "shadow", "rule", "expected"), ROOTS)
def test_a_rule_of_the_root_reaches_a_whole_value(production: Any, shadow: Any, rule: Any, expected: str) -> None:
    assert compare_rows(production, shadow, RuleSet([Rule(path="$", **rule)])).outcome == expected


@pytest.mark.parametrize(
    ("production", "shadow", "rule", "expected"), [one for one in ROOTS if type(one[0]) in (int, float, str)]
)
def test_a_star_reaches_a_bare_value_which_is_its_own_only_part(
    production: Any, shadow: Any, rule: Any, expected: str
) -> None:
    assert compare_rows(production, shadow, RuleSet([Rule(path="*", **rule)])).outcome == expected


def test_a_star_does_not_reach_a_whole_list() -> None:
    assert compare_rows([3, 1], [1, 3], RuleSet([Rule(path="*", lists="unordered")])).outcome == "mismatch"


@pytest.mark.parametrize("part", ["a.", "[0]", "*."])
def test_a_path_of_too_many_names_is_refused_at_once(part: str) -> None:
    assert len(parse_path("a" + part * (NAMES_MAX - 2))) <= NAMES_MAX
    began = time.process_time()
    with pytest.raises(ConfigError, match=rf"^path '.{{60}}'…: has more than {NAMES_MAX:,} names; "):
        parse_path("a" + part * 100_000)
    assert time.process_time() - began < 0.2
