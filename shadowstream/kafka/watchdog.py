"""Watchdog that ends the process when a client call never returns.

The cause is a client defect: after a broker's restart, calls hung for minutes beyond their timeouts (librdkafka 5511),
without an exception. The supervisor starts the process again, and it continues from its commits.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType

from shadowstream.health import RoleHealth
from shadowstream.logs import get_logger

log = get_logger("watchdog")
CALL_MAX_S = 25.0
EXIT_STUCK = 70


class Watchdog:
    """Watch over one thread's client calls, each within `with watchdog.call(...)`; calls may be nested."""

    def __init__(self, watch: RoleHealth, call_max_s: float = CALL_MAX_S) -> None:
        self._watched = watch
        self._call_max_s = call_max_s
        self._calls: list[tuple[str, float]] = []
        # Bind the real clock now: in a test's process the thread may outlive its role into a simulated clock.
        threading.Thread(target=self._watch, args=(time,), name="watchdog", daemon=True).start()

    @contextlib.contextmanager
    def call(self, name: str, limit_s: float | None = None) -> Iterator[None]:
        """End the process if the block takes longer than `limit_s` (default: the watchdog's own limit).

        The time of an outer call starts again afterwards: callbacks run within the client's calls, with time of their
        own.
        """
        limit_s = self._call_max_s if limit_s is None else limit_s
        outer = self._calls
        self._calls = [*outer, (name, time.monotonic() + limit_s)]
        try:
            yield
        finally:
            self._calls = [*outer[:-1], (outer[-1][0], time.monotonic() + self._call_max_s)] if outer else outer

    @contextlib.contextmanager
    def unwatched(self) -> Iterator[None]:
        """Suspend the outer calls in the block; watch calls within it separately."""
        outer, self._calls = self._calls, []
        try:
            yield
        finally:
            self._calls = [(name, time.monotonic() + self._call_max_s) for name, _ in outer]

    def _watch(self, clock: ModuleType) -> None:
        while True:
            clock.sleep(0.5)
            calls = self._calls
            if calls and clock.monotonic() > calls[-1][1]:
                log.error("client_call_stuck", call=calls[-1][0], phase=self._watched.phase, exit_code=EXIT_STUCK)
                sys.stderr.flush()
                os._exit(EXIT_STUCK)
