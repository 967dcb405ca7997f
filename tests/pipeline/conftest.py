"""The model learns once, the year is read once, and each demo runs once for all tests of the pipeline."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shadowstream.demo import flights
from shadowstream.demo.model import Frozen, train
from shadowstream.demo.orchestrate import CANDIDATES
from tests.pipeline.demo_run import Demo, DemoRuns, Flight, run_year

DEMOS = [
    pytest.param((scale, candidate), id=f"{scale}-{candidate}", marks=[pytest.mark.long] if scale == "year" else [])
    for scale in ("summer", "year")
    for candidate in CANDIDATES
]


@pytest.fixture(scope="session")
def january() -> Frozen:
    """The demo's model."""
    return train()


@pytest.fixture(scope="session")
def year() -> list[Flight]:
    return list(flights.records())


@pytest.fixture(scope="session")
def demo_runs(january: Frozen) -> Iterator[DemoRuns]:
    with DemoRuns(january) as staged:
        yield staged


@pytest.fixture(scope="session", params=DEMOS)
def demo(request: pytest.FixtureRequest, january: Frozen) -> Iterator[Demo]:
    """Each demo in turn: pytest runs all tests of one before it begins the next."""
    scale, candidate = request.param
    if scale == "summer":
        yield request.getfixturevalue("demo_runs").demo(candidate)
        return
    with ExitStack() as stack:
        yield run_year(candidate, request.getfixturevalue("year"), january, stack)
