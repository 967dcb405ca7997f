"""Attempts at one release: who tries often enough is promoted by luck, so each attempt is judged more strictly.

The k-th revision of a `release` is judged at alpha_k = alpha * 6 / (pi^2 k^2), which adds up to alpha over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.criteria import with_judge
from shadowstream.judge.evidence.rates import alpha_of_attempt


def attempt_of(config: Config, revision: str, audit: Iterable[Mapping[str, Any]]) -> int:
    """Which attempt at its release a revision is, from all verdicts so far (topic audit); 1 without a release.

    A revision keeps the number under which it was judged first, so that a restart judges as before.
    """
    others: set[str] = set()
    for verdict in audit:
        if config.release is None or verdict.get("release") != config.release:
            continue
        if verdict["revision"] == revision:
            return max(1, int(verdict["attempt"]))
        others.add(verdict["revision"])
    return len(others) + 1


def at_attempt(config: Config, attempt: int) -> Config:
    """The config with every level lowered to that of the attempt; as it is without a release."""
    if config.release is None:
        return config
    judge = config.judge
    criteria = [
        criterion.model_copy(update={"alpha": alpha_of_attempt(criterion.alpha, attempt)})
        if criterion.alpha
        else criterion
        for criterion in judge.criteria
    ]
    return with_judge(config, {"alpha": alpha_of_attempt(judge.alpha, attempt), "criteria": criteria})
