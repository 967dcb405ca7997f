"""A clock that moves only when a process waits."""

import time
from collections.abc import Callable

BEGIN_S = 1_000.0


class ManualClock:
    """Replaces the module `time`. Calls `moved` after each move.

    >>> clock = ManualClock()
    >>> began = clock.monotonic(); clock.sleep(1.5); round(clock.monotonic() - began, 3)
    1.5
    """

    process_time, thread_time_ns = staticmethod(time.process_time), staticmethod(time.thread_time_ns)

    def __init__(self, wall_ms: int = 0) -> None:
        self._ns = int(BEGIN_S * 1e9)
        self._wall_ns = wall_ms * 1_000_000 - self._ns
        self.moved: list[Callable[[], None]] = []
        self.waits: Callable[[float], None] = self.advance
        """Body of `sleep`: a sleeping process gives way to others."""

    def monotonic(self) -> float:
        """Return seconds. A call takes a microsecond, so that no duration is zero."""
        self._ns += 1_000
        return self._ns / 1e9

    def time_ns(self) -> int:
        return self._wall_ns + self._ns

    def time(self) -> float:
        return self.time_ns() / 1e9

    @property
    def now_ms(self) -> int:
        return self.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        self.waits(seconds)

    def advance(self, seconds: float) -> None:
        self._ns += int(seconds * 1e9)
        for tell in self.moved:
            tell()

    def set_wall(self, by_s: float) -> None:
        """Set the wall clock by this many seconds; no time passes."""
        self._wall_ns += int(by_s * 1e9)

    perf_counter = monotonic
