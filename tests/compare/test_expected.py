"""Declared expected changes: what they explain, what they do not, and until when."""

import datetime as dt
from typing import Any

import pytest
from pydantic import ValidationError

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare import PairResult, RuleSet, compare_pairs
from shadowstream.compare.expected import ExpectedChanges
from shadowstream.compare.pairs import Declared
from shadowstream.config import Expected, Rule
from tests.joiner.joiner_world import World, config

UNTIL = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
UNTIL_MS = int(UNTIL.timestamp() * 1000)
PRODUCTION = b'{"state": "NEW", "fee": 1.0, "items": [{"price": 1}, {"price": 2}], "noise": 1}'


def change(name: str = "renamed", **parts: Any) -> Expected:
    return Expected.model_validate({"name": name, "paths": ["state"], "rate_max": 0.1, "until": UNTIL} | parts)


def shadow(**parts: Any) -> bytes:
    import json

    return json.dumps({**json.loads(PRODUCTION), **parts}).encode()


def compared(other: bytes, *changes: Expected, time_ms: int = 0) -> Any:
    json = Decoder(NoSchemas())
    rules = RuleSet([Rule(path="noise", ignore=True)])
    declared = Declared(ExpectedChanges(changes), [time_ms])
    (result,) = compare_pairs([PRODUCTION], [other], json, json, rules, declared=declared)
    return result


def test_a_difference_at_a_declared_path_is_expected_under_its_name() -> None:
    result = compared(shadow(state="created"), change())
    assert isinstance(result, PairResult)
    assert (result.outcome, result.reason, [d.path for d in result.differences]) == ("expected", "renamed", ["state"])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"production": "NEW", "shadow": "created"}, "expected"),
        ({"production": "OLD"}, "mismatch"),
        ({"shadow": None}, "mismatch"),
        ({"call": "tests.compare.cases:near"}, "mismatch"),
        ({"call": "tests.compare.cases:longer"}, "expected"),
        ({"call": "operator:sub"}, "mismatch"),
        ({"paths": ["fee", "state"]}, "expected"),
        ({"paths": ["*"]}, "expected"),
        ({"paths": ["state.inner"]}, "mismatch"),
    ],
)
def test_its_predicate_decides(parts: dict[str, Any], expected: str) -> None:
    assert compared(shadow(state="created"), change(**parts)).outcome == expected


def test_one_difference_that_nothing_explains_makes_a_mismatch_with_all_of_them() -> None:
    result = compared(shadow(state="created", fee=2.0), change())
    assert (result.outcome, [d.path for d in result.differences]) == ("mismatch", ["state", "fee"])


def test_several_changes_explain_a_pair_together_and_an_ignored_path_needs_none() -> None:
    items = change("prices", paths=["items.*.price"])
    result = compared(shadow(state="created", items=[{"price": 1}, {"price": 3}], noise=2), items, change())
    assert (result.outcome, result.reason) == ("expected", "prices, renamed")


def test_more_differences_than_a_row_shows_are_all_looked_at() -> None:
    many = {f"f{i}": 0 for i in range(40)}
    assert compared(shadow(**many), change(paths=[f"f{i}" for i in range(39)])).outcome == "mismatch"
    assert compared(shadow(**many), change(paths=[f"f{i}" for i in range(40)])).outcome == "expected"


def test_it_expires_at_an_event_time() -> None:
    assert compared(shadow(state="created"), change(), time_ms=UNTIL_MS - 1).outcome == "expected"
    assert compared(shadow(state="created"), change(), time_ms=UNTIL_MS).outcome == "mismatch"


def test_without_an_offset_from_utc_nobody_knows_when_it_expires() -> None:
    with pytest.raises(ValidationError, match="offset"):
        change(until="2030-01-01T00:00:00")


def test_a_trial_counts_expected_pairs_and_names_them_in_rows() -> None:
    declared = [change().model_dump(mode="json", exclude_unset=True)]
    world = World(config(compare={"match_sample": 0, "expected": declared})).begin()
    for key, value in (("a", '{"state": "created"}'), ("b", '{"state": "NEW", "fee": 1}')):
        world.production(key, '{"state": "NEW"}', 5)
        world.shadow(key, value, 0, 5)
    world.turn()
    assert world.outcomes() == {"expected:renamed": 1, "mismatch": 1}
    assert [(row["outcome"], row["reason"]) for row in world.diff] == [("expected", "renamed"), ("mismatch", None)]
    assert world.joiner.tasks
