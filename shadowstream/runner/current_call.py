"""Tracking of the candidate's current input, readable by a second thread without cost per value.

A loop over values appends its answers to a list; the list's length is the index of the current value.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.records import Partition


class CurrentCall(NamedTuple):
    """Inputs of one call of the candidate: one, or those of a batch. `serial` differs for each call."""

    serial: tuple[int, int]
    place: Partition
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        first, last = self.offsets[0], self.offsets[-1]
        return f"{self.place} offset {first}" if first == last else f"{self.place} offsets {first} to {last}"


class CallTracker:
    """Holder of the current call, if there is one.

    >>> calls, answers = CallTracker(), []
    >>> calls.begin(Partition("in", 0), [5, 7, 9]); calls.part(1, 2); calls.answer(answers); answers.append("first")
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
        """Note a call with these inputs, all at once unless `part` or `answer` follows."""
        self._serial += 1
        self._part, self._answers = (0, len(offsets)), None
        self._inputs = place, offsets

    def part(self, begin: int, length: int) -> None:
        """Note that the call now covers `length` of the inputs, from index `begin` on."""
        self._serial += 1
        self._answers, self._part = None, (begin, length)

    def answer(self, answers: Sequence[Any]) -> None:
        """Note that inputs follow one by one: the current one is the first without an entry in `answers`."""
        self._answers = answers

    def end(self) -> None:
        self._inputs = None

    def now(self) -> CurrentCall | None:
        """Return the inputs that the candidate works on; None between two calls.

        Another thread calls this, so a single reading is a guess: only an unchanged repeated reading is reliable.
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
        return CurrentCall((serial, n), place, tuple(asked)) if asked else None
