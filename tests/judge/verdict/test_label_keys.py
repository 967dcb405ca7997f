"""Labels by key: a bucket is a unit by its first window of a season, once all labels of that window have come."""

import json
import random
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest

from shadowstream.config import Config
from shadowstream.judge.evidence.bounded_mean import log_e_grid
from shadowstream.judge.step import JudgeStep
from shadowstream.labels.losses import LabelledLosses
from shadowstream.protocol.key_buckets import KeyOutcomes
from shadowstream.protocol.task_names import task_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats
from tests.labels.labelled_trial import config_of

TASKS = ("scores/0", "scores/1")
HOURS, SEASON, KEYS = 36, 24, 300
LABELS = {"rate": "labels", "limit": 0.6, "unit": "key"}
BRIER = {"rate": "loss", "loss": "brier", "bound": 1.0, "margin": 0.05, "unit": "key"}


class Label(NamedTuple):
    """A labelled pair in which one side is wrong, and which."""

    hour: int
    bucket: int
    wrong: str

    @property
    def outcome(self) -> str:
        return "label_production_only" if self.wrong == "candidate" else "label_candidate_only"

    @property
    def answers(self) -> tuple[str, str]:
        return ("0.75", "0.25") if self.wrong == "candidate" else ("0.25", "0.75")


def labels_of(seed: int, wrong: float = 0.5) -> list[Label]:
    dice = random.Random(seed)
    return [
        Label(hour, dice.randrange(KEYS), "candidate" if dice.random() < wrong else "production")
        for hour in range(HOURS)
        for _ in range(dice.randint(0, 12))
    ]


def settings_of(criterion: dict[str, Any]) -> Config:
    return config_of(criterion, min_duration_ms=SEASON * HOUR_MS)


def cells(settings: Config, labels: list[Label]) -> list[dict[str, Any]]:
    """The windows of a stats record of the labels role."""
    found = []
    for hour in sorted({label.hour for label in labels}):
        inside, keyed, losses = [one for one in labels if one.hour == hour], KeyOutcomes(), LabelledLosses(settings)
        outcomes: dict[str, int] = defaultdict(int)
        for label in inside:
            outcomes[label.outcome] += 1
            keyed.add((), label.outcome, label.bucket)
            losses.add(("", 0, ""), *label.answers, "true", label.bucket)
        one = cell(hour * HOUR_MS, **outcomes)
        found.append(one | {"outcome_buckets": keyed.of(()), "means": losses.of(("", 0, ""))})
    return found


class Judging:
    """A judge that reads pairs, and labels in any order, and may be restarted."""

    def __init__(self, criterion: dict[str, Any]) -> None:
        self.settings = settings_of(criterion)
        self.offset = 0
        self.seqs: dict[str, int] = defaultdict(int)
        self._begin(None)

    def _begin(self, state: dict[str, Any] | None) -> None:
        self.step = JudgeStep(self.settings, REVISION, [*TASKS, *map(task_of, TASKS)])
        self.step.restore(state)

    def restart(self) -> None:
        self._begin(self.step.state())

    def read(self, task: str, *windows: dict[str, Any], **more: Any) -> None:
        self.seqs[task] += 1
        self.step.step(0, self.offset, stats(task, self.seqs[task], *windows, **more))
        self.offset += 1

    def pairs(self, until: int) -> None:
        for number, task in enumerate(TASKS):
            windows = [cell(hour * HOUR_MS, match=20, input=20) for hour in range(until)] if not number else []
            self.read(task, *windows, watermark_ms=until * HOUR_MS)

    def labels(self, labels: list[Label], task: str = TASKS[0], done: int | None = None) -> None:
        mark = None if done is None else done * HOUR_MS
        self.read(task_of(task), *cells(self.settings, labels), watermark_ms=mark, idle=True)

    def end(self) -> None:
        for task in TASKS:
            for name in (task_of(task), task):
                self.read(name, complete=True)

    @property
    def criterion(self) -> dict[str, Any]:
        return dict(self.step.verdict(0)["criteria"][0])


def shares_of(labels: list[Label]) -> list[float]:
    """The share of each bucket on which the candidate is the wrong side, in the first window of a season."""
    by_window: dict[tuple[int, int], list[bool]] = defaultdict(list)
    for label in labels:
        by_window[label.hour, label.bucket].append(label.wrong == "candidate")
    counted: dict[int, int] = {}
    shares = []
    for (hour, bucket), wrong in sorted(by_window.items()):
        if bucket not in counted or hour - counted[bucket] >= SEASON:
            counted[bucket] = hour
            shares.append(sum(wrong) / len(wrong))
    return shares


def read_all(judging: Judging, labels: list[Label], dice: random.Random) -> None:
    """All labels in any order, in records of either task, some before the pairs of their windows are closed."""
    parts = [labels[at : at + 7] for at in range(0, len(labels), 7)]
    mixed = dice.sample(parts, len(parts))
    closed_at = dice.randrange(len(mixed))
    for at, part in enumerate(mixed):
        if at == closed_at:
            judging.pairs(HOURS)
        judging.labels(part, dice.choice(TASKS))
        if dice.random() < 0.2:
            judging.restart()
    judging.end()


