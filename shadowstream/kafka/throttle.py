"""A limit on how often a warning is repeated."""

import time


class Throttle:
    """Passes one event in `every_s` seconds; the caller drops the others."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._next_at = every_s, 0.0

    def is_due(self) -> bool:
        """Return whether the event may pass now; count it if so."""
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + self._every_s
        return True

    def reset(self) -> None:
        self._next_at = 0.0
