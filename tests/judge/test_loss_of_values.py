"""Losses of the numbers that both sides write, from end to end: the joiner's own step counts, this judge judges."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shadowstream.compare.comparer import comparer_of
from shadowstream.compare.hooks import load
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.judge.evidence.bounded_mean import log_e_grid
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.verdict.explain import explain
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.protocol.signed_means import SignedSums
from shadowstream.report.facts import Facts
from shadowstream.report.markdown import markdown
from shadowstream.report.page import page
from shadowstream.revision import revision_of
from shadowstream.signatures import problems_of
from tests.judge.stats_records import HOUR_MS, REVISION, cell, stats
from tests.judge.stats_records import config as stats_config
from tests.judge.test_metric_criteria import PAIRS, joined, judged, settings_of
from tests.judge.trials_through_the_joiner import verdict_of as of_values

PROFIT = {"rate": "loss", "path": "n", "loss": "value", "bound": 2.0, "margin": 0.1}
LIMIT = 0.525


def answers(profit: float | str, every: int = 1) -> dict[int, str]:
    """The candidate's records where it earns other than production's 1."""
    return dict.fromkeys(range(0, PAIRS, every), f'{{"n": {profit}, "kind": "a"}}')


def criterion_of(verdict: dict[str, Any]) -> dict[str, Any]:
    return verdict["criteria"][0]


def verdict_of(shadow: dict[int, str], **changes: Any) -> dict[str, Any]:
    settings = settings_of(PROFIT | changes)
    return judged(joined(settings, shadow), settings)


@pytest.mark.parametrize(
    ("profit", "decision", "worse_by"),
    [
        (1.0, "promote", 0.0),
        (1.4, "promote", -0.4),
        (0.903, "not_yet", 0.097),
        (0.9, "not_yet", 0.1),
        (0.5, "reject", 0.5),
    ],
)
def test_a_candidate_is_judged_by_what_it_earns_less(profit: float, decision: str, worse_by: float) -> None:
    verdict = verdict_of(answers(profit))
    loss = criterion_of(verdict)
    assert (loss["rate"], loss["n"], verdict["decision"]) == ("loss:value:n", PAIRS, decision)
    assert loss["difference"] == pytest.approx(worse_by, abs=1e-6)
    assert (loss["margin"], loss["bound"], loss["limit"]) == (0.1, 2.0, LIMIT)
    units = np.full(PAIRS, (worse_by / 2.0 + 1) / 2)
    assert loss["log_e_below"] == pytest.approx(log_e_grid(units, LIMIT, wide=True), abs=1e-3)
    assert loss["log_e_above"] == pytest.approx(log_e_grid(1 - units, 1 - LIMIT, wide=True), abs=1e-3)


@pytest.mark.parametrize(("loss", "sign"), [("value", -1), ("cost", 1)])
def test_more_is_better_of_a_value_and_worse_of_a_cost(loss: str, sign: int) -> None:
    assert criterion_of(verdict_of(answers(1.4), loss=loss))["difference"] == pytest.approx(sign * 0.4)


def test_a_signed_mean_may_be_better_and_needs_a_direction() -> None:
    for better, decision in (("higher", "promote"), ("lower", "reject")):
        mean = {"rate": "mean", "path": "n", "signed": True, "better": better, "bound": 2.0, "limit": 0.05}
        settings = settings_of(mean)
        verdict = judged(joined(settings, answers(1.9)), settings)
        assert (criterion_of(verdict)["rate"], verdict["decision"]) == (f"mean:{better}:n", decision)


@pytest.mark.parametrize("useless", ["null", '"much"', "{}", "true"])
def test_a_candidate_without_a_number_is_as_bad_as_the_bound(useless: str) -> None:
    verdict = verdict_of(answers(useless, every=9))
    assert criterion_of(verdict)["difference"] == pytest.approx(2.0 / 9, abs=1e-6)
    assert verdict["decision"] == "reject"


def test_what_is_cut_is_shown_and_beyond_one_percent_holds_back() -> None:
    seldom, often = verdict_of(answers(-500.0, every=300)), verdict_of(answers(-500.0, every=60))
    assert any("of 900 pairs 3 are worse and 0 better by more than the bound 2" in one for one in seldom["caveats"])
    assert seldom["decision"] == "promote"
    assert any("in 1.667 % of the pairs (15 of 900) the candidate is worse" in one for one in often["reasons"])
    assert often["decision"] == "not_yet"
    better = verdict_of(answers(500.0))
    assert better["decision"] == "promote", "what is better than the bound is safe to cut"


def test_sentences_are_in_units_of_the_loss() -> None:
    over, short, bad = verdict_of(answers(0.897)), verdict_of(answers(0.903)), verdict_of(answers(0.5))
    assert any("worse by 0.103 on average over 900" in one and "margin 0.1" in one for one in over["reasons"])
    assert any("more are needed" in one and "worse by 0.097" in one for one in short["reasons"])
    assert any("shown to be worse by more than the margin 0.1" in one for one in bad["reasons"])


def test_sums_for_another_margin_prove_nothing() -> None:
    joined_for = settings_of(PROFIT)
    other = settings_of(PROFIT | {"margin": 0.2})
    verdict = judged(joined(joined_for, answers(1.4)), other)
    assert verdict["decision"] == "not_yet"
    assert any("the joiner's sums are for bound 2.0 and limit 0.525" in reason for reason in verdict["reasons"])


def test_margin_zero_asks_for_better_than_equal() -> None:
    assert [criterion_of(verdict_of(answers(profit), margin=0))["shown_good"] for profit in (1.0, 1.4)] == [False, True]


def by_block(means: list[float], pairs: list[int]) -> dict[str, Any]:
    """The criterion after windows of so many pairs with these differences."""
    settings = stats_config(criteria=[PROFIT | {"unit": "block"}], min_duration_ms=0)
    step, criterion = JudgeStep(settings, REVISION, ["scores/0"]), settings.judge.criteria[0]
    for index, (mean, n) in enumerate(zip(means, pairs, strict=True)):
        sums = SignedSums(criterion.threshold, 2.0)
        sums.add(np.full(n, mean))
        window = cell(index * HOUR_MS, match=n) | {"means": [{"path": criterion.sums, **sums.record()}]}
        step.step(0, index, stats("scores/0", index + 1, window, watermark_ms=(index + 1) * HOUR_MS))
    return criterion_of(step.verdict(0))


def test_by_block_each_window_is_one_unit_whatever_it_holds() -> None:
    means = [0.02 * (index % 3) - 0.02 for index in range(150)]
    found = by_block(means, [10 + index % 7 for index in range(150)])
    units = (np.array(means) / 2.0 + 1) / 2
    assert (found["n"], found["unit"], found["shown_good"]) == (150, "block", True)
    assert found["log_e_below"] == pytest.approx(log_e_grid(units, LIMIT, wide=True), abs=1e-6)


def test_by_block_a_window_of_many_pairs_must_be_good_too() -> None:
    peak = by_block([1.5, *[0.0] * 149], [3_000, *[10] * 149])
    assert (peak["shown_good"], peak["log_e_below"]) == (False, 0.0)
    small = by_block([1.5, *[0.0] * 149], [10] * 150)
    assert small["shown_good"] is True


def missed(production: Any, shadow: Any) -> Any:
    """A user's loss of two numbers: half of what the candidate falls short; other answers raise or are no number."""
    if shadow == 7:
        raise ValueError("seven")
    return "?" if shadow == 8 else -math.inf if shadow == 9 else (production - shadow) / 2


