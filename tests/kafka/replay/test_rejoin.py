"""`replay --from-topics` reads from where the trial began, whichever of its revisions it judges."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from shadowstream.health import RoleHealth
from shadowstream.kafka.client.consumers import Stoppable
from shadowstream.kafka.replay.rejoin import rejoined
from shadowstream.kafka.roles import joiner, runner
from shadowstream.testing.memory.inside import inside
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.memory.processes import Process
from tests.memory.runner_world import REVISION
from tests.memory.test_shedding import ORDERS, OUT, SHADOW, World

LATER = "ff" * 16


def ended(stats: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Outcomes by revision."""
    found: dict[str, Counter[str]] = {}
    for record in stats:
        for window in record["windows"]:
            outcomes = {name: n for name, n in window["outcomes"].items() if not name.startswith("input")}
            found.setdefault(window["revision"], Counter()).update(outcomes)
    return {revision: dict(outcomes) for revision, outcomes in found.items() if outcomes}


def test_answers_of_an_earlier_revision_are_no_extras_of_a_later() -> None:
    world = World("hold")

    def process(run: Any, revision: str, role: str) -> Process:
        watch = RoleHealth("turns", role)
        return Process(role, world.broker.clock, lambda: run(world.config, revision, Stoppable(), watch, "0"))

    with inside(world.broker, world.host):
        first = process(runner.run, REVISION, "runner")
        world.turn(first, 20_000, lambda: world.answered() >= ORDERS // 3)
        first.kill()
        # Production is ahead of the candidate when the later revision begins.
        for n in range(ORDERS):
            world.broker.logs[OUT].append(Entry(b"k%d" % n, b"%d" % n, 1_000_000 + n))
        second = process(runner.run, LATER, "runner")
        world.turn(second, 20_000, lambda: world.answered() >= ORDERS)
        world.turn(second, 500)  # its marks
        second.kill()
        assert len(world.broker.logs[SHADOW].records()) == ORDERS
        joins = process(joiner.run, LATER, "joiner")
        world.turn(joins, 40_000, world.asked_over)
        joins.kill()
        live = ended(world.records("stats"))
        replays = Process("replay", world.broker.clock, lambda: list(rejoined(world.config, LATER)))
        world.turn(replays, 40_000, lambda: replays.ended)
        again = ended(one.record for one in replays.result)
    assert live == again
    assert live[REVISION].keys() == live[LATER].keys() == {"match"}
    assert live[REVISION]["match"] + live[LATER]["match"] == ORDERS
