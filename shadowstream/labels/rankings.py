"""NDCG of one ranking by the relevances in its label.

An answer is a list of items, the best first, or an object of scores by item. Items with one score share their places:
their gain is the mean over all orders of them. A label is an object of relevances by item, a list of relevant items, or
one item. The gain of an item is its relevance, and the discount of place i (from 1) is 1 / log2(i + 1), as in
scikit-learn's `ndcg_score`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from shadowstream.labels.usable import UnusableLabel, number_of

Groups = list[list[str]]
"""Items in the order of their places; those of one group share places."""


def ndcg_loss(k: int | None) -> Callable[[Any, Any], float]:
    """Return the loss 1 - NDCG, over the first `k` places or all.

    >>> loss = ndcg_loss(2)
    >>> loss(["a", "b", "c"], ["a"]), round(loss({"a": 0.5, "b": 0.5}, "a"), 6), loss(7, "a")
    (0.0, 0.184535, nan)
    """

    def loss(answer: Any, truth: Any) -> float:
        relevances = _relevances(truth)
        groups = _ranked(answer)
        if groups is None:
            return math.nan
        best = _gain([[item] for item in sorted(relevances, key=relevances.__getitem__, reverse=True)], relevances, k)
        return 1.0 - min(1.0, _gain(groups, relevances, k) / best)

    return loss


def _relevances(truth: Any) -> dict[str, float]:
    """Return the relevances of a label above 0; raise `UnusableLabel` if no item has one, or one is below 0."""
    if isinstance(truth, Mapping):
        found = {item: number_of(relevance) for item, relevance in truth.items()}
    else:
        items = [_item(item) for item in (truth if isinstance(truth, list) else [truth])]
        if None in items:
            raise UnusableLabel
        found = {item: 1.0 for item in items if item is not None}
    if not all(relevance >= 0.0 for relevance in found.values()) or not any(found.values()):
        raise UnusableLabel
    greatest = max(found.values())  # a sum of great relevances could overflow
    return {item: relevance / greatest for item, relevance in found.items()}


def _ranked(answer: Any) -> Groups | None:
    """Return the places of an answer; None if it is no ranking. An item that comes again has its first place only."""
    if isinstance(answer, Mapping):
        scores = {item: number_of(score) for item, score in answer.items()}
        if any(map(math.isnan, scores.values())):
            return None
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        return [list(group) for _, group in groupby(ranked, scores.__getitem__)]
    if not isinstance(answer, list):
        return None
    items = [_item(item) for item in answer]
    return None if None in items else [[item] for item in items if item is not None]


def _item(item: Any) -> str | None:
    """Return an item as the text that names it in an object; None for what names nothing."""
    if isinstance(item, str):
        return item
    return str(item) if isinstance(item, int) and not isinstance(item, bool) else None


def _gain(groups: Groups, relevances: Mapping[str, float], k: int | None) -> float:
    gains, place, came = [], 0, set[str]()
    for group in groups:
        end = place + len(group)
        discount = math.fsum(_discounts(place, end if k is None else min(end, k)))
        gains.append(discount * math.fsum(relevances.get(item, 0.0) for item in group if item not in came) / len(group))
        came.update(group)
        place = end
        if k is not None and place >= k:
            break
    return math.fsum(gains)


def _discounts(first: int, end: int) -> Sequence[float]:
    return [1.0 / math.log2(place + 2) for place in range(first, end)]
