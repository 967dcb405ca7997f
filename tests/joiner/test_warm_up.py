"""Warm-up: pairs of inputs before the start, and what production still writes of them."""

from __future__ import annotations

from tests.joiner.cases import (
    GRACE_MS,
    Case,
    P,
    S,
    begun,
    committed,
    done,
    play,
    warm,
)

WARM_BY_GROUP: Case = [
    P("a"), S("a", of=3), {"warm_up": 1},
    P("b"), S("b", of=5), {"match": 1},
    P("c"), done(10), {},  # nobody can tell while E1 is not known
    warm, {"warm_up": 1},
    P("d"), {"missing": 1},
    S("e", of=4), S("f", of=5), committed(10), {"warm_up": 1, "extra": 1},
]  # fmt: skip
WARM_BY_TIME: Case = [
    P("a"), S("a", of=3), {"warm_up": 1},
    P("b", time_ms=500 + GRACE_MS), P("c", time_ms=501 + GRACE_MS), done(10), {"warm_up": 1, "missing": 1},
]  # fmt: skip


def test_warm_up_from_productions_group_ends_at_the_pinned_ends() -> None:
    play(begun({"warm_below": 5}, start="production-group"), WARM_BY_GROUP)


def test_warm_up_without_a_group_ends_by_event_time_and_grace() -> None:
    play(begun({"warm_below": 5, "floor_ms": 500}, production={"outputs": ["out"]}, start="latest"), WARM_BY_TIME)


def test_an_output_that_names_a_warm_up_input_is_warm_up_however_late_production_writes_it() -> None:
    identity = {"kind": "coordinate", "header": "origin"}
    world = begun({"warm_below": 5}, start="production-group", identity=identity)
    play(world, [warm, P("a", of="in/0/4"), P("b", of="in/0/5"), done(10), {"warm_up": 1, "missing": 1}])


def test_without_warm_up_every_pair_counts_from_the_first_input_on() -> None:
    play(begun(), [P("a"), S("a", of=0), P("b"), done(10), {"match": 1, "missing": 1}])
