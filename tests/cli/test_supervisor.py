"""The supervisor waits longer each time a child fails at once, and begins anew for one that has worked in between."""

from __future__ import annotations

import sys
import time

import pytest

from shadowstream.kafka import supervisor
from shadowstream.kafka.supervisor import Supervisor


def starts(code: str, restarts: int) -> list[float]:
    """Run a child that fails until it was restarted so often; seconds between an end and the next start."""
    roles = Supervisor({"child": [sys.executable, "-c", code]})
    child = roles.children["child"]
    waits: list[float] = []

    def turn() -> None:
        if len(waits) < child.restarts:
            waits.append(child.next_start - time.monotonic())

    roles.run(lambda: child.restarts >= restarts, turn)
    return waits


def are(waits: list[float], meant: list[float]) -> bool:
    """What is read of a wait is a moment too little, on a busy machine a longer one."""
    return len(waits) == len(meant) and all(0 <= long - read < 0.09 for read, long in zip(waits, meant, strict=True))


def test_the_waits_of_a_child_that_fails_at_once_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_S", (0.1, 0.2, 0.4))
    waits = starts("raise SystemExit(1)", 4)
    assert are(waits, [0.1, 0.2, 0.4, 0.4])


def test_the_waits_of_a_child_that_has_worked_in_between_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STEADY_S", 0.3)
    waits = starts("import time; time.sleep(1); raise SystemExit(1)", 3)
    assert are(waits, [supervisor.BACK_OFF_S[0]] * 3)
