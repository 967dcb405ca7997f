"""A model server for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.model_server.servers import Server, scripted

collect_ignore = ["mlserver_runtime.py"]  # it runs in MLServer, which is installed apart


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with scripted() as started:
        yield started
