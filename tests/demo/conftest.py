"""The year is read once and the model learns once for all tests of the demo."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from shadowstream.demo import flights, model

if TYPE_CHECKING:
    from river.compose import Pipeline


@pytest.fixture(scope="session")
def year() -> pa.Table:
    return flights.read_year()


@pytest.fixture(scope="session")
def learnt() -> "Pipeline":
    return model.learn()


@pytest.fixture(scope="session")
def frozen(learnt: "Pipeline") -> model.Frozen:
    return model.freeze(learnt)


@pytest.fixture(scope="session")
def first_flights() -> list[dict[str, Any]]:
    return list(flights.records(2_000))
