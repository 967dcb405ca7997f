"""Candidates with state: what a partition begins with, what is written of it, and what is said in warm-up."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.encoder import Encoder
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.redact import DROPPED
from shadowstream.config import Compare, Config, Examples
from shadowstream.errors import CandidateError, ConfigError
from shadowstream.protocol import marks
from shadowstream.protocol.headers import unpack
from shadowstream.records import Batch, Commit, Partition, Write
from shadowstream.runner import commit_metadata
from shadowstream.runner.candidate import load_stateful
from shadowstream.runner.candidate_state import Stateful, WarmUp
from shadowstream.runner.commit_metadata import StateNote
from shadowstream.runner.outputs import CandidateObject
from shadowstream.runner.step import RunnerStep
from tests.least_config import least_config

REVISION = "00112233445566778899aabbccddeeff"
OTHER = "ff112233445566778899aabbccddeeff"
IN = Partition("in", 1)
NOW_MS = 77


class Counting:
    """Counts each word; does to its snapshot what the words ask for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, word: str) -> Any:
        self.counts[word] += 1
        if word == "raise":
            raise ValueError("no word")
        return None if word == "silent" else [[word, self.counts[word]]]

    def snapshot(self) -> Any:
        if self.counts["break"] == 1:
            raise OSError("disk gone")
        return "text" if self.counts["text"] else json.dumps(self.counts).encode() + b" " * self.counts["blow up"] * 999

    def restore(self, snapshot: bytes) -> None:
        self.counts["half"] = 1
        self.counts = Counter(json.loads(snapshot))


def making_none() -> None:
    """No candidate."""


def config(**candidate: Any) -> Config:
    counting = {"call": f"{__name__}:Counting", "trusted": True, "partitioner": "input", "state": "snapshot"}
    return least_config(candidate=counting | candidate, limits={"snapshot_bytes_max": 900})


class Runner:
    """A runner's step and what it has committed; `again` is another process that takes the partition over."""

    def __init__(self, revision: str = REVISION, **candidate: Any) -> None:
        self.config, self.revision = config(**candidate), revision
        self.stateful = Stateful(self.config, revision, load_stateful(self.config.candidate), 4)
        encoders = {"out": Encoder(NoSchemas(), "out-value", "json")}
        self.step = RunnerStep(self.config, revision, self.stateful, Decoder(NoSchemas()), encoders, {"out": 4})
        self.committed = Commit(IN, 0, "")
        self.snapshots: dict[int, bytes] = {}
        self.take_over()

    def take_over(self) -> None:
        kept = commit_metadata.kept_of(self.committed.metadata) if self.committed.metadata else None
        at = self.stateful.wanted(IN, kept)
        self.step.assign(IN, self.committed.offset, marks.Counters(), -1)
        self.stateful.assign(IN, kept, None if at is None else self.snapshots[at])

    def again(self, revision: str = REVISION, **candidate: Any) -> Runner:
        other = Runner(revision, **candidate)
        other.committed, other.snapshots = self.committed, self.snapshots
        other.take_over()
        return other

    def run(self, *words: str) -> list[tuple[list[Any], bool]]:
        """Inputs one second apart; their outputs and whether each is said in warm-up."""
        first = self.step.inputs[IN].position
        offsets = range(first, first + len(words))
        values = [json.dumps(word).encode() for word in words]
        keys: list[bytes | None] = [b"k%d" % offset for offset in offsets]
        self.step.step(Batch(IN, offsets, [1_000 * offset for offset in offsets], keys, values), NOW_MS)
        return [
            (json.loads(w.value or b""), unpack((w.headers or [])[0][1]).warm)
            for w in self.step.writes
            if w.topic == "shadow.t.out.out" and unpack((w.headers or [])[0][1]).coordinate.offset >= first
        ]

    def ran(self, *words: str) -> Runner:
        """It, after these words and a commit."""
        self.run(*words)
        self.commit()
        return self

    def commit(self) -> list[Write]:
        writes, (self.committed,) = self.step.prepare()
        self.step.committed()
        for write in writes:
            if write.topic == "shadow.t.runner-state":
                record = own.decode(write.value or b"")[1]
                self.snapshots[record["offset"]] = record["snapshot"]
        return writes

    def news(self) -> list[str]:
        message, self.stateful.snapshot_results = self.stateful.snapshot_results, []
        return [one.result for one in message]


