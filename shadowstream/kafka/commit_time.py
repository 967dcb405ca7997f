"""Time of the next commit: commits begin `limits.commit_ms` apart, however long each of them takes."""


def next_commit(began: float, ended: float, every_s: float) -> float:
    """Return when the next commit is due after one from `began` to `ended`, in seconds of one clock.

    A record waits for the rest of the running commit and for all of the next wait, so that a wait that began at the end
    of a commit would add its duration to every latency. Where commits are slow, reading gets as much time as the last
    one took, up to `every_s`: otherwise a slow broker would stop it.

    >>> next_commit(10.0, 10.125, 0.5), next_commit(10.0, 10.375, 0.5), next_commit(10.0, 13.0, 0.5)
    (10.5, 10.75, 13.5)
    """
    took = ended - began
    return ended + max(every_s - took, min(took, every_s))
