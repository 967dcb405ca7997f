import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.judge.windows.closed_window import ClosedWindow
from shadowstream.judge.windows.event_windows import Windows
from shadowstream.judge.windows.expected_tasks import task_of
from tests.judge.stats_records import HOUR_MS, REVISION, Trial, cell, interleaved, stats

A, B = "scores/0", "scores/1"


def two_tasks() -> Windows:
    return Windows(REVISION, HOUR_MS, [A, B])


def test_a_window_closes_when_every_task_is_past_it() -> None:
    windows = two_tasks()
    assert windows.add(stats(A, 1, cell(0, match=3), watermark_ms=2 * HOUR_MS)) == []
    assert windows.add(stats(B, 1, cell(0, match=1), watermark_ms=HOUR_MS - 1)) == []
    assert windows.add(stats(B, 2, cell(0, mismatch=1), watermark_ms=HOUR_MS)) == [
        ClosedWindow(0, HOUR_MS, {"match": 4, "mismatch": 1}, {}, {"match": 4, "mismatch": 1})
    ]
    assert dict(windows.outcomes) == {"match": 4, "mismatch": 1}
    assert (windows.closed, windows.open, windows.from_ms, windows.to_ms) == (1, 0, 0, HOUR_MS)


def test_a_task_that_was_never_heard_of_holds_everything_open() -> None:
    windows = two_tasks()
    assert windows.add(stats(A, 1, cell(0, match=3), complete=True)) == []
    assert windows.open == 1
    assert not windows.all_complete


def test_a_watermark_of_nothing_known_holds_everything_open() -> None:
    windows = two_tasks()
    windows.add(stats(A, 1, cell(0, match=3), watermark_ms=9 * HOUR_MS))
    assert windows.add(stats(B, 1, watermark_ms=None)) == []


def test_a_watermark_never_goes_back() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, watermark_ms=2 * HOUR_MS))
    windows.add(stats(A, 2, cell(HOUR_MS, missing=1), watermark_ms=HOUR_MS))
    assert windows.late == 1


