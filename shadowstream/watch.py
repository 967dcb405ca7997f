"""What a role lets others watch: its metrics, and whether it turns and is ready."""

from __future__ import annotations

import time

from shadowstream.metrics import Metrics

TURN_MAX_S = 30.0


class Watch:
    """Metrics and health of one role in one process.

    >>> watch = Watch("fraud", "joiner")
    >>> watch.alive, watch.ready
    (True, False)
    """

    def __init__(self, shadow: str, role: str, turn_max_s: float = TURN_MAX_S) -> None:
        self.role = role
        self._turn_max_s = turn_max_s
        self.metrics = Metrics(shadow, role)
        self.ready = False
        self._turned = time.monotonic()

    def turned(self) -> None:
        """The loop has turned once more."""
        self._turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the loop turned within `turn_max_s`."""
        return time.monotonic() - self._turned < self._turn_max_s
