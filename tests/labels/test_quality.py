"""AUC, calibration and NDCG that a verdict shows, against references written apart and scikit-learn."""

import json
import math
import random
from typing import Any

import numpy as np
import pytest

from shadowstream.codecs import own
from shadowstream.errors import RecordError
from shadowstream.judge.verdict.explain import explain
from shadowstream.report.facts import Facts
from shadowstream.report.markdown import markdown
from shadowstream.report.page import page
from shadowstream.revision import revision_of
from tests.judge.stats_records import REVISION, cell, stats
from tests.labels.labelled_trial import Labelled, config_of, verdict_of
from tests.labels.test_auc_blocks import auc

SHOWN = {"quality": ["auc", "ece"]}
LABELS = {"rate": "labels", "limit": 0.5}


def scores_of(seed: int, size: int, digits: int = 12) -> list[tuple[float, float, bool]]:
    """Rare events: production is calibrated, the candidate squares its scores."""
    dice = random.Random(seed)
    found = []
    for _ in range(size):
        chance = dice.random() ** 4
        found.append((round(chance, digits), round(chance * chance, digits), dice.random() < chance))
    return found


def verdict_by(rows: list[tuple[float, float, bool]], **labels: Any) -> dict[str, Any]:
    pairs = [
        Labelled(at % 20, json.dumps(one), json.dumps(other), json.dumps(label))
        for at, (one, other, label) in enumerate(rows)
    ]
    return verdict_of(config_of(LABELS, labels=labels or SHOWN), pairs)


def shown(verdict: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["measure"], row["side"]): row for row in verdict["quality"]}


def calibration_error(scores: list[float], labels: list[bool]) -> float:
    """By ten bins, each with its upper edge."""
    tenths = np.maximum(np.ceil(np.round(np.array(scores) * 10, 9)), 1)
    return sum(
        abs(np.array(scores)[tenths == at].sum() - np.array(labels)[tenths == at].sum()) for at in range(1, 11)
    ) / len(scores)


def test_auc_lies_within_its_bounds_and_near_them() -> None:
    rows = scores_of(1, 600)
    found = shown(verdict_by(rows))
    for side, at in (("production", 0), ("candidate", 1)):
        row, exact = found["auc", side], auc([one[at] for one in rows], [one[2] for one in rows])
        assert row["low"] <= exact <= row["high"]
        assert row["high"] - row["low"] < 0.02
        assert row["value"] == pytest.approx(exact, abs=0.005)
        assert row["n"] == len(rows)


def test_auc_of_scores_with_two_digits_is_exact() -> None:
    rows = [(max(0.01, one), max(0.01, other), label) for one, other, label in scores_of(2, 300, digits=2)]
    found = shown(verdict_by(rows))
    for side, at in (("production", 0), ("candidate", 1)):
        exact = auc([one[at] for one in rows], [one[2] for one in rows])
        assert found["auc", side]["value"] == pytest.approx(exact, abs=1e-9)


def test_the_calibration_error_is_that_of_ten_bins() -> None:
    rows = scores_of(3, 800)
    found = shown(verdict_by(rows))
    for side, at in (("production", 0), ("candidate", 1)):
        exact = calibration_error([one[at] for one in rows], [one[2] for one in rows])
        row = found["ece", side]
        assert row["value"] == pytest.approx(exact, abs=1e-8)
        assert sum(one["n"] for one in row["bins"]) == row["n"] == len(rows)
    assert found["ece", "candidate"]["value"] > 2 * found["ece", "candidate"]["by_chance"]


def test_a_calibrated_side_shows_the_error_named_by_chance() -> None:
    """The mean over trials of the error of calibrated answers, beside the mean of what is named."""
    rows = [shown(verdict_by(scores_of(100 + seed, 150)))["ece", "production"] for seed in range(16)]
    error, chance = (sum(row[name] for row in rows) / len(rows) for name in ("value", "by_chance"))
    assert 0.8 * error < chance < 1.25 * error


