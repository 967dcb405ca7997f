"""Time limit of one step that runs the user's code: the candidate, or functions of `compare`.

The loop must poll the consumer within max.poll.interval.ms and commit finished work. The duration of a call is known
only afterwards and may change, so a small step is not always a short one. After `STEP_S` the step ends with its current
value; the next turn takes the remaining records. A timeout of its own bounds a single value (`candidate.timeout_ms`,
`compare.call_timeout_ms`).
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.health import RoleHealth
from shadowstream.kafka.batch_size import CallSize
from shadowstream.runner.current_call import CallTracker
from shadowstream.runner.outputs import Call

STEP_S = 1.0


class StepTime:
    """Clock of the current step."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + STEP_S

    def up(self) -> bool:
        """Return whether the step must leave its remaining records to the next one."""
        return time.monotonic() >= self._until


def timed(call: Call, watch: RoleHealth, call_size: CallSize, calls: CallTracker, enough: Callable[[], bool]) -> Call:
    """Wrap the candidate's call: at most `call_size` values at once; only the first answers once `enough` is True."""

    def timed_call(values: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        while len(results) < len(values):
            some = values[len(results) : len(results) + call_size.limit]
            calls.part(len(results), len(some))
            began = time.monotonic()
            answers = call(some)
            seconds = time.monotonic() - began
            results += answers
            watch.metrics.observe("candidate_seconds", seconds)
            watch.turned()
            call_size.took(len(answers), seconds)
            if len(answers) < len(some) or enough():
                break
        return results

    return timed_call