def test_a_function_of_both_values_says_how_much_worse_the_candidate_is() -> None:
    call = {"loss": f"{__name__}:missed"}
    worse = verdict_of(answers(0.5), **call)
    assert criterion_of(worse)["rate"] == f"loss:{__name__}:missed:n"
    assert criterion_of(worse)["difference"] == pytest.approx(0.25)
    assert criterion_of(verdict_of(answers("null"), **call))["difference"] == 2.0, "it raises on None"
    for failing in (7, 8, 9):
        assert criterion_of(verdict_of(answers(failing, every=2), **call))["difference"] == pytest.approx(1.0)


def test_a_function_is_loaded_at_the_start_and_belongs_to_the_revision(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "money.py").write_text("def loss(one, other):\n    return one - other\n")
    (tmp_path / "candidates.py").write_text("def score(value):\n    return value\n")
    settings = settings_of(PROFIT | {"loss": "money:loss"})
    candidate = settings.candidate.model_copy(update={"call": "candidates:score", "files": []})
    settings = settings.model_copy(update={"candidate": candidate})
    assert list(problems_of(settings)) == []
    before = revision_of(settings)
    (tmp_path / "money.py").write_text("def loss(one, other, third):\n    return other - one\n")
    assert revision_of(settings) != before
    assert "loss takes 3 arguments; it is called with 2" in " ".join(problems_of(settings))
    (tmp_path / "money.py").unlink()
    with pytest.raises(ConfigError, match=r"judge\.criteria: there is no module 'money'"):
        revision_of(settings)
    with pytest.raises(ConfigError, match=r"judge\.criteria: cannot load"):
        comparer_of(schema_source(settings.schemas), settings, load)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": None}, "needs loss"),
        ({"margin": None}, "needs margin"),
        ({"loss": "brier"}, "needs the truth"),
        ({"path": None}, "needs labels"),
        ({"margin": 2.0}, "less than 0.98 times bound"),
        ({"margin": 1e-9}, "at least 1e-05 times bound"),
        ({"margin": math.inf}, "finite"),
        ({"limit": 0.3}, "limit: does not go with rate: loss"),
        ({"unit": "key"}, "with losses by labels but auc; take block"),
        ({"better": "higher"}, "better does not go with rate: loss"),
        ({"signed": True}, "signed does not go with rate: loss"),
        ({"costs": [{"truth": 1, "answer": 0, "cost": 2}]}, "costs and loss: cost"),
        ({"path": "a.*"}, "a star names several values"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings_of({name: item for name, item in (PROFIT | changes).items() if item is not None})


def test_a_config_without_losses_dumps_as_before() -> None:
    criterion = Config.model_validate(settings_of({"rate": "mismatch", "limit": 0.01})).judge.criteria[0]
    assert not {"loss", "margin", "costs", "signed", "better"} & criterion.model_dump().keys()


@pytest.mark.parametrize(("tenant", "decision"), [("eu", "reject"), ("us", "promote")])
def test_a_loss_of_a_part_counts_that_part_only(tenant: str, decision: str) -> None:
    def value(i: int, of_eu: float) -> dict[str, Any]:
        return {"n": 1.0 if i % 2 else of_eu, "tenant": "us" if i % 2 else "eu"}

    verdict = of_values(
        lambda i: value(i, 1.0),
        lambda i: value(i, 0.5),
        [PROFIT | {"where": {"tenant": tenant}}],
        compare={"dimensions": [{"name": "tenant", "path": "tenant"}], "rules": [{"path": "n", "atol": 1.0}]},
    )
    loss = criterion_of(verdict)
    assert (loss["rate"], loss["n"], verdict["decision"]) == (f"loss:value:n@tenant={tenant}", 500, decision)


def test_explain_and_reports_show_difference_and_margin() -> None:
    verdict = verdict_of(answers(0.903))
    explanation = explain(verdict, verdict["decision"], verdict["reasons"])
    found = Facts("fraud", REVISION, explanation, verdict=verdict)
    (sentence,) = (one.sentence for one in explanation.outlooks if one.margin is not None)
    assert "worse by 0.097 on average over " in sentence
    assert ", margin 0.1" in sentence
    assert "| `loss:value:n` | not shown yet | worse by 0.097 | 900 | margin 0.1 |" in markdown(found)
    shown = " ".join(page(found).split())
    assert "worse by 0.097" in shown
    assert "margin 0.1" in shown
    assert "50.5 %" not in shown
