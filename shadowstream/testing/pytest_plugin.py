"""pytest fixtures: `kafka`, one real broker a session, and `topic_prefix`, a name of its own for each test.

Loaded in every pytest run of every project that has shadowstream installed, so importing it imports nothing of weight,
and it does nothing until a test asks for `kafka`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shadowstream.testing.choice import Broker

_WHY = pytest.StashKey[str]()
_PREFIX_LENGTH_MAX = 60
"""Limit of the part from the test's name: Kafka allows 249 characters for a topic name."""


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """A Kafka that answers, chosen by `shadowstream.testing.open_broker`: `.bootstrap`, `.kind`, `.why`."""
    from shadowstream.testing.choice import broker

    with broker() as chosen:
        pytestconfig.stash[_WHY] = chosen.why
        yield chosen


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Unique for each test and each run, so that tests share a broker without meeting: `<test name>-<8 hex>.`"""
    import uuid

    name = re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)[:_PREFIX_LENGTH_MAX]
    return f"{name}-{uuid.uuid4().hex[:8]}."


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Process of pytest-xdist that reports the broker to the controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["kafka"] = session.config.stash.get(_WHY, None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    why = getattr(node, "workeroutput", {}).get("kafka")
    if why is not None:
        config: pytest.Config = node.config  # type: ignore[attr-defined]  # xdist has no types of its own to import
        config.stash[_WHY] = why


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which Kafka the tests ran on; at the end, since none is chosen before a test asks for one."""
    why = terminalreporter.config.stash.get(_WHY, None)
    if why is not None:
        terminalreporter.write_line(f"kafka: {why}")
