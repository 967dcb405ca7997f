"""What a trial began with, bounded or not, on the broker in memory."""

from typing import Any

import pytest

from shadowstream.errors import ConfigError
from shadowstream.testing.memory.inside import inside
from tests.least_config import least_config
from tests.memory.runner_world import Runners

SETTINGS: dict[str, Any] = {
    "name": "bounds",
    "production": {"outputs": ["out"], "group": "production"},
    "candidate": {"call": "builtins:int", "trusted": True, "partitioner": "input"},
    "start": "earliest",
}


@pytest.mark.parametrize(("first", "refused"), [(False, True), (True, False)], ids=["unbounded", "bounded"])
def test_a_trial_begun_unbounded_refuses_to_become_bounded(first: bool, refused: bool) -> None:
    world = Runners(least_config(**SETTINGS, bounded=first), 1, 1)
    with inside(world.broker, world.host):
        world.arrive(3)
        process = world.runner()
        world.turn(process, 400)
        process.kill()
        world.config = world.config.model_copy(update={"bounded": True})
        again = world.runner()
        world.turn(again, 400)
        again.kill()
    assert isinstance(again.error, ConfigError) == refused
    assert ("bounded: this trial began without it" in str(again.error)) == refused
