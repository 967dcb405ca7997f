"""Guard criteria: they stay in force beside the criteria of any config, unless the config mutes them by name.

A config that writes `criteria` adds to the guards. Each guard has its default limit, unless the config writes it with
another limit or muted; every verdict then shows that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.config import Config, Criterion
from shadowstream.config.deciding import GUARDS, default_criteria


class Guard(Criterion):
    """Criterion that the config has not written."""


def guarded(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Return the criteria and the guards that are not among them.

    >>> [one.id for one in guarded([Criterion(rate="mismatch", limit=0.01)])]
    ['mismatch', 'missing', 'extra', 'error', 'duplicate']
    """
    written = {criterion.rate for criterion in criteria}
    # Marks count inputs: a trial without marks has no pair either, and the criterion missing reports that.
    added = [
        Guard(**{**criterion.model_dump(exclude_unset=True), "required": criterion.rate != "error"})
        for criterion in default_criteria()
        if criterion.rate in GUARDS and criterion.rate not in written
    ]
    return [*criteria, *added]


def asks_for_error(config: Config) -> bool:
    """Return whether the config itself asks for the criterion error although the candidate's inputs are not counted.

    Its default and the guards do not count as asking.
    """
    named = [
        criterion
        for criterion in config.judge.criteria
        if criterion.rate == "error" and not isinstance(criterion, Guard)
    ]
    return config.candidate.topic is not None and "criteria" in config.judge.model_fields_set and bool(named)


def declared(config: Config) -> Config:
    """The config with the guards that it does not name, and a criterion for the bound of each declared change.

    A change beyond its bound holds promote back and is no reject by itself: the change was declared.
    """
    judge, judged = (
        config.judge,
        {criterion.name for criterion in config.judge.criteria if criterion.rate == "expected"},
    )
    bounds = [
        Criterion(rate="expected", name=expected.name, limit=expected.rate_max, critical=False)
        for expected in config.compare.expected
        if expected.name not in judged
    ]
    criteria = guarded(judge.criteria)
    if config.candidate.rechecks and all(criterion.rate != "unstable" for criterion in criteria):
        criteria.append(Guard(rate="unstable", limit=0.01))
    return with_judge(config, {"criteria": [*criteria, *bounds]})


def with_judge(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with other settings of the judge; what was not given before does not count as given now."""
    judge = config.judge.model_copy(update=dict(changes))
    judge.model_fields_set.intersection_update(config.judge.model_fields_set)
    return config.model_copy(update={"judge": judge})
