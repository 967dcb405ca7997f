"""Names of the tasks that write stats records."""

from __future__ import annotations


def task_of(task: str) -> str:
    """The task that counts the labels of one of the joiner's.

    >>> task_of("scores/3")
    'labels/scores/3'
    """
    return f"labels/{task}"
