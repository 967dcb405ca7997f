"""Planned looks of a bounded trial: when they happen, what they promote, and that no order changes them."""

import random
from typing import Any

import pytest

from shadowstream.config import Config
from shadowstream.judge.evidence.group_sequential import Look, boundaries
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from shadowstream.judge.verdict.verdict import criteria_hash, digest
from tests.judge.calibration_of_looks import TASK, Planned, end, of_looks, planned, window
from tests.judge.stats_records import REVISION, Trial, config, interleaved

PLAN = {"units": 5_000, "looks": 5}


def judged(settings: Config, bad: list[int], n: int = 500, *, ends: bool = False) -> dict[str, Any]:
    """The verdict after windows of `n` pairs of which so many are bad."""
    step = JudgeStep(settings, REVISION, [TASK])
    for index, each in enumerate(bad):
        window(step, index, n, each)
    if ends:
        end(step, len(bad))
    return step.verdict(0)


def looks_of(verdict: dict[str, Any]) -> dict[str, Any]:
    return dict(verdict["criteria"][0]["planned"])


def test_a_look_waits_until_no_correction_can_reach_it() -> None:
    settings = planned(0.01, 5_000)
    assert [looks_of(judged(settings, [3] * windows))["done"] for windows in (2, 4, 5, 6)] == [0, 0, 1, 1]
    far = settings.model_copy(update={"correctable_ms": 24 * 3_600_000})
    assert looks_of(judged(far, [3] * 10))["done"] == 0
    assert looks_of(judged(far, [3] * 10, ends=True))["done"] == 5


def test_the_end_promotes_what_valid_evidence_does_not_show_yet() -> None:
    """36 of 5,000 at a limit of 1 %: ln E is far from enough, the last look allows 37."""
    bad = [4, 3, 4, 3, 4, 4, 3, 4, 4, 3]
    before = judged(planned(0.01, 5_000), bad)
    after = judged(planned(0.01, 5_000), bad, ends=True)
    assert (before["decision"], after["decision"]) == ("not_yet", "promote")
    mismatch = after["criteria"][0]
    assert mismatch["log_e_below"] < mismatch["log_promote_at"]
    assert looks_of(after) == {
        "units": 5_000,
        "looks": 5,
        "done": 5,
        "n": 5_000,
        "bad": 36,
        "allowed": 37,
        "next_n": None,
        "next_allowed": -1,
        "end_n": 5_000,
        "end_allowed": 37,
    }
    assert (
        "mismatch: 0.72 % wrong (36 of 5,000 pairs) at look 5, shown to be under the limit 1 % (up to 37 may be bad "
        "there)" in after["reasons"]
    )
    over = judged(planned(0.01, 5_000), [*bad[:-1], 5], ends=True)
    assert over["decision"] == "not_yet"
    assert "mismatch: look 5, at 5,000 pairs: 38 bad, at most 37 may be bad; no look is left" in over["reasons"]


def test_explain_names_the_planned_end_and_its_need() -> None:
    verdict = judged(planned(0.01, 5_000), [3] * 5)
    (outlook, *_) = explain(verdict, "not_yet", verdict["reasons"]).outlooks
    allowed = boundaries(
        tuple(Look(n, n / 5_000) for n in (1_000, 2_000, 3_000, 4_000, 5_000)), 0.01, 0.05, "obrien_fleming"
    )
    assert outlook.why == (
        "planned looks: look 1, at 1,000 pairs: 6 bad, none promotes: the next one is at 2,000 pairs, where at most "
        f"{allowed[1]} may be bad; at the end, 5,000, at most {allowed[4]} may be bad",
    )
    assert (outlook.needed, outlook.more) == (5_000, 2_500)
    hopeless = judged(planned(0.01, 5_000), [4] * 10, ends=True)
    assert explain(hopeless, "not_yet", hopeless["reasons"]).outlooks[0].needed is None