def test_windows_close_in_time_order() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    cells = [cell(hour * HOUR_MS, match=hour) for hour in (3, 1, 2, 5)]
    closed = windows.add(stats(A, 1, *cells, watermark_ms=4 * HOUR_MS))
    assert [window.start_ms // HOUR_MS for window in closed] == [1, 2, 3]
    assert windows.open == 1


def test_an_idle_task_holds_open_what_ends_after_its_own_watermark() -> None:
    windows = two_tasks()
    windows.add(stats(B, 1, watermark_ms=5, idle=True))
    assert windows.add(stats(A, 1, cell(0, match=3), watermark_ms=HOUR_MS)) == []
    assert windows.holding() == "scores/1 is the slowest, at 1970-01-01 00:00 UTC"
    assert len(windows.add(stats(B, 2, watermark_ms=HOUR_MS, idle=True))) == 1


def test_a_task_of_the_labels_role_holds_nothing_open() -> None:
    labels = task_of(A)
    windows = Windows(REVISION, HOUR_MS, [A, labels])
    windows.add(stats(labels, 1, watermark_ms=-HOUR_MS, idle=True))
    assert len(windows.add(stats(A, 1, cell(0, match=3), watermark_ms=HOUR_MS))) == 1


def test_what_every_task_has_passed_closes_though_all_are_idle() -> None:
    windows = two_tasks()
    windows.add(stats(A, 1, cell(0, match=3), cell(HOUR_MS, match=1), watermark_ms=HOUR_MS, idle=True))
    assert len(windows.add(stats(B, 1, watermark_ms=HOUR_MS, idle=True))) == 1
    assert (windows.open, windows.holding()) == (1, "no task continues: all are idle or at their end")


def test_partitions_returning_from_quiet_count_the_same_in_any_order() -> None:
    def returning(task: str) -> list[dict[str, Any]]:
        cells = [cell(hour * HOUR_MS, match=10) for hour in range(3)]
        return [stats(task, 1), stats(task, 2, idle=True), stats(task, 3, *cells, watermark_ms=3 * HOUR_MS)]

    one, other = returning(A), returning(B)
    for order in ([one[0], other[0], one[1], other[1], one[2], other[2]], [*one, *other], [*other, *one]):
        windows = two_tasks()
        results_of(windows, order)
        assert (windows.closed, windows.late, dict(windows.outcomes)) == (3, 0, {"match": 60})


def test_an_idle_incomplete_task_keeps_the_last_windows_open() -> None:
    windows = two_tasks()
    windows.add(stats(A, 1, cell(0, match=3), complete=True))
    assert windows.add(stats(B, 1, idle=True)) == []
    assert len(windows.add(stats(B, 2, complete=True))) == 1
    assert windows.all_complete


def test_a_task_back_from_idleness_below_its_watermark_is_late() -> None:
    windows = two_tasks()
    windows.add(stats(B, 1, idle=True))
    windows.add(stats(A, 1, cell(0, match=3), watermark_ms=HOUR_MS))
    assert len(windows.add(stats(B, 2, watermark_ms=HOUR_MS, idle=True))) == 1
    assert windows.add(stats(B, 3, cell(0, match=1), watermark_ms=0)) == []
    assert windows.waiting_late() == {HOUR_MS: 1}
    closed = windows.add(stats(A, 2, complete=True)) + windows.add(stats(B, 4, complete=True))
    assert closed == [ClosedWindow(HOUR_MS, 2 * HOUR_MS, {}, {0: {"match": 1}}, {"match": 4})]
    assert (windows.added_late, windows.waiting_late(), dict(windows.outcomes)) == (1, {}, {"match": 4})


def test_a_late_correction_is_evidence_and_never_on_time() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, cell(0, missing=2, match=1), watermark_ms=HOUR_MS))
    windows.add(stats(A, 2, cell(0, missing=-1, mismatch=1, fields={"score": 1}), cell(HOUR_MS, match=5)))
    assert dict(windows.outcomes) == {"match": 1, "missing": 2}
    closed = windows.add(stats(A, 3, watermark_ms=2 * HOUR_MS))
    totals = {"field/score": 1, "match": 6, "missing": 1, "mismatch": 1}
    corrections = {0: {"field/score": 1, "mismatch": 1, "missing": -1}}
    assert closed == [ClosedWindow(HOUR_MS, 2 * HOUR_MS, {"match": 5}, corrections, totals)]
    assert dict(windows.outcomes) == {"match": 6, "missing": 1, "mismatch": 1}
    assert windows.fields == {"score": 1}
    assert windows.late == 2


def test_what_a_waiting_correction_changes_is_unsettled_after_a_restart_too() -> None:
    windows, again = Windows(REVISION, HOUR_MS, [A]), Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, cell(0, missing=2), cell(HOUR_MS, match=1), watermark_ms=HOUR_MS))
    assert windows.settled_ms == HOUR_MS
    windows.add(stats(A, 2, cell(0, missing=-1, match=1)))
    again.restore(windows.snapshot())
    for one in (windows, again):
        assert one.settled_ms == 0
        one.add(stats(A, 3, watermark_ms=2 * HOUR_MS))
        assert one.settled_ms == 2 * HOUR_MS


def test_a_correction_after_the_end_of_a_bounded_run_counts_at_once() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, cell(0, missing=1), complete=True))
    closed = windows.add(stats(A, 2, cell(0, missing=-1, match=1)))
    assert [window.corrections for window in closed] == [{0: {"match": 1, "missing": -1}}]
    assert +windows.outcomes == {"match": 1}
    assert windows.closed == 1


def test_a_window_of_warm_up_only_is_no_span_of_evidence() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, cell(0, warm_up=9), cell(HOUR_MS, match=1), watermark_ms=3 * HOUR_MS))
    assert (windows.closed, windows.from_ms, windows.to_ms) == (1, HOUR_MS, 2 * HOUR_MS)
    assert windows.outcomes["warm_up"] == 9


