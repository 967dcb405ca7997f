import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable

import pytest

from shadowstream.compare.dimension_codes import OTHER
from shadowstream.judge.evidence import slice_excess
from shadowstream.judge.evidence.slice_excess import SliceEvidence, e_bh, listing
from shadowstream.judge.windows.window_counts import Pair, Slice, plus, slice_name

Flight = tuple[str, str, bool]


def cells_of(flights: Iterable[Flight]) -> tuple[dict[Slice, Pair], Pair]:
    """Cells of carrier and origin, and everything."""
    cells: dict[Slice, Pair] = {}
    total = Counter[bool]()
    for carrier, origin, bad in flights:
        total[bad] += 1
        for name in ((("carrier",), (carrier,)), (("origin",), (origin,)), (("carrier", "origin"), (carrier, origin))):
            plus(cells, name, 1, int(bad))
    return cells, (total[True] + total[False], total[True])


def flights(n: int = 6000) -> list[tuple[str, str]]:
    draw = random.Random(3)
    places = {"UA": ["EWR"] * 3 + ["JFK", "LGA"], "DL": ["JFK", "LGA"], "B6": ["JFK", "EWR"], "AA": ["LGA", "EWR"]}
    return [(carrier, draw.choice(places[carrier])) for carrier in draw.choices(list(places), k=n)]


def names(cells: dict[Slice, Pair], everything: Pair) -> list[str]:
    return [slice_name(one.name) for one in listing(cells, everything, 0.01, 0.05)]


def test_one_bad_carrier_is_one_line() -> None:
    assert names(*cells_of((c, o, c == "UA") for c, o in flights())) == ["carrier=UA"]


def test_a_pair_that_is_bad_by_itself_explains_both_its_parents() -> None:
    assert names(*cells_of((c, o, (c, o) == ("UA", "EWR")) for c, o in flights())) == ["carrier=UA,origin=EWR"]


def test_two_bad_carriers_are_two_lines() -> None:
    draw = random.Random(4)
    rates = {"UA": 0.5, "DL": 0.2}
    found = names(*cells_of((c, o, draw.random() < rates.get(c, 0.0)) for c, o in flights()))
    assert found == ["carrier=UA", "carrier=DL"]


def test_where_everything_is_bad_no_slice_explains_it() -> None:
    draw = random.Random(5)
    assert names(*cells_of((c, o, draw.random() < 0.3) for c, o in flights())) == []


@pytest.mark.parametrize("rate", [0.0, 0.005])
def test_a_null_run_lists_nothing(rate: float) -> None:
    for seed in range(20):
        draw = random.Random(seed)
        assert names(*cells_of((c, o, draw.random() < rate) for c, o in flights(2000))) == []


def test_e_bh_rejects_the_greatest_number_whose_least_evidence_is_enough() -> None:
    # K = 4, alpha = .05: the k-th needs ln(80 / k): 4.38, 3.69, 3.28, 3.0.
    cells = {(("a",), (str(index),)): log_e for index, log_e in enumerate([4.2, 3.7, 3.1, 0.0])}
    assert [name[1][0] for name in e_bh(cells, 0.05)] == ["0", "1"]
    assert e_bh({(("a",), ("0",)): 2.9}, 0.05) == []


def singles(*values: str) -> dict[Slice, Pair]:
    return {(("carrier",), (value,)): (10, 1) for value in values}


def test_values_beyond_the_limit_are_other_whatever_the_order_of_windows() -> None:
    found = set()
    for order in itertools.permutations(["a", "b", "c"]):
        cells = SliceEvidence(0.01, 0.05, values_max=2)
        for hour, value in enumerate(order):
            cells.close(hour, singles(value), {})
        found.add(json.dumps(sorted(cells.cells.items())))
    (one,) = found
    assert json.loads(one)[0] == [[["carrier"], [OTHER]], [10, 1]]


def test_cells_without_room_are_counted_and_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_excess, "CELLS_MAX", 2)
    cells = SliceEvidence(0.01, 0.05, values_max=64)
    cells.close(0, singles("a", "b", "c"), {})
    assert (len(cells.cells), cells.dropped) == (2, 10)


def test_what_latches_has_enough_evidence_by_itself_and_remembers_when() -> None:
    cells = SliceEvidence(0.01, 0.05, values_max=64)
    bad: Slice = (("carrier",), ("UA",))
    cells.close(0, {bad: (100, 0)}, {})
    assert cells.latched == {}
    cells.close(1, {bad: (100, 60)}, {})
    cells.close(2, {bad: (10_000, 0)}, {})
    assert cells.latched == {bad: 1}
    assert cells.listing((10_200, 60)) == []
    after = SliceEvidence(0.01, 0.05, values_max=64)
    after.restore(json.loads(json.dumps(cells.snapshot())))
    assert (after.cells, after.latched, after.snapshot()) == (cells.cells, cells.latched, cells.snapshot())
