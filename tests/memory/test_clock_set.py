"""A wall clock that is set while the roles run: what is due is due by a clock that nobody sets."""

from typing import Any

import pytest

from shadowstream.health import RoleHealth
from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.kafka.roles import joiner, runner
from shadowstream.records import Partition
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from tests.memory.test_shedding import ORDERS, OUT, World

SILENT = 10
"""Of so many values the candidate answers all but one."""
HOUR_S = 3_600.0
NOON_MS = 12 * 3_600_000
GROUP = {"group": "prod", "commits": "after_output"}


def silent_at_times(value: Any) -> Any:
    """The candidate."""
    return value if value % SILENT else None


@pytest.mark.parametrize("by_s", [-HOUR_S, HOUR_S])
def test_what_is_missing_is_reported_though_the_clock_was_set(by_s: float) -> None:
    world = World("hold")
    call = "tests.memory.test_clock_set:silent_at_times"
    world.config = world.config.model_copy(
        update={
            "candidate": world.config.candidate.model_copy(update={"call": call}),
            "production": world.config.production.model_copy(update=GROUP),
        }
    )
    with inside(world.broker, world.host):
        runs, joins = world.process(runner.run, RoleHealth("turns", "runner")), world.process(joiner.run, world.watch)
        group = world.broker.groups.of("prod")
        for half in (range(ORDERS // 2), range(ORDERS // 2, ORDERS)):
            for n in half:
                world.broker.logs[OUT].append(Entry(b"k%d" % n, b"%d" % n, 1_000_000 + n))
            group.set_back({Partition("in", 0): half.stop})
            world.turn(runs, 3_000)
            world.turn(joins, 3_000)
            world.broker.clock.set_wall(by_s)
        for _ in range(6):
            world.turn(runs, 200)
            world.turn(joins, 600)
        runs.kill()
        joins.kill()
    assert world.ended() == {"match": ORDERS - ORDERS // SILENT, "missing": ORDERS // SILENT}


def test_a_quiet_partition_stays_quiet_when_the_clock_is_set_back() -> None:
    still, other = Partition("out", 0), Partition("out", 1)
    idleness = Idleness(5_000)
    for second in range(1, 9):
        idleness.observe({still: 3, other: 3 + second}, {still: 1, other: 10 + second}, NOON_MS + 1_000 * second)
    assert idleness.watermark(still, 3, NOON_MS + 8_000) == 18
    back_ms = -3_600_000
    idleness.observe({still: 3, other: 12}, {still: 1, other: 19}, NOON_MS + 9_000 + back_ms)
    assert idleness.watermark(still, 3, NOON_MS + 9_000 + back_ms) == 19
