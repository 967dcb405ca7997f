"""Sub-windows: detectors read them before their window closes, and arrival order changes nothing."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.judge.replay import widened
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows.event_windows import ClosedWindow, Windows
from shadowstream.judge.windows.sub_windows import ClosedSubWindow
from shadowstream.records import SUB_WINDOWS
from tests.judge.calibration_of_distributions import events_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, interleaved, stats

A, B = "scores/0", "scores/1"
SUB_MS = HOUR_MS // SUB_WINDOWS


def timed(start_ms: int, number: int, width_ms: int = HOUR_MS, **outcomes: int) -> dict[str, Any]:
    """A delta of one window, whose outcomes are all of one sub-window."""
    sub_windows = [{"number": number, "outcomes": dict(outcomes)}]
    return {**cell(start_ms, REVISION, None, **outcomes), "width_ms": width_ms, "sub_windows": sub_windows}


def test_a_sub_window_closes_once_every_task_is_past_it() -> None:
    windows = Windows(REVISION, HOUR_MS, [A, B])
    assert windows.add(stats(A, 1, timed(0, 0, match=3), timed(0, 1, match=1), watermark_ms=2 * SUB_MS)) == []
    closed = windows.add(stats(B, 1, timed(0, 0, mismatch=1), watermark_ms=SUB_MS))
    assert closed == [ClosedSubWindow(0, SUB_MS, {"match": 3, "mismatch": 1})]
    *sub_windows, window = windows.add(stats(B, 2, watermark_ms=HOUR_MS)) + windows.add(
        stats(A, 2, watermark_ms=HOUR_MS)
    )
    assert sub_windows == [ClosedSubWindow(SUB_MS, 2 * SUB_MS, {"match": 1})]
    assert isinstance(window, ClosedWindow)
    assert window.outcomes == {"match": 4, "mismatch": 1}


def test_counts_late_for_their_sub_window_count_with_the_window() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    assert windows.add(stats(A, 1, watermark_ms=SUB_MS)) == []
    (closed,) = windows.add(stats(A, 2, timed(0, 0, mismatch=1), watermark_ms=HOUR_MS))
    assert isinstance(closed, ClosedWindow)
    assert (closed.outcomes, windows.late) == ({"mismatch": 1}, 0)


def test_sub_windows_of_another_width_are_ignored() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    (closed,) = windows.add(stats(A, 1, timed(0, 0, 3 * HOUR_MS, match=1), watermark_ms=HOUR_MS))
    assert isinstance(closed, ClosedWindow)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_interleaving_of_tasks_closes_the_same_sub_windows(draw: random.Random) -> None:
    def of_task(task: str) -> list[dict[str, Any]]:
        records, mark_ms = [], 0
        for seq in range(1, 13):
            mark_ms += draw.randrange(2 * SUB_MS)
            deltas = [timed(draw.randrange(3) * HOUR_MS, draw.randrange(SUB_WINDOWS), match=seq) for _ in range(3)]
            records.append(stats(task, seq, *deltas, watermark_ms=mark_ms))
        return [*records, stats(task, 13, complete=True)]

    tasks = [of_task(A), of_task(B)]
    histories = []
    for _ in range(3):
        windows = Windows(REVISION, HOUR_MS, [A, B])
        history = []
        for record in interleaved(draw, tasks):
            history += windows.add(record)
            state = windows.snapshot()
            windows = Windows(REVISION, HOUR_MS, [A, B])
            windows.restore(state)
        histories.append(history)
    assert any(isinstance(closed, ClosedSubWindow) for closed in histories[0])
    assert histories[0] == histories[1] == histories[2]


def test_narrower_stored_windows_keep_their_sub_windows_in_order() -> None:
    records = [stats(A, 1, *(timed(hour * HOUR_MS, number, match=1) for hour in range(3) for number in range(12)))]
    (record,) = widened(records, 3 * HOUR_MS)
    numbers = [one["number"] for window in record["windows"] for one in window["sub_windows"]]
    assert numbers == [index // 3 for index in range(36)]
    assert {(window["start_ms"], window["width_ms"]) for window in record["windows"]} == {(0, 3 * HOUR_MS)}


def opened_at(with_sub_windows: bool) -> list[int]:
    """When incidents open, in sub-windows of event time: 500 pairs an hour, from hour 60 on 12 % of them differ."""
    step = JudgeStep(config(criteria=[{"rate": "mismatch", "limit": 0.02}]), REVISION, [A])
    for index in range(62 * SUB_WINDOWS):
        hour, number = divmod(index, SUB_WINDOWS)
        bad = 5 if hour >= 60 else int(number == 0)
        delta = timed(hour * HOUR_MS, number, match=42 - bad, mismatch=bad)
        if not with_sub_windows:
            delta = cell(hour * HOUR_MS, **delta["outcomes"])
        step.step(0, index, stats(A, index + 1, delta, watermark_ms=(index + 1) * SUB_MS))
        if hour >= 59 and (incidents := step.verdict(0)["incidents_open"]):
            assert incidents[0].startswith("mismatch-")
            return [index]
    return []


def test_a_record_and_its_excuse_in_two_sub_windows_open_nothing() -> None:
    """Production's time of a record that has no id is later than the candidate's, by about a sub-window."""
    step = JudgeStep(config(), REVISION, [A])
    for index in range(16 * SUB_WINDOWS):
        hour, number = divmod(index, SUB_WINDOWS)
        bad = {} if hour < 12 else {"extra": 4} if number % 2 == 0 else {"unpairable_production": 4}
        delta = timed(hour * HOUR_MS, number, match=38, **bad)
        step.step(0, index, stats(A, index + 1, delta, watermark_ms=(index + 1) * SUB_MS))
    assert events_of(step) == []


def test_an_incident_opens_before_its_window_has_closed() -> None:
    (soon,), (late,) = opened_at(True), opened_at(False)
    assert 60 * SUB_WINDOWS <= soon < 60 * SUB_WINDOWS + 6
    assert late == 61 * SUB_WINDOWS - 1
