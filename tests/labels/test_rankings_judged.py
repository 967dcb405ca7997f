"""Rankings and AUC as criteria: what decides, with which sentences, and which configs make no sense."""

import json
import random
from typing import Any

import pytest

from shadowstream.config import Criterion
from shadowstream.judge.verdict.explain import explain
from tests.labels.labelled_trial import Labelled, config_of, verdict_of

AUC = {"rate": "loss", "loss": "auc", "margin": 0.05}
NDCG = {"rate": "loss", "loss": "ndcg", "k": 3, "margin": 0.05}


def labelled(noise: float, hours: int = 24, each: int = 40, seed: int = 1) -> list[Labelled]:
    """Production separates the labels well; of the candidate's scores a share is noise."""
    dice, found = random.Random(seed), []
    for hour in (hour for hour in range(hours) for _ in range(each)):
        true = dice.random() < 0.4
        score = dice.gauss(1.5 * true, 1.0)
        other = dice.gauss(0.75, 1.2) if dice.random() < noise else score
        found.append(Labelled(hour, str(score), str(other), json.dumps(true)))
    return found


@pytest.mark.parametrize(("noise", "decision"), [(0.0, "promote"), (1.0, "reject")])
def test_a_candidate_is_judged_by_the_auc_it_lacks(noise: float, decision: str) -> None:
    pairs = labelled(noise)
    verdict = verdict_of(config_of(AUC), pairs)
    found = verdict["criteria"][0]
    assert verdict["decision"] == decision, verdict["reasons"]
    trues = {hour: [one.label == "true" for one in pairs if one.hour == hour] for hour in range(24)}
    assert found["n"] == sum(min(sum(one), len(one) - sum(one)) for one in trues.values())
    assert (found["rate"], found["margin"], found["bound"], found["coverage"]) == ("loss:auc", 0.05, 1.0, 1.0)
    assert {row["measure"] for row in verdict["quality"]} == {"auc"}
    rows = {row["side"]: row["value"] for row in verdict["quality"]}
    assert found["difference"] == pytest.approx(rows["production"] - rows["candidate"], abs=0.08)
    units = "labelled pairs compared with those of the other label"
    assert any(units in reason for reason in verdict["reasons"] if "loss:auc" in reason)
    assert any(note.startswith("auc: production") for note in explain(verdict, decision, verdict["reasons"]).notes)


def test_labels_that_auc_cannot_use_lower_its_coverage() -> None:
    pairs = [one._replace(label='"fraud"') if at % 4 else one for at, one in enumerate(labelled(0.0))]
    verdict = verdict_of(config_of(AUC), pairs)
    assert verdict["criteria"][0]["coverage"] == pytest.approx(0.25)
    assert verdict["decision"] == "not_yet"
    assert any("loss:auc: 25 %" in reason for reason in verdict["reasons"])


@pytest.mark.parametrize(("ranking", "decision"), [(["a", "b", "c"], "promote"), (["c", "b", "a"], "reject")])
def test_a_candidate_is_judged_by_the_ndcg_it_lacks(ranking: list[str], decision: str) -> None:
    pairs = [Labelled(at % 24, '["a","b","c"]', json.dumps(ranking), '{"a": 3, "b": 1}') for at in range(720)]
    verdict = verdict_of(config_of(NDCG), pairs)
    assert verdict["decision"] == decision, verdict["reasons"]
    assert (verdict["criteria"][0]["rate"], verdict["criteria"][0]["n"]) == ("loss:ndcg:3", 720)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bound": 2.0}, "bound: that of loss: auc is 1; leave it out"),
        ({"k": 10}, "k goes with loss: ndcg"),
        ({"loss": "ndcg", "k": 0}, "greater than or equal to 1"),
        ({"loss": "ndcg", "bound": 0.5}, "bound: that of loss: ndcg is 1"),
        ({"margin": 1.0}, "margin: less than"),
        ({"margin": None}, "needs margin"),
        ({"path": "score"}, "needs the truth: leave path out"),
        ({"rate": "mismatch", "loss": None, "margin": None, "k": 3, "limit": 0.1}, "k does not go with rate: mismatch"),
    ],
)
def test_a_ranking_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    given = {name: item for name, item in (AUC | changes).items() if item is not None}
    with pytest.raises(ValueError, match=words):
        Criterion.model_validate(given)


def test_a_measure_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="'auc' or 'ece'"):
        config_of(AUC, labels={"quality": ["f1"]})


def test_criteria_of_several_places_count_apart() -> None:
    criteria = [NDCG | {"k": k, "margin": 0.1 * k} for k in (1, 2)]
    pairs = [Labelled(0, '["a","b"]', '["b","a"]', '"a"') for _ in range(9)]
    found = [one["difference"] for one in verdict_of(config_of(*criteria), pairs)["criteria"][:2]]
    assert found == [pytest.approx(1.0), pytest.approx(0.36907, abs=1e-5)]
