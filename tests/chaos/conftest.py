"""One run of chaos with few kills for all tests of the checker."""

from collections.abc import Iterator

import pytest

from shadowstream.testing import Broker
from tests.chaos.fault_schedule import Plan
from tests.chaos.run import LoadedTrial, RunFigures, loaded_trial, play

KILLS = 20
PER_S, PER_S_LONG = 60, 200
SEED = 11
LIMIT_S = 240.0


@pytest.fixture(scope="session")
def played(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoadedTrial, RunFigures]]:
    """A run that is over, with what it has come to."""
    with loaded_trial(kafka.bootstrap, tmp_path_factory.mktemp("chaos"), PER_S, SEED) as loaded:
        yield loaded, play(loaded, Plan.of(KILLS), SEED, lambda _: None, LIMIT_S)
