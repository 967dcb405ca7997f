"""The live page as a process, on trials with each kind of verdict."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shadowstream.testing import Broker
from shadowstream.testing.ports import free_port
from tests import forked
from tests.metrics.test_up import end
from tests.pipeline.written_records import await_that
from tests.rollouts.cases import Site, environment, write_trials
from tests.web.chromium import is_served


@pytest.fixture(scope="package")
def site(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rollouts")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield from serving(kafka.bootstrap, folder)


def serving(bootstrap: str, folder: Path) -> Iterator[Site]:
    """The page of these trials, until the generator is closed."""
    configs, names = write_trials(bootstrap, folder, uuid4().hex[:8])
    url = f"http://127.0.0.1:{free_port()}"
    words = ["web", *map(str, configs.values()), "--listen", url.removeprefix("http://")]
    command = [sys.executable, "-m", "shadowstream", *words]
    with (folder / "log").open("w") as log:
        process = forked.Forked(command, stdout=log, stderr=log, cwd=folder, env=environment(folder))
        try:
            await_that("the page is served", lambda: is_served(url, process))
            yield Site(url, configs, names)
        finally:
            end(process)