def test_another_process_goes_on_from_the_snapshot_of_the_commit() -> None:
    one = Runner()
    one.run("a", "a", "b")
    (written,) = [w for w in one.commit() if w.topic == "shadow.t.runner-state"]
    assert (written.key, written.partition) == (b"in/1", 1)
    one.run("a")  # never committed: the other reads it again
    assert one.again().run("a", "b") == [(["a", 3], False), (["b", 2], False)]


def test_what_was_not_committed_is_forgotten_within_a_process_too() -> None:
    one = Runner().ran("a")
    one.run("a")
    one.step.drop()
    one.take_over()
    assert one.run("a") == [(["a", 2], False)]


def test_an_unchanged_snapshot_is_not_rewritten_and_still_restored() -> None:
    one = Runner().ran("a")
    one.stateful.call = lambda place, values: [[] for _ in values]  # type: ignore[method-assign]  # inputs that change nothing
    one.run("x")
    assert [w.topic for w in one.commit()] == ["shadow.t.progress"]
    assert one.news() == ["written", "unchanged"]
    assert one.again().run("a") == [(["a", 2], False)]


@pytest.mark.parametrize(
    ("word", "result", "reason"),
    [
        ("blow up", "too_large", "bytes; limits.snapshot_bytes_max: 900"),
        ("break", "failed", "snapshot() raised OSError: disk gone"),
        ("text", "failed", "snapshot() returned str, not bytes"),
    ],
)
def test_without_a_snapshot_the_next_assignment_is_warm_up(word: str, result: str, reason: str) -> None:
    one = Runner().ran("a")
    one.ran("a", word)
    assert [(n.result, n.place) for n in one.stateful.snapshot_results] == [("written", IN), (result, IN)]
    assert reason in one.stateful.snapshot_results[-1].reason
    assert one.run("a") == [(["a", 3], False)], "as long as it lives it has its state"
    assert one.again().run("a", "b") == [(["a", 1], True), (["b", 1], True)]
    limited = one.again(warm_up_records=1)
    assert limited.run("a", "b") == [(["a", 1], True), (["b", 1], False)]


@pytest.mark.parametrize(
    "raised",
    [OSError("ada owes 12"), CandidateError("{} raised OSError: ada owes 12")],
    ids=("in the process", "in its own"),
)
def test_what_a_method_of_state_raises_shows_no_value(raised: Exception) -> None:
    hiding = config()
    hiding = hiding.model_copy(update={"compare": Compare(examples=Examples(values="numbers"))})

    class Raising(Counting):
        def snapshot(self) -> Any:
            raise type(raised)(str(raised).format("snapshot()"))

        def restore(self, snapshot: bytes) -> None:
            raise type(raised)(str(raised).format("restore()"))

    stateful = Stateful(hiding, REVISION, lambda: CandidateObject(Raising(), lambda values: [*values]), 4)
    stateful.assign(IN, StateNote(3, WarmUp(0, 0).record(), REVISION), b"{}")
    stateful.prepare(IN, 4)
    assert [one.result for one in stateful.snapshot_results] == ["restore_failed", "failed"]
    for one, name in zip(stateful.snapshot_results, ("restore", "snapshot"), strict=True):
        assert one.reason == f"{name}() raised OSError: {DROPPED}"


def test_a_snapshot_can_be_had_again_after_one_that_failed() -> None:
    one = Runner().ran("a", "break")
    one.ran("break")
    assert one.news() == ["failed", "written"]
    assert one.again().run("a") == [(["a", 2], False)]


def test_a_snapshot_of_another_revision_is_refused() -> None:
    one = Runner().ran("a", "a")
    other = one.again(OTHER)
    assert (other.run("a"), other.news()) == ([(["a", 1], False)], ["refused"])
    assert one.again(OTHER, warm_up_records=1).run("a") == [(["a", 1], True)]


def test_what_a_restore_left_half_done_is_not_gone_on_with() -> None:
    one = Runner().ran("a")
    one.snapshots = dict.fromkeys(one.snapshots, b"torn")
    other = one.again()
    assert (other.run("a", "half"), other.news()) == ([(["a", 1], True), (["half", 1], True)], ["restore_failed"])


