"""Alpha spending over the attempts at one release: each attempt is judged at a stricter level.

Without it, enough attempts would be promoted by luck. The k-th revision of a `release` is judged at alpha_k = alpha * 6
/ (pi^2 k^2), which adds up to alpha over all attempts. Several candidates of one release have a trial each, and each
trial counts its own attempts. So they share alpha: with `candidates: m` each trial has alpha / m to spend.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.evidence.rates import alpha_of_attempt
from shadowstream.judge.verdict.guard_criteria import with_judge


def attempt_of(config: Config, revision: str, audit: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of a revision among the attempts at its release, from the topic audit; 1 without a release.

    A revision keeps the number of its first verdict, so that a restart judges as before.
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
    """Return the config with every level lowered to that of the attempt; unchanged without a release."""
    if config.release is None:
        return config
    judge = config.judge

    def lowered(alpha: float) -> float:
        return alpha_of_attempt(alpha / config.candidates, attempt)

    criteria = [
        criterion.model_copy(update={"alpha": lowered(criterion.alpha)}) if criterion.alpha else criterion
        for criterion in judge.criteria
    ]
    return with_judge(config, {"alpha": lowered(judge.alpha), "criteria": criteria})