def test_an_end_before_the_planned_one_is_the_last_look() -> None:
    early = looks_of(judged(planned(0.01, 50_000), [1] * 6, ends=True))
    (allowed,) = boundaries((Look(3_000, 1.0),), 0.01, 0.05, "obrien_fleming")
    assert (early["done"], early["n"], early["allowed"]) == (1, 3_000, allowed)
    assert judged(planned(0.01, 50_000), [1] * 6, ends=True)["decision"] == "promote"
    assert looks_of(judged(planned(0.01, 5_000), [], ends=True))["done"] == 0


def test_after_a_look_later_units_only_hold_promote_back() -> None:
    settings = planned(0.01, 5_000, spending="pocock")
    good = judged(settings, [0] * 6)
    assert (good["decision"], looks_of(good)["done"]) == ("promote", 1)
    for then in ([60], [20, 20]):
        later = judged(settings, [0] * 4 + then)
        assert looks_of(later)["done"] == 1
        assert later["decision"] != "promote"


def test_the_looks_are_the_same_for_any_order_and_any_restart() -> None:
    draw = random.Random(5)
    hours = [
        {"match": 500 - bad, "mismatch": bad, "missing": bad, "input": 500 + bad} for bad in (4, 3, 4, 4, 3, 4, 3, 4)
    ]
    trial = Trial(hours, corrections=[(2, 0, "missing", "mismatch"), (6, 5, "missing", "match")])
    digests, alike = set(), set()
    for restarts in (0.0, 0.3):
        for tasks in (1, 3):
            logs = interleaved(draw, trial.task_logs(draw, tasks, commits_max=3))
            names = sorted({record["task"] for record in logs})
            step = JudgeStep(planned(0.01, 4_000), REVISION, names)
            for offset, record in enumerate(logs):
                step.step(0, offset, record)
                if draw.random() < restarts:
                    state = step.state()
                    step = JudgeStep(planned(0.01, 4_000), REVISION, names)
                    step.restore(state)
            verdict = step.verdict(0)
            digests.add(verdict["evidence_digest"])
            alike.add(digest(verdict["criteria"]))
    assert len(digests) == len(alike) == 1
    assert looks_of(verdict)["done"] == 5


@pytest.mark.parametrize(
    ("judge", "word"),
    [
        ({"criteria": [{"rate": "mismatch", "limit": 0.01, "unit": "key"}]}, "mismatch is judged by key"),
        ({"criteria": [{"rate": "mismatch", "limit": 0.01, "unit": "block"}]}, "unit: record"),
        ({"criteria": [{"rate": "mean", "path": "a", "bound": 1.0, "limit": 0.01}]}, "by its mean"),
        ({"criteria": [{"rate": "mismatch", "limit": 0.0001}]}, "units: 29956 or more can"),
        ({"group_sequential": {"units": 200}}, "200 units cannot show"),
        ({"group_sequential": {"units": 5_000, "looks": 0}}, "looks"),
    ],
)
def test_a_plan_that_cannot_hold_is_refused(judge: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        config(**{"group_sequential": PLAN, **judge})


def test_a_trial_without_a_known_end_is_refused() -> None:
    trial = config(group_sequential=PLAN).model_dump(exclude_unset=True)
    with pytest.raises(ValueError, match="needs bounded: true"):
        Config.model_validate(trial | {"bounded": False})


def test_without_a_plan_no_digest_changes() -> None:
    assert "group_sequential" not in config().judge.decisive()
    assert criteria_hash(config()) != criteria_hash(config(group_sequential=PLAN))


@pytest.mark.parametrize("rate", [0.05, 0.02])
def test_promotes_are_as_frequent_as_their_exact_probability(rate: float) -> None:
    setting = Planned(0.05, rate, units=50, windows=10, runs=25, plan=500, looks=3)
    assert [line for line, holds in of_looks(setting, seed=1) if not holds] == []
