"""Rejects under corrections: what was said missing and came after all is held against nobody, all else stays."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.config import Config
from shadowstream.judge.verdict.criterion_units import measure_of
from shadowstream.judge.verdict.reject_latch import LastingIncident, RejectLatch
from shadowstream.judge.windows.closed_window import END, ClosedWindow
from tests.judge.stats_records import HOUR_MS, Trial, cell, config, stats
from tests.judge.test_step import JudgeLoop, judged

A = "scores/0"
DAYS_MS = 40 * 24 * HOUR_MS
"""Long enough for every correction of these tests to be in time."""


def level(correctable_ms: int = DAYS_MS, rate: str = "missing") -> RejectLatch:
    trial = config().model_copy(update={"correctable_ms": correctable_ms})
    return RejectLatch(measure_of(next(one for one in trial.judge.criteria if one.rate == rate), trial), trial)


def closed(hour: int, corrections: dict[int, dict[str, int]] | None = None, **outcomes: int) -> ClosedWindow:
    at = {of * HOUR_MS: deltas for of, deltas in (corrections or {}).items()}
    return ClosedWindow(hour * HOUR_MS, (hour + 1) * HOUR_MS, outcomes, at, {})


def came(n: int) -> dict[str, int]:
    return {"missing": -n, "match": n}


def test_a_reject_resting_on_corrected_records_is_withdrawn_with_a_caveat() -> None:
    one = level()
    one.close(closed(0, match=70, missing=30), None)
    entry = one.reason
    assert entry is not None
    assert entry.startswith("missing: 30 % missing (30 of 100 production records)")
    one.close(closed(1, {0: came(30)}, match=100), None)
    assert (one.reason, one.withdrawn) == (None, entry)


@pytest.mark.parametrize("early", [True, False])
def test_a_withdrawn_reject_is_reported_alike_whenever_a_loss_becomes_known(early: bool) -> None:
    one, lost = level(), {"undecodable_shadow": 25}
    if early:
        one.excuse(lost)
    one.close(closed(0, match=70, missing=30), None)
    one.close(closed(1, {0: came(30)}, match=100), None)
    if not early:
        assert one.undone is not None
        one.excuse(lost)
    assert (one.reason, one.undone) == (None, None)


def test_a_reject_stays_while_the_rest_is_bad_and_counts_the_rest() -> None:
    one = level()
    one.close(closed(0, match=70, missing=30), None)
    one.close(closed(1, {0: came(20)}, match=100_000), None)
    assert one.reason is not None
    assert one.reason.startswith("missing: 10 % missing (10 of 100 production records)")
    assert one.withdrawn is None


def test_a_correction_of_another_window_does_not_undo_what_a_closing_showed() -> None:
    one = level()
    one.close(closed(0, match=70, missing=30), None)
    one.close(closed(1, match=0, missing=30), None)
    one.close(closed(2, {1: came(30)}, match=100_000), None)
    assert one.reason is not None
    assert "30 of 100" in one.reason


def test_a_correction_for_the_worse_counts_at_the_close_of_its_window() -> None:
    one = level(rate="mismatch")
    one.close(closed(0, match=90, missing=10), None)
    one.close(closed(1, match=100_000), None)
    assert one.reason is None
    # 10 of 100 at the first closing, as an in-order run would have seen; long diluted by now.
    one.close(closed(2, {0: {"missing": -10, "mismatch": 10}}, match=100_000), None)
    assert one.reason is not None
    assert "10 of 100 pairs" in one.reason


def test_what_no_correction_reaches_any_more_is_settled() -> None:
    one = level(correctable_ms=2 * HOUR_MS)
    one.close(closed(0, match=70, missing=30), None)
    for hour in range(1, 6):
        one.close(closed(hour, match=100_000), None)
    one.close(closed(6, {0: came(30)}, match=100_000), None)
    assert one.reason is not None
    assert len(one.snapshot()["windows"]) <= 5


def test_a_correction_after_a_bounded_run_counts_and_settles_nothing() -> None:
    one = level(correctable_ms=HOUR_MS)
    one.close(closed(0, match=70, missing=30), None)
    one.close(ClosedWindow(END, END + HOUR_MS, {}, {0: came(15)}, {}), None)
    assert one.reason is not None
    one.close(ClosedWindow(END, END + HOUR_MS, {}, {0: came(15)}, {}), None)
    assert one.reason is None


def test_counts_that_cannot_be_reject_nobody() -> None:
    one = level()
    one.close(closed(0, match=-90, missing=30), None)
    assert one.reason is None


def test_a_lasting_incident_rejects_until_corrections_have_emptied_its_windows() -> None:
    one = level()
    lasting = LastingIncident("it has not gone away", 12 * HOUR_MS, 16 * HOUR_MS)
    for hour in range(15):
        one.close(closed(hour, match=2000, missing=20), None)
    assert one.reason is None
    one.close(closed(15, match=2000, missing=20), lasting)
    assert one.reason == lasting.why
    half = {hour: came(10) for hour in range(12, 16)}
    one.close(closed(16, half, match=2000), lasting._replace(end_ms=17 * HOUR_MS))
    assert one.reason is None, "40 of 8,080 are under half of the limit"
    # The incident is still open, for no detector is fed again; it rejects nobody anew.
    one.close(closed(17, match=2000), lasting._replace(end_ms=18 * HOUR_MS))
    assert one.reason is None


def test_an_uncorrected_incident_stays_a_reject_after_its_end() -> None:
    one = level()
    for hour in range(12):
        one.close(closed(hour, match=2000, missing=20), None)
    incident = LastingIncident("it has not gone away", 12 * HOUR_MS, 13 * HOUR_MS)
    one.close(closed(12, match=2000, missing=20), incident)
    for hour in range(13, 21):
        one.close(closed(hour, match=100_000), None)
    assert one.reason == "it has not gone away"


def in_order(trial: Trial) -> Trial:
    """The same trial, had every record come before it could be said missing."""
    windows = [dict(outcomes) for outcomes in trial.windows]
    for _, of, was, now in trial.corrections:
        windows[of][was] = windows[of].get(was, 0) - 1
        windows[of][now] = windows[of].get(now, 0) + 1
    return Trial([{name: n for name, n in window.items() if n} for window in windows])


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Days with bursts of missing records, many of which come later, equal or not."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    hours = []
    for _ in range(dice.randint(2, 30)):
        n = dice.randint(1, 300)
        burst = dice.choice([0, 0, 0, 1, 20])
        hours.append({"match": n, "mismatch": dice.choice([0, 0, 3]), "missing": burst, "input": n + burst})
    corrections = []
    for of, hour in enumerate(hours[:-1]):
        for _ in range(dice.choice([0, hour["missing"], hour["missing"] // 2])):
            now = dice.choice(["match", "match", "match", "mismatch"])
            corrections.append((dice.randrange(of + 1, len(hours)), of, "missing", now))
    return Trial(hours, corrections)


def fed(one: RejectLatch, trial: Trial) -> RejectLatch:
    for hour, outcomes in enumerate(trial.windows):
        deltas: dict[int, dict[str, int]] = {}
        for entry, of, was, now in trial.corrections:
            if entry == hour:
                delta = deltas.setdefault(of, {})
                delta[was], delta[now] = delta.get(was, 0) - 1, delta.get(now, 0) + 1
        one.close(closed(hour, deltas, **outcomes), None)
    return one


@settings(max_examples=60, deadline=None)
@given(trial=trials(), rate=st.sampled_from(["missing", "mismatch", "extra"]))
def test_a_latch_after_all_corrections_equals_that_of_the_ordered_run(trial: Trial, rate: str) -> None:
    assert fed(level(rate=rate), trial).reason == fed(level(rate=rate), in_order(trial)).reason


@settings(max_examples=30, deadline=None)
@given(trial=trials(), at=st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(trial: Trial, at: int) -> None:
    whole, one = level(2 * HOUR_MS), level(2 * HOUR_MS)
    for hour in range(len(trial.windows)):
        part = closed(
            hour, {of: came(1) for entry, of, _, _ in trial.corrections if entry == hour}, **trial.windows[hour]
        )
        if hour == at:
            after = level(2 * HOUR_MS)
            after.restore(json.loads(json.dumps(one.snapshot())))
            one = after
        whole.close(part, None)
        one.close(part, None)
    assert one.snapshot() == whole.snapshot()


# ---------------------------------------------------------------- through the whole judge


@settings(max_examples=10, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_corrected_totals_equal_the_ordered_run_and_are_never_negative(trial: Trial, tasks: int, seed: int) -> None:
    loop = JudgeLoop(tasks)
    for records in zip(*trial.task_logs(random.Random(seed), tasks, commits_max=1), strict=False):
        for record in records:
            loop.give(record)
            entry = loop.evaluate()
            assert all(units > 0 for units in entry["outcomes"].values())
            assert not any("adds up to" in reason for reason in entry["reasons"])
    # What comes when nobody corrects any more adds up all the same, but the shares of its window stay as they are.
    in_time = config().model_copy(update={"correctable_ms": DAYS_MS})
    one, other = (
        judged(one.task_logs(random.Random(seed))[0], every=10**6, settings=in_time) for one in (trial, in_order(trial))
    )
    parts = ("outcomes", "coverage", "windows_closed", "from_ms", "to_ms")
    first, second = one.of("verdict")[-1], other.of("verdict")[-1]
    assert {part: first[part] for part in parts} == {part: second[part] for part in parts}
    # Which windows are the trailing ones follows from what they held on time.
    now = ("trailing_n", "trailing_bad", "passed")
    whole = [
        [{name: item for name, item in entry.items() if name not in now} for entry in verdict["criteria"]]
        for verdict in (first, second)
    ]
    assert whole[0] == whole[1]


@settings(max_examples=25, deadline=None)
@given(trial=trials(), seed=st.integers(0, 2**32))
def test_no_correction_is_fed_to_a_detector(trial: Trial, seed: int) -> None:
    corrected = judged(trial.task_logs(random.Random(seed))[0], every=10**6)
    left = judged(Trial(trial.windows).task_logs(random.Random(seed))[0], every=10**6)
    for rate, family in corrected.step.incident_groups.items():
        assert family.snapshot() == left.step.incident_groups[rate].snapshot()
    assert corrected.of("drift") == left.of("drift")


GOOD = {"match": 1000, "input": 1000}


def verdict_with(corrections: list[tuple[int, int, str, str]], first: dict[str, int] | None = None) -> dict[str, Any]:
    hours = [first or {"match": 940, "missing": 60, "input": 1000}, *[GOOD] * 47]
    return judged(Trial(hours, corrections).task_logs(random.Random(1))[0], every=10**6).of("verdict")[-1]


def test_a_candidate_with_all_records_late_is_promoted_with_a_caveat() -> None:
    kept = verdict_with([])
    assert (kept["decision"], kept["caveats"]) == ("reject", [])
    corrected = verdict_with([(5, 0, "missing", "match")] * 60)
    assert corrected["decision"] == "promote"
    assert corrected["outcomes"] == {"match": 48_000, "input": 48_000}
    (caveat,) = corrected["caveats"]
    assert caveat.startswith(
        "a reject was withdrawn, since records said missing or extra have come after all, or may have their partner "
        "among records that were never compared: missing: "
    )
    assert " missing (60 of " in caveat


@pytest.mark.parametrize("late", [20, 39])
def test_what_never_came_is_judged_as_if_nothing_had_come_late(late: int) -> None:
    corrected = verdict_with([(5, 0, "missing", "match")] * late)
    one_verdict = verdict_with([], {"match": 940 + late, "missing": 60 - late, "input": 1000})
    assert [corrected[part] for part in ("decision", "outcomes", "criteria")] == [
        one_verdict[part] for part in ("decision", "outcomes", "criteria")
    ]


def test_a_total_below_nothing_is_a_reason_and_no_count() -> None:
    loop = JudgeLoop()
    loop.give(stats(A, 1, cell(0, match=100), watermark_ms=HOUR_MS))
    loop.give(stats(A, 2, cell(0, match=1, missing=-1), cell(HOUR_MS, match=1), complete=True))
    entry = loop.evaluate()
    assert entry["outcomes"] == {"match": 102}
    assert "outcome 'missing' adds up to -1: a correction came without what it corrects" in entry["reasons"]


def test_a_withdrawn_reject_survives_a_restart() -> None:
    settings_ = Config.model_validate(config().model_dump() | {"correctable_ms": DAYS_MS})
    records = Trial([{"match": 60, "missing": 40}, GOOD], [(1, 0, "missing", "match")] * 40).task_logs(
        random.Random(1)
    )[0]
    loop = JudgeLoop(settings=settings_)
    for record in records:
        loop.give(record)
        loop.evaluate()
        loop.restart()
    last = loop.of("verdict")[-1]
    assert last["decision"] == "not_yet"
    assert any(caveat.startswith("a reject was withdrawn") for caveat in last["caveats"])
