"""Detection of inputs that end the candidate's process, from records that its processes write before each call.

A candidate that ends its process cannot report anything, and the next process reads the same input again. So a process
durably records the inputs before it calls the candidate, and records the answers afterwards. It does so only for
inputs that existed at its start, since the input that ended a predecessor is among these. Later inputs cost nothing.

===========================================  ==========================================================================
a starting process reads                     its action
===========================================  ==========================================================================
nothing, or answered inputs                  calls with batches, recording each before, up to the end at its start
several inputs, not answered                 calls with one at a time, recording each before
one input, called `SINGLE_TRIES_MAX` times   ends it as `crashed`, and records that
and not answered
an input ended by the watching thread        ends it as `timeout`, so that no further process dies of it
===========================================  ==========================================================================

The limit is two attempts with a single input, since a kill from outside may end one of them. Each input partition has
one record. It belongs to one revision and covers all inputs above the commit.

A candidate in a process of its own needs no records: the runner outlives it (`worker.isolated`), remembers the inputs
of the call that ended it, and treats them in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from shadowstream.errors import CandidateDown, CandidateError
from shadowstream.protocol import marks
from shadowstream.records import Partition, Write
from shadowstream.runner.absences import Reason
from shadowstream.runner.current_call import CallTracker, CurrentCall

SINGLE_TRIES_MAX = 2
CRASHED = "the process ended while the candidate worked on this input alone, twice"
ALWAYS = 1 << 63  # an offset beyond all inputs

WriteRecords = Callable[[Sequence[Write], bool], None]
"""A function that writes records; with True, they are on the broker on return."""
Ask = Callable[[Sequence[Any]], list[Any]]


class EndedInput(NamedTuple):
    """An input that ended the candidate's process, for the log."""

    place: Partition
    offset: int
    reason: Reason


@dataclass(slots=True)
class AttemptState:
    """Unanswered inputs of a partition from `begin` to before `end`, their attempts, and the inputs that are ended."""

    begin: int = -1
    end: int = -1
    tries: int = 0
    ended: dict[int, Reason] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> AttemptState:
        texts = record["texts"]
        ended = {run["offset"]: Reason(run["reason"], texts[run["why"]]) for run in record["absences"]}
        return cls(record["from_offset"], record["to_offset"], record["tries"], ended)

    def record(self, revision: str, place: Partition) -> dict[str, Any]:
        texts = list(dict.fromkeys(reason.text for reason in self.ended.values()))
        absences = [
            {"offset": offset, "count": 1, "reason": reason.absence, "ids": [], "why": texts.index(reason.text)}
            for offset, reason in sorted(self.ended.items())
        ]
        at = {"input_topic": place.topic, "input_partition": place.partition}
        span = {"from_offset": self.begin, "to_offset": self.end, "tries": self.tries}
        return marks.mark("tried", revision, **at, **span, texts=texts, absences=absences)


@dataclass(slots=True)
class _Guarded:
    """Input partition with recorded calls: `unanswered` by a predecessor; inputs before `until` are recorded."""

    current: AttemptState
    unanswered: AttemptState
    until: int


def _unrecorded() -> _Guarded:
    return _Guarded(AttemptState(), AttemptState(), ALWAYS)


