"""Time that passes only when somebody waits."""

from __future__ import annotations

import time
from collections.abc import Callable

BEGIN_S = 1_000.0


class ManualClock:
    """Stands in for the module `time`: the same names, in seconds of its own. `moved` is called after each move.

    >>> clock = ManualClock()
    >>> began = clock.monotonic(); clock.sleep(1.5); round(clock.monotonic() - began, 3)
    1.5
    """

    def __init__(self, wall_ms: int = 0) -> None:
        self._ns = int(BEGIN_S * 1e9)
        self._wall_ns = wall_ms * 1_000_000 - self._ns
        self.moved: list[Callable[[], None]] = []
        self.waits: Callable[[float], None] = self.advance
        """What `sleep` does: a process that sleeps lets others go on."""

    def monotonic(self) -> float:
        """Seconds. Asking takes a microsecond, so that nothing ever lasts no time at all."""
        self._ns += 1_000
        return self._ns / 1e9

    def time_ns(self) -> int:
        """Wall clock, ns since the epoch."""
        return self._wall_ns + self._ns

    def time(self) -> float:
        """Wall clock, s since the epoch."""
        return self.time_ns() / 1e9

    @property
    def now_ms(self) -> int:
        """Wall clock, ms since the epoch."""
        return self.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits(seconds)

    def advance(self, seconds: float) -> None:
        """Move on, and tell everybody who depends on time."""
        self._ns += int(seconds * 1e9)
        for tell in self.moved:
            tell()

    def set_wall(self, by_s: float) -> None:
        """Somebody sets the wall clock, by so many seconds; no time passes."""
        self._wall_ns += int(by_s * 1e9)

    @staticmethod
    def process_time() -> float:
        """CPU seconds are real."""
        return time.process_time()

    @staticmethod
    def thread_time_ns() -> int:
        """CPU nanoseconds are real."""
        return time.thread_time_ns()

    perf_counter = monotonic
