"""CPU cost of the candidate: the CPU time of each call, by an injected clock, counted by event-time window.

A cost criterion needs only the share of costly inputs. So each window keeps two integers: the number of measured
inputs, and how many of these exceeded the threshold. The range marks carry them, as they do the inputs.

The meter counts the inputs that the candidate answered, silent ones included; an input on which it raised is judged
by the criterion error. The time of a batch is divided evenly among its inputs. For a failed batch, the following
calls with single values count instead. With `time.thread_time_ns` as the clock, threads and processes that the
candidate starts are not measured: a process-wide clock would include them, but also the threads of shadowstream's
Kafka client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.config import Config
from shadowstream.errors import CandidateError, RecordError

Costs = dict[int, list[int]]
"""By start of the window: the number of measured inputs, and of those over the threshold."""


class Meter:
    """Measures the CPU time of calls. `clock`: CPU time, ns; `over_ns`: a costly input takes more than this.

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
        """Wrap a function of one value: one entry a call, with any result."""

        def measured(value: Any) -> Any:
            began = self._clock()
            try:
                return function(value)
            finally:
                self._ns.append(self._clock() - began)

        return measured

    def of_batches(self, function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
        """Wrap a function of a list: one entry a value, each an equal share."""

        def measured(values: list[Any]) -> Any:
            n = len(values)
            began = self._clock()
            try:
                return function(values)
            finally:
                self._ns += [(self._clock() - began) // max(n, 1)] * n

        return measured

    def forget(self, entries: int) -> None:
        """Remove the last entries: their values will be asked for again."""
        del self._ns[len(self._ns) - entries :]

    def drop(self) -> None:
        """Forget the entries that have not been counted."""
        self._ns.clear()

    def count(self, costs: Costs, times_ms: Sequence[int], results: Sequence[Any], window_ms: int) -> None:
        """Count the calls since the last time into `costs`.

        `results`: the result of each input, a `RecordError` if the candidate was not asked.
        """
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
    """Whether the candidate was asked for the input, and not skipped because it had ended a process."""
    return not isinstance(result, CandidateError) or result.absence == "error"


def meter_of(config: Config, clock: Callable[[], int]) -> Meter | None:
    """The meter for the cost criterion; None without such a criterion."""
    over_ns = next((criterion.over_ns for criterion in config.judge.criteria if criterion.over_ns is not None), None)
    return None if over_ns is None else Meter(clock, over_ns)
