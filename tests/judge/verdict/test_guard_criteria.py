"""Criteria that nobody forgets: missing, extra, error and duplicate are judged whatever else is written."""

from typing import Any

import pytest

from shadowstream.judge.verdict.verdict_notes import notes_of
from tests.judge.coverage.test_coverage import verdict
from tests.judge.stats_records import config

MISMATCH = {"rate": "mismatch", "limit": 0.01}
DOCUMENTED = [
    {"rate": "mismatch", "limit": 0.01, "unit": "key"},
    {"rate": "field", "path": "score", "limit": 0.005, "alpha": 0.01, "min_units": 20000},
    {"rate": "extra", "limit": 0.01, "critical": False},
    {"rate": "slower", "limit": 0.6, "muted": True},
    {"rate": "twin", "limit": 0.6, "trailing_units": 500, "required": False},
]
GOOD = {"match": 1_000, "input": 1_000}
BAD: dict[str, tuple[dict[str, int], str]] = {
    "silent on 99 %": ({"match": 1_000, "missing": 99_000, "input": 100_000}, "reject"),
    "raises on 99 %": ({"match": 1_000, "candidate_error": 99_000, "input": 100_000, "input_failed": 99_000}, "reject"),
    "undecodable on 99 %": ({"match": 1_000, "undecodable_shadow": 99_000, "input": 100_000}, "reject"),
    "repeats each record 100 times": ({"match": 1_000, "duplicate_shadow": 99_000, "input": 1_000}, "reject"),
    "invents 99 %": ({"match": 1_000, "extra": 99_000, "input": 100_000}, "reject"),
}


def by_rate(record: dict[str, Any], rate: str) -> dict[str, Any]:
    return next(one for one in record["criteria"] if one["rate"] == rate)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("criteria", [[MISMATCH], DOCUMENTED], ids=["mismatch alone", "the documented example"])
def test_a_candidate_is_not_promoted_by_criteria_that_leave_the_guards_out(
    bad: str, criteria: list[dict[str, Any]]
) -> None:
    outcomes, decision = BAD[bad]
    found = verdict([outcomes] * 24, config(criteria=criteria))
    # The documented example says that extra rejects nobody.
    assert found["decision"] == ("not_yet" if bad.startswith("invents") and criteria is DOCUMENTED else decision)


def test_guards_that_hold_stand_in_nobodys_way() -> None:
    found = verdict([GOOD] * 24, config(criteria=[MISMATCH]))
    assert found["decision"] == "promote"
    assert [one["rate"] for one in found["criteria"]] == ["mismatch", "missing", "extra", "error", "duplicate"]
    assert {one["limit"] for one in found["criteria"]} == {0.01}


def test_a_guard_that_is_written_is_judged_as_written() -> None:
    found = verdict([GOOD] * 24, config(criteria=[MISMATCH, {"rate": "missing", "limit": 0.2, "critical": False}]))
    assert [one["limit"] for one in found["criteria"] if one["rate"] == "missing"] == [0.2]


@pytest.mark.parametrize("rate", ["missing", "extra", "duplicate"])
def test_a_guard_is_muted_by_name_only_and_every_verdict_shows_it(rate: str) -> None:
    outcome = {"missing": "missing", "extra": "extra", "duplicate": "duplicate_shadow"}[rate]
    muted = [MISMATCH, {"rate": rate, "limit": 0.01, "muted": True}]
    hours = [GOOD | {outcome: 200}] * 24
    found = verdict(hours, config(criteria=muted, min_coverage=0.5))
    assert found["decision"] == "promote"
    assert f"muted, so they decide nothing: {rate}" in notes_of(found)
    assert verdict(hours, config(criteria=[MISMATCH], min_coverage=0.5))["decision"] == "reject"


def test_coverage_is_in_force_where_all_guards_are_muted() -> None:
    muted = [{"rate": rate, "limit": 0.01, "muted": True} for rate in ("missing", "extra", "error", "duplicate")]
    found = verdict([GOOD | {"undecodable_production": 200}] * 24, config(criteria=[MISMATCH, *muted]))
    assert found["decision"] == "not_yet"
    assert found["reasons"][0].startswith("coverage: ")


def test_repeats_of_production_hold_promote_back_and_reject_nobody() -> None:
    settings = config(min_coverage=0.0)
    own = verdict([GOOD | {"duplicate_production": 3_000}] * 24, settings)
    assert own["decision"] == "not_yet"
    assert by_rate(own, "duplicate")["s"] == 72_000
    assert not by_rate(own, "duplicate")["shown_bad"]
    # A candidate that does as production does repeats as often.
    for kind in ("duplicate", "repeated"):
        both = GOOD | {f"{kind}_production": 3_000, f"{kind}_shadow": 3_000}
        assert verdict([both] * 24, settings)["decision"] == "not_yet"
        more = GOOD | {f"{kind}_production": 1_000, f"{kind}_shadow": 3_000}
        assert verdict([more] * 24, settings)["decision"] == "reject"


@pytest.mark.parametrize("unit", ["record", "block"])
@pytest.mark.parametrize("lost", ["undecodable_production", "unpairable_production", "evicted"])
def test_partners_of_unreadable_records_are_no_fault_of_the_candidate(lost: str, unit: str) -> None:
    criteria = [MISMATCH, {"rate": "extra", "limit": 0.01, "unit": unit}]
    unread = verdict([{"match": 100, "input": 1_000, lost: 900, "extra": 900}] * 24, config(criteria=criteria))
    assert unread["decision"] == "not_yet"
    assert unread["incidents_open"] == []
    invented = verdict([{"match": 1_000, "input": 2_000, lost: 5, "extra": 900}] * 24, config(criteria=criteria))
    assert invented["decision"] == "reject"


@pytest.mark.parametrize("lost", ["unpairable_shadow", "undecodable_shadow"])
def test_the_candidate_pays_once_for_what_it_wrote_and_nobody_can_use(lost: str) -> None:
    found = verdict([{"match": 100, "input": 1_000, lost: 900, "missing": 900}] * 24)
    assert found["decision"] == ("reject" if lost == "undecodable_shadow" else "not_yet")
    assert not by_rate(found, "missing")["shown_bad"]


def test_a_silent_candidate_is_rejected_despite_a_few_unpairable_records() -> None:
    found = verdict([{"match": 1_000, "missing": 100, "unpairable_shadow": 3, "input": 1_100}] * 24)
    assert found["decision"] == "reject"
    assert found["reasons"][0].startswith("missing: ")
