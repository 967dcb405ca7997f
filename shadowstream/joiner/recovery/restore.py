"""Check of a group's commits of one task: a state is restored completely or refused.

One transaction commits all sides of a task. So either all sides have a commit of the same sequence number, or none has.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shadowstream.errors import ConfigError
from shadowstream.joiner.recovery import checkpoint
from shadowstream.records import Partition

_ANEW = "Refused to guess: remove the topics and groups of this trial and start anew"


class Committed(NamedTuple):
    """The group's commit of a partition; offset -1 if there is none."""

    place: Partition
    offset: int
    metadata: str


def checkpoints_of(
    task: str, places: Sequence[Partition], committed: Mapping[Partition, Committed]
) -> tuple[checkpoint.Checkpoint | None, ...]:
    """Return a task's checkpoints by side, or None; raise `ConfigError` unless the joiner made all together."""
    points: list[checkpoint.Checkpoint | None] = []
    for place in places:
        one = committed[place]
        if one.offset < 0:
            points.append(None)
            continue
        try:
            point = checkpoint.decode(one.metadata)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
        if one.offset > min([point.high, *point.pending]):
            raise ConfigError(
                f"{place}: offset {one.offset} is committed beside metadata that needs a lower one; another program "
                f"has committed to the trial's group. {_ANEW}"
            )
        points.append(point)
    sequences = {point.sequence for point in points if point is not None}
    if len(sequences) > 1 or (sequences and None in points):
        numbers = ["nothing" if point is None else str(point.sequence) for point in points]
        found = ", ".join(f"{place} {number}" for place, number in zip(places, numbers, strict=True))
        raise ConfigError(
            f"task {task}: the commits of its sides are not of one transaction ({found}): some have expired "
            f"(offsets.retention.minutes), were deleted or reset. {_ANEW}"
        )
    return tuple(points)


def check_unknown(task: str, has_record: bool) -> None:
    """Raise `ConfigError` if a task without a commit has a state record."""
    if has_record:
        raise ConfigError(
            f"task {task}: the group has no commit although statistics were written for it: the commits have expired "
            f"(offsets.retention.minutes) or were deleted, and counting anew would count twice. {_ANEW}"
        )
