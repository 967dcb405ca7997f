"""What the candidate costs: the CPU time of each call, by a clock that is handed in, counted by event-time window.

A criterion on cost asks for a share of inputs, so two integers a window are all that is kept: how many inputs were
measured, and how many of these took more than the threshold. They travel in the range marks, as the inputs do.

Measured are the inputs that the candidate answered, silence included: what it raised on is judged by the criterion
error. A batch's time is shared out evenly among its inputs; of one that fails, the calls that follow value by value
count. With `time.thread_time_ns` as the clock, threads and processes that the candidate starts are not seen: the
process's clock would see them, and our own client's threads with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import CandidateError, RecordError

Costs = dict[int, list[int]]
"""By start of the window: inputs measured, and those over the threshold."""


class Meter:
    """Takes the CPU time of calls. `clock`: CPU time, ns; `over_ns`: what a costly input takes more than.

    >>> ticks, costs = iter([0, 7, 10, 12]), {}
    >>> meter = Meter(lambda: next(ticks), 5)
    >>> double = meter.of_values(lambda value: 2 * value)
    >>> [double(1), double(2)]
    [2, 4]
    >>> meter.count(costs, [0, 1], [2, 4], 1_000); costs
    {0: [2, 1]}
    """

    def __init__(self, clock: Callable[[], int], over_ns: int) -> None:
        self._clock, self._over_ns = clock, over_ns
        self._ns: list[int] = []

    def of_values(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function of one value, measured: one entry a call, whatever comes of it."""

        def measured(value: Any) -> Any:
            began = self._clock()
            try:
                return function(value)
            finally:
                self._ns.append(self._clock() - began)

        return measured

    def of_batches(self, function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
        """The function of a list, measured: one entry a value, each an equal share."""

        def measured(values: list[Any]) -> Any:
            n = len(values)
            began = self._clock()
            try:
                return function(values)
            finally:
                self._ns += [(self._clock() - began) // max(n, 1)] * n

        return measured

    def forget(self, entries: int) -> None:
        """Take back the last entries: their values are asked for again."""
        del self._ns[len(self._ns) - entries :]

    def drop(self) -> None:
        """Forget what has not been counted."""
        self._ns.clear()

    def count(self, costs: Costs, times_ms: Sequence[int], results: Sequence[Any], window_ms: int) -> None:
        """Enter the calls since the last time into `costs`. `results`: what came of each input, a `RecordError` where
        the candidate was not asked."""
        asked = [i for i, result in enumerate(results) if not isinstance(result, RecordError) and _was_asked(result)]
        for i, ns in zip(asked, self._ns, strict=True):
            if not isinstance(results[i], CandidateError):
                counts = costs.setdefault(times_ms[i] - times_ms[i] % window_ms, [0, 0])
                counts[0] += 1
                counts[1] += ns > self._over_ns
        self._ns.clear()

    def record(self, counts: Sequence[int] | None) -> dict[str, Any]:
        """A window's part of a range mark (schemas/mark.avsc)."""
        if counts is None:
            return {}
        return {"cost": {"over_ns": self._over_ns, "measured": counts[0], "over": counts[1]}}


def _was_asked(result: Any) -> bool:
    """Whether the candidate was asked for it, and not left out as one that had ended a process."""
    return not isinstance(result, CandidateError) or result.absence == "error"


def meter_of(config: Config, clock: Callable[[], int]) -> Meter | None:
    """The meter that the criteria ask for; None where nobody judges what the candidate costs."""
    wanted = next((one.over_ns for one in config.judge.criteria if one.over_ns is not None), None)
    return None if wanted is None else Meter(clock, wanted)
