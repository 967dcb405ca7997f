"""CPU cost of the candidate: the CPU time of each call, by an injected clock, counted by event-time window.

A cost criterion needs only the share of costly inputs. So each window keeps two integers, which the range marks carry:
the number of measured inputs, and how many of these exceeded the threshold.

The meter counts the inputs that the candidate answered, silent ones included; the criterion error judges inputs on
which it raised. The time of a batch is divided evenly among its inputs. For a failed batch, the following calls with
single values count instead. The clock `time.thread_time_ns` excludes threads and processes that the candidate starts:
a process-wide clock would include them, but also the threads of the Kafka client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from shadowstream.errors import CandidateError, RecordError
from shadowstream.runner.outputs import LeftOut

if TYPE_CHECKING:
    from shadowstream.config import Config  # the candidate's process has no use for it

Costs = dict[int, list[int]]  # the numbers of measured inputs and of those over the threshold, by start of the window


class Meter:
    """Meter of the CPU time of calls. `clock`: CPU time, ns; `over_ns`: a costly input takes more than this.

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
        """Wrap a function of one value: one entry for each call, with any result."""
        return self._measured(function, lambda _: 1)

    def of_batches(self, function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
        """Wrap a function of a list: one entry for each value, with an equal share."""
        return self._measured(function, len)

    def _measured(self, function: Callable[[Any], Any], size: Callable[[Any], int]) -> Callable[[Any], Any]:
        def measured(argument: Any) -> Any:
            n, began = size(argument), self._clock()
            try:
                return function(argument)
            finally:
                self._ns += [(self._clock() - began) // max(n, 1)] * n

        return measured

    def forget(self, entries: int) -> None:
        """Remove the last entries: their calls will be repeated."""
        del self._ns[len(self._ns) - entries :]

    def drop(self) -> None:
        self._ns.clear()

    def take(self) -> list[int]:
        """Return the entries and remove them: another process counts them."""
        taken, self._ns = self._ns, []
        return taken

    def add(self, entries: Sequence[int]) -> None:
        """Add entries that another process has measured."""
        self._ns += entries

    def count(self, costs: Costs, times_ms: Sequence[int], results: Sequence[Any], window_ms: int) -> None:
        """Count the calls since the last time into `costs`; `results` has the result of each input."""
        called = [i for i, result in enumerate(results) if _was_called(result)]
        for i, ns in zip(called, self._ns, strict=True):
            if not isinstance(results[i], CandidateError):
                counts = costs.setdefault(times_ms[i] - times_ms[i] % window_ms, [0, 0])
                counts[0] += 1
                counts[1] += ns > self._over_ns
        self._ns.clear()

    def record(self, counts: Sequence[int] | None) -> dict[str, Any]:
        if counts is None:
            return {}
        return {"cost": {"over_ns": self._over_ns, "measured": counts[0], "over": counts[1]}}


def _was_called(result: Any) -> bool:
    """Return whether the candidate was called: the input was selected and decoded, and had not ended an earlier
    process."""
    if isinstance(result, CandidateError):
        return result.absence == "error"
    return not isinstance(result, RecordError | LeftOut)


def meter_of(config: Config, clock: Callable[[], int]) -> Meter | None:
    """Return the meter for the cost criterion; None without such a criterion."""
    over_ns = next((criterion.over_ns for criterion in config.judge.criteria if criterion.over_ns is not None), None)
    return None if over_ns is None else Meter(clock, over_ns)
