"""A process as the broker sees it: begin and end of client calls, and heartbeats."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from shadowstream.testing.memory.clock import ManualClock

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Host:
    """A process without faults: it waits by moving the clock.

    `processes.Process` can be stopped before and after each call. Both hooks may raise: what `before` raises leaves
    the broker untouched, and what `after` raises has the call done and its answer lost.
    """

    alive = True
    """Whether its clients live: the dead send no heartbeats."""
    frozen = False
    """Stopped without being dead (SIGSTOP): no heartbeats, but it may wake up."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.clients: list[Any] = []

    def before(self, call: str) -> None:
        """Begin a client call, `consume` for example."""

    def after(self, call: str) -> None:
        """End a client call."""

    def wait(self, seconds: float) -> None:
        """Wait for the broker within a call."""
        self.clock.advance(seconds)


def client_call(method: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Wrap a method that asks the broker: the host's hooks run before and after it."""

    @wraps(method)
    def hosted(*arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        client: Any = arguments[0]
        client.host.before(method.__name__)
        answer = method(*arguments, **named)
        client.host.after(method.__name__)
        return answer

    return hosted


def wait_until(host: Host, settled: Callable[[], bool], limit_s: float, step_s: float = 0.05) -> bool:
    """Wait for a state of the broker; return whether it came within the limit."""
    deadline = host.clock.monotonic() + limit_s
    while not settled():
        if host.clock.monotonic() >= deadline:
            return False
        host.wait(step_s)
    return True
