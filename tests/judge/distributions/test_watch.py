"""Distributions through the judge's step: what is shown, what alarms, and that nothing of it decides."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shadowstream.codecs.own import decode, encode
from shadowstream.config import Config
from shadowstream.judge.distributions.words import distribution_lines
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from tests.judge.calibration_of_distributions import (
    TASK,
    Values,
    events_of,
    fine_counts,
    of_the_judge,
    record_of,
    settings_of,
)
from tests.judge.stats_records import HOUR_MS, REVISION, config

SCORE = {"path": "score", "bins": 10}
Records = list[dict[str, Any]]


def records_of(values: Values, seed: int = 1) -> Records:
    dice = np.random.default_rng(seed)
    return [
        record_of(index, {"score": fine_counts(*values.window(dice, index))}, values.units)
        for index in range(values.windows)
    ]


def played(settings: Config, records: Records, restart_at: int | None = None) -> tuple[JudgeStep, Records]:
    """The judge after these records, and all drift events."""
    step, events = JudgeStep(settings, REVISION, [TASK]), list[dict[str, Any]]()
    for index, record in enumerate(records):
        step.step(0, index, record)
        if index == restart_at:
            events += events_of(step)
            state = decode(encode("judge_state", step.state()))[1]
            step = JudgeStep(settings, REVISION, [TASK])
            step.restore(state)
    return step, events + events_of(step)


def settings(psi_min: float = 0.1, **judge: Any) -> Config:
    return settings_of([SCORE], {"psi_min": psi_min}, **({"min_duration_ms": 6 * HOUR_MS} | judge))


def row(step: JudgeStep, compared: str) -> dict[str, Any]:
    verdict = decode(encode("verdict", step.verdict(0)))[1]
    (found,) = [one for one in verdict["distributions"] if one["compared"] == compared]
    return dict(found)


SHIFTED = Values(units=2_000, windows=40, shift=0.6, agree=0.5)
MOVED = Values(units=2_000, windows=48, later=0.6, agree=0.9)


def test_a_shifted_candidate_alarms_once_and_the_sentence_names_the_bin() -> None:
    step, events = played(settings(), records_of(SHIFTED))
    opened = [event for event in events if event["event"] == "opened"]
    assert [event["criterion"] for event in opened] == ["distribution:score:sides"]
    assert opened[0]["detector"] == "psi"
    assert opened[0]["window_start_ms"] >= 12 * HOUR_MS  # before that, clusters are unknown
    found = row(step, "sides")
    assert found["incident"] == opened[0]["incident"]
    assert found["psi"] > 0.3
    (line,) = [one for one in distribution_lines(step.verdict(0)) if "incident" in one]
    documented = (Path(__file__).parents[3] / "docs" / "judging.md").read_text(encoding="utf-8")
    assert line in " ".join(documented.split())


def test_a_moved_population_alarms_on_both_sides_and_not_between_them() -> None:
    _, events = played(settings(), records_of(MOVED))
    opened = {event["criterion"] for event in events if event["event"] == "opened"}
    assert opened == {"distribution:score:production", "distribution:score:candidate"}


def test_an_incident_closes_once_the_values_are_back() -> None:
    back = replace(SHIFTED, windows=8, shift=0.0)
    dice = np.random.default_rng(3)
    more = [record_of(40 + index, {"score": fine_counts(*back.window(dice, index))}, back.units) for index in range(8)]
    step, events = played(settings(), [*records_of(SHIFTED), *more])
    # The candidate's own values have changed over time, which is an incident of its own.
    events = [event for event in events if event["criterion"].endswith(":sides")]
    assert [event["event"] for event in events] == ["opened", "closed"]
    assert events[1]["incident"] == events[0]["incident"]
    assert row(step, "sides")["incident"] is None


def test_a_small_shift_alarms_only_where_it_is_asked_for() -> None:
    small = replace(SHIFTED, units=8_000, windows=20, shift=0.15)
    assert played(settings(), records_of(small))[1] == []
    assert {event["event"] for event in played(settings(psi_min=0.0), records_of(small))[1]} == {"opened"}


def test_distributions_change_neither_decision_nor_evidence() -> None:
    """The same trial with and without the fields, while an incident is open: same decision, reasons and digest."""
    records = records_of(SHIFTED)
    watched = played(settings(), records)[0].verdict(0)
    assert watched["distributions"][0]["incident"] is not None
    plain_settings = config(criteria=[{"rate": "mismatch", "limit": 0.5}], min_duration_ms=6 * HOUR_MS)
    plain = played(plain_settings, records)[0].verdict(0)
    same = ("decision", "reasons", "criteria", "outcomes", "incidents_open", "caveats")
    unseen = "distribution of 'score' matched no field"
    watched["caveats"] = [one for one in watched["caveats"] if not one.startswith(unseen)]
    assert {name: watched[name] for name in same} == {name: plain[name] for name in same}
    assert watched["decision"] == "promote"


def test_neither_a_restart_nor_a_split_changes_a_byte() -> None:
    records = records_of(replace(MOVED, units=300))
    whole, events = played(settings(), records)
    for restart_at in (1, 4, 30):  # while bins are learnt, in the first season, in an incident
        again, events_again = played(settings(), records, restart_at)
        assert again.distributions.rows() == whole.distributions.rows()
        assert events_again == events


def test_bins_are_learnt_from_the_first_windows_of_both_sides() -> None:
    step, _ = played(settings(), records_of(Values(units=500, windows=6, agree=0.0)))
    found = row(step, "sides")
    assert len(found["bins"]) == 10
    # Two windows of 500 pairs are the 1,000 that ten bins need; the rest have their tenth in each bin.
    assert all(abs(one["before"] - 50) < 30 for one in found["bins"])
    assert found["tests"] == 4


def test_numbers_of_one_value_have_a_bin_of_their_own() -> None:
    counts = {"score": {"640": [200, 199, 199], "(other)": [0, 1, 0]}}
    step, _ = played(settings(), [record_of(index, counts, 200) for index in range(8)])
    bins = [(one["bin"], one["before"], one["after"]) for one in row(step, "sides")["bins"]]
    assert bins == [("all numbers", 200, 199), ("(other)", 0, 1)]


def test_a_bin_without_a_meaning_stops_no_judge() -> None:
    counts = {"score": {"640": [100, 100, 100], "700": [50, 50, 50], "--5": [50, 50, 50]}}
    step, _ = played(settings(), [record_of(index, counts, 200) for index in range(8)])
    assert [one["bin"] for one in row(step, "sides")["bins"]][-1] == "(other)"


def test_a_verdict_says_what_a_comparison_waits_for() -> None:
    records = records_of(Values(units=500, windows=7))
    begin = distribution_lines(played(settings(), records[:1])[0].verdict(0))
    assert begin[0] == "distribution of score: its bins are learnt from the first 1,000 pairs, 500 came"
    later = distribution_lines(played(settings(), records[:4])[0].verdict(0))
    assert "no alarm before 12 blocks of windows" in later[0]
    assert later[1] == "distribution of score: the first season of production has 4 of 6 windows"
    step, _ = played(settings(), records)
    verdict = step.verdict(0)
    assert distribution_lines(verdict)[0] in explain(verdict, "not_yet", verdict["reasons"]).notes


@pytest.mark.parametrize("counts", [{"1": [5, 4, 0]}, {"1": [5, 5, 6]}, {"1": [-5, -5, -5]}])
def test_impossible_counts_are_left_out_and_named(counts: dict[str, list[int]]) -> None:
    records = records_of(Values(units=500, windows=4))
    records[3] = record_of(3, {"score": counts}, 500)
    step, _ = played(settings(), records)
    assert "counts of 1 windows make no sense" in row(step, "sides")["waits"]
    assert row(step, "sides")["tests"] == 1


def test_a_field_of_too_many_values_is_compared_between_sides_only() -> None:
    own = settings_of([{"path": "score", "categories": 5}], {}, min_duration_ms=6 * HOUR_MS)
    of_values = {f"v{number}": [4, 4, 4] for number in range(300)}
    step, _ = played(own, [record_of(index, {"score": of_values}, 1_200) for index in range(20)])
    assert row(step, "sides")["tests"] == 19
    assert row(step, "production")["tests"] == 0
    assert "more than 200 values" in row(step, "production")["waits"]


def test_values_in_clusters_alarm_as_rarely_as_the_budget() -> None:
    setting = Values(units=400, windows=40, runs=4, burst=10)
    assert [line for line, holds in of_the_judge(setting, 1, name="clusters") if not holds] == []
