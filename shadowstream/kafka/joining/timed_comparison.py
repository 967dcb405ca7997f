"""The joiner's batches where a pair may take long: in parts, as large as the comparison is quick.

A call of a function of `compare` may take up to `compare.call_timeout_ms`, and lists in any order may need as many
comparisons as `compare.lists.WORK_MAX` for one field of one pair; a batch holds many pairs. So pairs are compared part
by part, and after `step_time.STEP_S` the rest of a batch is left to the next turn: the consumer is polled and what is
done is committed in between.
"""

from __future__ import annotations

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


class SlowHooks:
    """Hands batches on in parts where functions are called or lists compared in any order, and whole elsewhere."""

    def __init__(self, hooks: HookProcess, compare: Compare) -> None:
        self._hooks, self._step_time = hooks, StepTime()
        self._any_order = any(rule.lists in ("unordered", "set") for rule in compare.rules)
        self._call_size = CallSize(PART_MAX if compare.calls else LISTS_MAX)

    @property
    def _in_parts(self) -> bool:
        return self._hooks.in_use or self._any_order

    def take(self, batch: Batch, read: Callable[[Batch], None], compare: Callable[[], None]) -> int:
        """Read a batch and compare what it pairs; returns how many of its records were read."""
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
                break  # what was read before stands; the rest says so again
            compare()
            self._call_size.took(len(part), time.monotonic() - began)
            done += len(part)
        return done

    def pairs_limit(self, limit: int) -> int:
        """Lower the limit of pairs in one transaction to the number that can be compared within a step."""
        return min(limit, self._call_size.limit) if self._in_parts else limit

    def tick(self) -> None:
        """Note that a turn of the loop begins: the functions may take their time anew."""
        self._hooks.turn()
