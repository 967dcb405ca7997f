"""Counts by value of a dimension and by scope: the same whatever the batches."""

import itertools
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.compare.dimension_codes import OTHER, Coded, coded
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.slice_counts import SliceCounts
from tests.joiner.joiner_world import WINDOW_MS, World, config
from tests.joiner.outcome_cases import inputs

CRITERIA = [
    {"rate": "field", "path": "score", "limit": 0.1},
    *({"rate": "mismatch", "limit": 0.1, "where": {"carrier": value}} for value in "ab"),
    {"rate": "mismatch", "limit": 0.1, "where": {"carrier": "a", "origin": "x"}},
]
DIMENSIONS = [{"name": name, "path": name} for name in ("carrier", "origin")]
JUDGE = {"window_ms": WINDOW_MS, "criteria": CRITERIA}
SETTINGS = config(compare={"dimensions": DIMENSIONS, "values_max": 2}, judge=JUDGE)
AT = (0, "r")
pair = st.tuples(
    st.sampled_from(["match", "tolerated", "mismatch", "cardinality", "undecodable_shadow", "undecodable_production"]),
    st.sampled_from("abcd"),
    st.sampled_from("xy"),
    st.booleans(),
)
Pairs = list[tuple[str, str, str, bool]]


def columns(pairs: Pairs) -> PairColumns:
    outcomes, one, other, touched = zip(*pairs, strict=True)
    differs = np.array([t and o in ("mismatch", "cardinality") for o, t in zip(outcomes, touched, strict=True)])
    dimensions = [coded(list(one)), coded(list(other))]
    n = len(pairs)
    return PairColumns(
        np.zeros(n, np.int64), [b"k"] * n, Coded.of_one("r", n), coded(outcomes), dimensions, touched={"score": differs}
    )


def recorded(*parts: Pairs) -> dict[str, Any]:
    cells = SliceCounts(SETTINGS)
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


def totals(world: World) -> Counter[str]:
    """Everything that windows count of parts, over all commits."""
    found: Counter[str] = Counter()
    for record in world.stats:
        for window in record["windows"]:
            for one in window["named"]:
                found.update({f"{one['path']} n": one["n"], f"{one['path']} s": one["s"]})
            for one in window["values"]:
                found.update({f"{one['value']} {name}": n for name, n in one["figures"].items()})
            for one in window["scopes"]:
                found.update({f"{one['scope']} {name}": n for name, n in one["outcomes"].items()})
                found.update({f"{one['scope']} named {name['path']}": name["s"] for name in one["named"]})
    return Counter({name: n for name, n in found.items() if n})


def played(every: int, restart_at: int) -> Counter[str]:
    """A trial of 120 records, some missing, some extra, some broken, some late; a new joiner at one of its turns."""
    world = World(config(compare={"dimensions": DIMENSIONS}, judge=JUDGE))
    inputs(120)(world)
    world.begin()
    turns = itertools.count()

    def turn() -> None:
        if next(turns) == restart_at:
            world.start_joiner()
        world.turn()

    def value(i: int, score: int = 1) -> str:
        return json.dumps({"carrier": "ab"[i % 2], "origin": "xy"[i % 3 > 0], "score": score})

    for i in range(120):
        if i % 10 != 7:
            world.production(f"k{i}", "{" if i % 20 == 5 else value(i), i % 9)
        if i % 10 != 3:
            world.shadow(f"k{i}", "{" if i % 20 == 15 else value(i, 1 + (i % 4 == 0)), i, i % 9)
        if i % every == every - 1:
            turn()
    world.done(120)
    world.production_committed.update({world.inputs[0]: 120})
    turn()
    turn()
    for i in range(3, 60, 10):
        world.shadow(f"k{i}", value(i), i, i % 9)
    world.done(120)
    for _ in range(3):
        turn()
    return totals(world)


@pytest.mark.parametrize("every", [7, 40])
@pytest.mark.parametrize("restart_at", [0, 2, 4, 5, 6])
def test_neither_commits_nor_restarts_change_what_parts_add_up_to(every: int, restart_at: int) -> None:
    straight = played(120, -1)
    assert played(every, restart_at) == straight
    assert {name for name in straight if "missing" in name} == {f"{of} missing" for of in ("b", "x", "y", "carrier=b")}
    assert straight["b missing"] == straight["carrier=b missing"] == 6, "of twelve six have come after all"
