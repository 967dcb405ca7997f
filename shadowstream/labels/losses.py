"""Losses of both sides' answers by their label, summed for the criteria that judge them.

An answer has no usable loss (NaN) if it is missing, of the wrong kind, or if the function of the config raises. What
that means for the candidate is in `protocol.signed_means.between`. A label of the wrong kind, or a function that does
not answer, leaves the pair out of the mean: it lowers the criterion's coverage.

========  =====================================================  ============================================
loss      of an answer a with the label t                        a and t
========  =====================================================  ============================================
absolute  abs(a - t)                                             numbers
squared   (a - t)**2                                             numbers
log       -ln of the probability that a gives t                  as brier; probabilities cut to 1e-15
brier     (a - t)**2; by class the sum of the squares            a probability and true or false (or 0 to 1),
                                                                 or {class: probability} and the class
cost      as `costs` names it; right 0; wrong and not named NaN  texts, numbers, true, false
value     -a * t: an action of size a earned t for each unit     numbers, true or false as 1 or 0
ndcg      1 - NDCG of the ranking a by the relevances t          `rankings`
auc       of two answers, by their labels                        `auc_blocks`
========  =====================================================  ============================================
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shadowstream.compare.hooks import HookError, Load, Unanswered, fenced, load
from shadowstream.config import Config, Criterion
from shadowstream.config.losses import ErrorCost, is_entry_point
from shadowstream.labels.auc_blocks import differences
from shadowstream.labels.rankings import ndcg_loss
from shadowstream.labels.store import WaitingEntry
from shadowstream.labels.usable import NO_VALUE, UnusableLabel, number_of, value_of
from shadowstream.protocol.key_buckets import NO_BUCKET
from shadowstream.protocol.mean_sums import stored
from shadowstream.protocol.signed_means import SignedSums, between, units_of

Loss = Callable[[Any, Any], float]
"""The loss of an answer with a label; NaN: the answer is not usable. Raises `UnusableLabel`."""
At = tuple[str, int, str]
"""Task, start of a window (ms), revision."""
AUC = "auc"
CUT = 1e-15
"""Least probability of a log loss: one wrong certainty would otherwise be infinite."""
_SUM_TOLERANCE = 1e-3


class LabelledLosses:
    """Differences of losses since the last commit, by window and criterion."""

    def __init__(self, config: Config, loads: Load = load) -> None:
        criteria = [one for one in config.judge.criteria if one.rate == "loss" and one.is_labelled]
        self._criteria = {one.sums: one for one in criteria}
        self._losses = {one.sums: loss_of(one, loads) for one in criteria if one.loss != AUC}
        self.ranks = len(self._losses) < len(self._criteria)
        """Whether labelled pairs of a window are compared with each other, by `rank`."""
        self._cells: dict[At, dict[str, list[tuple[float, int]]]] = {}
        """Differences with the buckets of their keys."""

    def add(self, window: At, production: str | None, shadow: str | None, label: str, bucket: int = NO_BUCKET) -> None:
        """Count a labelled pair, its values as JSON. `bucket`: that of its key."""
        if not self._losses:
            return
        answers, truth = [value_of(production), value_of(shadow)], value_of(label)
        cell = self._cells.setdefault(window, {})
        for name, loss in self._losses.items():
            sides = answers[::-1] if self._criteria[name].judged else answers
            try:
                cell.setdefault(name, []).append((_difference(loss, sides, truth), bucket))
            except (UnusableLabel, Unanswered):
                continue

    def rank(self, window: At, pairs: Sequence[WaitingEntry]) -> None:
        """Count the blocks of the labelled pairs of a window whose labels are complete."""
        for name, criterion in self._criteria.items():
            if criterion.loss != AUC:
                continue
            entries = [one._replace(production=one.shadow, shadow=one.production) for one in pairs]
            if found := differences(entries if criterion.judged else pairs):
                self._cells.setdefault(window, {}).setdefault(name, []).extend((d, NO_BUCKET) for d in found)

    def of(self, window: At) -> list[dict[str, Any]]:
        """Return the means of one window, as in schemas/stats.avsc."""
        found = []
        for name, pairs in sorted(self._cells.get(window, {}).items()):
            criterion = self._criteria[name]
            sums = SignedSums(criterion.threshold, criterion.bound or 0.0)
            sums.add(np.array([worse_by for worse_by, _ in pairs], np.float64))
            by_bucket = _by_bucket(pairs, sums.bound) if criterion.unit == "key" else []
            found.append({"path": name, **sums.record(), "buckets": by_bucket})
        return found

    def clear(self) -> None:
        """Drop the differences after their commit."""
        self._cells.clear()


def _by_bucket(pairs: Sequence[tuple[float, int]], bound: float) -> list[dict[str, int]]:
    """Return pairs and the sum of their units by bucket of the key."""
    counts: dict[int, tuple[int, int]] = {}
    units = stored(units_of(np.array([worse_by for worse_by, _ in pairs], np.float64), bound).values)
    for (worse_by, bucket), unit in zip(pairs, units.tolist(), strict=True):
        if bucket != NO_BUCKET and not math.isnan(worse_by):
            n, total = counts.get(bucket, (0, 0))
            counts[bucket] = n + 1, total + unit
    return [{"bucket": bucket, "n": n, "total": total} for bucket, (n, total) in sorted(counts.items())]


def loss_of(criterion: Criterion, loads: Load = load) -> Loss:
    """Return the loss that a criterion names; raise `ConfigError` if a function of the user cannot be loaded."""
    name = criterion.loss or ""
    if is_entry_point(name):
        return _of_function(fenced(name, loads(name, "judge.criteria", 2)))
    if name == "ndcg":
        return ndcg_loss(criterion.k)
    if name == "cost":
        return _of_costs(criterion.costs or ())
    return {"absolute": _absolute, "squared": _squared, "log": _log, "brier": _brier, "value": _worth}[name]


def _difference(loss: Loss, answers: Sequence[Any], truth: Any) -> float:
    if truth is NO_VALUE:
        raise UnusableLabel
    one, other = (math.nan if answer is NO_VALUE else loss(answer, truth) for answer in answers)
    return float(between(np.array([one]), np.array([other]))[0])


def _truth(value: Any, *, logical: bool = False) -> float:
    number = number_of(value, logical=logical)
    if math.isnan(number):
        raise UnusableLabel
    return number


def _absolute(answer: Any, truth: Any) -> float:
    return abs(number_of(answer) - _truth(truth))


def _squared(answer: Any, truth: Any) -> float:
    distance = _absolute(answer, truth)
    return distance * distance


def _worth(answer: Any, truth: Any) -> float:
    return -number_of(answer, logical=True) * _truth(truth, logical=True)


def _probabilities(answer: Any, truth: Any) -> list[tuple[float, float]] | None:
    """Return the probability of each class beside its share of the truth; None if the answer holds none."""
    if isinstance(truth, str):
        if not isinstance(answer, dict):
            return None
        given = [(number_of(share), float(name == truth)) for name, share in answer.items()]
        given += [] if truth in answer else [(0.0, 1.0)]
        fits = all(0.0 <= share <= 1.0 for share, _ in given)
        return given if fits and abs(sum(share for share, _ in given) - 1.0) <= _SUM_TOLERANCE else None
    share, chance = number_of(answer, logical=True), _truth(truth, logical=True)
    if not 0.0 <= chance <= 1.0:
        raise UnusableLabel
    return [(share, chance), (1.0 - share, 1.0 - chance)] if 0.0 <= share <= 1.0 else None


def _brier(answer: Any, truth: Any) -> float:
    given = _probabilities(answer, truth)
    if given is None:
        return math.nan
    if not isinstance(truth, str):
        given = given[:1]
    return math.fsum((share - true) ** 2 for share, true in given)


def _log(answer: Any, truth: Any) -> float:
    given = _probabilities(answer, truth)
    if given is None:
        return math.nan
    return -math.fsum(true * math.log(min(max(share, CUT), 1.0)) for share, true in given if true)


def _of_costs(costs: Sequence[ErrorCost]) -> Loss:
    named = {(_key(one.truth), _key(one.answer)): one.cost for one in costs}

    def cost(answer: Any, truth: Any) -> float:
        pair = _key(truth), _key(answer)
        return named.get(pair, 0.0 if pair[0] == pair[1] else math.nan)

    return cost


def _key(value: Any) -> tuple[str, Any]:
    """Return a value for comparison: 1 and 1.0 are one, 1 and true are two."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", value
    return type(value).__name__, value if isinstance(value, str | bool) else repr(value)


def _of_function(function: Callable[[Any, Any], Any]) -> Loss:
    def loss(answer: Any, truth: Any) -> float:
        try:
            found = function(answer, truth)
        except Unanswered:
            raise
        except HookError:
            return math.nan
        # Only a loss may be without end; a gain without end would outweigh everything.
        return math.inf if found == math.inf else number_of(found)

    return loss
