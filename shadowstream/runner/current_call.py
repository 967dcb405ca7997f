"""The input that the candidate currently works on, readable by a second thread at no cost to the hot path.

A loop over values fills a list; the list's length is the index of the current value. So nothing is counted for each
value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.records import Partition


def never() -> bool:
    """No call is too long."""
    return False


class Asked(NamedTuple):
    """The inputs of one call of the candidate: one, or those of a batch. `serial` differs for each call."""

    serial: tuple[int, int]
    place: Partition
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        """The inputs by topic, partition and offset."""
        first, last = self.offsets[0], self.offsets[-1]
        return f"{self.place} offset {first}" if first == last else f"{self.place} offsets {first} to {last}"


class Calls:
    """The current call, if there is one.

    >>> calls, answers = Calls(), []
    >>> calls.begin(Place("in", 0), [5, 7, 9]); calls.part(1, 2); calls.answer(answers); answers.append("first")
    >>> str(calls.now())
    'in/0 offset 9'
    >>> calls.end(); calls.now()
    """

    def __init__(self) -> None:
        self._inputs: tuple[Partition, Sequence[int]] | None = None
        self._part: tuple[int, int] = (0, 0)
        self._answers: Sequence[Any] | None = None
        self._serial = 0

    def begin(self, place: Partition, offsets: Sequence[int]) -> None:
        """The candidate is asked for these inputs, all at once unless `part` or `answer` is called."""
        self._serial += 1
        self._part, self._answers = (0, len(offsets)), None
        self._inputs = place, offsets

    def part(self, begin: int, length: int) -> None:
        """The call now covers `length` of the inputs, from index `begin` on."""
        self._serial += 1
        self._answers, self._part = None, (begin, length)

    def answer(self, answers: Sequence[Any]) -> None:
        """From now on the inputs are asked for one by one: the next is the first without an entry in `answers`."""
        self._answers = answers

    def end(self) -> None:
        """The candidate has answered."""
        self._inputs = None

    def now(self) -> Asked | None:
        """The inputs that the candidate works on; None between two calls.

        Called by another thread, so a single reading is a guess: only an unchanged repeated reading is reliable.
        """
        inputs, (begin, length), answers, serial = self._inputs, self._part, self._answers, self._serial
        if inputs is None:
            return None
        place, offsets = inputs
        if answers is None:
            asked, n = offsets[begin : begin + length], -1
        else:
            n = len(answers)
            asked = offsets[begin + n : begin + n + 1]
        return Asked((serial, n), place, tuple(asked)) if asked else None
