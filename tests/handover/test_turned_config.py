"""The config turned round: each criterion asks of the new version what it asked before, or is left out by name."""

import re
from typing import Any, get_args

import pytest

from shadowstream.config import Config, Criterion
from shadowstream.config.judging import RateName
from shadowstream.errors import ConfigError
from shadowstream.handover.turned_config import Turned, Wanted, turned
from shadowstream.handover.turned_criteria import DROPPED, JUDGED, KEPT, MUTED, SWAPPED, turned_criteria

BASE: dict[str, Any] = {
    "name": "t",
    "inputs": ["in"],
    "production": {"outputs": ["out"], "group": "g"},
    "candidate": {"call": "new:f"},
}
OLD = {"call": "old:f"}


def turn(old: dict[str, Any] | None = None, ignored: tuple[str, ...] = (), **more: Any) -> Turned:
    written = BASE | more
    wanted = Wanted("t-back", old or OLD, ignored=ignored)
    return turned(written, Config.model_validate(written), wanted)


def criterion(**given: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """A criterion turned round, None if it is left out, and the notes on it."""
    found, notes = turned_criteria([Criterion.model_validate(given)], [given])
    named = [note for note in notes if note.startswith(f"criterion {Criterion.model_validate(given).id}")]
    return (None if given["rate"] in DROPPED else found[0]), named


def test_every_rate_has_exactly_one_way_to_be_turned() -> None:
    ways = [*KEPT, *SWAPPED, *JUDGED, *MUTED, *DROPPED, "mean"]
    assert sorted(ways) == sorted(get_args(RateName))


def test_differences_have_no_direction() -> None:
    for given in ({"rate": "mismatch", "limit": 0.02}, {"rate": "field", "path": "a", "limit": 0.1, "unit": "block"}):
        assert criterion(**given) == (given, [])
    mean = {"rate": "mean", "path": "a", "bound": 2.0, "limit": 0.1}
    assert criterion(**mean) == (mean, [])


@pytest.mark.parametrize(("rate", "now", "lacking"), [("missing", "extra", "new"), ("extra", "missing", "old")])
def test_what_the_new_version_lacks_is_now_the_old_versions_surplus(rate: str, now: str, lacking: str) -> None:
    found, notes = criterion(rate=rate, limit=0.003, min_units=7)
    assert found == {"rate": now, "limit": 0.003, "min_units": 7}
    (note,) = notes
    assert re.search(r"(\w+) (version|one) lacks", note)[1] == lacking  # type: ignore[index]  # a None fails too


@pytest.mark.parametrize(("better", "now"), [("higher", "lower"), ("lower", "higher")])
def test_a_signed_mean_is_better_the_other_way(better: str, now: str) -> None:
    found, _ = criterion(rate="mean", signed=True, better=better, path="a", bound=1.0, limit=0.1)
    assert found is not None
    assert found["better"] == now


@pytest.mark.parametrize(
    "given",
    [
        {"rate": "labels", "limit": 0.5},
        {"rate": "loss", "loss": "squared", "bound": 1.0, "margin": 0.1},
        {"rate": "loss", "loss": "auc", "margin": 0.1},
        {"rate": "loss", "loss": "value", "path": "profit", "bound": 1.0, "margin": 0.1},
    ],
)
def test_labels_and_losses_judge_production(given: dict[str, Any]) -> None:
    found, _ = criterion(**given)
    assert found == given | {"judged": "production"}
    assert Criterion.model_validate(found).id != Criterion.model_validate(given).id


@pytest.mark.parametrize("rate", sorted(MUTED))
def test_failures_of_the_old_version_decide_nothing(rate: str) -> None:
    found, notes = criterion(rate=rate, limit=0.01)
    assert found == {"rate": rate, "limit": 0.01, "muted": True}
    assert "muted" in notes[0]


def test_what_measures_only_the_candidate_is_left_out_with_its_reason() -> None:
    for given in (
        {"rate": "slower", "limit": 0.01},
        {"rate": "over", "limit": 0.01},
        {"rate": "latency", "quantile": 0.99, "ratio": 1.2},
        {"rate": "cost", "reference_ms": 1.0, "ratio": 2.0, "limit": 0.01},
        {"rate": "check", "check": "range", "path": "a", "limit": 0.01},
        {"rate": "twin", "limit": 0.5},
    ):
        found, (note,) = criterion(**given)
        assert found is None
        assert "left out" in note


def test_the_guards_judge_the_new_version_even_where_nothing_else_is_left() -> None:
    found = turn(judge={"criteria": [{"rate": "slower", "limit": 0.01}]}, compare={"latency": {"over_ms": 5}}).document
    config = Config.model_validate(found)
    assert {one.rate for one in config.judge.criteria if not one.muted} == {"missing", "extra"}
    assert {one.rate for one in config.judge.criteria if one.muted} == {"error", "duplicate"}


def test_it_runs_on_live_inputs_under_a_name_of_its_own() -> None:
    more = {"release": "r", "bounded": True, "twin": {"topic": "tw", "group": "tg"}, "start": "earliest"}
    judge = {"group_sequential": {"units": 9_000, "looks": 3}}
    found = turn(**more, judge=judge)
    assert not {"release", "bounded", "twin", "until"} & found.document.keys()
    assert "group_sequential" not in found.document["judge"]
    assert (found.document["name"], found.document["start"]) == ("t-back", "production-group")
    assert found.document["watch_over"] is True
    assert found.document["candidate"] == OLD
    Config.model_validate(found.document)
    assert [note for note in found.notes if note.startswith("twin is left out")]


def test_the_traffic_is_the_same_and_the_candidate_another() -> None:
    new = {"call": "new:f", "sample": 0.5, "partitioner": "crc32", "timeout_ms": 9}
    assert turn(candidate=new).document["candidate"] == OLD | {
        "sample": 0.5,
        "partitioner": "crc32",
    }


def test_rules_that_name_sides_change_them() -> None:
    rules = [
        {"path": "a", "values": {"ok": "good", "ko": "bad"}},
        {"path": "b", "round_ms": 5, "epoch": "s", "shadow_epoch": "us"},
        {"path": "c", "rtol": 0.1},
    ]
    expected = [
        {"name": "x", "paths": ["d"], "production": "p", "rate_max": 0.1, "until": "2030-01-01T00:00:00Z"},
    ]
    found = turn(compare={"rules": rules, "expected": expected})
    values, times, relative = found.document["compare"]["rules"]
    assert values["values"] == {"good": "ok", "bad": "ko"}
    assert (times["epoch"], times["shadow_epoch"]) == ("us", "s")
    assert relative == rules[2]
    (change,) = found.document["compare"]["expected"]
    assert (change.get("production"), change["shadow"]) == (None, "p")
    assert [note for note in found.notes if "rtol is relative" in note]


@pytest.mark.parametrize("values", [{"1": "a"}, {"a": "x", "b": "x"}, {"a": 1}, {"true": "yes"}])
def test_values_without_a_way_back_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="values of a cannot be turned round"):
        turn(compare={"rules": [{"path": "a", "values": values}]})


@pytest.mark.parametrize("added", ["ignore", "expected"])
def test_added_fields_must_be_named_because_they_are_productions_now(added: str) -> None:
    with pytest.raises(ConfigError, match="--ignore PATH"):
        turn(compare={"added_fields": added})
    found = turn(ignored=("fresh",), compare={"added_fields": added}).document
    assert found["compare"]["rules"] == [{"path": "fresh", "ignore": True}]


def test_formats_of_topics_that_are_no_longer_read_are_left_out() -> None:
    candidate = {"topic": "next", "group": "job", "version": "7"}
    formats = {"next": {"format": "text"}, "out": {"format": "text"}}
    found = turn(candidate=candidate, schemas={"formats": formats})
    assert found.document["schemas"]["formats"] == {"out": {"format": "text"}}
    Config.model_validate(found.document)
