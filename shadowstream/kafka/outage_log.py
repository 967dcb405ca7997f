"""Log lines of an outage: the first at once, further ones after growing waits, for all clients together."""

import time

from shadowstream.logs import get_logger

log = get_logger("kafka")
WAITS_S = (10.0, 30.0, 60.0, 300.0)
QUIET_S = 60.0  # time without trouble after which the next trouble is an outage of its own


class OutageLog:
    """Writer of `broker_unreachable`: at once, then after growing waits for as long as the outage lasts."""

    def __init__(self) -> None:
        self._lines = 0
        self._next_line = self._last = 0.0

    def seen(self, reason: str) -> None:
        now = time.monotonic()
        if self._lines and now - self._last > max(QUIET_S, self._wait_s()):
            self._lines = 0
        self._last = now
        if self._lines and now < self._next_line:
            return
        self._lines += 1
        self._next_line = now + self._wait_s()
        log.warning("broker_unreachable", reason=reason, next_line_in_s=self._wait_s())

    def _wait_s(self) -> float:
        return WAITS_S[min(max(self._lines, 1), len(WAITS_S)) - 1]
