"""Statistics that cannot be: they count in nothing, are named, and what is lost with them is a remainder."""

import json

from shadowstream.codecs import own
from shadowstream.codecs.plausible import COUNT_MAX, SUM_MAX
from shadowstream.judge.replay import course
from shadowstream.judge.windows.event_windows import OTHERS, STRANGERS_MAX, Windows
from shadowstream.judge.windows.sequence_numbers import GAPS_MAX, Sequence
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats
from tests.judge.test_step import DAY, A, JudgeLoop, hourly_records, judged


def test_a_number_that_lies_ahead_makes_no_later_statistics_pass_for_repeats() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    for seq in (1, 900, 2, 3, 2, 900):
        windows.add(stats(A, seq, cell(0, match=1), sources=[], ledgers=[]))
    assert (windows.duplicates, windows.gaps) == (2, 899 - 3)
    windows.add(stats(A, 4, cell(0, match=1), complete=True))
    assert windows.outcomes == {"match": 5}
    assert windows.remainder == 899 - 4


def test_what_fills_a_gap_counts_after_a_restart_too() -> None:
    loop = JudgeLoop()
    loop.give(stats(A, 1))
    loop.give(stats(A, 4))
    loop.evaluate()
    loop.restart()
    loop.give(stats(A, 2))
    loop.give(stats(A, 2))
    assert (loop.step.windows.gaps, loop.step.windows.duplicates) == (1, 1)


def test_a_state_of_an_earlier_release_knows_no_open_gaps() -> None:
    snapshot = {"seq": 7, "gaps": 2, "watermark_ms": 1}
    assert Sequence.of(snapshot) == Sequence(7, 2, [])
    assert snapshot == {"watermark_ms": 1}


def test_gaps_that_are_kept_open_are_bounded() -> None:
    one = Sequence()
    for number in range(2, 4 * GAPS_MAX, 2):
        assert one.take(number)
    assert len(one.gaps) == GAPS_MAX
    assert not one.take(1), "the oldest is closed, and is missing for ever"
    assert one.missing == 2 * GAPS_MAX - 1


def test_no_number_of_records_adds_up_beyond_what_a_verdict_can_hold() -> None:
    loop = JudgeLoop()
    windows = loop.step.windows
    windows.held = SUM_MAX - 2 * COUNT_MAX
    for seq in range(1, 5):
        loop.give(stats(A, seq, cell(0, match=COUNT_MAX), ledgers=[], complete=seq == 2))
    assert windows.refused == {"refused": 2}
    assert loop.evaluate()["outcomes"] == {"match": 2 * COUNT_MAX}


def test_ledgers_at_their_extremes_do_not_end_the_judge() -> None:
    line = {"ledger": 1, "expected": 2**53, "counted": -(2**53)}
    ledgers = [{**line, "place": f"in/{n}"} for n in range(2_000)]
    verdict = judged([stats(A, 1, cell(0, match=1), ledgers=ledgers, complete=True)]).evaluate()
    assert (verdict["decision"], verdict["remainder"]) == ("not_yet", SUM_MAX)
    assert own.encode("verdict", verdict)


def test_refused_statistics_are_a_caveat_that_stays_after_a_restart() -> None:
    loop = JudgeLoop()
    for record in hourly_records(DAY):
        loop.give(record)
    for offset, reason in enumerate(("schema", "decode", "refused", "refused"), start=loop.ends[0]):
        loop.step.refuse(0, offset, reason)
        loop.step.refuse(0, offset, reason)  # read again
    verdict = loop.evaluate()
    assert (verdict["decision"], verdict["remainder"]) == ("promote", 0), "no statistics are missing"
    (caveat,) = [one for one in verdict["caveats"] if "refused" in one]
    assert caveat.startswith(
        "4 records of shadow.fraud.stats were refused and count in nothing (1 broken, 2 with impossible contents, "
        "1 not written by shadowstream; 13.8 % of its records)"
    )
    loop.restart()
    assert loop.evaluate()["caveats"] == verdict["caveats"]
    assert loop.step.offsets() == {0: len(hourly_records(DAY)) + 4}


def test_a_refused_record_whose_number_is_missing_is_a_remainder_too() -> None:
    records = hourly_records(DAY)
    loop = JudgeLoop()
    for record in records[:5]:
        loop.give(record)
    loop.step.refuse(0, loop.ends[0], "decode")
    loop.ends[0] += 1
    for record in records[6:]:
        loop.give(record)
    verdict = loop.evaluate()
    assert (verdict["decision"], verdict["remainder"]) == ("not_yet", 1)
    assert any("1 stats records are missing in the joiner's sequence" in one for one in verdict["reasons"])


def test_marks_that_the_joiner_has_refused_are_a_caveat() -> None:
    records = hourly_records(DAY)
    verdict = judged([{**record, "refused_marks": n // 10} for n, record in enumerate(records)]).evaluate()
    (caveat,) = [one for one in verdict["caveats"] if "marks" in one]
    assert caveat.startswith("2 marks of shadow.fraud.progress were refused by the joiner")


def test_tasks_that_nobody_expects_are_named_up_to_a_bound() -> None:
    windows = Windows(REVISION, HOUR_MS, [A])
    for n in range(3 * STRANGERS_MAX):
        windows.add(stats(f"other/{n}", 1))
    assert len(windows.strangers) == STRANGERS_MAX + 1
    assert windows.strangers[OTHERS] == 2 * STRANGERS_MAX
    assert json.dumps(windows.snapshot())


def test_how_a_verdict_came_about_takes_what_the_judge_takes() -> None:
    """One number far ahead leaves the rest in."""
    records = hourly_records(DAY)
    ahead = stats(A, 10**9, sources=[], ledgers=[])
    last = list(course(config(), REVISION, [records[0], ahead, *records[1:]], 100))[-1]
    assert last["outcomes"] == list(course(config(), REVISION, records, 100))[-1]["outcomes"]
