"""Losses of labelled pairs: each loss by a reference written apart, and a whole trial through the role's step."""

import json
import math
from typing import Any

import pytest

from shadowstream.codecs import own
from shadowstream.compare.hooks import Hook, HookError, Unanswered
from shadowstream.config import Config, Criterion
from shadowstream.judge.step import JudgeStep
from shadowstream.labels.losses import LabelledLosses, UnusableLabel, loss_of
from shadowstream.labels.step import LabelStep
from shadowstream.labels.store import MemoryStore, WaitingEntry
from shadowstream.protocol.task_names import task_of
from shadowstream.records import Partition
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats

COSTS = [
    {"truth": True, "answer": False, "cost": 100},
    {"truth": False, "answer": True, "cost": 5},
    {"truth": True, "answer": True, "cost": -40},
]
HOURS = 24


def criterion_of(loss: str, **more: Any) -> dict[str, Any]:
    return {"rate": "loss", "loss": loss, "bound": 1.0, "margin": 0.05, **more}


def config(*criteria: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "name": "fraud",
            "inputs": ["payments"],
            "production": {"outputs": ["scores"], "group": "scorer", "commits": "after_output"},
            "candidate": {"call": "candidates:score"},
            "bounded": True,
            "labels": {"topic": "chargebacks", "path": "p", "horizon_ms": 10 * HOUR_MS},
            "judge": {"criteria": list(criteria), "min_duration_ms": 0},
        }
    )


def brier(classes: dict[str, float], truth: str) -> float:
    """The sum over all classes of (probability - indicator) squared."""
    return sum((classes.get(name, 0.0) - (name == truth)) ** 2 for name in {*classes, truth})


@pytest.mark.parametrize(
    ("loss", "answer", "truth", "expected"),
    [
        ("absolute", 3, 4.5, 1.5),
        ("squared", 3, 4.5, 2.25),
        ("log", 0.8, True, math.log(1 / 0.8)),
        ("log", 0.8, 0, math.log(1 / 0.2)),
        ("log", 0.8, 0.5, (math.log(1 / 0.8) + math.log(1 / 0.2)) / 2),
        ("log", 0, True, 15 * math.log(10)),
        ("log", 1, True, 0.0),
        ("log", {"a": 0.7, "b": 0.3}, "b", math.log(1 / 0.3)),
        ("log", {"a": 1.0}, "b", 15 * math.log(10)),
        ("brier", 0.8, True, 0.04),
        ("brier", 0.8, False, 0.64),
        ("brier", True, False, 1.0),
        ("brier", {"a": 0.7, "b": 0.2, "c": 0.1}, "b", brier({"a": 0.7, "b": 0.2, "c": 0.1}, "b")),
        ("brier", {"a": 1.0}, "b", brier({"a": 1.0}, "b")),
        ("cost", False, True, 100.0),
        ("cost", True, False, 5.0),
        ("cost", True, True, -40.0),
        ("cost", False, False, 0.0),
        ("value", 2.5, -3, 7.5),
        ("value", True, 12, -12.0),
    ],
)
def test_the_loss_of_an_answer(loss: str, answer: Any, truth: Any, expected: float) -> None:
    costs = {"costs": COSTS} if loss == "cost" else {}
    found = loss_of(Criterion.model_validate(criterion_of(loss, **costs)))(answer, truth)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "answer", "truth"),
    [
        ("absolute", "3", 4),
        ("absolute", True, 1),
        ("absolute", None, 4),
        ("log", 1.2, True),
        ("log", {"a": 1.0, "b": 1.0}, "b"),
        ("log", 0.5, "b"),
        ("brier", {"a": -0.5, "b": 1.5}, "b"),
        ("brier", [1], True),
        ("cost", "maybe", True),
        ("cost", None, True),
        ("cost", 1, True),
        ("value", "2", 3),
    ],
)
def test_an_answer_of_the_wrong_kind_is_not_usable(loss: str, answer: Any, truth: Any) -> None:
    costs = {"costs": COSTS} if loss == "cost" else {}
    assert math.isnan(loss_of(Criterion.model_validate(criterion_of(loss, **costs)))(answer, truth))


@pytest.mark.parametrize(("loss", "truth"), [("absolute", "4"), ("log", 2), ("brier", None), ("value", "x")])
def test_a_label_of_the_wrong_kind_is_counted_for_nothing(loss: str, truth: Any) -> None:
    with pytest.raises(UnusableLabel):
        loss_of(Criterion.model_validate(criterion_of(loss)))(0.5, truth)
    losses = LabelledLosses(config(criterion_of(loss)))
    losses.add(("scores/0", 0, REVISION), "0.5", "0.5", json.dumps(truth))
    assert [one["n"] for one in losses.of(("scores/0", 0, REVISION))] in ([], [0])


def summed(losses: LabelledLosses, *pairs: tuple[str | None, str | None, str]) -> dict[str, Any]:
    window = ("scores/0", 0, REVISION)
    for pair in pairs:
        losses.add(window, *pair)
    return losses.of(window)[0]


