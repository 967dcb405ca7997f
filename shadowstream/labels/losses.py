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
========  =====================================================  ============================================
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shadowstream.codecs.json_values import read
from shadowstream.compare.hooks import HookError, Load, Unanswered, fenced, load
from shadowstream.config import Config, Criterion
from shadowstream.config.losses import ErrorCost, is_entry_point
from shadowstream.errors import RecordError
from shadowstream.protocol.signed_means import SignedSums, between

Loss = Callable[[Any, Any], float]
"""The loss of an answer with a label; NaN: the answer is not usable. Raises `UnusableLabel`."""
At = tuple[str, int, str]
"""Task, start of a window (ms), revision."""
CUT = 1e-15
"""Least probability of a log loss: one wrong certainty would otherwise be infinite."""
_SUM_TOLERANCE = 1e-3
_NO_VALUE = object()


class UnusableLabel(Exception):
    """The label is of no kind that the loss can use."""


class LabelledLosses:
    """Differences of losses since the last commit, by window and criterion."""

    def __init__(self, config: Config, loads: Load = load) -> None:
        criteria = [one for one in config.judge.criteria if one.rate == "loss" and one.is_labelled]
        self._losses = {one.sums: (one, loss_of(one, loads)) for one in criteria}
        self._cells: dict[At, dict[str, list[float]]] = {}

    def add(self, window: At, production: str | None, shadow: str | None, label: str) -> None:
        """Count a labelled pair, its values as JSON."""
        if not self._losses:
            return
        answers, truth = [_value(production), _value(shadow)], _value(label)
        cell = self._cells.setdefault(window, {})
        for name, (_, loss) in self._losses.items():
            try:
                cell.setdefault(name, []).append(_difference(loss, answers, truth))
            except (UnusableLabel, Unanswered):
                continue

    def of(self, window: At) -> list[dict[str, Any]]:
        """Return the means of one window, as in schemas/stats.avsc."""
        found = []
        for name, differences in sorted(self._cells.get(window, {}).items()):
            criterion, _ = self._losses[name]
            sums = SignedSums(criterion.threshold, criterion.bound or 0.0)
            sums.add(np.array(differences, np.float64))
            found.append({"path": name, **sums.record()})
        return found

    def clear(self) -> None:
        """Drop the differences after their commit."""
        self._cells.clear()


def loss_of(criterion: Criterion, loads: Load = load) -> Loss:
    """Return the loss that a criterion names; raise `ConfigError` if a function of the user cannot be loaded."""
    name = criterion.loss or ""
    if is_entry_point(name):
        return _of_function(fenced(name, loads(name, "judge.criteria", 2)))
    if name == "cost":
        return _of_costs(criterion.costs or ())
    return {"absolute": _absolute, "squared": _squared, "log": _log, "brier": _brier, "value": _worth}[name]


def _difference(loss: Loss, answers: Sequence[Any], truth: Any) -> float:
    if truth is _NO_VALUE:
        raise UnusableLabel
    one, other = (math.nan if answer is _NO_VALUE else loss(answer, truth) for answer in answers)
    return float(between(np.array([one]), np.array([other]))[0])


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return read(text.encode(), "last")
    except RecordError:  # not written by shadowstream
        return _NO_VALUE


def _number(value: Any, *, logical: bool = False) -> float:
    """Return a finite number as a double; NaN for anything else. `logical`: true and false are 1 and 0."""
    if not isinstance(value, int | float) or (isinstance(value, bool) and not logical):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _truth(value: Any, *, logical: bool = False) -> float:
    number = _number(value, logical=logical)
    if math.isnan(number):
        raise UnusableLabel
    return number


def _absolute(answer: Any, truth: Any) -> float:
    return abs(_number(answer) - _truth(truth))


def _squared(answer: Any, truth: Any) -> float:
    distance = _absolute(answer, truth)
    return distance * distance


def _worth(answer: Any, truth: Any) -> float:
    return -_number(answer, logical=True) * _truth(truth, logical=True)


def _probabilities(answer: Any, truth: Any) -> list[tuple[float, float]] | None:
    """Return the probability of each class beside its share of the truth; None if the answer holds none."""
    if isinstance(truth, str):
        if not isinstance(answer, dict):
            return None
        given = [(_number(share), float(name == truth)) for name, share in answer.items()]
        given += [] if truth in answer else [(0.0, 1.0)]
        fits = all(0.0 <= share <= 1.0 for share, _ in given)
        return given if fits and abs(sum(share for share, _ in given) - 1.0) <= _SUM_TOLERANCE else None
    share, chance = _number(answer, logical=True), _truth(truth, logical=True)
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
        return math.inf if found == math.inf else _number(found)

    return loss