@pytest.mark.parametrize("criterion", [LABELS, BRIER], ids=lambda one: one["rate"])
def test_units_are_those_of_event_time_in_any_order_of_reading(criterion: dict[str, Any]) -> None:
    labels = labels_of(1)
    found = set()
    for seed in range(3):
        judging, dice = Judging(criterion), random.Random(seed)
        read_all(judging, dice.sample(labels, len(labels)), dice)
        verdict = judging.step.verdict(0)
        found.add((verdict["evidence_digest"], json.dumps(verdict["criteria"][0], sort_keys=True)))
    assert len(found) == 1
    one, shares = json.loads(found.pop()[1]), np.array(shares_of(labels))
    distinct = len({label.bucket for label in labels})
    assert (one["n"], one["keys"], one["units"]) == (len(shares), distinct, "buckets of keys")
    if criterion is LABELS:
        assert one["bad"] == pytest.approx(shares.sum(), abs=1e-6)
        assert one["log_e_below"] == pytest.approx(log_e_grid(shares, 0.6), abs=1e-4)
    else:
        worse_by = (2 * shares - 1) * (0.75**2 - 0.25**2)
        assert one["difference"] == pytest.approx(worse_by.mean(), abs=1e-6)
        pooled = sum(1 if label.wrong == "candidate" else -1 for label in labels) * 0.5 < 0.05 * len(labels)
        units = (worse_by + 1) / 2
        below = log_e_grid(units, 0.525, wide=True)
        assert one["log_e_below"] == pytest.approx(below if pooled else min(below, 0.0), abs=1e-4)


def test_no_unit_counts_before_all_labels_of_its_window_have_come() -> None:
    judging = Judging(LABELS)
    judging.pairs(10)
    judging.labels([Label(5, 7, "candidate")], done=3)
    judging.labels([Label(5, 8, "production")], TASKS[1], done=6)
    judging.pairs(11)
    assert judging.criterion["n"] == 0, "the other task of labels may still hold an earlier one"
    judging.labels([Label(3, 7, "production")], done=6)
    judging.pairs(12)
    assert (judging.criterion["n"], judging.criterion["bad"]) == (2, 0.0)
    judging.end()
    assert (judging.criterion["n"], judging.criterion["bad"]) == (2, 0.0)


def test_a_label_later_than_its_settled_window_is_no_unit() -> None:
    judging = Judging(LABELS)
    judging.pairs(10)
    for task in TASKS:
        judging.labels([], task, done=8)
    judging.pairs(11)
    judging.labels([Label(3, 7, "candidate")])
    judging.end()
    assert judging.criterion["n"] == 0
    assert judging.step.windows.outcomes["label_production_only"] == 1


@pytest.mark.parametrize("criterion", [LABELS, BRIER], ids=lambda one: one["rate"])
def test_whether_a_label_is_late_depends_on_its_own_task_only(criterion: dict[str, Any]) -> None:
    """The first task is past its late label; whether the judge has read as far of the second one must not matter."""
    found = set()
    for is_settled in (True, False):
        judging = Judging(criterion)
        judging.pairs(10)
        judging.labels([Label(3, 8, "production")], done=8)
        if is_settled:
            judging.labels([], TASKS[1], done=8)
        judging.pairs(11)
        judging.labels([Label(3, 7, "candidate"), Label(9, 9, "candidate")], done=9)
        if not is_settled:
            judging.labels([], TASKS[1], done=8)
        judging.end()
        verdict = judging.step.verdict(0)
        found.add((verdict["evidence_digest"], verdict["criteria"][0]["n"]))
    assert [n for _, n in found] == [2]


@pytest.mark.parametrize(("wrong", "decision"), [(0.1, "promote"), (0.95, "reject")])
@pytest.mark.parametrize("criterion", [LABELS, BRIER], ids=lambda one: one["rate"])
def test_labels_by_key_decide(criterion: dict[str, Any], wrong: float, decision: str) -> None:
    judging = Judging(criterion | {"min_coverage": 0.1})
    read_all(judging, labels_of(2, wrong), random.Random(5))
    verdict = judging.step.verdict(0)
    assert verdict["decision"] == decision, verdict["reasons"]


@pytest.mark.parametrize("criterion", [LABELS, BRIER], ids=lambda one: one["rate"])
def test_one_key_that_dominates_holds_a_promote_back(criterion: dict[str, Any]) -> None:
    hot = [Label(hour, 1_000, "candidate") for hour in range(HOURS) for _ in range(30)]
    judging = Judging(criterion | {"min_coverage": 0.1})
    read_all(judging, [*labels_of(2, 0.1), *hot], random.Random(6))
    assert judging.step.verdict(0)["decision"] == "not_yet"


def test_pairs_without_a_key_lower_the_coverage() -> None:
    judging = Judging(BRIER)
    read_all(judging, [Label(one.hour, -1, one.wrong) for one in labels_of(3)], random.Random(7))
    assert judging.criterion["coverage"] == 0.0


@pytest.mark.parametrize("loss", ["auc", "value"])
def test_a_loss_that_has_no_key_is_refused(loss: str) -> None:
    path = {"path": "profit"} if loss == "value" else {}
    with pytest.raises(ValueError, match="losses by labels but auc; take block"):
        settings_of({"rate": "loss", "loss": loss, "bound": 1.0, "margin": 0.1, "unit": "key"} | path)
