"""What marks say, gathered: start, ends, absences, and which done marks a task has passed."""

from typing import Any

import pytest

from shadowstream.joiner.completeness import marks_log as progress_module
from shadowstream.joiner.completeness.marks_log import DoneMark, MarksLog, PassedMarks
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters, identity_hash
from shadowstream.records import Partition
from tests.joiner.joiner_world import REVISION

IN, SHADOW = Partition("in", 0), Partition("shadow.t.out.out", 0)
PLACE: dict[str, Any] = {"input_topic": "in", "input_partition": 0}


def progress(*marks_read: dict[str, Any]) -> MarksLog:
    gathered = MarksLog(REVISION)
    for mark in marks_read:
        gathered.add(mark)
    return gathered


def start(revision: str = REVISION, committed: int = 0, end: int = -1, bound: int = -1) -> dict[str, Any]:
    begin = {"topic": "in", "partition": 0, "committed": committed, "end": end, "bound": bound}
    return marks.mark("start", revision, begins=[begin])


def absences(offset: int, *runs: tuple[int, str, list[bytes]]) -> dict[str, Any]:
    """A range mark with runs of (length, reason, keys) from `offset` on."""
    ends = []
    for count, reason, keys in runs:
        ids = [identity_hash(key) for key in keys]
        ends.append({"offset": offset, "count": count, "reason": reason, "ids": ids})
        offset += count
    return marks.mark("range", REVISION, **PLACE, absences=ends)


def end_mark(offset: int, kind: str = "end") -> dict[str, Any]:
    return marks.mark(kind, REVISION, **PLACE, to_offset=offset, counters=Counters().record())


def test_the_first_start_mark_of_the_revision_is_the_one() -> None:
    gathered = progress(start("99" * 16, 1), start(committed=2), start(committed=3))
    assert gathered.start is not None
    assert gathered.start.committed == {IN: 2}


def test_warm_up_exists_only_where_the_start_mark_ends_it() -> None:
    for end, expected in ((-1, False), (0, True), (7, True)):
        gathered = progress(start(end=end))
        assert gathered.start is not None
        assert gathered.start.has_warm_up is expected


def test_the_end_of_another_revisions_warm_up_is_not_its_own() -> None:
    gathered = progress()
    gathered.add(marks.mark("warm", "99" * 16, ends=marks.ends_field({SHADOW: 1})))
    assert gathered.warm_ends is None
    for end in (2, 3):
        gathered.add(marks.mark("warm", REVISION, ends=marks.ends_field({SHADOW: end})))
    assert gathered.warm_ends == {SHADOW: 2}


def reason(gathered: MarksLog, offset: int) -> str | None:
    found = gathered.absence_of_input(IN, offset)
    return found.reason if found else None


def of_key(gathered: MarksLog, key: bytes) -> tuple[str, Partition, int] | None:
    found = gathered.absence_of_key(key)
    return (found[0].reason, *found[1:]) if found else None


def test_an_absence_is_found_by_its_input_and_by_its_key() -> None:
    gathered = progress(absences(4, (2, "error", [b"a", b"b"]), (1, "timeout", [b"c"])))
    assert [reason(gathered, offset) for offset in range(3, 8)] == [None, "error", "error", "timeout", None]
    assert [of_key(gathered, key) for key in (b"a", b"b", b"c", b"d")] == [
        ("error", IN, 4), ("error", IN, 5), ("timeout", IN, 6), None,
    ]  # fmt: skip


def test_a_run_without_keys_is_found_by_its_inputs() -> None:
    gathered = progress(absences(4, (3, "error", [])))
    assert reason(gathered, 6) == "error"
    assert gathered.absence_of_key(b"a") is None


def test_absences_of_inputs_that_production_has_ended_are_forgotten_and_no_others() -> None:
    gathered = progress(absences(4, (2, "error", [b"a", b"b"])))
    gathered.forget_absences({IN: 5})
    assert [of_key(gathered, key) for key in (b"a", b"b")] == [None, ("error", IN, 5)]
    assert [reason(gathered, offset) for offset in (4, 5)] == [None, "error"]


def test_a_key_that_failed_twice_is_known_until_both_are_forgotten() -> None:
    gathered = progress(absences(4, (2, "error", [b"a", b"a"])))
    gathered.forget_absences({IN: 5})
    assert of_key(gathered, b"a") == ("error", IN, 5)
    gathered.forget_absences({IN: 6})
    assert gathered.absence_of_key(b"a") is None


def test_beyond_the_bound_the_oldest_absences_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "ABSENCES_MAX", 20)
    gathered = progress(absences(0, (25, "error", [b"%d" % n for n in range(25)])))
    known = [n for n in range(25) if gathered.absence_of_key(b"%d" % n)]
    assert known == list(range(gathered.absences_dropped, 25))
    assert 0 < gathered.absences_dropped < 20


def test_all_ended_needs_an_end_mark_at_every_partitions_bound() -> None:
    gathered = progress(end_mark(10))
    assert not gathered.all_ended(), "no start mark"
    gathered.add(start(bound=11))
    assert not gathered.all_ended(), "the end mark of an earlier, shorter run"
    gathered.add(end_mark(11, kind="done"))
    assert not gathered.all_ended(), "a done mark is no end mark"
    gathered.add(end_mark(11))
    assert gathered.all_ended()


def test_a_mark_of_an_unknown_kind_says_nothing() -> None:
    gathered = progress()
    assert gathered.add(marks.mark("tomorrow", REVISION), 7) is None
    assert (gathered.position, gathered.start) == (8, None)


def test_a_refused_mark_is_counted_once_however_often_it_is_read_again() -> None:
    gathered = progress()
    gathered.refuse(0)
    gathered.add(start(), 1)
    gathered.refuse(2)
    again = progress()
    again.restore(gathered.snapshot())
    for at in (0, 2, 3):
        again.refuse(at)
    assert (gathered.refused, again.refused, again.position) == (2, 3, 4)


def test_absences_beyond_the_kept_number_end_at_once() -> None:
    gathered = progress()
    absence = {"offset": 0, "count": 2**31, "reason": "filtered", "ids": []}
    gathered.add(marks.mark("range", REVISION, **PLACE, to_offset=2**31, absences=[absence]))
    assert gathered.absence_of_input(Partition("in", 0), 2**31 - 1).reason == "filtered"
    assert gathered.absences_dropped == 2**31 - progress_module.ABSENCES_MAX


def done(offset: int, end: int) -> DoneMark:
    return DoneMark(IN, offset, {SHADOW: end}, Counters())


def passed_of(*done_marks: DoneMark) -> PassedMarks:
    passed = PassedMarks(SHADOW)
    for mark in done_marks:
        passed.add(mark)
    return passed


def test_a_done_mark_is_passed_at_its_end_and_not_before() -> None:
    passed = passed_of(done(5, 8), done(9, 20))
    assert (passed.advance(7), passed.offsets) == ([], {})
    assert passed.advance(8) == [done(5, 8)]
    assert passed.offsets == {IN: 5}
    assert passed.advance(100) == [done(9, 20)]
    assert passed.offsets == {IN: 9}


def test_an_older_mark_that_is_passed_later_takes_nothing_back() -> None:
    passed = passed_of(done(9, 1), done(5, 1))
    passed.advance(1)
    assert passed.offsets == {IN: 9}


def test_marks_beyond_the_bound_are_thinned_and_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "MARKS_MAX", 8)
    passed = passed_of(*(done(n, n) for n in range(1, 101)))
    assert len(passed.advance(100)) <= 8
    assert passed.offsets == {IN: 100}
