"""Clients in memory for `shadowstream.kafka`: the real roles, with none of their code changed.

In every loaded module of that package, confluent_kafka's three clients are replaced by those in memory, and `time` by
the manual clock. Threads are not started: the watchdog has nothing to do where every call returns.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import confluent_kafka
from confluent_kafka.admin import AdminClient

from shadowstream.testing.memory.admin import MemoryAdmin
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.consumer import MemoryConsumer
from shadowstream.testing.memory.hosts import Host
from shadowstream.testing.memory.producer import MemoryProducer

ROOM = "shadowstream.kafka"
ALSO = ("shadowstream.health",)


class Silent(threading.Thread):
    """A thread that never begins."""

    def start(self) -> None: ...


def _stand_ins(broker: MemoryBroker, host: Callable[[], Host]) -> dict[Any, Any]:
    threads = SimpleNamespace(**{**vars(threading), "Thread": Silent})
    return {
        id(confluent_kafka.Consumer): lambda config: MemoryConsumer(broker, host(), config),
        id(confluent_kafka.Producer): lambda config: MemoryProducer(broker, host(), config),
        id(AdminClient): lambda config: MemoryAdmin(broker, host(), config),
        id(time): broker.clock,
        id(threading): threads,
    }


@contextlib.contextmanager
def inside(broker: MemoryBroker, host: Callable[[], Host] | None = None) -> Iterator[None]:
    """Let clients of the package live on this broker; `host()` is the process that makes them."""
    single = Host(broker.clock)
    stand_ins = _stand_ins(broker, host or (lambda: single))
    with contextlib.ExitStack() as stack:
        for module in [module for name, module in sys.modules.items() if name.startswith(f"{ROOM}.") or name in ALSO]:
            for name, value in list(vars(module).items()):
                if id(value) in stand_ins:
                    stack.enter_context(patch.object(module, name, stand_ins[id(value)]))
        yield
