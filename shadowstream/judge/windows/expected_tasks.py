"""Expected tasks: those whose stats a judge must read before a window closes."""

from collections.abc import Mapping

from shadowstream.config import Config
from shadowstream.protocol.task_names import task_of


def joined_tasks(config: Config, counts: Mapping[str, int]) -> set[str]:
    """Return the joiner's tasks: one for each partition of production's outputs. `counts`: partitions by topic."""
    return {f"{topic}/{partition}" for topic in config.production.outputs for partition in range(counts[topic])}


def expected_tasks(config: Config, counts: Mapping[str, int]) -> set[str]:
    """Return all expected tasks: the joiner's, and with labels one labels task for each of them."""
    joined = joined_tasks(config, counts)
    return joined | ({task_of(task) for task in joined} if config.labels is not None else set())


def counts_labels(task: str) -> bool:
    """Return whether a task belongs to the labels role. Topic names contain no slash.

    >>> counts_labels(task_of("scores/3")), counts_labels("labels/3")
    (True, False)
    """
    return task.startswith(task_of("")) and task.count("/") > task_of("").count("/")
