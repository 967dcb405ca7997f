"""How long one step may take where it runs somebody else's code: the candidate, or functions of `compare`.

The consumer must be polled again within max.poll.interval.ms, and what is done be committed. How long a value takes is
known only afterwards, and may change from one to the next; so no step is trusted to be short by its size alone. After
`STEP_S` it ends with the value in hand, and what is left of its records is taken up in the next turn of the loop. One
value alone is bounded by a timeout of its own (`candidate.timeout_ms`, `compare.call_timeout_ms`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from shadowstream.health import RoleHealth
from shadowstream.kafka.batch_size import CallSize
from shadowstream.runner.current_call import Calls
from shadowstream.runner.outputs import Call

STEP_S = 1.0


class StepTime:
    """Whether the step that began last has taken long enough."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        """A step begins."""
        self._until = time.monotonic() + STEP_S

    def up(self) -> bool:
        """Whether what is left is for the next step."""
        return time.monotonic() >= self._until


def timed(call: Call, watch: RoleHealth, call_size: CallSize, calls: Calls, enough: Callable[[], bool]) -> Call:
    """Wrap the candidate's call: at most `call_size` values at once, and no further call once `enough` returns True.

    The answers are then those of the first values only.
    """

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
