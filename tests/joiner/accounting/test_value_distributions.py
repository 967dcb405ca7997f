"""Values of compared pairs by bin, through the joiner's own step and through columns."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.framing import framed
from shadowstream.codecs.own import encode
from shadowstream.compare.fields import COLUMNS_FROM, Fields
from shadowstream.joiner.accounting.value_distributions import BinnedPairs, BinSums, DistributionReader
from shadowstream.protocol.value_bins import FINE_MAX, OTHER, VALUES_MAX, fine_bins, upper_edge
from tests.compare.written_pairs import Registry, body
from tests.joiner.joiner_world import World, config
from tests.judge.stats_records import HOUR_MS, cell, stats

FIELD = "a"
OPTIONAL = {"type": "record", "name": "R", "fields": [{"name": FIELD, "type": ["null", "double"]}]}


def counted(pairs: list[tuple[str, str]], **field: Any) -> dict[str, list[int]]:
    """The counts by bin of pairs of JSON values at the field; an empty text leaves the field out."""
    compare = {"match_sample": 0, "distributions": [{"path": FIELD, **field}]}
    world = World(config(compare=compare, judge={"window_ms": 1_000_000})).begin()
    for key, pair in enumerate(pairs):
        for side, value in zip((world.production, world.shadow), pair, strict=True):
            side(f"{key}", f'{{"n": 1, "{FIELD}": {value}}}' if value else '{"n": 1}', 1_000)
    world.turn()
    windows = [window for record in world.stats for window in record["windows"]]
    rows = [row for window in windows for row in window["distributions"]]
    assert {row["path"] for row in rows} == {FIELD}
    return {row["bin"]: [row["production"], row["shadow"], row["same"]] for row in rows}


def test_each_value_has_one_bin_on_each_side() -> None:
    values = ["0.5", "15", "10", "null", "", '"text"', "true"]
    found = counted([*zip(values, values, strict=True), ("15", "null")], edges=[0.0, 10.0])
    assert found == {
        "1": [1, 1, 1],
        "2": [3, 2, 2],
        "null": [1, 2, 1],
        "(absent)": [1, 1, 1],
        "(other)": [2, 2, 2],
    }


def test_numbers_without_edges_are_in_fine_bins() -> None:
    found = counted([("1.0", "1.5"), ("1.0", "1.0"), ("-3", "0"), ("1e300", "1e299")])
    fine = [str(one) for one in fine_bins(np.array([1.0, 1.5, -3.0, 0.0, 1e300])).tolist()]
    assert fine[-1] == str(FINE_MAX)
    assert found == {fine[0]: [2, 1, 1], fine[1]: [0, 1, 0], fine[2]: [1, 0, 0], "0": [0, 1, 0], fine[4]: [1, 1, 1]}


def test_named_categories_have_a_bin_each_and_the_others_one() -> None:
    pairs = [('"free"', '"pro"'), ('"free"', '"free"'), ('"gold"', '"silver"'), ("null", '""'), ("7", "7")]
    assert counted(pairs, categories=["free", "pro", 7]) == {
        "free": [2, 1, 1],
        "pro": [0, 1, 0],
        "(other)": [1, 2, 1],
        "null": [1, 0, 0],
        "7": [1, 1, 1],
    }


def test_the_size_of_counts_is_known_before_they_are_written() -> None:
    """So a transaction ends before its stats record is too large, however many windows a replay ends at once."""
    dice, names, windows, size = np.random.default_rng(1), [*map(str, range(-FINE_MAX, FINE_MAX + 1))], [], 0
    for hour in range(30):
        sums = BinSums()
        for _ in range(2):
            sides = [fine_bins(dice.normal(0.0, 100.0, 500)) + FINE_MAX for _ in range(2)]
            sums.add({"features.amount": BinnedPairs(*sides, names)}, np.ones(500, np.bool_))
        windows.append({**cell(hour * HOUR_MS), "distributions": sums.record()})
        size += sums.size
    bare = [cell(hour * HOUR_MS) for hour in range(30)]
    written, without = (len(encode("stats", stats("scores/0", 1, *cells))) for cells in (windows, bare))
    assert 0.9 < size / (written - without) < 1.1


@pytest.mark.parametrize("field", [{"bins": 5}, {"edges": [1.0, 2.0]}, {"categories": 3}, {"categories": ["1.0", 2.5]}])
def test_columns_and_rows_put_values_into_the_same_bins(field: dict[str, Any]) -> None:
    """A batch of Avro is read as columns, a few values as rows."""
    each = (1.0, 2.5, None, math.nan, -math.inf, 0.0, 1.0, 2.5)
    values = [framed(1) + body(OPTIONAL, {FIELD: value}) for value in each] * 20
    assert len(values) > COLUMNS_FROM
    reader = DistributionReader(config(compare={"distributions": [{"path": FIELD, **field}]}))
    decoder = Decoder(Registry(OPTIONAL))

    def counted_in(size: int) -> list[dict[str, Any]]:
        sums = BinSums()
        for begin in range(0, len(values), size):
            part = values[begin : begin + size]
            production, shadow = Fields(decoder, part), Fields(decoder, part[::-1])
            assert (production.numbers([FIELD]) is not None) == (size > COLUMNS_FROM)
            sums.add(reader.of(production, shadow), np.ones(len(part), np.bool_))
        return sums.record()

    assert counted_in(len(values)) == counted_in(8)


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=50))
def test_fine_bins_grow_with_the_value_and_end_at_their_edge(values: list[float]) -> None:
    found = fine_bins(np.array(sorted(values))).tolist()
    assert found == sorted(found)
    for value, fine in zip(sorted(values), found, strict=True):
        if abs(fine) < FINE_MAX:
            assert upper_edge(fine - 1) <= value <= upper_edge(fine)
        assert math.copysign(1, fine) == math.copysign(1, value) or fine == 0


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=600), st.integers(0, 600))
def test_no_cut_changes_the_counts_of_exact_values(pairs: list[tuple[int, int]], cut: int) -> None:
    names = [f"v{code}" for code in range(401)]

    def sums(*parts: list[tuple[int, int]]) -> BinSums:
        found = BinSums()
        for part in parts:
            if part:
                one, other = np.array(part, np.int64).T
                columns = BinnedPairs(one, other, names, is_learnt=True)
                found.add({FIELD: columns}, np.ones(len(part), np.bool_))
        return found

    whole = sums(pairs).record()
    assert sums(pairs[:cut], pairs[cut:]).record() == whole
    assert len(whole) <= VALUES_MAX + 1
    assert [sum(row[side] for row in whole) for side in ("production", "shadow")] == [len(pairs)] * 2
    distinct = {code for pair in pairs for code in pair}
    assert (OTHER in {row["bin"] for row in whole}) == (len(distinct) > VALUES_MAX)
