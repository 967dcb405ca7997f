"""The world in memory is moved by nobody but those who live in it."""

import time

from shadowstream.health import RoleHealth
from shadowstream.kafka import watchdog
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.clock import ManualClock
from shadowstream.testing.memory.inside import inside


def test_the_thread_of_a_watchdog_of_before_moves_no_clock_in_memory() -> None:
    watchdog.Watchdog(RoleHealth("before", "joiner"))
    clock = ManualClock()
    with inside(MemoryBroker(clock)):
        assert vars(watchdog)["time"] is clock, "the room has the clock in memory"
        began = clock.now_ms
        time.sleep(1.2)  # the thread looks every half second
        assert clock.now_ms - began < 100
