"""Ends of outputs with the offsets of inputs that belong to them, as observed, and how far a side is by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shadowstream.records import Partition
from shadowstream.thinned_queue import ThinnedQueue

OBSERVATIONS_MAX = 1_000


class Observed(NamedTuple):
    """An end of outputs, and offsets of inputs. Born: outputs below `end` come from inputs below `inputs`.
    Done: the side has committed `inputs`, and its outputs of these lie below `end`."""

    end: int
    inputs: dict[Partition, int]


def lowest(marks: Sequence[int | None]) -> int | None:
    """The lowest of these; None where one is not known."""
    known = [mark for mark in marks if mark is not None]
    return min(known) if len(known) == len(marks) else None


def observed_queue() -> ThinnedQueue[Observed]:
    """A bounded queue of observations of one side."""
    return ThinnedQueue(OBSERVATIONS_MAX)


class DoneByCommits:
    """How far a side is by its group's commits, each followed by the end of its outputs at that time."""

    def __init__(self) -> None:
        self.done: dict[Partition, int] = {}
        self.ended: dict[Partition, int] = {}
        self._observed = observed_queue()
        self._unended = observed_queue()

    def observe(self, end: int, inputs: dict[Partition, int]) -> None:
        """Committed `inputs`, read before `end`."""
        self._observed.append(Observed(end, inputs))

    def advance(self, position: int) -> None:
        """Outputs below `position` have been read."""
        while self._observed and self._observed[0].end <= position:
            observed = self._observed.popleft()
            for place, offset in observed.inputs.items():
                self.done[place] = max(self.done.get(place, 0), offset)
            self._unended.append(observed)

    def end_below(self, low: int) -> dict[Partition, int]:
        """Inputs all of whose outputs here have ended, given that every one below offset `low` has."""
        while self._unended and self._unended[0].end <= low:
            for place, offset in self._unended.popleft().inputs.items():
                self.ended[place] = max(self.ended.get(place, 0), offset)
        return self.ended
