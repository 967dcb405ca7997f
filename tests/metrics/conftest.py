"""One run for all tests of the metrics."""

import pytest

from shadowstream.testing import Broker
from tests.metrics import watched


@pytest.fixture(scope="session")
def run(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> watched.Run:
    prepared = watched.prepare(kafka, tmp_path_factory.mktemp("watched"))
    watched.play(prepared)
    return prepared
