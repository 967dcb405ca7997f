"""One broker for all processes of a run: the first that asks has it started, by the process that gives out the tests.

That process ends last, so no process ends the broker of another. A broker of each process would start, warm up and idle
as often as there are processes.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing.connection import Client, Listener
from pathlib import Path

import pytest

from shadowstream.errors import BrokerError, ConfigError
from shadowstream.testing import Broker
from shadowstream.testing.choice import broker, open_broker

JAVA_OPTIONS, SHORT_LIVED = "JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1"
"""The first of Java's compilers alone: quick to start."""
LONG_LIVED = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""The optimizing compiler for methods that are called ten times as often as it asks for by itself."""
FEW_THREADS = {"num.network.threads": "1", "num.io.threads": "2"}
"""Properties of a broker on two cores: with Kafka's 3 and 8 it takes a tenth more CPU for the same transactions."""
_ADDRESS = "shared_broker"


class BrokerOffice:
    """Starts the broker when it is asked for first, and tells all that ask where it is."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="shadowstream-shared-")
        self.address = str(Path(self._folder.name, "socket"))
        self._listener = Listener(self.address, "AF_UNIX", backlog=64)
        self._broker: Broker | None = None
        self._thread = threading.Thread(target=self._serve, name="broker-office", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            with self._listener.accept() as asked:
                if asked.recv() == "end":
                    return
                asked.send(self._answer())

    def _answer(self) -> tuple[str, ...]:
        """Bootstrap, kind and reason; only a sentence where no broker starts."""
        try:
            self._broker = self._broker or _open_long_lived()
        except (BrokerError, ConfigError) as error:
            return (str(error),)
        return self._broker.bootstrap, self._broker.kind, self._broker.why

    def close(self) -> None:
        """Stop the broker, if there is one."""
        with Client(self.address) as asked:
            asked.send("end")
        self._thread.join()
        self._listener.close()
        if self._broker is not None:
            self._broker.close()
        self._folder.cleanup()


def _open_long_lived() -> Broker:
    """A broker whose hottest methods alone are optimized.

    For 2,400 transactions of a test of its own it took 45 s of CPU, with all methods optimized 56, and with none 34;
    for 7,200 it took 85, 112 and 96.
    """
    kept = os.environ.get(JAVA_OPTIONS, "")
    os.environ[JAVA_OPTIONS] = kept.replace(SHORT_LIVED, LONG_LIVED)
    try:
        return open_broker(properties=FEW_THREADS)
    finally:
        os.environ[JAVA_OPTIONS] = kept


def give_address(workerinput: dict[str, str], office: BrokerOffice) -> None:
    """Tell a process that tests where to ask."""
    workerinput[_ADDRESS] = office.address


@contextlib.contextmanager
def shared_broker(config: pytest.Config) -> Iterator[Broker]:
    """The broker of all processes that test; where there is one process only, its own."""
    address: str | None = getattr(config, "workerinput", {}).get(_ADDRESS)
    if address is None:
        with broker() as own:
            yield own
        return
    with Client(address) as office:
        office.send("where")
        answer = office.recv()
    if len(answer) == 1:
        raise BrokerError(answer[0])
    bootstrap, kind, why = answer
    yield Broker(bootstrap, kind, why, lambda: None)
