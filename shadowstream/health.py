"""Metrics, liveness and readiness of one role."""

import time
from typing import Literal

from shadowstream.child_processes import usage
from shadowstream.metrics import Metrics

TURN_MAX_S = 30.0
REVISION_CHARS = 16
"""Digits of a revision as people see it, in reports and messages."""
Phase = Literal["consuming", "begun", "produced", "offsets_sent", "committing", "committed"]
"""The phase of a process between two commits, in this order: reading; the transaction has begun; the client has its
records; the coordinator has its offsets; the commit has been called; it has returned. A process can die in each."""


class OwnershipClaim:
    """A process's claim to its place among the trial's processes (`kafka.ownership`). This one does nothing: it is for
    roles that cannot have a second process."""

    def take(self) -> None:
        """Claim the place, before any other process is fenced."""

    def check(self, *, now: bool = False) -> None:
        """Raise `TakenOver` if another run has claimed the place since."""


class RoleHealth:
    """Metrics and health of one role in one process.

    >>> health = RoleHealth("fraud", "joiner")
    >>> health.alive, health.ready
    (True, False)
    """

    def __init__(self, shadow: str, role: str, turn_max_s: float = TURN_MAX_S) -> None:
        self.role = role
        self._turn_max_s = turn_max_s
        self.metrics = Metrics(shadow, role)
        self.ready = False
        self.phase: Phase = "consuming"
        self.claim = OwnershipClaim()
        self.busy = ""
        """The long operation that the role is performing: a sentence for health checks."""
        self.own_process = False
        """Whether the role has the process to itself, and may change process-wide settings."""
        self._turned = time.monotonic()
        # A turn is dated at the scrape: a loop turns many times a second.
        self.metrics.follow("heartbeat_timestamp_seconds", lambda: time.time() - self._age_s(), role=role)
        self.metrics.follow("ready", lambda: float(self.ready), role=role)
        self.metrics.follow("children_cpu_seconds", lambda: usage().cpu_s, role=role)
        self.metrics.follow("children_resident_memory_bytes", lambda: usage().resident_bytes, role=role)

    def started(self, version: str, revision: str) -> None:
        """Show the release and the revision that this process runs."""
        self.metrics.set("build_info", 1, role=self.role, version=version, revision=revision[:REVISION_CHARS])

    def turned(self) -> None:
        self._turned = time.monotonic()

    def _age_s(self) -> float:
        return time.monotonic() - self._turned

    def reached(self, phase: Phase) -> None:
        """Record the commit phase of the process; the watchdog names the phase, and a chaos test kills in it."""
        self.phase = phase

    @property
    def alive(self) -> bool:
        """Whether the loop turned within `turn_max_s`."""
        return self._age_s() < self._turn_max_s
