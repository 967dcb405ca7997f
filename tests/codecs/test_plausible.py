"""What no process of ours writes is refused where it is read, by a sentence without numbers."""

import re
from pathlib import Path
from typing import Any

import pytest

import shadowstream
from shadowstream.codecs import own
from shadowstream.codecs.plausible import ABSENT_MAX, COUNT_MAX, MARKS, SEQUENCE_MAX, check, units
from shadowstream.errors import RecordError
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters
from shadowstream.records import Partition
from tests.judge.stats_records import cell, stats

A = "scores/0"
SLICE = {"dimensions": ["tenant"], "values": ["eu"], "n": 2, "s": 1}
MISSING = {"outcome": "missing", "bucket": 7, "n": 1}
BUCKET = {"bucket": 1023, "n": 2, "s": 1}
MEAN = {"path": "n", "n": 1, "sums": [2**61] * 21, "bound": 1.0, "limit": 0.1}
COMMAND = {"command": "mute", "subject": "i", "by": "ana", "at_ms": 1, "until_ms": 2}


def window(**more: Any) -> dict[str, Any]:
    return {**cell(0, match=2), "slices": [SLICE], "buckets": [BUCKET], "means": [MEAN], **more}


def range_mark(**more: Any) -> dict[str, Any]:
    absence = {"offset": 3, "count": 2, "reason": "filtered", "ids": [1, -(2**63)], "why": -1}
    counters = Counters(read=5, with_output=3).record()
    windows = [{"start_ms": 0, "read": 5, "failed": 0, "cost": None}]
    fields = {"from_offset": 0, "to_offset": 5, "absences": [absence], "counters": counters, "windows": windows}
    return marks.mark("range", "ab", input_topic="in", input_partition=0, **{**fields, **more})


def absence(**more: Any) -> dict[str, Any]:
    return range_mark(absences=[{"offset": 3, "count": 1, "reason": "filtered", "ids": [], "why": -1, **more}])


