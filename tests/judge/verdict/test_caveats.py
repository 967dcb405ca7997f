"""What a verdict says that it cannot know, and how a candidate is judged whose inputs nobody counts for us."""

import math
from typing import Any

import pytest

from shadowstream.config import Config, Drift
from shadowstream.judge.criteria import rates_of
from shadowstream.judge.drift.rate_monitor import RateMonitor, Subject
from shadowstream.judge.verdict.caveats import REPEATED_NAMES, caveats_of
from shadowstream.judge.verdict.criterion_units import measure_of
from shadowstream.judge.verdict.verdict import build
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import JudgeLoop, hourly_records, judged
from tests.judge.verdict.test_verdict import GOOD_HOUR, by_rate, case

HOUR = {"match": 1000}
CRITERIA = [{"rate": rate, "limit": 0.01} for rate in ("mismatch", "missing", "extra", "error")]


def trial(**parts: Any) -> Config:
    """A trial with these parts of the config."""
    document = {
        "name": "fraud",
        "inputs": ["payments"],
        "production": {"outputs": ["scores"], "group": "scorer", "commits": "after_output"},
        "candidate": {"call": "candidates:score"},
    }
    return Config.model_validate(document | parts)


def adopted(**parts: Any) -> Config:
    """A trial whose candidate is a job of its own."""
    candidate = {"topic": "next", "group": "next-scorer", "version": "7", "commits": "after_output"}
    return trial(**{"candidate": candidate | parts.pop("candidate", {}), **parts})


def last(hours: list[dict[str, int]], settings: Config) -> dict[str, Any]:
    return judged(hourly_records(hours), every=10**6, settings=settings).of("verdict")[-1]


def test_a_trial_that_knows_everything_has_no_caveat() -> None:
    assert caveats_of(trial(), {"match": 5}) == []


def test_what_a_cost_does_not_see_is_reported() -> None:
    criterion = {"rate": "cost", "reference_ms": 2.5, "ratio": 1.5, "limit": 0.01}
    (caveat,) = caveats_of(trial(judge={"criteria": [criterion]}), {"match": 5})
    assert caveat.startswith("cost: that production takes 2.5 ms of CPU time an input is the config's word")
    assert "without threads and processes of its own" in caveat


def test_that_only_the_last_value_of_a_repeated_name_counts_is_reported() -> None:
    settings = trial(compare={"duplicate_names": "last"})
    (caveat,) = caveats_of(settings, {"match": 5, REPEATED_NAMES: 3})
    assert caveat.startswith("compare.duplicate_names is last: 3 pairs ")


def test_at_least_once_is_reported() -> None:
    (caveat,) = caveats_of(trial(delivery="at_least_once"), {})
    assert caveat.startswith("delivery is at_least_once: a crash repeats records")


def test_an_external_candidate_has_no_ledgers_1_and_2() -> None:
    version, ledgers, error = caveats_of(adopted(), {})
    assert "version '7'" in version
    assert ledgers.startswith("ledgers 1 and 2 do not exist")
    assert error.startswith("error: inputs on which the candidate failed are not judged, because")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (adopted(candidate={"commits": "unknown"}), "missing is not exact: candidate.commits is unknown"),
        (trial(production={"outputs": ["scores"]}), "extra is not exact: production.commits is unknown"),
        (trial(identity={"kind": "occurrence"}), "identity is occurrence: a record that production wrote twice"),
        (trial(twin={"topic": "again"}), "the twin's counts are not exact: twin.commits is unknown"),
    ],
)
def test_what_is_not_exact_is_reported(settings: Config, found: str) -> None:
    assert [caveat for caveat in caveats_of(settings, {}) if caveat.startswith(found)]


def test_what_is_exact_is_not_called_inexact() -> None:
    twin = {"topic": "again", "group": "g", "commits": "after_output"}
    assert not [caveat for caveat in caveats_of(adopted(twin=twin), {}) if "not exact" in caveat]
    lenient = adopted(candidate={"commits": "unknown"}, judge={"criteria": [{"rate": "mismatch", "limit": 0.1}]})
    assert not [caveat for caveat in caveats_of(lenient, {}) if "not exact" in caveat]


def test_records_of_production_that_came_twice_are_reported() -> None:
    (caveat,) = caveats_of(trial(), {"match": 5, "duplicate_production": 3})
    assert caveat.startswith("3 records of production came twice")


def test_what_cannot_be_decoded_is_reported_where_no_criterion_judges_it() -> None:
    only = {"criteria": [{"rate": "mismatch", "limit": 0.1}]}
    (caveat,) = caveats_of(trial(judge=only), {"undecodable_shadow": 3})
    assert caveat.startswith("3 records of the candidate cannot be decoded")
    assert caveats_of(trial(), {"undecodable_shadow": 3}) == []


def test_an_external_candidate_that_agrees_is_promoted_without_counted_inputs() -> None:
    record = last([HOUR] * 24, adopted())
    assert record["decision"] == "promote"
    assert record["candidate_isolation"] == "external"
    assert any("error: 0 % failed (0 of 24,000 shadow records)" in reason for reason in record["reasons"])
    assert any(caveat.startswith("error: inputs on which") for caveat in record["caveats"])


