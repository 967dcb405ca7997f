"""Criteria that stay in force whatever a config judges besides: nobody forgets them, and only a name mutes them.

A config that writes `criteria` says what it judges as well. The guards are added to that at their default limit, each
unless it is written itself: with a limit of its own, or muted, which every verdict then shows.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowstream.config import Config, Criterion
from shadowstream.config.judging import GUARDS, default_criteria


class Guard(Criterion):
    """A criterion that the config has not written."""


def guarded(criteria: Sequence[Criterion]) -> list[Criterion]:
    """The criteria with the guards that are not among them.

    >>> [one.id for one in guarded([Criterion(rate="mismatch", limit=0.01)])]
    ['mismatch', 'missing', 'extra', 'error', 'duplicate']
    """
    written = {criterion.rate for criterion in criteria}
    # Inputs are counted by marks: a trial that has none has no pair either, and missing then says so.
    added = [
        Guard(**{**criterion.model_dump(exclude_unset=True), "required": criterion.rate != "error"})
        for criterion in default_criteria()
        if criterion.rate in GUARDS and criterion.rate not in written
    ]
    return [*criteria, *added]


def asks_for_error(config: Config) -> bool:
    """Whether the config itself, and neither its default nor a guard, names the criterion error for a candidate whose
    inputs nobody counts here."""
    named = [
        criterion
        for criterion in config.judge.criteria
        if criterion.rate == "error" and not isinstance(criterion, Guard)
    ]
    return config.candidate.topic is not None and "criteria" in config.judge.model_fields_set and bool(named)