MEANT: list[tuple[str, dict[str, Any]]] = [
    ("stats", stats(A, 1, window(), watermark_ms=2**63 - 1)),
    ("stats", {**stats(A, 1, cell(-(2**62), match=-COUNT_MAX)), "seq": SEQUENCE_MAX}),
    ("mark", range_mark()),
    ("mark", absence(count=ABSENT_MAX)),
    ("mark", range_mark(from_offset=0, to_offset=2**50)),
    ("mark", marks.mark("start", "ab", floor_ms=2**63 - 1)),
    ("mark", marks.mark("done", "ab", ends=marks.ends_field({Partition("t", 0): 7}))),
    *(("mark", marks.mark(kind, "ab")) for kind in ("begin", "end", "warm", "tried", "said", "moved", "confined")),
    ("command", COMMAND),
]
NOT_MEANT: list[tuple[str, dict[str, Any], str]] = [
    ("stats", {**stats(A, 1), "seq": 2**63 - 1}, "sequence number"),
    ("stats", stats(A, 0), "sequence number"),
    ("stats", stats(A, -1), "sequence number"),
    ("stats", stats(A, 1, window(outcomes={"match": 2**63 - 1})), "a count is beyond"),
    ("stats", stats(A, 1, window(outcomes={"match": -(2**63)})), "a count is beyond"),
    ("stats", stats(A, 1, window(fields={"n": 2**62})), "a count is beyond"),
    ("stats", stats(A, 1, window(checks={"null:n": 2**62})), "a count is beyond"),
    ("stats", stats(A, 1, window(slices=[{**SLICE, "n": 2**62}])), "a count is beyond"),
    ("stats", stats(A, 1, window(buckets=[{**BUCKET, "s": 2**62}])), "a count is beyond"),
    ("stats", stats(A, 1, window(means=[{**MEAN, "n": 2**62}])), "a count is beyond"),
    ("stats", stats(A, 1, window(means=[{**MEAN, "sums": [2**63 - 1]}])), "the sums of a mean"),
    ("stats", stats(A, 1, window(slices=[{**SLICE, "dimensions": ["a", "b"]}])), "a slice that has not one value"),
    ("stats", stats(A, 1, window(slices=[{**SLICE, "values": ["a", "b"]}])), "a slice that has not one value"),
    ("stats", stats(A, 1, window(slices=[{**SLICE, "values": [], "dimensions": []}])), "a slice that has"),
    ("stats", stats(A, 1, window(buckets=[{**BUCKET, "bucket": 1024}])), "a bucket of keys"),
    ("stats", stats(A, 1, window(buckets=[{**BUCKET, "bucket": -1}])), "a bucket of keys"),
    ("stats", stats(A, 1, window(outcome_buckets=[{**MISSING, "bucket": 1024}])), "a bucket of keys"),
    ("stats", stats(A, 1, window(sub_windows=[{"number": 12, "outcomes": {}}])), "a sub-window"),
    ("stats", stats(A, 1, window(sub_windows=[{"number": 0, "outcomes": {"match": 2**62}}])), "a count is beyond"),
    ("stats", stats(A, 1, window(outcome_buckets=[{**MISSING, "n": -(2**62)}])), "a count is beyond"),
    ("scored", {"task": "scores/0", "id": None, "revision": "", "time_ms": 0, "production": None, "shadow": None,
                "end": False, "bucket": 1024}, "a bucket of keys"),
    ("stats", stats(A, 1, window(start_ms=2**63 - 1)), "a time is beyond"),
    ("stats", stats(A, 1, pending=2**62), "a ledger"),
    ("stats", stats(A, 1, ledgers=[{"ledger": 1, "place": A, "expected": 2**62, "counted": 0}]), "a ledger"),
    ("mark", marks.mark("tomorrow", "ab"), "its kind is unknown"),
    ("mark", marks.mark("", "ab"), "its kind is unknown"),
    ("mark", marks.mark("tried", "ab", tries=-1), "more tries than"),
    ("mark", absence(why=0), "a reason that it does not hold"),
    ("mark", absence(why=-2), "a reason that it does not hold"),
    ("mark", absence(count=2**62), "more inputs without output"),
    ("mark", absence(count=0), "of which there are none"),
    ("mark", absence(count=-5), "of which there are none"),
    ("mark", absence(offset=-1), "of which there are none"),
    ("mark", absence(count=3, ids=[1]), "some are named and some are not"),
    ("mark", range_mark(counters=None), "a range without counters"),
    ("mark", range_mark(windows=[{"start_ms": 0, "read": 2**62, "failed": 0, "cost": None}]), "a window of more"),
    ("mark", range_mark(windows=[{"start_ms": 2**63 - 1, "read": 1, "failed": 0, "cost": None}]), "a time is beyond"),
    ("mark", range_mark(counters=Counters(read=-1).record()), "a counter is below zero"),
    ("mark", marks.mark("done", "ab", to_offset=2**63 - 1), "an offset is beyond"),
    ("mark", marks.mark("done", "ab", ends=marks.ends_field({Partition("t", 0): 2**62})), "an offset is beyond"),
    ("command", {**COMMAND, "by": "x" * 20_000}, "a text is longer"),
    ("command", {**COMMAND, "until_ms": 2**63 - 1}, "a time is beyond"),
    ("scored", {"task": "nowhere", "id": None, "revision": "", "time_ms": 0, "production": None, "shadow": None,
                "end": False}, "its task is no topic and partition"),
    ("label_state", {"kind": "task", "sequence": 1, "id": b"t/0", "counts": {"read": 1}}, "a task without its counts"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record"), MEANT)
def test_what_a_trial_writes_is_read(name: str, record: dict[str, Any]) -> None:
    kept = {field: value for field, value in record.items() if field != "windows"}
    assert own.read(name, own.encode(name, record)).items() >= kept.items()


def test_every_kind_of_mark_that_the_code_writes_is_read() -> None:
    written: set[str] = set()
    for path in Path(shadowstream.__file__).parent.rglob("*.py"):
        written.update(re.findall(r'\bmark\(\s*"(\w+)"', path.read_text("utf-8")))
    assert {"begin", "warm", "said"} <= written, "the pattern finds them"
    assert written <= MARKS


@pytest.mark.parametrize(("name", "record", "why"), NOT_MEANT)
def test_what_no_trial_writes_is_refused_with_a_sentence_without_numbers(
    name: str, record: dict[str, Any], why: str
) -> None:
    with pytest.raises(RecordError, match=f"{name}: .*{why}") as caught:
        own.read(name, own.encode(name, record))
    assert caught.value.reason == "refused"
    assert not any(one.isdigit() for one in str(caught.value)), "equal causes are one kind"
    assert own.decode(own.encode(name, record))[0] == name, "whoever only looks at it can"


@pytest.mark.parametrize("raw", [None, b"", b"\0", b"\xc3\x01", b"\xfe" * 40, b"garbage"])
def test_what_is_no_own_record_is_refused(raw: bytes | None) -> None:
    with pytest.raises(RecordError) as caught:
        own.read("mark", raw)
    assert caught.value.reason == "schema"


def test_a_record_of_another_schema_is_refused_and_a_broken_one_too() -> None:
    mark = own.encode("mark", marks.mark("warm", "ab"))
    for raw, reason in ((mark, "schema"), (own.encode("stats", stats(A, 1))[:-3], "decode")):
        with pytest.raises(RecordError) as caught:
            own.read("stats", raw)
        assert caught.value.reason == reason
    check("delivery", {})  # no bound: none can do harm


def test_units_are_all_that_a_record_counts_without_their_signs() -> None:
    assert units(stats(A, 1, window(outcomes={"match": -3}), cell(1, mismatch=4))) == 3 + 4 + 3 + 3 + 1
