"""Inputs that the candidate did not survive: found by what its processes have said before they called it.

A candidate that ends its process says nothing, and the process that follows meets the same input again. So whoever
starts says durably what it is about to ask for, and again that it has been answered: of the inputs that stood there
when it began, for what has ended a predecessor is among these. What comes later costs nothing.

===========================================  ==========================================================================
a process begins and finds                   and does
===========================================  ==========================================================================
nothing, or what was answered                asks in batches, each said beforehand, up to the end as of its start
several inputs, not answered                 asks for these one by one, each said beforehand
one input, asked for `ALONE_MAX` times       ends it as `crashed`; the next process knows that too
and not answered
an input that a watching thread has ended    ends it as `timeout`: nobody need die of it again
===========================================  ==========================================================================

One input alone, twice: a process that somebody else kills in such a moment blames nobody. The record is one for each
input partition, holds all that is known of inputs that no commit has passed, and is of one revision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from shadowstream.errors import CandidateError
from shadowstream.protocol import marks
from shadowstream.records import Place, Write
from shadowstream.runner.absences import Reason
from shadowstream.runner.current_call import Asked, Calls, never

ALONE_MAX = 2
CRASHED = "the process ended while the candidate worked on this input alone, twice"
Say = Callable[[Sequence[Write], bool], None]
"""Writes records; with true they are on the broker on return."""
Ask = Callable[[Sequence[Any]], list[Any]]


class EndedInput(NamedTuple):
    """An input that the candidate did not survive, for the log."""

    place: Place
    offset: int
    reason: Reason


@dataclass(slots=True)
class Tried:
    """What is known of one input partition: inputs asked for and not answered, from `begin` to before `end`, how often,
    and the inputs that are not asked for again."""

    begin: int = -1
    end: int = -1
    tries: int = 0
    ended: dict[int, Reason] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Tried:
        """From a record of the topic."""
        texts = record["texts"]
        ended = {run["offset"]: Reason(run["reason"], texts[run["why"]]) for run in record["absences"]}
        return cls(record["from_offset"], record["to_offset"], record["tries"], ended)

    def record(self, revision: str, place: Place) -> dict[str, Any]:
        """As in schemas/mark.avsc."""
        texts = list(dict.fromkeys(reason.text for reason in self.ended.values()))
        return marks.mark(
            "tried",
            revision,
            input_topic=place.topic,
            input_partition=place.partition,
            from_offset=self.begin,
            to_offset=self.end,
            tries=self.tries,
            texts=texts,
            absences=[
                {"offset": offset, "count": 1, "reason": one.absence, "ids": [], "why": texts.index(one.text)}
                for offset, one in sorted(self.ended.items())
            ],
        )


@dataclass(slots=True)
class _Guarded:
    """An input partition of which something is known. `found` is what a predecessor left unanswered, `until` the end
    of what is said beforehand."""

    tried: Tried
    found: Tried
    until: int


class Attempts:
    """Asks the candidate, and says of each attempt what must outlive the process. `say` writes to `topic`. `enough`:
    whether the inputs of this step have taken so long that those that are left wait for the next."""

    def __init__(self, topic: str, revision: str, say: Say, enough: Callable[[], bool] = never) -> None:
        self._topic, self._revision, self._say, self._enough = topic, revision, say, enough
        self._guarded: dict[Place, _Guarded] = {}
        self.calls = Calls()
        self.news: list[EndedInput] = []
        """Inputs that were found to have ended the process since the last time somebody took this away."""

    def assign(self, place: Place, position: int, end: int, record: Mapping[str, Any] | None) -> None:
        """Take an input partition from `position` on, of which `record` is the newest; `end` is where it ends now."""
        ours = record is not None and record["revision"] == self._revision
        found = Tried.of(record) if record is not None and ours else Tried()
        found.ended = {offset: reason for offset, reason in found.ended.items() if offset >= position}
        if found.end <= position:
            found = Tried(ended=found.ended)
        alone = found.end == found.begin + 1
        one = _Guarded(Tried(ended=found.ended), found, max(end, found.end))
        self._guarded[place] = one
        if alone and found.tries >= ALONE_MAX:
            self.news.append(EndedInput(place, found.begin, Reason("crashed", CRASHED)))
            one.tried.ended[found.begin] = self.news[-1].reason
            one.found = Tried()
            self._write(place, one.tried)

    def drop(self) -> None:
        """Forget every partition."""
        self._guarded.clear()

    def call(self, place: Place, offsets: Sequence[int], values: Sequence[Any], ask: Ask) -> list[Any]:
        """The candidate's answers to inputs of a partition, in order; to the first of them where it is enough."""
        one = self._guarded.get(place)
        if one is None:
            return self._asked(place, offsets, values, ask)
        results: list[Any] = []
        while len(results) < len(offsets):
            begin = len(results)
            reason = one.tried.ended.get(offsets[begin])
            if reason is not None:
                results.append(CandidateError(reason.text, absence=reason.absence))
                continue
            if begin and self._enough():
                break
            end = begin + 1
            while end < len(offsets) and not self._cut(one, offsets[begin], offsets[end]):
                end += 1
            results += self._tried(place, one, (offsets[begin:end], values[begin:end]), ask)
            if len(results) < end:
                break
        last = offsets[len(results) - 1] if results else -1
        if results and last + 1 >= one.until and all(offset <= last for offset in one.tried.ended):
            del self._guarded[place]
        return results

    def _cut(self, one: _Guarded, first: int, offset: int) -> bool:
        """Whether an input is not asked for in one call with those from `first` on."""
        suspected = one.found.begin <= first < one.found.end or first < one.found.begin <= offset
        said_beforehand = first < one.until <= offset
        return suspected or said_beforehand or offset in one.tried.ended

    def _tried(self, place: Place, one: _Guarded, asked: tuple[Sequence[int], Sequence[Any]], ask: Ask) -> list[Any]:
        """Ask, and say it before and after: inputs below `until`, but while some are suspected only these."""
        offsets, values = asked
        first, last, found = offsets[0], offsets[-1], one.found
        if found.end > 0 and first >= found.end:
            found = one.found = Tried()
        suspects = found.end > 0
        if first >= one.until or (suspects and first < found.begin):
            return self._asked(place, offsets, values, ask)
        tries = found.tries if suspects and (found.begin, found.end) == (first, last + 1) else 0
        one.tried = replace(one.tried, begin=first, end=last + 1, tries=tries + 1)
        self._write(place, one.tried)
        results = self._asked(place, offsets, values, ask)
        # Not waited for: who dies before it is on the broker is suspected once more, and no more.
        left = found if suspects and last + 1 < found.end else Tried()
        one.tried = replace(one.tried, begin=-1 if left.end < 0 else last + 1, end=left.end, tries=0)
        self._write(place, one.tried, wait=False)
        return results

    def _asked(self, place: Place, offsets: Sequence[int], values: Sequence[Any], ask: Ask) -> list[Any]:
        self.calls.begin(place, offsets)
        try:
            return ask(values)
        finally:
            self.calls.end()

    def timed_out(self, asked: Asked, text: str) -> None:
        """End the input that a call works on as `timeout`, or suspect those of a batch: called by a watching thread,
        while that which asks waits for the candidate. The process ends after it."""
        one = self._guarded.get(asked.place)
        ended = dict(one.tried.ended) if one is not None else {}
        tried = Tried(asked.offsets[0], asked.offsets[-1] + 1, 1, ended)
        if len(asked.offsets) == 1:
            ended[asked.offsets[0]] = Reason("timeout", text)
            tried = Tried(ended=ended)
        self._write(asked.place, tried)

    def _write(self, place: Place, tried: Tried, *, wait: bool = True) -> None:
        self._say([marks.write(self._topic, tried.record(self._revision, place))], wait)
