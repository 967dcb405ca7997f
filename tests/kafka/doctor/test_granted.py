"""Rights are asked for right after topics were made: a broker that does not know one yet is asked again."""

from collections.abc import Iterator

import pytest

from shadowstream.errors import BrokerError
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.doctor.granted import topic_rights
from shadowstream.kafka.trial import topic_admin
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.processes import Process
from tests.memory.runner_world import Runners, latest

CONFIG = latest("rights")
COUNTS = {"in": 2, "out": 1}


@pytest.fixture
def world() -> Iterator[Runners]:
    one = Runners(CONFIG, 2, 1)
    with inside(one.broker, one.host):
        yield one


def asking(world: Runners) -> Process:
    topics = [spec.name for spec in topic_admin.planned(CONFIG, COUNTS)]
    return Process("asks", world.broker.clock, lambda: topic_rights(admin(CONFIG.kafka), topics))


def test_a_topic_unknown_to_the_broker_is_asked_for_again(world: Runners) -> None:
    asks = asking(world)
    world.turn(asks, 10)
    assert not asks.ended
    makes = Process("makes", world.broker.clock, lambda: topic_admin.ensure(admin(CONFIG.kafka), CONFIG))
    world.turn(makes, 50)
    assert makes.ended
    world.turn(asks, 10)
    assert asks.ended
    assert asks.error is None


def test_one_that_never_comes_is_reported_and_tried_again_by_the_supervisor(world: Runners) -> None:
    asks = asking(world)
    world.turn(asks, 1_000)
    assert isinstance(asks.error, BrokerError)
    assert asks.error.retriable
    assert "cannot ask for the rights on shadow.rights." in str(asks.error)
