"""The runner's step: each input ends in one class, it says of itself what it did, and a crash loses nothing."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.config import Config
from shadowstream.errors import CandidateError, ShadowstreamBug
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.records import Batch, InputCoordinate, Partition, Write
from shadowstream.runner import commit_metadata
from shadowstream.runner.candidate import load
from shadowstream.runner.outputs import Output, outputs_of
from shadowstream.runner.partitioner import partition_for
from shadowstream.runner.step import RunnerStep
from tests.least_config import shown

REVISION, IN, NOW_MS = "00112233445566778899aabbccddeeff", Partition("in", 1), 77


def answer(value: Any) -> Any:
    """The candidate of these tests does what its input says."""
    if value == "raise":
        raise ValueError("no score")
    answers = {
        "nothing": None,
        "two": [{"n": 1}, Output({"n": 2}, key=b"other")],
        "keyless": Output({"n": 1}, drop_key=True),
        "tombstone": Output(None),
        "unwritable": {"n": float("nan")},
        "large": b"x" * 2_000,
        "text key": Output(1, key="text"),  # type: ignore[arg-type]  # what a candidate may well do
        "elsewhere": Output(1, topic="elsewhere"),
        "both": [Output(1, topic="out"), Output(2, topic="second"), Output(3, topic="out")],
    }
    return answers.get(value, {"n": 0})


def config(**more: Any) -> Config:
    sections: dict[str, Any] = {
        "name": "t",
        "inputs": ["other", "in"],
        "production": {"outputs": ["out"]},
        "candidate": {"call": "tests.runner.test_step:answer", "trusted": True, "partitioner": "input"},
        "judge": {"window_ms": 1_000},
        "limits": {"value_bytes_max": 1_000},
    }
    return Config.model_validate(shown(sections | more))


def runner(
    position: int = 0,
    counters: marks.Counters | None = None,
    bound: int = -1,
    kinds: dict[str, str] | None = None,
    encoders: dict[str, Any] | None = None,
    **more: Any,
) -> RunnerStep:
    """A step of the config `more`; `kinds` and `encoders` by output topic, where they are not the usual ones."""
    settings = config(**more)
    outputs = settings.production.outputs
    all_ = {topic: Encoder(NoSchemas(), f"{topic}-value", "json") for topic in outputs} | (encoders or {})
    partitions = {topic: 4 - n for n, topic in enumerate(outputs)}
    step = RunnerStep(settings, REVISION, load(settings.candidate), Decoder(NoSchemas()), all_, partitions, kinds or {})
    step.assign(IN, position, counters or marks.Counters(), bound)
    return step


def batch(*values: str, first: int = 0, keys: list[bytes | None] | None = None) -> Batch:
    n = len(values)
    raw = [b"\x00" if value == "undecodable" else json.dumps(value).encode() for value in values]
    times = [600 * (first + i) for i in range(n)]
    return Batch(IN, range(first, first + n), times, keys or [b"k%d" % (first + i) for i in range(n)], raw)


def ran(step: RunnerStep, *values: str, **of: Any) -> tuple[list[Write], Any, Any]:
    """What one transaction writes after these inputs: outputs and dead letters, its mark, its offset."""
    step.step(batch(*values, **of), NOW_MS)
    writes, (mark,), (offset,) = commit(step)
    return writes, mark, offset


def commit(step: RunnerStep) -> tuple[list[Write], list[dict[str, Any]], list[Any]]:
    """What one transaction writes: outputs and dead letters, marks, offsets."""
    writes, commits = step.prepare()
    step.committed()
    marks_written = [own.decode(w.value or b"")[1] for w in writes if w.topic == "shadow.t.progress"]
    return [w for w in writes if w.topic != "shadow.t.progress"], marks_written, commits


def test_an_output_has_its_inputs_key_time_and_coordinate() -> None:
    (write,), _, offset = ran(runner(), "plain", first=5)
    assert (write.topic, write.partition, write.key, write.value, write.time_ms) == (
        "shadow.t.out.out", 1, b"k5", b'{"n":0}', 3_000,
    )  # fmt: skip
    ((name, raw),) = write.headers or []
    packed = unpack(raw)
    assert (name, packed.coordinate, packed.revision) == (PACKED_HEADER, InputCoordinate(1, 1, 5, 0), REVISION[:16])
    assert (packed.input_time_ms, packed.emit_time_ms) == (3_000, NOW_MS)
    assert (offset.place, offset.offset) == (IN, 6)


def test_each_output_of_one_input_has_its_own_number() -> None:
    writes, mark, _ = ran(runner(), "two")
    assert [(unpack((w.headers or [])[0][1]).coordinate.k, w.key) for w in writes] == [(0, b"k0"), (1, b"other")]
    assert mark["counters"]["written"] == {"out/1": 2}
    assert mark["counters"]["with_output"] == 1


@pytest.mark.parametrize(
    ("value", "key", "written"),
    [("plain", b"k0", b'{"n":0}'), ("keyless", None, b'{"n":1}'), ("tombstone", b"k0", None)],
)
def test_what_the_candidate_returns_is_what_is_written(value: str, key: bytes | None, written: bytes | None) -> None:
    (write,), _, _ = ran(runner(), value)
    assert (write.key, write.value) == (key, written)


@pytest.mark.parametrize("kind", ["input", "murmur2", "crc32"])
def test_an_output_lies_where_productions_partitioner_would_put_it(kind: Any) -> None:
    candidate = {"call": "tests.runner.test_step:answer", "trusted": True, "partitioner": kind}
    step = runner(candidate=candidate)
    writes, _, _ = ran(step, *["plain"] * 20)
    assert [w.partition for w in writes] == [partition_for(kind, b"k%d" % i, 1, 4) for i in range(20)]


@pytest.mark.parametrize(
    ("value", "reason", "error"),
    [
        ("raise", "error", "ValueError: no score"),
        ("unwritable", "error", "n: nan has no JSON form"),
        ("large", "error", "limits.value_bytes_max is 1000"),
        ("text key", "error", "key is bytes or None, not str"),
        ("undecodable", "undecodable", "ends before its schema id"),
        ("elsewhere", "error", "names topic 'elsewhere'"),
    ],
)
def test_an_input_that_fails_is_absent_counted_and_in_the_dead_letter(value: str, reason: str, error: str) -> None:
    writes, mark, _ = ran(runner(), "plain", value, "plain")
    assert mark["counters"]["absent"] == {reason: 1}
    assert (mark["counters"]["read"], mark["counters"]["with_output"]) == (3, 2)
    key = marks.identity_hash(b"k1")
    assert mark["absences"] == [{"offset": 1, "count": 1, "reason": reason, "ids": [key], "why": 0}]
    assert error in " ".join(mark["texts"])
    none = {"failed": 0, "undecodable": 0, "left_out": 0, "cost": None}
    first = {"failed": reason == "error", "undecodable": reason != "error"}
    assert mark["windows"] == [none | {"start_ms": 0, "read": 2} | first, none | {"start_ms": 1_000, "read": 1}]
    (letter,) = [w for w in writes if w.topic == "shadow.t.dlq.runner"]
    headers = dict(letter.headers or [])
    assert (headers["__connect.errors.topic"], headers["__connect.errors.offset"]) == (b"in", b"1")
    assert error in headers["__connect.errors.exception.message"].decode()
    assert letter.value == batch("plain", value).values[1]


def test_failures_are_counted_by_class_until_the_commit() -> None:
    step = runner()
    step.step(batch("raise", "plain", "large", "undecodable", "raise"), NOW_MS)
    assert step.exceptions == {"ValueError": 2, "output_refused": 1}
    commit(step)
    assert not step.exceptions


def test_a_silent_input_is_no_absence() -> None:
    writes, mark, _ = ran(runner(), "nothing")
    assert (writes, mark["absences"], mark["counters"]["silent"]) == ([], [], 1)


def test_an_output_and_its_key_together_are_bounded() -> None:
    _, mark, _ = ran(runner(), "plain", keys=[b"k" * 1_000])
    assert mark["counters"]["absent"] == {"error": 1}


def test_absences_in_a_row_are_one_run_and_their_ids_stay_aligned() -> None:
    step = runner()
    keys: list[bytes | None] = [b"a", b"b", None, None, b"c", b"d", b"e"]
    _, mark, _ = ran(step, *["raise"] * 5, "plain", "raise", keys=keys)
    assert [(run["offset"], run["count"], len(run["ids"])) for run in mark["absences"]] == [
        (0, 2, 2), (2, 2, 0), (4, 1, 1), (6, 1, 1),
    ]  # fmt: skip
    assert mark["absences"][0]["ids"] == [marks.identity_hash(b"a"), marks.identity_hash(b"b")]


def test_the_mark_of_a_full_transaction_of_failures_fits_a_message() -> None:
    step = runner()
    for first in range(0, step.config.limits.commit_records, 1_000):
        step.step(batch(*["undecodable"] * 1_000, first=first, keys=[None] * 1_000), NOW_MS)
    writes, _ = step.prepare()
    (mark,) = [w for w in writes if w.topic == "shadow.t.progress"]
    # A broker takes a megabyte; each of these inputs also lies in a window of its own or shares it with one other.
    assert len(mark.value or b"") < 300_000


def test_a_transactions_marks_hold_new_ranges_and_cumulative_counters() -> None:
    step = runner()
    ran(step, "raise", "plain")
    _, mark, _ = ran(step, "plain", first=2)
    assert (mark["from_offset"], mark["to_offset"], mark["absences"]) == (2, 3, [])
    assert sum(window["read"] for window in mark["windows"]) == 1
    assert mark["counters"]["read"] == 3
    assert mark["floor_ms"] == 1_200


def test_a_timestamp_too_far_ahead_does_not_move_the_floor() -> None:
    step = runner(future_ms_max=1_000)
    one = batch("plain")
    step.step(Batch(one.place, one.offsets, [10**15], one.keys, one.values), NOW_MS)
    writes, (mark,), _ = commit(step)
    assert mark["floor_ms"] is None
    assert writes[0].time_ms == 10**15, "the output keeps its input's time"


# ---------------------------------------------------------------- done marks, bounds


def test_done_marks_repeat_what_is_committed_with_the_ends_handed_in() -> None:
    step = runner()
    ran(step, "plain", "raise")
    (write,) = step.done_marks({Partition("shadow.t.out.out", 1): 9})
    mark = own.decode(write.value or b"")[1]
    assert (mark["kind"], mark["to_offset"], mark["counters"]["read"]) == ("done", 2, 2)
    assert mark["ends"] == [{"topic": "shadow.t.out.out", "partition": 1, "offset": 9}]


def test_a_done_mark_without_news_is_only_repeated() -> None:
    step = runner()
    ran(step, "plain")
    assert [len(step.done_marks({}, again=again)) for again in (False, False, True)] == [1, 0, 1]
    ran(step, "plain", first=1)
    assert len(step.done_marks({}, again=False)) == 1


def test_a_done_mark_is_refused_while_anything_is_uncommitted() -> None:
    step = runner()
    step.step(batch("plain"), NOW_MS)
    with pytest.raises(ShadowstreamBug, match="uncommitted"):
        step.done_marks({})


def kinds(step: RunnerStep) -> list[str]:
    return [own.decode(write.value or b"")[1]["kind"] for write in step.done_marks({})]


def test_a_bounded_input_ends_at_its_bound_and_reads_nothing_beyond() -> None:
    step = runner(bound=3)
    ran(step, "plain", "plain")
    assert (kinds(step), step.finished()) == (["done"], False)
    step.step(batch("plain", "plain", "plain", first=2), NOW_MS)
    assert not step.finished(), "not committed yet"
    writes, (mark,), (offset,) = commit(step)
    assert (len(writes), mark["counters"]["read"], mark["to_offset"], offset.offset) == (1, 3, 3, 3)
    assert (kinds(step), step.finished()) == (["done", "end"], True)
    step.step(batch("plain", first=5), NOW_MS)
    assert not step.dirty()


def test_a_bound_after_a_control_record_is_reached_at_the_end() -> None:
    step = runner(bound=3)
    step.step(batch("plain", "plain"), NOW_MS)
    step.end(IN, 7)
    _, (mark,), _ = commit(step)
    assert (mark["to_offset"], step.finished()) == (3, True)


def test_a_bound_inside_a_gap_is_reached_by_the_next_record() -> None:
    step = runner(bound=3)
    _, mark, _ = ran(step, "plain", first=9)
    assert (mark["counters"]["read"], mark["to_offset"], step.finished()) == (0, 3, True)


def test_an_empty_bounded_input_has_ended_at_once() -> None:
    step = runner(bound=0)
    assert (step.dirty(), kinds(step), step.finished()) == (False, ["done", "end"], True)


def test_the_end_of_an_unbounded_input_moves_past_control_records() -> None:
    step = runner()
    step.step(batch("plain"), NOW_MS)
    step.end(IN, 4)
    _, (mark,), (offset,) = commit(step)
    assert (mark["to_offset"], mark["counters"]["read"], offset.offset) == (4, 1, 4)


def test_nothing_read_is_nothing_to_commit() -> None:
    step = runner()
    assert (step.dirty(), step.prepare()) == (False, ([], []))


def test_reading_an_offset_twice_is_a_bug_and_not_a_count() -> None:
    step = runner(position=3)
    with pytest.raises(ShadowstreamBug, match="read again"):
        step.step(batch("plain", first=2), NOW_MS)


# ---------------------------------------------------------------- conservation

VALUES = ("plain", "raise", "nothing", "two", "keyless", "tombstone", "unwritable", "large", "undecodable", "text key")


@given(
    values=st.lists(st.sampled_from(VALUES), min_size=1, max_size=30),
    cuts=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["go on", "commit", "crash"])), max_size=20),
)
def test_every_input_ends_once_whatever_the_batches_and_the_crashes(
    values: list[str], cuts: list[tuple[int, str]]
) -> None:
    step, position = runner(), 0
    written: Counter[str] = Counter()
    windows = 0
    saved = (0, commit_metadata.to_metadata(REVISION, marks.Counters()))
    for n, then in [*cuts, (len(values), "commit")]:
        if position < len(values):
            step.step(batch(*values[position : position + n], first=position), NOW_MS)
            position = min(len(values), position + n)
        if then == "commit":
            writes, marks_written, commits = commit(step)
            written.update(f"out/{w.partition}" for w in writes if w.topic == "shadow.t.out.out")
            windows += sum(window["read"] for mark in marks_written for window in mark["windows"])
            for one in commits:
                saved = (one.offset, one.metadata)
        elif then == "crash":
            position = saved[0]
            step = runner(position, commit_metadata.of_metadata(saved[1]))
    counters = commit_metadata.of_metadata(saved[1])
    assert counters.read == windows == len(values)
    assert counters.read == counters.with_output + counters.silent + sum(counters.absent.values())
    assert counters.written == written
    assert counters.silent == values.count("nothing")
    assert counters.absent["undecodable"] == values.count("undecodable")
    assert counters.absent["error"] == sum(values.count(v) for v in ("raise", "unwritable", "large", "text key"))


def test_an_odd_key_is_the_candidates_error() -> None:
    with pytest.raises(CandidateError, match="not int"):
        outputs_of([Output(1), Output(2, key=7)])  # type: ignore[arg-type]  # what a candidate may well do


def test_an_output_bears_the_time_at_which_the_candidate_returned() -> None:
    step = runner()
    step.clock = lambda: NOW_MS + 30
    step.step(batch("one"), NOW_MS)
    (write,) = step.writes
    packed = unpack(dict(write.headers or [])[PACKED_HEADER])
    assert packed.emit_time_ms == NOW_MS + 30


WHOLE: dict[str, dict[str, Any]] = {
    "candidate": {"call": "tests.runner.test_step:answers", "trusted": True, "takes": "batch"}
}


def answers(values: list[Any]) -> list[Any]:
    """The candidate of these tests for a batch."""
    return [answer(value) for value in values]


class OneByOne(Encoder):
    """Encodes nothing as a whole."""

    def encode_many(self, values: Sequence[Any]) -> list[bytes] | None:
        return None


@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["plain", "plain", "plain", "nothing", "two", "large", "unwritable", "undecodable"]),
                st.sampled_from([b"k", b"long key", None]),
            ),
            min_size=1,
            max_size=4,
        ),
        max_size=5,
    ),
    kind=st.sampled_from(["input", "murmur2", "crc32"]),
)
def test_the_fast_path_writes_the_same_as_input_by_input(
    batches: list[list[tuple[str, bytes | None]]], kind: str
) -> None:
    more: dict[str, Any] = {"candidate": WHOLE["candidate"] | {"partitioner": kind}}
    together, single = runner(**more), runner(**more)
    single.encoders = {"out": OneByOne(NoSchemas(), "out-value", "json")}
    first = 0
    for rows in batches:
        read = batch(*(value for value, _ in rows), first=first, keys=[key for _, key in rows])
        first += len(rows)
        together.step(read, NOW_MS)
        single.step(read, NOW_MS)
    assert together.ended == single.ended
    assert commit(together) == commit(single)