def test_answers_beyond_probabilities_have_an_auc_and_no_calibration() -> None:
    rows = [(float(at), 0.5, at > 2) for at in range(2, 8)]
    found = shown(verdict_by(rows))
    assert found["auc", "production"]["low"] < 1.0 <= found["auc", "production"]["high"]
    assert ("ece", "production") not in found
    assert found["ece", "candidate"]["n"] == 6


def test_only_pairs_that_both_sides_answer_are_shown() -> None:
    pairs = [Labelled(0, "0.5", answer, "true") for answer in ("0.5", "null", '"high"')]
    pairs += [Labelled(0, "0.1", "0.2", label) for label in ("false", '"no"', "0.3", None)]
    found = shown(verdict_of(config_of(LABELS, labels=SHOWN), pairs))
    assert {row["n"] for row in found.values()} == {2}


def test_ndcg_of_both_sides_is_shown_where_it_is_judged() -> None:
    ndcg = {"rate": "loss", "loss": "ndcg", "k": 2, "margin": 0.05}
    pairs = [Labelled(at, '["a","b","c"]', '["b","a","c"]', '{"a": 1}') for at in range(20)]
    verdict = verdict_of(config_of(ndcg), pairs)
    found = shown(verdict)
    assert found["ndcg:2", "production"]["value"] == pytest.approx(1.0, abs=1e-9)
    assert found["ndcg:2", "candidate"]["value"] == pytest.approx(1 / math.log2(3), abs=1e-9)
    criterion = verdict["criteria"][0]
    assert criterion["rate"] == "loss:ndcg:2"
    assert criterion["difference"] == pytest.approx(1 - 1 / math.log2(3), abs=1e-8)


def test_nothing_is_shown_that_the_config_does_not_ask_for() -> None:
    settings = config_of(LABELS)
    assert verdict_of(settings, [Labelled(0, "0.5", "0.5", "true")])["quality"] == []
    assert revision_of(settings) == revision_of(config_of(LABELS, labels=SHOWN)), "what is shown only is no new trial"


def test_explain_and_the_reports_name_both_sides() -> None:
    verdict = verdict_by(scores_of(5, 300))
    explanation = explain(verdict, verdict["decision"], verdict["reasons"])
    facts = Facts("fraud", REVISION, explanation, verdict=verdict)
    value = f"{shown(verdict)['auc', 'candidate']['value']:.4f}"
    for text in ("\n".join(explanation.notes), markdown(facts), page(facts)):
        assert f"candidate {value}" in text
        assert "a calibrated one shows" in text
        assert "for display only" in text
    assert "candidate: answers up to" in page(facts)


@pytest.mark.parametrize(
    "change", [{"positives": 3}, {"positives": -1}, {"total": -1}, {"total": 2**63 - 1}, {"n": 2**41}]
)
def test_implausible_counts_are_refused(change: dict[str, int]) -> None:
    one = {"measure": "score", "side": "shadow", "bin": 3, "n": 2, "positives": 1, "total": 9} | change
    record = stats("scores/0", 1, cell(0, match=1) | {"quality": [one]})
    with pytest.raises(RecordError):
        own.read("stats", own.encode("stats", record))


@pytest.mark.long
def test_auc_and_calibration_are_those_of_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import roc_auc_score

    for seed in range(20):
        rows = scores_of(seed, 2_000)
        found = shown(verdict_by(rows))
        labels = [one[2] for one in rows]
        for side, at in (("production", 0), ("candidate", 1)):
            scores = [one[at] for one in rows]
            row, exact = found["auc", side], roc_auc_score(labels, scores)
            assert row["low"] <= exact <= row["high"]
            assert row["value"] == pytest.approx(exact, abs=0.002)
            shares, answers = calibration_curve(labels, scores, n_bins=10)
            bins = found["ece", side]["bins"]
            assert [one["share"] for one in bins] == pytest.approx(shares)
            assert [one["answer"] for one in bins] == pytest.approx(answers)
