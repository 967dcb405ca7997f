"""Names of labels tasks in stats records."""


def task_of(task: str) -> str:
    """Return the labels task of one of the joiner's tasks.

    >>> task_of("scores/3")
    'labels/scores/3'
    """
    return f"labels/{task}"
