"""Trials of the tests' own; and the model learns once, the year is read once, each demo runs once for all tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shadowstream.demo import flights
from shadowstream.demo.model import Frozen, train
from shadowstream.demo.orchestrate import CANDIDATES
from shadowstream.testing import Broker
from tests.pipeline.candidates import SAME
from tests.pipeline.demo_run import Demo, DemoRuns, Flight, run_year
from tests.pipeline.trial_fixture import PARTITIONS, Trial

MakeTrial = Callable[..., Trial]

DEMOS = [
    pytest.param(
        (scale, candidate),
        id=f"{scale}-{candidate}",
        marks=[pytest.mark.long] if scale == "year" or candidate == "worse" else [],
    )
    for scale in ("summer", "year")
    for candidate in CANDIDATES
]
"""By default the command of the demo alone runs `worse`, and the two whose evidence tells more run here."""

DEMOS_BY_LATE_BUG = [
    pytest.param(one.values[0], id=one.id, marks=[*one.marks, *[pytest.mark.long] * (one.id != "summer-late-bug")])
    for one in DEMOS
]
"""For what is read off any one demo: by default the one with an incident."""


@pytest.fixture
def make_trial(kafka: Broker, topic_prefix: str, tmp_path: Path) -> MakeTrial:
    """Make a trial with its topics, in a folder; a name that ends in a dash ends in a suffix of the test's own."""

    def make(
        name: str,
        text: str = SAME,
        call: str = "judge",
        *,
        partitions: int = PARTITIONS,
        folder: str = "",
        **more: Any,
    ) -> Trial:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        name, call = name + topic_prefix[-9:-1] * name.endswith("-"), f"trial_candidate:{call}"
        settings = {"start": "earliest", "bounded": True, **more}
        if chosen := settings.pop("partitioner", None):
            settings["candidate"] = {"call": call, "trusted": True, "partitioner": chosen}
        trial = Trial(kafka.bootstrap, name, place, text, call, settings=settings, output_partitions=partitions)
        trial.create_topics()
        return trial

    return make


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
