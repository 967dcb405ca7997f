"""Counts by value of a dimension and by scope: the same whatever the batches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare.slices import OTHER, coded
from shadowstream.joiner.cells import Cells, Columns
from tests.joiner.world import WINDOW_MS, config

CRITERIA = [
    {"rate": "field", "path": "score", "limit": 0.1},
    *({"rate": "mismatch", "limit": 0.1, "where": {"carrier": value}} for value in "ab"),
    {"rate": "mismatch", "limit": 0.1, "where": {"carrier": "a", "origin": "x"}},
]
SETTINGS = config(
    compare={"dimensions": [{"name": name, "path": name} for name in ("carrier", "origin")], "values_max": 2},
    judge={"window_ms": WINDOW_MS, "criteria": CRITERIA},
)
AT = (0, "r")
pair = st.tuples(
    st.sampled_from(["match", "tolerated", "mismatch", "cardinality", "undecodable_shadow", "undecodable_production"]),
    st.sampled_from("abcd"),
    st.sampled_from("xy"),
    st.booleans(),
)
Pairs = list[tuple[str, str, str, bool]]


def columns(pairs: Pairs) -> Columns:
    outcomes, one, other, touched = zip(*pairs, strict=True)
    differs = np.array([t and o in ("mismatch", "cardinality") for o, t in zip(outcomes, touched, strict=True)])
    dimensions = [coded(list(one)), coded(list(other))]
    n = len(pairs)
    return Columns([0] * n, [b"k"] * n, ["r"] * n, outcomes, dimensions, touched={"score": differs})


def recorded(*parts: Pairs) -> dict[str, Any]:
    cells = Cells(SETTINGS)
    for part in parts:
        if part:
            cells.add(columns(part))
    return cells.record(AT)


@given(st.lists(pair, max_size=50), st.integers(0, 50))
def test_no_cut_and_no_order_changes_a_count(pairs: Pairs, cut: int) -> None:
    assert recorded(pairs) == recorded(pairs[cut:], pairs[:cut])


@given(st.lists(pair, min_size=1, max_size=50))
def test_a_scope_counts_what_lies_in_it(pairs: Pairs) -> None:
    found = {one["scope"]: one for one in recorded(pairs).get("scopes", ())}
    for scope, inside in (
        ("carrier=a", [p for p in pairs if p[1] == "a"]),
        ("carrier=b", [p for p in pairs if p[1] == "b"]),
        ("carrier=a,origin=x", [p for p in pairs if p[1:3] == ("a", "x")]),
    ):
        one = found.get(scope, {"outcomes": {}, "named": []})
        assert one["outcomes"] == dict(Counter(p[0] for p in inside))
        compared = [p for p in inside if not p[0].startswith("undecodable")]
        differ = sum(p[3] and p[0] in ("mismatch", "cardinality") for p in compared)
        assert one["named"] == ([{"path": "score", "n": len(compared), "s": differ}] if compared else [])


@given(st.lists(pair, min_size=1, max_size=50))
def test_the_values_of_a_dimension_add_up_to_the_whole(pairs: Pairs) -> None:
    values = recorded(pairs).get("values", [])
    for dimension in ("carrier", "origin"):
        of_one = [one for one in values if one["dimension"] == dimension]
        assert len([one for one in of_one if one["value"] != OTHER]) <= 2
        total: Counter[str] = Counter()
        for one in of_one:
            total.update(one["figures"])
        expected = Counter(p[0] for p in pairs if p[0].startswith("undecodable"))
        expected["field/score"] = sum(p[3] and p[0] in ("mismatch", "cardinality") for p in pairs)
        assert total == expected
