"""NDCG of one ranking, by the mean over all orders of items with one score, written apart, and by scikit-learn."""

import math
import random
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest

from shadowstream.labels.losses import LabelledLosses
from shadowstream.labels.rankings import ndcg_loss
from shadowstream.labels.usable import UnusableLabel
from tests.labels.test_losses import config, criterion_of, summed


def dcg(items: tuple[str, ...], gains: dict[str, float], k: int | None) -> float:
    return sum(gains.get(item, 0.0) / math.log2(place + 2) for place, item in enumerate(items[:k]))


def ndcg(scores: dict[str, float], gains: dict[str, float], k: int | None) -> float:
    """The mean over all orders that the scores allow, by trying every order."""
    orders = [
        order for order in permutations(scores) if all(scores[one] >= scores[other] for one, other in pairwise(order))
    ]
    best = dcg(tuple(sorted(gains, key=lambda item: -gains[item])), gains, k)
    return sum(dcg(order, gains, k) for order in orders) / len(orders) / best


def drawn(dice: random.Random) -> tuple[dict[str, float], dict[str, float], int | None]:
    items = [f"item {at}" for at in range(dice.randint(1, 6))]
    scores = {item: dice.choice([0.1, 0.2, 0.5, dice.random()]) for item in items}
    gains: dict[str, float] = {item: dice.choice([0, 1, 2, 5]) for item in [*items, "absent"] if dice.random() < 0.8}
    return scores, gains | {items[0]: 3.0}, dice.choice([None, 1, 2, 3, 10])


def test_scores_with_ties_have_the_mean_of_all_their_orders() -> None:
    dice = random.Random(3)
    for _ in range(200):
        scores, gains, k = drawn(dice)
        assert 1.0 - ndcg_loss(k)(scores, gains) == pytest.approx(ndcg(scores, gains, k), abs=1e-12)


@pytest.mark.long
def test_ndcg_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import ndcg_score

    dice = random.Random(4)
    for _ in range(2_000):
        items = [f"item {at}" for at in range(dice.randint(2, 30))]
        scores = {item: round(dice.random(), 1) for item in items}
        gains: dict[str, float] = {item: dice.randint(0, 3) for item in items} | {items[0]: 2}
        k = dice.choice([None, 1, 5, 10])
        rows = [[[one[item] for item in items]] for one in (gains, scores)]
        assert 1.0 - ndcg_loss(k)(scores, gains) == pytest.approx(ndcg_score(*map(np.array, rows), k=k), abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "truth", "k", "expected"),
    [
        (["a", "b"], "a", None, 1.0),
        (["b", "a"], "a", None, 1 / math.log2(3)),
        (["b", "a"], "a", 1, 0.0),
        ([], "a", None, 0.0),
        (["b", "a"], ["a", "b"], None, 1.0),
        ([7, "b"], {"7": 2.0}, 3, 1.0),
        (["a", "a", "b"], ["a", "b"], None, (1 + 0.5) / (1 + 1 / math.log2(3))),
        ({"a": 1e308, "b": -1e308}, {"b": 1e308, "a": 1e308}, 1, 1.0),
    ],
)
def test_ndcg_of_lists_and_labels_of_each_kind(answer: Any, truth: Any, k: int | None, expected: float) -> None:
    assert 1.0 - ndcg_loss(k)(answer, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("answer", [None, 3, "a", True, ["a", None], ["a", 1.5], {"a": "high"}, {"a": None}])
def test_what_is_no_ranking_has_no_loss(answer: Any) -> None:
    assert math.isnan(ndcg_loss(10)(answer, ["a"]))


@pytest.mark.parametrize("truth", [None, 1.5, True, [], {}, {"a": 0}, {"a": -1}, {"a": "high"}, [["a"]]])
def test_a_label_without_a_relevant_item_counts_for_nothing(truth: Any) -> None:
    with pytest.raises(UnusableLabel):
        ndcg_loss(10)(["a"], truth)


def test_a_criterion_adds_up_the_difference_of_both_sides() -> None:
    losses = LabelledLosses(config(criterion_of("ndcg", k=10)))
    found = summed(losses, ('["a","b"]', '["b","a"]', '"a"'))
    assert (found["path"], found["n"]) == ("loss:ndcg:10", 1)
    assert found["sums"][-1] / 2**32 == pytest.approx((1 - 1 / math.log2(3) + 1) / 2, abs=1e-9)