def test_a_warm_up_goes_on_after_a_restart_where_it_stood() -> None:
    one = Runner(warm_up_records=3)
    assert one.run("a", "a") == [(["a", 1], True), (["a", 2], True)]
    one.commit()
    assert one.again(warm_up_records=3).run("a", "a") == [(["a", 3], True), (["a", 4], False)]


def test_without_hooks_each_assignment_begins_with_a_warm_up() -> None:
    one = Runner(state="warm_up", warm_up_ms=2_000)
    assert one.run("a", "a", "a") == [(["a", 1], True), (["a", 2], True), (["a", 3], False)]
    assert {w.topic for w in one.commit()} == {"shadow.t.out.out", "shadow.t.progress"}
    assert one.again(state="warm_up", warm_up_ms=2_000).run("a", "a", "a") == [
        (["a", 1], True), (["a", 2], True), (["a", 3], False),
    ]  # fmt: skip


def test_silence_in_warm_up_is_an_absence_but_errors_stay() -> None:
    one = Runner(state="warm_up", warm_up_records=2)
    one.run("silent", "raise", "silent")
    (mark,) = [own.decode(w.value or b"")[1] for w in one.commit() if w.topic == "shadow.t.progress"]
    assert [(run["offset"], run["reason"], len(run["ids"])) for run in mark["absences"]] == [
        (0, "warm_up", 1), (1, "error", 1),
    ]  # fmt: skip
    assert (mark["counters"]["absent"], mark["counters"]["silent"]) == ({"warm_up": 1, "error": 1}, 1)
    assert sum(window["failed"] for window in mark["windows"]) == 1


def test_a_poison_timestamp_makes_no_endless_warm_up() -> None:
    one = Runner(state="warm_up", warm_up_ms=1_000)
    ahead = one.config.future_ms_max
    one.step.step(Batch(IN, [0], [10**15], [b"k"], [b'"a"']), NOW_MS)
    one.step.step(Batch(IN, [1], [NOW_MS + ahead + 1_000], [b"k"], [b'"a"']), NOW_MS + 1_000)
    assert [unpack((w.headers or [])[0][1]).warm for w in one.step.writes] == [True, False]


@pytest.mark.parametrize(
    ("call", "news"),
    [
        ("making_none", "gave a NoneType without __call__, snapshot, restore; candidate.state: snapshot requires"),
        ("config", r"config\(\) gave a Config without __call__, snapshot, restore"),
        ("Runner.nothing", "cannot load"),
        ("IN", "is not callable"),
    ],
)
def test_a_candidate_without_its_states_methods_is_rejected_at_the_start(call: str, news: str) -> None:
    candidate = config().candidate.model_copy(update={"call": f"{__name__}:{call}"})
    with pytest.raises(ConfigError, match=news):
        load_stateful(candidate)


@pytest.mark.parametrize(
    "candidate",
    [
        {"state": "warm_up"},
        {"state": "none", "warm_up_ms": 5},
        {"warm_up_ms": 5, "warm_up_records": 5},
        {"takes": "batch"},
        {"call": None, "topic": "t2", "group": "g", "version": "1"},
    ],
)
def test_a_kind_of_state_that_cannot_be_kept_is_no_config(candidate: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="state"):
        config(**candidate)


@given(st.integers(0, 20), st.lists(st.integers(0, 9), max_size=9))
def test_a_warm_up_of_records_is_as_long_however_batches_cut_it(records: int, batches: list[int]) -> None:
    warm, taken = WarmUp(records, None), 0
    for n in batches:
        taken += warm.take([0] * n)
        warm = WarmUp.of(warm.record())
    assert taken == min(records, sum(batches))


@given(st.integers(1, 50), st.lists(st.integers(0, 100), min_size=1), st.integers(0, 99))
def test_a_warm_up_of_event_time_ends_with_the_first_later_record(lasts: int, times: list[int], cut: int) -> None:
    whole, parts = WarmUp(None, lasts), WarmUp(None, lasts)
    at = next((i for i, time_ms in enumerate(times) if time_ms >= times[0] + lasts), len(times))
    assert whole.take(times) == at
    assert parts.take(times[:cut]) + parts.take(times[cut:]) == at