def test_a_candidate_without_a_usable_answer_counts_as_the_bound() -> None:
    found = summed(
        LabelledLosses(config(criterion_of("brier"))),
        ("0.9", None, "true"),  # worse by more than any bound
        (None, "0.9", "true"),  # no gain
        (None, None, "true"),  # not counted
        ("0.9", "0.9", "true"),
    )
    assert (found["n"], found["over"], found["sums"][-1]) == (3, 1, 2 * 2**32)


def losing(answer: Any, truth: Any) -> Any:
    """A loss of the user: it raises for some answers, returns no number for others, or does not answer."""
    if answer == "raise":
        raise HookError("losing raised")
    if answer == "hang":
        raise Unanswered("losing hangs")
    return {"text": "0.5", "inf": math.inf, "gain": -math.inf}.get(answer, 0.25)


def test_a_function_of_the_user_is_asked_for_both_sides() -> None:
    asked: list[tuple[str, str, int]] = []

    def loads(entry: str, key: str, arguments: int) -> Hook:
        asked.append((entry, key, arguments))
        return losing

    losses = LabelledLosses(config(criterion_of("money:losing")), loads)
    answers = ["fine", "raise", "text", "inf", "gain", "hang"]
    found = summed(losses, *(('"fine"', json.dumps(answer), "1") for answer in answers))
    assert asked == [("money:losing", "judge.criteria", 2)]
    assert (found["path"], found["n"], found["over"]) == ("loss:money:losing", 5, 4), (
        "the one that hangs is not counted"
    )


def verdict_of(candidate: float, pairs: int = 40, labelled: int = 40) -> dict[str, Any]:
    """A day in which production says .7 of what is true, and the candidate says this."""
    settings = config(criterion_of("brier"))
    store = MemoryStore()
    step = LabelStep(settings, REVISION, store, ["scores/0"])
    for hour in range(HOURS):
        for number in range(pairs):
            id_ = b"%d-%d" % (hour, number)
            record = {"id": id_, "task": "scores/0", "revision": REVISION, "time_ms": hour * HOUR_MS}
            step.scored({**record, "production": "0.7", "shadow": str(candidate), "end": False}, 10**15)
            if number < labelled:
                step.label(Partition("chargebacks", 0), id_, "true", (hour + 5) * HOUR_MS, 10**15)
    step.scored({"id": None, "task": "scores/0", "end": True}, 10**15)
    records = [own.decode(one.value or b"")[1] for one in step.prepare() if one.topic == settings.plan.of("stats")]
    judge = JudgeStep(settings, REVISION, ["scores/0", task_of("scores/0")])
    windows = [cell(hour * HOUR_MS, match=pairs, input=pairs) for hour in range(HOURS)]
    for at, one in enumerate([stats("scores/0", 1, *windows, complete=True), *records]):
        judge.step(0, at, one)
    return judge.verdict(0)


@pytest.mark.parametrize(
    ("candidate", "decision", "worse_by"), [(0.9, "promote", -0.08), (0.7, "promote", 0.0), (0.2, "reject", 0.55)]
)
def test_labels_judge_the_loss_of_a_candidate(candidate: float, decision: str, worse_by: float) -> None:
    verdict = verdict_of(candidate)
    loss = next(one for one in verdict["criteria"] if one["rate"] == "loss:brier")
    assert (loss["n"], loss["units"], verdict["decision"]) == (HOURS * 40, "labelled pairs", decision)
    assert loss["difference"] == pytest.approx(worse_by, abs=1e-9)
    assert loss["coverage"] == 1.0


def test_too_few_labels_hold_a_loss_back() -> None:
    verdict = verdict_of(0.9, labelled=15)
    assert verdict["decision"] == "not_yet"
    assert any("loss:brier: 37.5 %" in reason for reason in verdict["reasons"])


@pytest.mark.parametrize(
    "criterion",
    [
        criterion_of("absolute"),
        criterion_of("squared"),
        criterion_of("log"),
        criterion_of("brier"),
        criterion_of("value"),
        criterion_of("cost", costs=COSTS, bound=100.0),
        criterion_of("auc"),
    ],
)
def test_judged_production_counts_as_the_candidate_on_the_other_side(criterion: dict[str, Any]) -> None:
    answers: list[Any] = [0.0, 0.25, 0.7, 1.0, None, "no", True, False]
    pairs = [(one, other, label) for one in answers for other in answers for label in (True, False, 0.5)]
    plain, turned = (LabelledLosses(config(criterion | judged)) for judged in ({}, {"judged": "production"}))
    at = ("task", 0, REVISION)
    texts = [tuple(json.dumps(value) for value in pair) for pair in pairs]
    for one, other, label in texts:
        plain.add(at, other, one, label)
        turned.add(at, one, other, label)
    plain.rank(at, [WaitingEntry(b"%d" % n, 0, "", "", b, a, truth=t) for n, (a, b, t) in enumerate(texts)])
    turned.rank(at, [WaitingEntry(b"%d" % n, 0, "", "", a, b, truth=t) for n, (a, b, t) in enumerate(texts)])
    (before,), (after,) = plain.of(at), turned.of(at)
    assert before["n"] > 0
    assert after == before | {"path": after["path"]}
    assert after["path"] != before["path"]
