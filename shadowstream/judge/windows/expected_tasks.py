"""Which tasks a judge must hear before a window closes."""

from __future__ import annotations

from collections.abc import Mapping

from shadowstream.config import Config
from shadowstream.protocol.task_names import task_of


def joined_tasks(config: Config, counts: Mapping[str, int]) -> set[str]:
    """The joiner's: each partition of production's outputs; `counts` has how many each topic has."""
    return {f"{topic}/{partition}" for topic in config.production.outputs for partition in range(counts[topic])}


def expected_tasks(config: Config, counts: Mapping[str, int]) -> set[str]:
    """All: with labels each of the joiner's has one that counts its labels."""
    joined = joined_tasks(config, counts)
    return joined | ({task_of(task) for task in joined} if config.labels is not None else set())


def counts_labels(task: str) -> bool:
    """Whether it is a task of the labels role; topics hold no slash.

    >>> counts_labels(task_of("scores/3")), counts_labels("labels/3")
    (True, False)
    """
    return task.startswith(task_of("")) and task.count("/") > task_of("").count("/")
