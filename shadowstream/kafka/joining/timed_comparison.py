"""Comparison of the joiner's batches in timed parts, whose size follows the speed of comparison.

A call of a `compare` function may take up to `compare.call_timeout_ms`. Lists in any order may need up to
`compare.lists.WORK_MAX` comparisons for one field of one pair, and a batch holds many pairs. So the joiner compares
part by part, and after `step_time.STEP_S` leaves the rest of a batch to the next turn. In between the loop polls the
consumer and commits.
"""

import time
from collections.abc import Callable

from shadowstream.config import Compare
from shadowstream.errors import RegistryError
from shadowstream.kafka.batch_size import CallSize
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.step_time import StepTime
from shadowstream.records import Batch

PART_MAX = 16
LISTS_MAX = 1_000


class TimedComparison:
    """Timer that passes batches on in parts if functions are called or lists are compared in any order, else whole."""

    def __init__(self, hooks: HookProcess, compare: Compare) -> None:
        self._hooks, self._step_time = hooks, StepTime()
        self._any_order = compare.any_order
        self._call_size = CallSize(PART_MAX if compare.calls else LISTS_MAX)

    @property
    def _in_parts(self) -> bool:
        return self._hooks.in_use or self._any_order

    def take(self, batch: Batch, read: Callable[[Batch], None], compare: Callable[[], None]) -> int:
        """Read a batch and compare its pairs; return the number of records read."""
        if not self._in_parts or batch.lost is not None:
            read(batch)
            return len(batch)
        self._step_time.begin()
        done = 0
        while done < len(batch) and not (done and self._step_time.up()):
            part = batch.part(done, done + self._call_size.limit)
            began = time.monotonic()
            try:
                read(part)
            except RegistryError:
                if not done:
                    raise
                break  # the parts read so far count; the next turn raises again for the rest
            compare()
            self._call_size.took(len(part), time.monotonic() - began)
            done += len(part)
        return done

    def pairs_limit(self, limit: int) -> int:
        """Lower the limit of pairs in one transaction to the number that can be compared within a step."""
        return min(limit, self._call_size.limit) if self._in_parts else limit

    def tick(self) -> None:
        """Begin a turn of the loop: the functions get their time anew."""
        self._hooks.turn()
