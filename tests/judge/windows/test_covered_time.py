"""A trial lasts as long as it has traffic, not from its first record to its last."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from shadowstream.judge.windows.covered_time import SLOTS_MAX, CoveredTime
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats

DAY_MS = 24 * HOUR_MS
OF_2015 = 400_000
BUSY = 3_000
TASK = "scores/0"


def verdict_of(traffic: dict[int, int], **judge: Any) -> dict[str, Any]:
    """The verdict of windows with so many matches, by the hour at which they begin."""
    step = JudgeStep(config(**judge), REVISION, [TASK])
    for seq, (hour, matches) in enumerate(sorted(traffic.items()), start=1):
        held = cell(hour * HOUR_MS, match=matches, input=matches)
        step.step(0, seq, stats(TASK, seq, held, watermark_ms=(hour + 1) * HOUR_MS))
    step.step(0, len(traffic) + 1, stats(TASK, len(traffic) + 1, complete=True))
    return step.verdict(0)


SHORT = {
    "one hour": {OF_2015: BUSY},
    "one record of 1970, one hour": {0: 1, OF_2015: BUSY},
    "one record, 22 h nothing, one hour": {0: 1, 23: BUSY},
    "one hour, one record a day ahead": {0: BUSY, 24: 1},
    "a record in each hour of a day, one hour": dict.fromkeys(range(24), 1) | {24: BUSY},
    "a record on each of 400 days, one hour": dict.fromkeys(range(0, 400 * 24, 24), 1) | {OF_2015: BUSY},
    "records of before 1970, one hour": {-30: 1, -2: 2, OF_2015: BUSY},
    "two hours, a day apart": {0: BUSY, 23: BUSY},
    "an hour of few, a record here and there": {0: 500, 5: 1, 11: 1, 17: 2, 23: 1},
}


@pytest.mark.parametrize("traffic", SHORT.values(), ids=SHORT)
def test_an_hour_of_traffic_is_no_day(traffic: dict[int, int]) -> None:
    verdict = verdict_of(traffic)
    assert verdict["decision"] == "not_yet"
    assert verdict["covered_ms"] < 5 * HOUR_MS
    (why,) = (reason for reason in verdict["reasons"] if "judge.min_duration_ms" in reason)
    assert why.startswith("covered ")


LONG = {
    "a day, evenly": dict.fromkeys(range(24), 100),
    "a day whose nights are a tenth": {hour: 2_000 if hour % 24 > 7 else 200 for hour in range(24)},
    "two days with nothing at night": {hour: 300 for hour in range(48) if hour % 24 > 9},
    "a day before 1970": dict.fromkeys(range(-24, 0), 100),
}


@pytest.mark.parametrize("traffic", LONG.values(), ids=LONG)
def test_a_day_of_traffic_is_a_day(traffic: dict[int, int]) -> None:
    verdict = verdict_of(traffic)
    assert (verdict["decision"], verdict["covered_ms"] >= DAY_MS) == ("promote", True)


def test_gate_and_explain_name_what_is_covered() -> None:
    verdict = verdict_of({0: 1, 21: BUSY})
    assert verdict["reasons"] == [
        "covered 1.003 h of the 24 h needed (span 22 h): only event time with traffic counts; the trial is at "
        "its end: run one over more of it, or set a smaller judge.min_duration_ms"
    ]
    explained = explain(verdict, verdict["decision"], verdict["reasons"])
    assert "covered 1.003 h of the 24 h needed (span 22 h)" in explained.notes
    assert "let it run" not in " ".join(explained.todo)


def test_warm_up_and_what_could_not_be_compared_covers_nothing() -> None:
    step = JudgeStep(config(), REVISION, [TASK])
    for hour in range(30):
        held = cell(hour * HOUR_MS, **({"match": 900} if hour == 3 else {"warm_up": 900, "undecodable_production": 5}))
        step.step(0, hour, stats(TASK, hour + 1, held, watermark_ms=(hour + 1) * HOUR_MS))
    assert step.verdict(0)["covered_ms"] == HOUR_MS


def test_short_windows_of_few_records_are_no_gaps() -> None:
    minute_ms = 60_000
    covered = CoveredTime(minute_ms, DAY_MS)
    for minute in range(0, 24 * 60, 7):
        covered.add(minute * minute_ms, 1)
    assert covered.covered_ms == covered.span_ms == (205 * 7 + 1) * minute_ms


def test_a_correction_covers_no_time_a_late_record_its_window() -> None:
    covered = CoveredTime(HOUR_MS, DAY_MS)
    covered.add(5 * HOUR_MS, 100)
    covered.add(5 * HOUR_MS, 0)
    assert (covered.covered_ms, covered.span_ms) == (HOUR_MS, HOUR_MS)
    covered.add(HOUR_MS, 100)
    assert (covered.covered_ms, covered.span_ms) == (2 * HOUR_MS, 5 * HOUR_MS)
    covered.add(HOUR_MS, -100)
    assert covered.covered_ms == HOUR_MS


def test_no_number_of_windows_fills_the_memory() -> None:
    covered = CoveredTime(HOUR_MS, DAY_MS)
    for hour in range(5 * SLOTS_MAX):
        covered.add(hour * HOUR_MS, 10)
    assert len(covered.counts()) <= SLOTS_MAX
    assert covered.covered_ms == covered.span_ms == 5 * SLOTS_MAX * HOUR_MS


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 1_000)), max_size=40), st.integers(0, 2**32))
def test_it_is_within_the_span_whatever_the_order_and_the_restarts(windows: list[tuple[int, int]], seed: int) -> None:
    one, other = CoveredTime(HOUR_MS, DAY_MS), CoveredTime(HOUR_MS, DAY_MS)
    for hour, records in windows:
        one.add(hour * HOUR_MS, records)
    random.Random(seed).shuffle(windows)
    for hour, records in windows:
        other.add(hour * HOUR_MS, records)
        again = CoveredTime(HOUR_MS, DAY_MS)
        again.restore(other.snapshot())
        other = again
    assert one.covered_ms == other.covered_ms <= one.span_ms == other.span_ms
    hours = {hour for hour, _ in windows}
    assert one.covered_ms <= len(hours) * HOUR_MS
    typical = [records for _, records in windows if len(hours) == len(windows)]
    if typical and min(typical) >= max(typical) / 10:
        assert one.covered_ms == len(hours) * HOUR_MS