def test_a_record_that_was_seen_already_changes_nothing() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    record = stats(A, 1, cell(0, match=3), watermark_ms=HOUR_MS)
    windows.add(record)
    assert windows.add(record) == []
    assert dict(windows.outcomes) == {"match": 3}
    assert (windows.duplicates, windows.remainder) == (1, 0)


def test_a_gap_in_the_sequence_is_a_remainder() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 2))
    windows.add(stats(A, 5))
    assert windows.gaps == windows.remainder == 1 + 2


def test_an_unbalanced_ledger_line_is_a_remainder_until_it_balances() -> None:
    windows = two_tasks()

    def lines(counted: int, other: int) -> list[dict[str, Any]]:
        return [
            {"ledger": 2, "place": "flights/0->scores/0", "expected": 10, "counted": counted},
            {"ledger": 3, "place": "shadow/0", "expected": 10, "counted": other},
        ]

    windows.add(stats(A, 1, ledgers=lines(9, 12)))
    windows.add(stats(B, 1, ledgers=lines(10, 10)))
    # One too few and two too many do not make up for each other.
    assert windows.remainder == 3
    assert [line["ledger"] for line in windows.remainders()] == [2, 3]
    windows.add(stats(A, 2, ledgers=lines(10, 10)))
    assert windows.remainder == 0


def test_other_revisions_count_apart_and_move_no_watermark() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats(A, 1, cell(0, match=1), cell(0, "ffff", mismatch=9), watermark_ms=5))
    assert windows.add(stats(A, 2, cell(0, match=1), revision="ffff", complete=True)) == []
    windows.add(stats(A, 3, watermark_ms=HOUR_MS))
    assert dict(windows.outcomes) == {"match": 2}
    assert windows.foreign == 2
    assert windows.gaps == 0


def test_a_task_that_nobody_expects_is_counted_and_not_taken() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    windows.add(stats("scores/7", 1, cell(0, match=1), complete=True))
    assert windows.strangers == {"scores/7": 1}
    assert windows.open == 0


def test_offset_ranges_are_joined_by_place() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    for seq in (1, 2, 3):
        windows.add(stats(A, seq))
    assert windows.sources == {("scores", 0): (10, 40)}


OUTCOMES = ("match", "mismatch", "missing", "extra", "input", "warm_up")


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    windows = draw(st.lists(st.dictionaries(st.sampled_from(OUTCOMES), st.integers(1, 30)), min_size=1, max_size=8))
    correction = st.tuples(
        st.integers(1, 7),
        st.integers(0, 6),
        st.sampled_from(["missing", "extra"]),
        st.sampled_from(["match", "mismatch"]),
    )
    corrections = [one for one in draw(st.lists(correction, max_size=4)) if one[1] < one[0] < len(windows)]
    return Trial(windows, corrections)


def results_of(windows: Windows, records: list[dict[str, Any]]) -> list[Any]:
    """The closing sequence, with the totals after each closing."""
    sequence: list[Any] = []
    for record in records:
        sequence += windows.add(record)
    return sequence


