"""What a process is to the broker: where client calls begin and end, and whether its clients still send heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from shadowstream.testing.memory.clock import ManualClock

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Host:
    """A process that nothing happens to: it waits by moving the clock.

    `processes.Process` is one that can be stopped before and after each call. Whoever is asked may raise: what `before`
    raises leaves the broker untouched, what `after` raises has the call done and its answer lost.
    """

    alive = True
    """Whether its clients live: the dead send no heartbeats."""
    frozen = False
    """Stopped without being dead (SIGSTOP): no heartbeats either, but it may wake up."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.clients: list[Any] = []

    def before(self, call: str) -> None:
        """A client call begins, `consume` for example."""

    def after(self, call: str) -> None:
        """It has been done."""

    def wait(self, seconds: float) -> None:
        """The call has to wait for the broker."""
        self.clock.advance(seconds)


class Hosted(Protocol):
    """A client."""

    host: Host


def client_call(method: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """A method of a client that asks the broker: its host hears of it before and after."""

    @wraps(method)
    def hosted(*arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        client: Any = arguments[0]
        client.host.before(method.__name__)
        answer = method(*arguments, **named)
        client.host.after(method.__name__)
        return answer

    return hosted


def wait_until(host: Host, settled: Callable[[], bool], limit_s: float, step_s: float = 0.05) -> bool:
    """Wait until the broker's state is as asked for; whether it became so within the limit."""
    deadline = host.clock.monotonic() + limit_s
    while not settled():
        if host.clock.monotonic() >= deadline:
            return False
        host.wait(step_s)
    return True
