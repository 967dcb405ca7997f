"""Which rule holds at which path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shadowstream.compare.rules import RuleSet
from shadowstream.config import Rule
from shadowstream.errors import ConfigError
from shadowstream.paths import join_path, parse_path


def holds(paths: list[str], at: str) -> str | None:
    """The path of the rule that holds at `at`."""
    spot = RuleSet([Rule(path=path, ignore=True) for path in paths]).root
    for name in parse_path(at):
        spot = spot.step("*" if name is None else name)
    return spot.rule.path if spot.rule else None


@pytest.mark.parametrize(
    ("paths", "at", "expected"),
    [
        (["user"], "user", "user"),
        (["user"], "user.name", "user"),
        (["user"], "user.name.first.0", "user"),
        (["user"], "users", None),
        (["user.name"], "user", None),
        (["items.*.price"], "items.0.price", "items.*.price"),
        (["items.*.price"], "items.0.price.net", "items.*.price"),
        (["items.*.price"], "items.price", None),
        (["items.*.price"], "items.0.1.price", None),
        (["*"], "anything", "*"),
        (["*"], "anything.below", "*"),
        (["items.0"], "items.0", "items.0"),
        (["items.0"], "items.1", None),
        ([r"a\.b"], r"a\.b", r"a\.b"),
        ([r"a\.b"], "a.b", None),
        ([r"a.\*"], "a.b", None),
        ([r"a.\*"], r"a.\*", r"a.\*"),
        (["a.*"], r"a.\*", "a.*"),
    ],
)
def test_a_rule_holds_at_its_path_and_below(paths: list[str], at: str, expected: str | None) -> None:
    assert holds(paths, at) == expected


@pytest.mark.parametrize(
    ("paths", "at", "expected"),
    [
        (["user", "user.age"], "user.age", "user.age"),
        (["user", "user.age"], "user.name", "user"),
        (["user", "user.*.unit"], "user.age.unit", "user.*.unit"),
        (["user", "user.*.unit"], "user.age.value", "user"),
        (["a.*", "*.b"], "a.b", "a.*"),
        (["*.b", "a.c"], "a.b", "*.b"),
        (["*.*.c", "a.*.c", "*.b.c"], "a.b.c", "a.*.c"),
        (["a.*.c", "a.b"], "a.b.c", "a.*.c"),
        (["a.*.c", "a.b"], "a.b.d", "a.b"),
        (["*", "a"], "a.b", "a"),
    ],
)
def test_the_narrowest_rule_wins_in_any_order(paths: list[str], at: str, expected: str) -> None:
    assert holds(paths, at) == expected
    assert holds(paths[::-1], at) == expected


def test_two_rules_for_one_path_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="two rules for path 'a'"):
        RuleSet([Rule(path="a", ignore=True), Rule(path="a", atol=1)])


def test_a_backslash_that_escapes_nothing_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="ends in a backslash"):
        parse_path("a\\")
    with pytest.raises(ValidationError, match="ends in a backslash"):
        Rule(path="a\\", ignore=True)


def test_a_map_of_many_keys_makes_no_spot_for_each() -> None:
    root = RuleSet([Rule(path="users.*.age", atol=1), Rule(path="users.ada", ignore=True)]).root
    users = root.step("users")
    assert len({id(users.step(str(key))) for key in range(1000)}) == 1
    assert users.step("ada") is users.step("ada")


@given(names=st.lists(st.text(alphabet="ab.*\\ é", max_size=4), min_size=1, max_size=4))
def test_a_path_survives_being_written_and_read(names: list[str]) -> None:
    assert parse_path(join_path(names)) == names


_steps = st.sampled_from(["a", "b", "*"])
_paths = st.lists(_steps, min_size=1, max_size=4)


@given(
    rules=st.lists(_paths, max_size=6, unique_by=tuple),
    at=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5),
)
def test_walking_the_tree_finds_what_trying_every_rule_finds(rules: list[list[str]], at: list[str]) -> None:
    def covers(rule: list[str]) -> bool:
        return len(rule) <= len(at) and all(step in ("*", name) for step, name in zip(rule, at, strict=False))

    # Longest first; of equally long ones, the first with a name where the other has a star ("*" sorts before letters).
    found = max(filter(covers, rules), key=lambda r: (len(r), [step != "*" for step in r]), default=None)
    assert holds([".".join(rule) for rule in rules], ".".join(at)) == (".".join(found) if found else None)
