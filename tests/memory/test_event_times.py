"""In memory: a record dated ahead tells no time of its partition, and hides none."""

from shadowstream.kafka.reading.event_times import NewestEventTimes
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from tests.contracts.brokers import MemoryBrokerWorld
from tests.kafka.trial.test_start_log import World
from tests.memory.runner_world import latest

LIMIT_MS = 10


def test_of_the_newest_records_only_those_dated_ahead_are_left_out() -> None:
    with MemoryBrokerWorld("") as world, inside(world.broker):
        mixed, ahead = Partition(world.topic("mixed"), 0), Partition(world.topic("ahead"), 0)
        for place, times_ms in ((mixed, (5, LIMIT_MS, LIMIT_MS + 1, 7)), (ahead, (LIMIT_MS + 1,))):
            for time_ms in times_ms:
                world.broker.logs[place].append(Entry(b"k", b"1", time_ms))
        assert NewestEventTimes(latest("times")).of({mixed: 4, ahead: 1}, LIMIT_MS) == {mixed: LIMIT_MS}


def test_an_input_dated_ahead_makes_no_warm_up_of_all_that_follows() -> None:
    world = World()
    with inside(world.broker, world.host):
        world.arrive(1)
        time_ms = world.broker.clock.now_ms
        world.broker.logs[Partition("in", 0)].append(Entry(b"k", b"1", 10**12 + time_ms))
        assert world.ended(world.pinning()).start.floor_ms == time_ms
