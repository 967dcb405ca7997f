"""In memory: a commit is as good as the end where only control records follow it, and only there."""

import pytest

from shadowstream.kafka.reading.control_records import ControlRecordGaps
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from tests.contracts.brokers import MemoryBrokerWorld
from tests.memory.runner_world import latest

CONFIG = latest("gaps")


@pytest.mark.parametrize(
    ("written", "raised"), [("control records", 3), ("aborted records", 1), ("an open transaction", 1), ("a record", 1)]
)
def test_a_commit_is_raised_over_control_records_and_nothing_visible(written: str, raised: int) -> None:
    with MemoryBrokerWorld("") as world, inside(world.broker):
        place, quiet = Partition(world.topic("in"), 0), Partition(world.topic("quiet"), 0)
        world.write(quiet.topic, "a")
        world.write(place.topic, "a")
        if written == "an open transaction":
            world.open(place.topic, b"b")
        elif written == "control records":
            world.broker.logs[place].entries.append(world.broker.logs[place].entries[-1])
        else:
            world.write(place.topic, "b", commit=written == "a record")
        gaps = ControlRecordGaps(CONFIG, "runner.gaps")
        committed, ends = {place: 1, quiet: 1}, {place: world.broker.logs[place].end, quiet: 2}
        for _ in range(2):  # a gap that stands still is read at the second look
            gaps.look(committed, ends)
        assert gaps.over(committed) == {place: raised, quiet: 2}
