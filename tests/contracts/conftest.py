"""Two brokers, one suite: each contract is tried on the broker in memory and on a real Kafka."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.brokers import Bench, MemoryBench, RealBench


@pytest.fixture(params=["memory", "kafka"])
def bench(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[Bench]:
    """Clients of one broker, closed at the end."""
    made: Bench
    if request.param == "memory":
        made = MemoryBench(topic_prefix)
    else:
        made = RealBench(topic_prefix, request.getfixturevalue("kafka").bootstrap)
    with made:
        yield made


@pytest.fixture(autouse=True)
def _differs(request: pytest.FixtureRequest, bench: Bench) -> None:
    """A contract that only Kafka keeps has to fail in memory, for the reason that its mark gives."""
    mark = request.node.get_closest_marker("only_kafka")
    if mark is not None and isinstance(bench, MemoryBench):
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=mark.args[0]))
