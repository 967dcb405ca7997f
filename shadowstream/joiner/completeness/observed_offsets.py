"""Ends of outputs with the offsets of inputs that belong to them, as observed, and how far a side is by them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from shadowstream.records import Place

OBSERVATIONS_MAX = 1_000


class Observed(NamedTuple):
    """An end of outputs, and offsets of inputs. Born: outputs below `end` come from inputs below `inputs`.
    Done: the side has committed `inputs`, and its outputs of these lie below `end`."""

    end: int
    inputs: dict[Place, int]


def lowest(marks: Sequence[int | None]) -> int | None:
    """The lowest of these; None where one is not known."""
    known = [mark for mark in marks if mark is not None]
    return min(known) if len(known) == len(marks) else None


def keep_few(queue: deque[Observed]) -> None:
    """Drop every other one beyond the bound: a later observation says the same, only later."""
    if len(queue) > OBSERVATIONS_MAX:
        kept = [one for i, one in enumerate(queue) if i % 2 == 0 or i == len(queue) - 1]
        queue.clear()
        queue.extend(kept)


class DoneByCommits:
    """How far a side is by its group's commits, each followed by the end of its outputs at that time."""

    def __init__(self) -> None:
        self.done: dict[Place, int] = {}
        self.ended: dict[Place, int] = {}
        self._observed: deque[Observed] = deque()
        self._unended: deque[Observed] = deque()

    def observe(self, end: int, inputs: dict[Place, int]) -> None:
        """Committed `inputs`, read before `end`."""
        self._observed.append(Observed(end, inputs))
        keep_few(self._observed)

    def advance(self, position: int) -> None:
        """Outputs below `position` have been read."""
        while self._observed and self._observed[0].end <= position:
            observed = self._observed.popleft()
            for place, offset in observed.inputs.items():
                self.done[place] = max(self.done.get(place, 0), offset)
            self._unended.append(observed)
            keep_few(self._unended)

    def end_below(self, low: int) -> dict[Place, int]:
        """Inputs all of whose outputs here have ended, given that every one below offset `low` has."""
        while self._unended and self._unended[0].end <= low:
            for place, offset in self._unended.popleft().inputs.items():
                self.ended[place] = max(self.ended.get(place, 0), offset)
        return self.ended
