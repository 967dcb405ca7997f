"""The same requests to a real MLServer, which others have written: `make model-server` installs and asks it."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shadowstream.model_server.failures import ServerAway
from tests.model_server import mlserver
from tests.model_server.servers import OIP
from tests.model_server.test_in_its_process import answered, isolated
from tests.model_server.test_served_model import called, config, records

pytestmark = pytest.mark.long
VALUES = 300


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlserver.started(tmp_path_factory.mktemp("mlserver")) as started:
        yield started


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("changes", [{}, {"version": None, "outputs": [], "parameters": {"content_type": "np"}}])
def test_batches_are_answered_and_one_record_is_refused(url: str, batch: int, changes: dict[str, Any]) -> None:
    found = called(config(url, **{**OIP, **changes}, batch=batch, concurrency=3), records(["", "", "refuse", "", ""]))
    assert [*found[:2], *found[3:]] == [{"y": 2.0 * n} for n in (0, 1, 3, 4)]
    assert found[2] == 'error HttpStatus400: {"error":"refused"}'


def test_a_model_that_it_has_not_loaded_is_away(url: str) -> None:
    with pytest.raises(ServerAway, match="HttpStatus404; not ready: status 404 of /v2/models/absent"):
        called(config(url, **{**OIP, "model": "absent"}), records([""]))


def test_its_answers_come_through_the_candidates_process(url: str) -> None:
    seconds: dict[tuple[int, int], list[float]] = {}
    expected = [{"y": 2.0 * n} for n in range(VALUES)]
    for batch, concurrency in ((1, 1), (1, 8), (64, 1), (64, 8)) * 3:
        with isolated(config(url, **OIP, batch=batch, concurrency=concurrency)) as candidate:
            began = time.perf_counter()
            assert answered(candidate, records([""] * VALUES)) == expected
            seconds.setdefault((batch, concurrency), []).append(time.perf_counter() - began)
    for (batch, concurrency), found in seconds.items():
        print(f"batch {batch}, concurrency {concurrency}: {VALUES / statistics.median(found):,.0f} records/s")
