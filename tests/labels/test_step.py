"""Every pair that was scored ends once, whatever comes first; what is left is counted on two paths."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, get_args

import pytest

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.labels.correctness import outcome
from shadowstream.labels.step import LabelStep
from shadowstream.labels.store import Kind, MemoryStore, WaitingEntry
from shadowstream.protocol.count_names import LABELS as LABEL_OUTCOMES
from shadowstream.records import Partition

HOUR_MS = 3_600_000
NOW_MS = 10_000 * HOUR_MS
REVISION = "ab" * 32
LABELS, OTHER_LABELS = Partition("chargebacks", 0), Partition("chargebacks", 1)
SCORED = [Partition("shadow.fraud.scored", partition) for partition in (0, 1)]


def config(judge: dict[str, Any] | None = None, **labels: Any) -> Config:
    sections: dict[str, Any] = {"name": "fraud", "inputs": ["payments"], "candidate": {"call": "candidates:score"}}
    sections |= {"production": {"outputs": ["scores"], "group": "scorer"}, "bounded": True}
    labels = {"topic": "chargebacks", "path": "fraud", "horizon_ms": 10 * HOUR_MS} | labels
    return Config.model_validate(sections | {"labels": labels, "judge": judge or {}})


class LabelsWorld:
    """A step with its store, and everything that it has written."""

    def __init__(self, **labels: Any) -> None:
        self.given = labels
        self.config, self.store = config(**labels), MemoryStore()
        self.step = LabelStep(self.config, REVISION, self.store, ["scores/0", "scores/1"])
        self.leave_unread(LABELS)
        self.stats: list[dict[str, Any]] = []
        self.state: dict[bytes, dict[str, Any] | None] = {}

    def scored(self, id_: bytes | None, hour: float, one: str = "true", other: str = "true", p: int = 0) -> None:
        """`one`: production's answer; `other`: the candidate's."""
        record = {"id": id_, "task": f"scores/{p}", "revision": REVISION, "time_ms": round(hour * HOUR_MS)}
        self.step.scored({**record, "production": one, "shadow": other, "end": False}, NOW_MS)

    def scored_of(self, id_: bytes, hour: float, bucket: int) -> None:
        """A pair of a bucket of keys, in which the candidate has the other answer."""
        record = {"id": id_, "task": "scores/0", "revision": REVISION, "time_ms": round(hour * HOUR_MS)}
        answers = {"production": "true", "shadow": "false", "end": False, "bucket": bucket}
        self.step.scored({**record, **answers}, NOW_MS)

    def leave_unread(self, *places: Partition) -> None:
        """All but these places are read to their end."""
        self.step.clock.unread = frozenset(places)

    def end(self, *partitions: int) -> None:
        for p in partitions:
            record = {"id": None, "task": f"scores/{p}", "revision": "", "time_ms": 0}
            self.step.scored({**record, "production": None, "shadow": None, "end": True}, NOW_MS)

    def label(self, id_: bytes | None, hour: float, value: str | None = "true", place: Partition = LABELS) -> None:
        self.step.label(place, id_, value, round(hour * HOUR_MS), NOW_MS)

    def commit(self) -> None:
        writes = self.step.prepare()
        for write in writes:
            if write.topic == self.config.plan.of("stats"):
                self.stats.append(own.decode(write.value or b"")[1])
            else:
                self.state[write.key or b""] = None if write.value is None else own.decode(write.value)[1]
        if writes:
            self.step.committed()

    def everything(self) -> Counter[str]:
        return sum((Counter(w["outcomes"]) for one in self.stats for w in one["windows"]), Counter())

    def counted(self) -> Counter[str]:
        """Labels and what lacks one, after a commit."""
        self.commit()
        return Counter({name: n for name, n in self.everything().items() if name in LABEL_OUTCOMES})

    def restarted(self) -> LabelsWorld:
        """Another process with nothing but what was written."""
        other = LabelsWorld(**self.given)
        other.stats, other.state = self.stats, self.state
        rows = [row for row in self.state.values() if row is not None]
        for row in rows:
            if row["kind"] in get_args(Kind):
                other.store.put(row["kind"], WaitingEntry(*(row[name] for name in WaitingEntry._fields)))
        other.step = LabelStep(other.config, REVISION, other.store, ["scores/0", "scores/1"])
        other.leave_unread(*self.step.clock.unread)
        counts = {row["id"].decode(): row["counts"] for row in rows if row["kind"] == "task"}
        other.step.restore(max((row["sequence"] for row in rows), default=0), counts)
        return other


@pytest.mark.parametrize("label_first", [False, True])
@pytest.mark.parametrize(
    ("production", "shadow", "expected"),
    [
        ("true", "true", "label_both_right"),
        ("true", "false", "label_production_only"),
        ("false", "true", "label_candidate_only"),
        ("false", "false", "label_neither"),
    ],
)
def test_both_sides_are_scored_on_the_same_record_whichever_comes_first(
    label_first: bool, production: str, shadow: str, expected: str
) -> None:
    world = LabelsWorld()
    if label_first:
        world.label(b"a", 1)
    world.scored(b"a", 2.5, production, shadow)
    if not label_first:
        world.label(b"a", 5)
    world.commit()
    (found,) = [window for one in world.stats for window in one["windows"]]
    differing = {"label_differ": 1} if production != shadow else {}
    assert (found["start_ms"], found["revision"]) == (2 * HOUR_MS, REVISION)
    assert found["outcomes"] == {expected: 1} | differing
    assert not world.store.entries


def test_pairs_with_one_wrong_side_are_counted_by_bucket() -> None:
    world = LabelsWorld()
    for id_, bucket in ((b"a", 7), (b"b", 7), (b"c", -1)):
        world.scored_of(id_, 2.5, bucket)
    world.commit()
    world = world.restarted()
    for id_ in (b"a", b"b", b"c"):
        world.label(id_, 5)
    world.commit()
    found = [one for record in world.stats for window in record["windows"] for one in window["outcome_buckets"]]
    assert found == [{"outcome": "label_production_only", "bucket": 7, "n": 2}]


def test_the_last_label_before_the_pair_counts_unless_a_tombstone_follows() -> None:
    world = LabelsWorld()
    world.label(b"a", 1, "true")
    world.label(b"a", 2, "false")
    world.scored(b"a", 3, "false", "true")
    world.label(b"b", 1, "true")
    world.label(b"b", 1, None)
    world.scored(b"b", 3)
    assert world.counted() == Counter(label_production_only=1)


def test_beyond_the_horizon_a_pair_is_unlabelled_for_good() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.label(b"x", 10)
    world.scored(b"b", 10.1)
    assert world.counted() == Counter(), "the labels stand at 10 h, one ms before the horizon has passed"
    world.leave_unread()
    assert world.counted() == Counter(label_unlabelled=1)
    world.label(b"a", 10.2)
    assert world.counted() == Counter(label_unlabelled=1)


def test_the_clock_does_not_run_ahead_of_labels_being_read() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.scored(b"b", 1_000)
    assert world.counted() == Counter()
    world.label(b"a", 5)
    assert world.counted() == Counter(label_both_right=1)


def test_a_pair_or_a_label_dated_ahead_ends_no_wait() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.scored(b"x", NOW_MS / HOUR_MS + 2)
    world.label(b"y", NOW_MS / HOUR_MS + 2)
    world.leave_unread()
    assert world.counted() == Counter()
    world.label(b"a", 5)
    assert world.counted() == Counter(label_both_right=1)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("label_first", [False, True])
def test_a_partition_of_pairs_that_lags_loses_no_label(label_first: bool, restart: bool) -> None:
    """The other is far beyond the horizon, as in a backlog that nobody reads evenly."""
    world = LabelsWorld()
    world.leave_unread(SCORED[1])
    world.scored(b"early", 0, p=1)
    if label_first:
        world.label(b"late", 2)
    world.scored(b"ahead", 100)
    world.commit()
    if restart:
        world = world.restarted()
    world.scored(b"late", 1, p=1)
    world.commit()
    if not label_first:
        world.label(b"late", 2)
    assert world.counted() == Counter(label_both_right=1)
    # Once it has been read it is waited for one horizon more: the joiner may be behind there.
    world.leave_unread()
    world.scored(b"further", 85)
    assert world.counted() == Counter(label_both_right=1, label_unlabelled=1), "early, and not what came 5 h after 80"


def test_a_task_that_says_nothing_any_more_is_waited_for_one_horizon() -> None:
    world = LabelsWorld()
    world.leave_unread()
    world.scored(b"last", 0, p=1)
    for hour, ended in ((10, 0), (19.9, 0), (20.1, 1)):
        world.scored(b"%d" % (10 * hour), hour)
        assert world.counted()["label_unlabelled"] == ended, hour


def test_before_anything_is_read_of_a_place_nothing_is_past_the_horizon() -> None:
    world = LabelsWorld()
    world.leave_unread(SCORED[0])
    world.scored(b"a", 0, p=1)
    world.scored(b"b", 100, p=1)
    assert world.counted() == Counter(), "who knows what the other holds"
    world.leave_unread()
    assert world.counted() == Counter(label_unlabelled=1)


def test_a_partition_of_labels_that_lags_loses_no_label() -> None:
    world = LabelsWorld()
    world.leave_unread(LABELS, OTHER_LABELS)
    world.scored(b"a", 0)
    world.scored(b"b", 100)
    world.label(b"b", 100)
    world.commit()
    world.label(b"x", 1, place=OTHER_LABELS)
    world.commit()
    world.leave_unread(OTHER_LABELS)
    world.commit()
    world.label(b"a", 2, place=OTHER_LABELS)
    assert world.counted() == Counter(label_both_right=2)


def test_without_an_id_or_scored_again_a_pair_ends_unlabelled() -> None:
    world = LabelsWorld()
    world.scored(None, 0)
    world.scored(b"a", 1, "true", "false")
    world.scored(b"a", 2, "false", "true")
    world.label(b"a", 3)
    assert world.counted() == Counter(label_unlabelled=2, label_candidate_only=1)


def test_pairs_whose_answers_differ_are_counted_with_and_without_a_label() -> None:
    world = LabelsWorld()
    answers = [("true", "false"), ("true", "false"), ("1", "1.0"), ("0.5", "0.6"), ('"a"', '"b"')]
    for number, (one, other) in enumerate(answers):
        world.scored(b"%d" % number, 0, one, other)
    world.label(b"0", 1)
    world.label(b"3", 1, "0.5")
    world.scored(b"late", 100)
    world.leave_unread()
    world.commit()
    world.end(0, 1)
    world.commit()
    counted = world.everything()
    assert (counted["label_unlabelled"], counted["label_production_only"]) == (4, 2)
    assert (counted["label_differ"], counted["label_differ_unlabelled"]) == (4, 2)


def test_a_task_is_idle_and_its_ledger_says_what_waits() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.scored(b"b", 0, p=1)
    world.label(b"b", 1)
    world.commit()
    by_task = {one["task"]: one for one in world.stats}
    assert set(by_task) == {"labels/scores/0", "labels/scores/1"}
    waits = by_task["labels/scores/0"]
    # Nothing that was scored before the horizon is open any more; how far windows are is not this task's to say.
    assert (waits["pending"], waits["idle"], waits["watermark_ms"], waits["seq"]) == (1, True, -10 * HOUR_MS, 1)
    (line,) = waits["ledgers"]
    assert line == {"ledger": 3, "place": "shadow.fraud.scored/0", "expected": 1, "counted": 1}


def test_a_store_that_has_lost_a_pair_leaves_a_remainder() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.commit()
    world.state[b"scored/a"] = None
    other = world.restarted()
    other.scored(b"b", 1)
    other.commit()
    (line,) = other.stats[-1]["ledgers"]
    assert (line["expected"], line["counted"]) == (2, 1)


def test_at_the_end_of_a_bounded_run_everything_has_ended() -> None:
    world = LabelsWorld()
    world.scored(b"a", 0)
    world.end(0)
    world.leave_unread()
    world.commit()
    assert not world.step.finished
    world.end(1)
    world.commit()
    assert world.step.finished
    assert world.counted() == Counter(label_unlabelled=1)
    assert {one["task"]: one["complete"] for one in world.stats} == {"labels/scores/0": True, "labels/scores/1": True}
    world.commit()
    assert [one["seq"] for one in world.stats if one["task"] == "labels/scores/1"] == [1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_restarts_come_to_the_same_counts(seed: int) -> None:
    draw = random.Random(seed)
    answers = ("true", "false")
    pairs = [(b"%d" % n, n * 0.01, draw.choice(answers), draw.choice(answers)) for n in range(200)]
    labels = [(id_, hour + draw.random(), draw.choice(answers)) for id_, hour, *_ in pairs if draw.random() < 0.8]
    truth = {id_: value for id_, _, value in labels}
    expected = Counter(
        outcome(one, other, truth[id_]) if id_ in truth else "label_unlabelled" for id_, _, one, other in pairs
    )
    world = LabelsWorld()
    turns = ["pair"] * len(pairs) + ["label"] * len(labels)
    draw.shuffle(turns)
    coming = {"pair": iter(pairs), "label": iter(labels)}
    for turn in turns:
        if turn == "pair":
            id_, hour, one, other = next(coming["pair"])
            world.scored(id_, hour, one, other, p=int(id_) % 2)
        else:
            world.label(*next(coming["label"]))
        if draw.random() < 0.1:
            world.commit()
            if draw.random() < 0.5:
                world = world.restarted()
    world.end(0, 1)
    world.leave_unread()
    assert world.counted() == expected
    assert world.step.finished
    for name in ("labels/scores/0", "labels/scores/1"):
        seqs = [one["seq"] for one in world.stats if one["task"] == name]
        assert seqs == list(range(1, len(seqs) + 1))


def test_numbers_are_right_within_the_tolerance_and_truth_is_no_number() -> None:
    assert outcome("0.1", "0.2", "0.1001", 0.001) == "label_production_only"
    assert outcome("1", "true", "1") == "label_production_only"
    assert outcome(None, '"a"', '"a"') == "label_candidate_only"
    assert outcome('{"a":1}', '{"a":2}', '{"a": 1}') == "label_production_only"


def test_a_config_without_labels_has_no_such_step() -> None:
    without = config().model_copy(update={"labels": None})
    with pytest.raises(ConfigError, match="names no topic of labels"):
        LabelStep(without, REVISION, MemoryStore(), ["scores/0"])
