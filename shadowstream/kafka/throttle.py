"""A limit on how often a warning is repeated."""

from __future__ import annotations

import time


class Throttle:
    """Lets through one event in `every_s` seconds; what comes in between is to be dropped."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._next_at = every_s, 0.0

    def is_due(self) -> bool:
        """Return whether the event is let through now, and count it if so."""
        now = time.monotonic()
        due = now >= self._next_at
        if due:
            self._next_at = now + self._every_s
        return due

    def reset(self) -> None:
        """Let the next event through at once."""
        self._next_at = 0.0
