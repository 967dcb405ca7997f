"""Latencies, checks and mean differences of compared pairs: sums that no cut and no restart changes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shadowstream.config import Check, Latency
from shadowstream.joiner.accounting.pair_metrics import NOTHING, MetricSums, PairMetrics
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.protocol.mean_sums import grid_sums
from shadowstream.records import InputCoordinate, Partition
from tests.joiner.joiner_world import REVISION, World, config

IN = Partition("in", 0)
GROWTH = 1.01 / 0.99


def windows(world: World) -> list[dict[str, Any]]:
    return [window for record in world.stats for window in record["windows"]]


def timed(world: World, key: str, production_ms: int, emit_ms: int, **headers: str) -> None:
    """A pair of an input of time 1000."""
    world.production(key, '{"n": 1}', production_ms, **headers)
    world.shadow(key, '{"n": 1}', None, 1_000)
    log = world.logs[world.sides[1][0]]
    record = log[-1]
    assert record is not None
    of = [(PACKED_HEADER, pack(REVISION, InputCoordinate(0, 0, len(log), 0), 1_000, emit_ms))]
    log[-1] = record._replace(headers=of)


def latency_world(**latency: Any) -> World:
    return World(config(compare={"match_sample": 0, "latency": latency}, judge={"window_ms": 1_000_000})).begin()


def test_a_pair_is_slower_or_over_the_limit_by_its_own_times() -> None:
    world = latency_world(over_ms=100, slower_ms=20)
    timed(world, "even", 1_010, 1_030)
    timed(world, "slower", 1_010, 1_031)
    timed(world, "over", 1_090, 1_101)
    timed(world, "none", 1_000, 999)
    world.turn()
    (window,) = windows(world)
    outcomes = window["outcomes"]
    assert (outcomes["latency_pairs"], outcomes["latency_slower"], outcomes["latency_over"]) == (4, 1, 1)
    assert {one["side"] for one in window["latencies"]} == {"production", "shadow"}
    for side, expected in (("production", [0, 10, 10, 90]), ("shadow", [-1, 30, 31, 101])):
        buckets = {one["bucket"]: one["n"] for one in window["latencies"] if one["side"] == side}
        assert sum(buckets.values()) == 4
        for latency in expected:
            bucket = NOTHING if latency <= 0 else math.ceil(math.log(latency) / math.log(GROWTH))
            assert bucket in buckets
            assert latency <= 0 or GROWTH ** (bucket - 1) < latency * (1 + 1e-12) <= GROWTH**bucket * (1 + 1e-9)


def test_productions_header_gives_its_time_or_leaves_the_pair_out() -> None:
    world = latency_world(over_ms=100, production_header="written")
    timed(world, "told", 5, 1_030, written="1010")
    timed(world, "untold", 5, 1_030)
    timed(world, "odd", 5, 1_030, written="soon")
    world.turn()
    (window,) = windows(world)
    assert window["outcomes"]["latency_pairs"] == window["outcomes"]["latency_slower"] == 1


CHECKS = [
    {"path": "n", "type": "number", "not_null": True, "low": 0, "high": 10},
    {"path": "kind", "type": "string", "categories": ["a", "b"]},
]


BOTH_OF_N = ("both:range:n", "both:schema:n")
OF_NO_KIND = ("schema:kind", "absent:kind", "both:schema:kind")
BOTH_OF_KIND = ("both:category:kind", "both:schema:kind")
"""Production fails as well, for both sides say the same here."""


@pytest.mark.parametrize(
    ("value", "failed"),
    [
        ('{"n": 1, "kind": "a"}', []),
        ('{"n": 0, "kind": null}', ["neither:kind"]),
        ('{"n": -1, "kind": "c"}', ["category:kind", "range:n", "both:category:kind", "both:range:n"]),
        ('{"n": 10.5, "kind": 1}', ["category:kind", "range:n", "schema:kind", *BOTH_OF_KIND, "both:range:n"]),
        ('{"n": null, "kind": "a"}', ["neither:n", "null:n"]),
        ('{"kind": "a"}', ["neither:n", "null:n", "schema:n", "absent:n", "both:schema:n"]),
        ('{"n": true, "kind": "a"}', ["range:n", "schema:n", *BOTH_OF_N]),
        ('{"n": "1"}', ["neither:kind", "range:n", "schema:n", *OF_NO_KIND, *BOTH_OF_N]),
    ],
)
def test_the_candidates_values_are_checked_equal_ones_too(value: str, failed: list[str]) -> None:
    world = World(config(compare={"match_sample": 0, "checks": CHECKS})).begin()
    world.production("a", value)
    world.shadow("a", value, 0)
    world.turn()
    (window,) = windows(world)
    assert window["outcomes"] == {"match": 1}
    assert window["checks"] == {"checked:kind": 1, "checked:n": 1, **dict.fromkeys(failed, 1)}


@pytest.mark.parametrize("names", ["last", "error"])
def test_pairs_with_a_doubled_name_are_counted_by_its_last_value(names: str) -> None:
    world = World(config(compare={"match_sample": 0, "duplicate_names": names})).begin()
    for key, one, other in (
        ("both", '{"a":1,"a":2}', '{"a":1,"a":2}'),
        ("production", '{"a":1,"a":2}', '{"a":2}'),
        ("candidate", '{"a":{"b":2}}', '{"a":{"b":1,"b":2}}'),
        ("none", '{"a":"b:c","c":[]}', '{"c":[], "a":"b:c"}'),
    ):
        world.production(key, one)
        world.shadow(key, other, 0)
    world.turn()
    (window,) = windows(world)
    if names == "last":
        assert window["outcomes"] == {"match": 4}
        assert window["checks"] == {"repeated_names:": 3}
    else:
        assert window["outcomes"] == {"match": 2, "undecodable_production": 1, "undecodable_shadow": 1}
        assert window["checks"] == {}


def test_an_undecodable_value_is_not_checked() -> None:
    world = World(config(compare={"match_sample": 0, "checks": CHECKS})).begin()
    world.production("a", "\xff")
    world.shadow("a", "\xff", 0)
    world.turn()
    assert windows(world)[0]["checks"] == {}


@pytest.mark.parametrize("parts", [{}, {"low": math.nan}])
def test_a_check_that_asks_nothing_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Check(path="a", **parts)


values = st.lists(st.one_of(st.just(math.nan), st.floats(0, 1)), max_size=30)


@given(values, st.integers(0, 30))
def test_sums_of_means_are_those_of_the_whole_however_it_is_cut(values: list[float], cut: int) -> None:
    tally, known = MetricSums(), [value for value in values if not math.isnan(value)]
    for part in (values[cut:], values[:cut]):
        column = np.array(part, np.float64)
        tally.add(PairMetrics(means={"score": (column, 0.05, 2.0)}), np.ones(len(part), np.bool_), None)
    (mean,) = tally.record()["means"]
    assert (mean["n"], mean["bound"], mean["limit"]) == (len(known), 2.0, 0.05)
    if known:
        assert tuple(mean["sums"]) == grid_sums(np.array(known), 0.05)


@given(st.lists(st.tuples(st.integers(-5, 500), st.integers(-5, 500)), max_size=30), st.integers(0, 30))
def test_latencies_are_counted_the_same_however_they_are_cut(pairs: list[tuple[int, int]], cut: int) -> None:
    def counted(*parts: list[tuple[int, int]]) -> MetricSums:
        tally = MetricSums()
        for part in parts:
            production, shadow = (np.array([pair[side] for pair in part], np.float64) for side in (0, 1))
            tally.add(PairMetrics((production, shadow)), np.ones(len(part), np.bool_), Latency(over_ms=100))
        return tally

    whole, parts = counted(pairs), counted(pairs[cut:], pairs[:cut])
    assert (whole.outcomes, whole.record()) == (parts.outcomes, parts.record())
    assert whole.outcomes["latency_over"] == sum(shadow > 100 for _, shadow in pairs)
