"""Config of losses and signed means: how much worse a candidate's answer is, with a margin."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from shadowstream.config.model import Model

OF_VALUES = ("value", "cost")
"""Losses of a number that each side writes itself."""
RANKINGS = ("auc", "ndcg")
"""Losses of a ranking: in [0, 1], so that their bound is 1."""
OF_LABELS = ("absolute", "squared", "log", "brier", "cost", "value", *RANKINGS)
"""Losses of an answer by its label; `auc` is one of two answers by their labels."""
MARGIN_MAX = 0.98
MARGIN_MIN = 1e-5
"""Least margin other than 0, as a share of the bound: for a smaller one no number of pairs would be enough."""


class ErrorCost(Model):
    """The cost of one answer where the label is another; a gain is a cost below 0."""

    truth: str | int | float | bool | None = Field(description="the label")
    answer: str | int | float | bool | None = Field(description="the answer of a side")
    cost: float = Field(allow_inf_nan=False, description="its cost; below 0: a gain")


def is_entry_point(loss: str | None) -> bool:
    """Whether a loss is a function of the user, `package.module:callable`."""
    return loss is not None and ":" in loss


def with_limit(given: Any) -> Any:
    """Add the bound of a ranking, and the limit that margin and bound mean: that of the mean of (d/bound + 1)/2.

    >>> with_limit({"rate": "loss", "margin": 0.02, "bound": 1.0})["limit"]
    0.51
    """
    if not isinstance(given, Mapping) or given.get("rate") != "loss":
        return given
    if given.get("loss") in RANKINGS:
        given = {"bound": 1.0, **given}
    try:
        margin, bound = float(given["margin"]), float(given["bound"])
    except (KeyError, TypeError, ValueError):
        margin, bound = 0.0, 1.0  # the keys' own checks report it
    limit = (margin / bound + 1.0) / 2.0 if 0.0 <= margin < bound else 0.5
    if given.get("limit", limit) != limit:
        raise ValueError("limit: does not go with rate: loss; give margin, in units of the loss, instead")
    return {**given, "limit": limit}


def problem(criterion: Any) -> str | None:
    """Return the reason why a loss or a signed mean cannot be judged, with the remedy; None if it can."""
    if criterion.rate == "mean" and criterion.signed != (criterion.better is not None):
        return "signed: true and better: higher or lower go together"
    if criterion.rate != "loss":
        return None
    loss, margin, bound = criterion.loss, criterion.margin, criterion.bound
    if margin >= MARGIN_MAX * bound:
        return f"margin: less than {MARGIN_MAX} times bound ({bound}), else no candidate could be worse by it"
    if 0 < margin < MARGIN_MIN * bound:
        return f"margin: 0, or at least {MARGIN_MIN} times bound; give a smaller bound or a greater margin"
    if loss in RANKINGS and bound != 1.0:
        return f"bound: that of loss: {loss} is 1; leave it out"
    if criterion.k is not None and loss != "ndcg":
        return "k goes with loss: ndcg, the number of places that count"
    if criterion.path is None and (criterion.where or criterion.topic):
        return "where and topic go with a loss of values (path); a labelled pair belongs to the whole"
    if (loss == "cost" and criterion.path is None) != (criterion.costs is not None):
        return "costs and loss: cost on labelled pairs (without path) go together: name the cost of each error"
    known = OF_VALUES if criterion.path is not None else OF_LABELS
    if not is_entry_point(loss) and loss not in known:
        return (
            f"loss: {loss} needs the truth: leave path out and name labels. With path take {' or '.join(OF_VALUES)} "
            "or a function; for the distance from production take rate: mean"
        )
    return None