def test_an_external_candidate_with_undecodable_output_is_rejected() -> None:
    record = last([{"match": 900, "undecodable_shadow": 100}] * 24, adopted())
    assert record["decision"] == "reject"
    assert record["reasons"][0].startswith("error: 10 % failed (100 of 1,000 shadow records)")
    few = last([HOUR] * 23 + [{"match": 999, "undecodable_shadow": 1}], adopted())
    assert (few["decision"], by_rate(few, "error")["n"], by_rate(few, "error")["s"]) == ("promote", 24_000, 1)


def test_a_config_that_asks_for_error_is_not_yet_with_advice() -> None:
    record = last([HOUR] * 24, adopted(judge={"criteria": CRITERIA}))
    assert record["decision"] == "not_yet"
    (reason,) = record["reasons"]
    assert reason.startswith("error: judge.criteria asks for it and it cannot be judged")
    assert "Take error out of judge.criteria" in reason
    assert last([GOOD_HOUR] * 24, config(criteria=CRITERIA))["decision"] == "promote"


def test_without_counted_inputs_the_candidates_records_are_the_units_of_error() -> None:
    outcomes = {"match": 5, "missing": 9, "extra": 2, "undecodable_shadow": 3, "input": 1, "input_failed": 1}
    assert rates_of(adopted())["error"].counts(outcomes) == (10, 3)
    assert rates_of(trial())["error"].counts(outcomes) == (4, 4)
    measure = measure_of(adopted(judge={"criteria": CRITERIA}).judge.criteria[-1], adopted())
    assert (measure.id, measure.raw(outcomes, {})) == ("error", (10, 3))


JOINT = {"twin_match": 990, "twin_mismatch": 5, "twin_missing": 2, "twin_extra": 1, "joint_neither": 990} | {
    "joint_shadow": 4, "joint_twin": 3, "joint_both": 3, "duplicate_twin": 7, "unpairable_twin": 1
}  # fmt: skip


def test_outcomes_of_the_twin_are_kept_and_shown_and_change_no_rate() -> None:
    with_twin, without = build(case(*[GOOD_HOUR | JOINT] * 24), 7), build(case(*[GOOD_HOUR] * 24), 7)
    assert with_twin["decision"] == without["decision"] == "promote"
    assert with_twin["criteria"] == without["criteria"]
    assert with_twin["coverage"] == without["coverage"] == 1
    assert {name: with_twin["outcomes"][name] for name in JOINT} == {name: 24 * n for name, n in JOINT.items()}


def test_a_caveat_is_part_of_the_evidence() -> None:
    vague = trial(production={"outputs": ["scores"], "group": "scorer"})
    assert build(case(GOOD_HOUR, settings=vague), 7)["evidence_digest"] != build(case(GOOD_HOUR), 7)["evidence_digest"]


def test_detectors_of_a_job_of_its_own_speak_of_its_records() -> None:
    loop = JudgeLoop(settings=adopted())
    for record in hourly_records([HOUR] * 10 + [{"match": 700, "undecodable_shadow": 300}] * 3):
        loop.give(record)
    loop.evaluate()
    opened = [event for event in loop.of("drift") if event["event"] == "opened"]
    assert [event["criterion"] for event in opened] == ["error"]
    assert "shadow records" in opened[0]["reason"]


def test_a_history_too_short_for_adwin_is_named_until_long_enough() -> None:
    def notes(hours: int) -> list[str]:
        loop = JudgeLoop(settings=config(criteria=[{"rate": "mismatch", "limit": 0.01}]))
        for hour in range(hours):
            window = cell(hour * HOUR_MS, match=100)
            loop.give(stats("scores/0", hour + 1, window, watermark_ms=(hour + 1) * HOUR_MS))
        return list(loop.evaluate()["caveats"])

    # Two hours are one window of 200 records.
    (caveat,) = notes(20)
    assert (
        "no change over time can be seen yet in mismatch, missing, extra, duplicate: ADWIN needs more than 10 windows"
        in caveat
    )
    assert notes(22) == notes(0) == []


def test_values_that_are_no_number_are_counted_in_the_verdict() -> None:
    watch = RateMonitor(Subject("mean:score", "pairs", 0.1), Drift(min_records=1), REVISION, 1000.0)
    for hour in range(12):
        watch.feed(hour * HOUR_MS, (hour + 1) * HOUR_MS, 10, 1)
    watch._adwin.update(0, math.nan)  # counts cannot give one; a rate that could would come this way
    caveat = caveats_of(config(), {}, (), [watch])
    assert "values that are no finite number were kept from ADWIN: 1 of mean:score" in caveat


def test_functions_that_decide_what_agrees_are_named() -> None:
    rules = [{"path": "a", "call": "mine:near"}, {"path": "b", "normalise": ["trim", "mine:clean"]}]
    (caveat,) = caveats_of(trial(compare={"rules": rules}), {"match": 5})
    assert caveat == "functions of compare decide what agrees, and run with the joiner's rights: mine:clean, mine:near"


def test_a_candidate_whose_process_ends_is_reported_with_the_number_of_inputs() -> None:
    (caveat,) = caveats_of(trial(), {"match": 5, "crashed": 1_200, "timeout": 3})
    assert caveat.startswith("the candidate ended its process, or gave no answer in time, on 1,203 inputs")
    inside = trial(candidate={"call": "m:f", "isolation": "in-process", "trusted": True})
    assert caveats_of(inside, {"crashed": 1}) == []
