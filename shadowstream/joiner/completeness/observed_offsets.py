"""Observed ends of outputs with the input offsets that belong to them, and a side's progress by its commits."""

from collections.abc import Sequence
from typing import NamedTuple

from shadowstream.records import Partition
from shadowstream.thinned_queue import ThinnedQueue

OBSERVATIONS_MAX = 1_000


class ObservedEnd(NamedTuple):
    """An end of outputs with offsets of inputs, as a born mark or as an observed commit.

    Born mark: outputs below `end` come from inputs below `inputs`. Commit: the side has committed `inputs`, and the
    outputs of inputs below these lie below `end`.
    """

    end: int
    inputs: dict[Partition, int]


def lowest(marks: Sequence[int | None]) -> int | None:
    """Return the lowest mark; None if one is unknown, or if there are none."""
    return None if None in marks else min(marks, default=None)  # type: ignore[type-var]  # none is None


def highest(one: int | None, other: int | None) -> int | None:
    """Return the higher of two marks; either may be unknown."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def end_queue() -> ThinnedQueue[ObservedEnd]:
    return ThinnedQueue(OBSERVATIONS_MAX)


class CommitProgress:
    """A side's progress by its group's commits, each observed before the end of the side's outputs."""

    def __init__(self) -> None:
        self.done: dict[Partition, int] = {}
        self.ended: dict[Partition, int] = {}
        self._observed = end_queue()
        self._unended = end_queue()

    def observe(self, end: int, inputs: dict[Partition, int]) -> None:
        self._observed.append(ObservedEnd(end, inputs))

    def advance(self, position: int) -> None:
        while self._observed and self._observed[0].end <= position:
            observed = self._observed.popleft()
            for place, offset in observed.inputs.items():
                self.done[place] = max(self.done.get(place, 0), offset)
            self._unended.append(observed)

    def end_below(self, low: int) -> dict[Partition, int]:
        """Return the input offsets below which all outputs have ended, given that all outputs below `low` have."""
        while self._unended and self._unended[0].end <= low:
            for place, offset in self._unended.popleft().inputs.items():
                self.ended[place] = max(self.ended.get(place, 0), offset)
        return self.ended
