"""A model server for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.model_server.servers import Server, scripted


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with scripted() as started:
        yield started
