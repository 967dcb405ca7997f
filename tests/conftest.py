"""The same output and the same patience on every machine."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from shadowstream.testing import Broker, pytest_plugin
from shadowstream.testing.choice import broker
from tests.shared_broker import JAVA_OPTIONS, SHORT_LIVED, shared_broker

Say = Callable[[str], None]

# What the CLI prints is asserted: no colours, and no line broken by the width of someone's terminal.
os.environ.update(NO_COLOR="1", TERM="dumb", COLUMNS="200")

# Dozens of brokers live for seconds each: the optimizing compiler costs each of them more than it gives. The shared
# one has it for its hottest methods (shared_broker.py).
os.environ.setdefault(JAVA_OPTIONS, SHORT_LIVED)

# A topic of two partitions costs a broker 8 ms of CPU in memory and 31 on this kind of disk, which looks for an inode
# for each of its files. What the brokers of all tests hold at a time is less than the half of this.
IN_MEMORY, ROOM_BYTES = "/dev/shm", 4 * 2**30
if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES:
    os.environ.setdefault("SHADOWSTREAM_KAFKA_TMP", IN_MEMORY)

# A busy machine is not a fault of the code under test.
settings.register_profile("shadowstream", deadline=None, print_blob=True)
settings.load_profile("shadowstream")


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """The broker of all processes that test, in place of one of each."""
    with shared_broker(pytestconfig) as chosen:
        pytestconfig.stash[pytest_plugin._WHY] = chosen.why
        yield chosen


@pytest.fixture(scope="session")
def own_kafka() -> Iterator[Broker]:
    """A broker on which no other test makes topics and groups meanwhile, for tests that look at all of a cluster's."""
    with broker() as own:
        yield own


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Say:
    """Print a measured figure whether or not the test passes: at the end where several processes test."""

    def speak(text: str) -> None:
        if "PYTEST_XDIST_WORKER" in os.environ:
            request.node.user_properties.append(("figure", text))
            return
        with capsys.disabled():
            print(f"\n  {text}", flush=True)

    return speak


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        (report.nodeid, text)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for name, text in report.user_properties
        if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
    for test, text in figures:
        terminalreporter.write_line(f"{test}\n  {text}")
