"""The secured broker, one for all tests; no test leaves rights behind."""

from collections.abc import Iterator

import pytest

from tests.secured.secured_kafka import SecuredKafka, secured_kafka


@pytest.fixture(scope="session")
def secured_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("certificates")) as kafka:
        yield kafka


@pytest.fixture
def secured(secured_broker: SecuredKafka) -> Iterator[SecuredKafka]:
    yield secured_broker
    secured_broker.forbid()
