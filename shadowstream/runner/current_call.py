"""Which input the candidate works on now, kept so that a second thread can look at it and the hot path pays nothing.

The list that a loop over values fills says by its length which value is asked, so nothing is counted for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.records import Place


def never() -> bool:
    """No call is too long."""
    return False


class Asked(NamedTuple):
    """Inputs that one call of the candidate works on: one, or those of a batch. `serial`: another for each call."""

    serial: tuple[int, int]
    place: Place
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        """The inputs by topic, partition and offset."""
        first, last = self.offsets[0], self.offsets[-1]
        return f"{self.place} offset {first}" if first == last else f"{self.place} offsets {first} to {last}"


class Calls:
    """The call that goes on, if one does.

    >>> calls, answers = Calls(), []
    >>> calls.begin(Place("in", 0), [5, 7, 9]); calls.part(1, 2); calls.answer(answers); answers.append("first")
    >>> str(calls.now())
    'in/0 offset 9'
    >>> calls.end(); calls.now()
    """

    def __init__(self) -> None:
        self._at: tuple[Place, Sequence[int]] | None = None
        self._part: tuple[int, int] = (0, 0)
        self._answers: Sequence[Any] | None = None
        self._serial = 0

    def begin(self, place: Place, offsets: Sequence[int]) -> None:
        """The candidate is asked for these inputs, all of them at once unless `part` and `answer` say otherwise."""
        self._serial += 1
        self._part, self._answers = (0, len(offsets)), None
        self._at = place, offsets

    def part(self, begin: int, length: int) -> None:
        """Now for so many of them, from the one at `begin` on."""
        self._serial += 1
        self._answers, self._part = None, (begin, length)

    def answer(self, answers: Sequence[Any]) -> None:
        """From now on one by one: the next is the one that `answers` lacks."""
        self._answers = answers

    def end(self) -> None:
        """The candidate has answered."""
        self._at = None

    def now(self) -> Asked | None:
        """What the candidate works on; None between two calls. For another thread: it is a guess until it lasts."""
        at, (begin, length), answers, serial = self._at, self._part, self._answers, self._serial
        if at is None:
            return None
        place, offsets = at
        if answers is None:
            asked, n = offsets[begin : begin + length], -1
        else:
            n = len(answers)
            asked = offsets[begin + n : begin + n + 1]
        return Asked((serial, n), place, tuple(asked)) if asked else None
