"""Two brokers, one suite: each contract is tried on the broker in memory and on a real Kafka."""

from collections.abc import Iterator

import pytest

from tests.contracts.brokers import BrokerWorld, MemoryBrokerWorld, RealBrokerWorld


@pytest.fixture(params=["memory", "kafka"])
def world(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[BrokerWorld]:
    """Clients of one broker, closed at the end."""
    made: BrokerWorld
    if request.param == "memory":
        made = MemoryBrokerWorld(topic_prefix)
    else:
        made = RealBrokerWorld(topic_prefix, request.getfixturevalue("kafka").bootstrap)
    with made:
        yield made


@pytest.fixture(autouse=True)
def _differs(request: pytest.FixtureRequest, world: BrokerWorld) -> None:
    """A contract that only Kafka keeps has to fail in memory, for the reason that its mark gives."""
    mark = request.node.get_closest_marker("only_kafka")
    if mark is not None and isinstance(world, MemoryBrokerWorld):
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=mark.args[0]))