@settings(max_examples=150, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_the_arrival_order_across_tasks_changes_nothing(trial: Trial, tasks: int, seed: int) -> None:
    draw = random.Random(seed)
    records = trial.task_logs(draw, tasks, commits_max=3)
    names = [f"scores/{partition}" for partition in range(tasks)]
    one, other = Windows(REVISION, HOUR_MS, names), Windows(REVISION, HOUR_MS, names)
    assert results_of(one, interleaved(draw, records)) == results_of(other, interleaved(draw, records))
    assert +one.outcomes == +other.outcomes
    assert (one.closed, one.from_ms, one.to_ms, one.late) == (other.closed, other.from_ms, other.to_ms, other.late)
    assert one.open == 0


@settings(max_examples=100, deadline=None)
@given(trial=trials(), tasks=st.integers(2, 4), seed=st.integers(0, 2**32))
def test_the_split_into_tasks_and_commits_changes_nothing(trial: Trial, tasks: int, seed: int) -> None:
    draw = random.Random(seed)
    whole, split = Windows(REVISION, HOUR_MS, [A]), Windows(REVISION, HOUR_MS, [f"scores/{k}" for k in range(tasks)])
    one = results_of(whole, interleaved(draw, trial.task_logs(draw)))
    many = results_of(split, interleaved(draw, trial.task_logs(draw, tasks, commits_max=4)))

    def with_something(sequence: list[ClosedWindow]) -> list[Any]:
        corrected = [(w.start_ms, {at: c for at, c in w.corrections.items() if c}) for w in sequence]
        return [
            (w.start_ms, w.outcomes, c, w.totals)
            for w, (_, c) in zip(sequence, corrected, strict=True)
            if w.outcomes or c
        ]

    assert with_something(one) == with_something(many)
    assert +whole.outcomes == +split.outcomes
    assert +whole.fields == +split.fields


@settings(max_examples=100, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_the_totals_are_the_sum_of_everything_reported(trial: Trial, tasks: int, seed: int) -> None:
    draw = random.Random(seed)
    windows = Windows(REVISION, HOUR_MS, [f"scores/{partition}" for partition in range(tasks)])
    results_of(windows, interleaved(draw, trial.task_logs(draw, tasks, commits_max=3)))
    expected: dict[str, int] = {}
    for outcomes in trial.windows:
        for outcome, units in outcomes.items():
            expected[outcome] = expected.get(outcome, 0) + units
    for _, _, was, now in trial.corrections:
        expected[was] = expected.get(was, 0) - 1
        expected[now] = expected.get(now, 0) + 1
    assert {name: n for name, n in windows.outcomes.items() if n} == {name: n for name, n in expected.items() if n}


@settings(max_examples=60, deadline=None)
@given(trial=trials(), seed=st.integers(0, 2**32), at=st.integers(0, 200))
def test_a_restart_from_a_snapshot_changes_nothing(trial: Trial, seed: int, at: int) -> None:
    draw = random.Random(seed)
    records = interleaved(draw, trial.task_logs(draw, 2, commits_max=3))
    at = min(at, len(records))
    whole, before, after = two_tasks(), two_tasks(), two_tasks()
    sequence = results_of(before, records[:at])
    after.restore(json.loads(json.dumps(before.snapshot())))
    # The broker may give records again that the snapshot holds.
    sequence += results_of(after, records[max(0, at - 3) :])
    assert sequence == results_of(whole, records)
    whole.duplicates = after.duplicates
    assert after.snapshot() == whole.snapshot()


@settings(max_examples=60, deadline=None)
@given(trial=trials(), seed=st.integers(0, 2**32))
def test_idleness_moves_nothing_whoever_is_read_first(trial: Trial, seed: int) -> None:
    draw = random.Random(seed)
    tasks = trial.task_logs(draw, 3, commits_max=2)
    for record in tasks[1]:
        record["idle"] = draw.random() < 0.4
    names = [records[0]["task"] for records in tasks]
    one, other = Windows(REVISION, HOUR_MS, names), Windows(REVISION, HOUR_MS, names)
    results_of(one, interleaved(draw, tasks))
    results_of(other, interleaved(draw, tasks))
    assert one.snapshot() == other.snapshot()


@settings(max_examples=100, deadline=None)
@given(trial=trials(), tasks=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_no_correction_makes_a_closed_total_negative_in_any_order_of_arrival(
    trial: Trial, tasks: int, seed: int
) -> None:
    """Each correction takes back one unit that was said before, in its own task or in another."""
    for _, of, was, _ in trial.corrections:
        trial.windows[of][was] = trial.windows[of].get(was, 0) + 1
    draw = random.Random(seed)
    windows = Windows(REVISION, HOUR_MS, [f"scores/{partition}" for partition in range(tasks)])
    for record in interleaved(draw, trial.task_logs(draw, tasks, commits_max=3)):
        for window in windows.add(record):
            assert all(units >= 0 for units in window.outcomes.values())
            assert all(units >= 0 for units in window.totals.values())
        assert all(units >= 0 for units in windows.outcomes.values())
