"""Ways to pair records, from sampled columns that are written out here."""

import pytest

from shadowstream.first_config.identity import ways
from shadowstream.first_config.sampled import Sampled

N = 100


def topic(
    name: str,
    keys: list[bytes | None],
    fields: dict[str, list[object]] | None = None,
    step_ms: int = 1_000,
    at: int = 0,
) -> Sampled:
    """A topic whose records are `step_ms` apart, from `at` on."""
    n = len(keys)
    times = [1_767_225_600_000 + at + i * step_ms for i in range(n)]
    return Sampled(name, 1, [(0, i) for i in range(n)], times, keys, [{}] * n, fields or {})


def keys(n: int, distinct: int | None = None) -> list[bytes | None]:
    return [b"key-%d" % (i if distinct is None else i % distinct) for i in range(n)]


def test_several_outputs_of_a_unique_input_key_are_compared_together() -> None:
    inputs, outputs = topic("in", keys(N)), topic("out", [key for key in keys(N) for _ in range(2)])
    assert [way.settings for way in ways([inputs], [outputs])] == [{"kind": "key", "outputs": "many"}]


def test_a_number_that_is_an_id_by_chance_is_none() -> None:
    """The n-th input has id n. The field `seats` of the outputs is unique too, and names inputs of other keys."""
    inputs = topic("in", keys(N, 10), {"id": list(range(N))})
    outputs = topic("out", keys(N, 10), {"seats": [(i + 3) % N for i in range(N)]})
    assert [way.settings for way in ways([inputs], [outputs])] == [{"kind": "occurrence"}]


@pytest.mark.parametrize(("delay_ms", "tolerance_ms"), [(20, None), (4_000, None), (61_500, 123_000)])
def test_the_tolerance_covers_the_delay_of_production(delay_ms: int, tolerance_ms: int | None) -> None:
    inputs = topic("in", keys(N, 10), step_ms=60_000)
    outputs = topic("out", keys(N, 10), step_ms=60_000, at=delay_ms)
    (way,) = ways([inputs], [outputs])
    assert way.tolerance_ms == tolerance_ms


def test_without_inputs_a_field_is_no_id_and_a_unique_key_is() -> None:
    outputs = topic("out", keys(N), {"id": list(range(N))})
    (way,) = ways([topic("in", [])], [outputs])
    assert way.settings == {"kind": "key"}
    assert "not checked against inputs" in way.evidence


def test_a_key_that_no_input_has_pairs_nothing() -> None:
    assert ways([topic("in", keys(N))], [topic("out", [b"other-%d" % i for i in range(N)])]) == []


@pytest.mark.parametrize(("without", "fits"), [(1, True), (2, False)])
def test_one_in_a_hundred_may_lack_its_id(without: int, fits: bool) -> None:
    outputs = topic("out", [*keys(N - without), *[None] * without])
    assert bool(ways([topic("in", keys(N))], [outputs])) is fits
