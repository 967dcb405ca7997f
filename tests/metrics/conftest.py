"""One run for all tests of the metrics."""

import pytest

from shadowstream.testing import Broker
from tests.metrics import metrics_run


@pytest.fixture(scope="session")
def run(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> metrics_run.Run:
    prepared = metrics_run.prepare(kafka, tmp_path_factory.mktemp("watched"))
    metrics_run.play(prepared)
    return prepared