class Attempts:
    """Calls of the candidate, recorded in `topic` before they are made; `enough` leaves the rest to the next step.

    Without `write` the candidate has a process of its own, and a call that ends it raises `CandidateDown`.
    """

    def __init__(
        self, topic: str, revision: str, write: WriteRecords | None, enough: Callable[[], bool] = lambda: False
    ) -> None:
        self._topic, self._revision, self._write_records, self._enough = topic, revision, write, enough
        self._guarded: dict[Partition, _Guarded] = {}
        self._kept: dict[Partition, _Guarded] = {}  # of dropped partitions, without `write`
        self.calls = CallTracker()
        self.ended_inputs: list[EndedInput] = []
        """Inputs that were found to have ended the process; the reader empties the list."""

    @property
    def recorded(self) -> bool:
        return self._write_records is not None

    def assign(self, place: Partition, position: int, end: int, record: Mapping[str, Any] | None) -> None:
        """Start an input partition at `position`; `record` is its newest attempt record, `end` its current end."""
        if self._write_records is None:
            self._assign_kept(place, position)
            return
        is_own_revision = record is not None and record["revision"] == self._revision
        unanswered = AttemptState.of(record) if record is not None and is_own_revision else AttemptState()
        unanswered.ended = {offset: reason for offset, reason in unanswered.ended.items() if offset >= position}
        if unanswered.end <= position:
            unanswered = AttemptState(ended=unanswered.ended)
        is_single = unanswered.end == unanswered.begin + 1
        guarded = _Guarded(AttemptState(ended=unanswered.ended), unanswered, max(end, unanswered.end))
        self._guarded[place] = guarded
        if is_single and unanswered.tries >= SINGLE_TRIES_MAX:
            self.ended_inputs.append(EndedInput(place, unanswered.begin, Reason("crashed", CRASHED)))
            guarded.current.ended[unanswered.begin] = self.ended_inputs[-1].reason
            guarded.unanswered = AttemptState()
            self._write(place, guarded.current)

    def _assign_kept(self, place: Partition, position: int) -> None:
        guarded = self._kept.pop(place, None) or _unrecorded()
        if guarded.unanswered.end <= position:
            guarded.unanswered = AttemptState()
        self._guarded[place] = guarded
        self.committed(place, position)

    def committed(self, place: Partition, position: int) -> None:
        """Forget the inputs of a partition below its commit."""
        guarded = self._guarded.get(place)
        if guarded is not None and self._write_records is None and guarded.current.ended:
            ended = {offset: reason for offset, reason in guarded.current.ended.items() if offset >= position}
            guarded.current = replace(guarded.current, ended=ended)

    def drop(self) -> None:
        if self._write_records is None:
            self._kept |= self._guarded
        self._guarded.clear()

    def call(self, place: Partition, offsets: Sequence[int], values: Sequence[Any], ask: Ask) -> list[Any]:
        """Return the candidate's answers to inputs of a partition, in order; only the first ones if `enough`."""
        if self._write_records is None:
            self._guarded.setdefault(place, _unrecorded())
        guarded = self._guarded.get(place)
        if guarded is None:
            return self._ask(place, offsets, values, ask)
        results: list[Any] = []
        while len(results) < len(offsets):
            begin = len(results)
            reason = guarded.current.ended.get(offsets[begin])
            if reason is not None:
                results.append(CandidateError(reason.text, absence=reason.absence))
                continue
            if begin and self._enough():
                break
            free = guarded.until == ALWAYS and guarded.unanswered.end < 0 and not guarded.current.ended
            end = len(offsets) if free else begin + 1
            while end < len(offsets) and not self._cut(guarded, offsets[begin], offsets[end]):
                end += 1
            try:
                results += self._ask_recorded(place, guarded, (offsets[begin:end], values[begin:end]), ask)
            except CandidateDown as down:
                if down.state_lost or not results:
                    raise
            if len(results) < end:
                break
        last = offsets[len(results) - 1] if results else -1
        if results and last + 1 >= guarded.until and all(offset <= last for offset in guarded.current.ended):
            del self._guarded[place]
        return results

    def _cut(self, guarded: _Guarded, first: int, offset: int) -> bool:
        """Return whether an input must not be in one call with the inputs from `first` on."""
        begin, end = guarded.unanswered.begin, guarded.unanswered.end
        suspected = begin <= first < end or first < begin <= offset
        return suspected or first < guarded.until <= offset or offset in guarded.current.ended

    def _ask_recorded(
        self, place: Partition, guarded: _Guarded, batch: tuple[Sequence[int], Sequence[Any]], ask: Ask
    ) -> list[Any]:
        """Call with inputs below `until`, recorded before and after; while some are suspected, record only those."""
        offsets, values = batch
        first, last, unanswered = offsets[0], offsets[-1], guarded.unanswered
        if unanswered.end > 0 and first >= unanswered.end:
            unanswered = guarded.unanswered = AttemptState()
        suspects = unanswered.end > 0
        if first >= guarded.until or (suspects and first < unanswered.begin):
            return self._ask(place, offsets, values, ask)
        tries = unanswered.tries if suspects and (unanswered.begin, unanswered.end) == (first, last + 1) else 0
        guarded.current = replace(guarded.current, begin=first, end=last + 1, tries=tries + 1)
        self._write(place, guarded.current)
        results = self._ask(place, offsets, values, ask)
        # Without waiting: if the process dies before the broker has this record, the input is suspected again.
        left = unanswered if suspects and last + 1 < unanswered.end else AttemptState()
        guarded.current = replace(guarded.current, begin=-1 if left.end < 0 else last + 1, end=left.end, tries=0)
        self._write(place, guarded.current, wait=False)
        return results

    def _ask(self, place: Partition, offsets: Sequence[int], values: Sequence[Any], ask: Ask) -> list[Any]:
        self.calls.begin(place, offsets)
        try:
            return ask(values)
        except CandidateDown as down:
            asked = self.calls.now()
            if down.absence is not None and asked is not None:
                self._note_end(asked, down.absence, str(down))
            raise
        finally:
            self.calls.end()

    def _note_end(self, asked: CurrentCall, absence: str, text: str) -> None:
        """Suspect the inputs of a call that ended the candidate's process, or end its only input."""
        guarded, offset, end = self._guarded[asked.place], asked.offsets[0], asked.offsets[-1] + 1
        known = guarded.unanswered
        tries = known.tries + 1 if (known.begin, known.end) == (offset, end) else 1
        guarded.unanswered = AttemptState(offset, end, tries)
        if len(asked.offsets) == 1 and (absence == "timeout" or tries >= SINGLE_TRIES_MAX):
            reason = Reason(absence, text if absence == "timeout" else f"{CRASHED}: {text}")
            self.ended_inputs.append(EndedInput(asked.place, offset, reason))
            guarded.current.ended[offset] = reason
            guarded.unanswered = AttemptState()

    def timed_out(self, asked: CurrentCall, text: str) -> None:
        """End the input of a call as `timeout`, or suspect a batch's; a watching thread then ends the process."""
        guarded = self._guarded.get(asked.place)
        ended = dict(guarded.current.ended) if guarded is not None else {}
        state = AttemptState(asked.offsets[0], asked.offsets[-1] + 1, 1, ended)
        if len(asked.offsets) == 1:
            ended[asked.offsets[0]] = Reason("timeout", text)
            state = AttemptState(ended=ended)
        self._write(asked.place, state)

    def _write(self, place: Partition, tried: AttemptState, *, wait: bool = True) -> None:
        if self._write_records is not None:
            self._write_records([marks.write(self._topic, tried.record(self._revision, place))], wait)
