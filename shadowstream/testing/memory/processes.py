"""Processes that take turns: one runs at a time, from one client call to the next, and may die at any of them.

Each has a thread of its own only so that it can be stopped in the middle of its code; the threads hand over to each
other and never run at once, so that a run is the same from the same seed. A process that dies (`kill -9`) gets `Died`
at the call where it stands, and none of what it does on its way out reaches the broker. One that is frozen (SIGSTOP) is
simply not run; its clients send no heartbeats, and when it goes on it is a zombie.
"""

import _thread
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.hosts import Host


class Died(BaseException):
    """The process is dead. No `except Exception` may revive it."""


class Process(Host):
    """A host whose code runs in turns. `fault` is called before and after each call and may raise or kill."""

    def __init__(self, name: str, clock: ManualClock, target: Callable[[], Any]) -> None:
        super().__init__(clock)
        self.name = name
        self.calls: Counter[str] = Counter()
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self.fault: Callable[[Process, str, str], None] = lambda process, phase, call: None
        self._target = target
        self._left = 0
        self._until: Callable[[], bool] | None = None
        self._go, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._go.acquire()
        self._done.acquire()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._started = False

    def run(self, calls: int, until: Callable[[], bool] | None = None) -> None:
        """Allow this many more client calls, or stop before the one at which `until` becomes true."""
        if self.ended or self.frozen:
            return
        self._left, self._until = calls, until
        self._turn()

    def _turn(self) -> None:
        if not self._started:
            self._started = True
            self._thread.start()
        self._go.release()
        self._done.acquire()

    def kill(self) -> None:
        self.alive = False
        if not self.ended and self._started:
            self._turn()
        self.ended = True

    def _main(self) -> None:
        self._go.acquire()
        try:
            if self.alive:
                self.result = self._target()
        except Died:
            pass
        except BaseException as error:  # noqa: BLE001 - whoever runs the process looks at it
            self.error = error
        self.ended = True
        self.alive = False
        self._done.release()

    def _pause(self) -> None:
        """Give way to others; the process may die here."""
        self._left -= 1
        if self.alive and (self._left <= 0 or (self._until is not None and self._until())):
            self._done.release()
            self._go.acquire()
        if not self.alive:
            raise Died

    def before(self, call: str) -> None:
        self._pause()
        self._at("before", call)

    def after(self, call: str) -> None:
        """Stop after a call, its answer not yet received."""
        self.calls[call] += 1
        self._at("after", call)

    def _at(self, phase: str, call: str) -> None:
        self.fault(self, phase, call)
        if not self.alive:
            raise Died

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._pause()

    def die(self) -> None:
        """End the process here, for `fault`."""
        self.alive = False
