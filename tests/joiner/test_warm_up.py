"""Warm-up: pairs of inputs before the start, and what production still writes of them."""

from typing import Any

import pytest

from tests.joiner.outcome_cases import (
    GRACE_MS,
    Case,
    P,
    Parts,
    S,
    absent,
    begun,
    committed,
    done,
    each,
    play,
    restart,
    warm,
)

STATEFUL = {
    "call": "tests.joiner.whole_trial:candidate", "trusted": True, "partitioner": "input",
    "state": "warm_up", "warm_up_records": 2,
}  # fmt: skip
COORDINATE = {"kind": "coordinate", "header": "origin"}
GROUP: dict[str, Any] = {"pinned": {"warm_below": 5}, "start": "production-group"}
TIME: dict[str, Any] = {
    "pinned": {"warm_below": 5, "floor_ms": 500}, "production": {"outputs": ["out"]}, "start": "latest",
}  # fmt: skip
PARTS: Parts = {
    "production's group": (GROUP, {"ends at the pinned ends": [
        P("a"), S("a", of=3), {"warm_up": 1},
        P("b"), S("b", of=5), {"match": 1},
        P("c"), done(10), {},  # nobody can tell while E1 is not known
        warm, {"warm_up": 1},
        P("d"), {"missing": 1},
        S("e", of=4), S("f", of=5), committed(10), {"warm_up": 1, "extra": 1},
    ]}),
    "no group": (TIME, {"ends by event time and grace": [
        P("a"), S("a", of=3), {"warm_up": 1},
        P("b", time_ms=500 + GRACE_MS), P("c", time_ms=501 + GRACE_MS), done(10), {"warm_up": 1, "missing": 1},
    ]}),
    "coordinate": (GROUP | {"identity": COORDINATE}, {"an output of a warm-up input is warm-up however late": [
        warm, P("a", of="in/0/4"), P("b", of="in/0/5"), done(10), {"warm_up": 1, "missing": 1},
    ]}),
    "none": ({}, {"every pair counts from the first input on": [
        P("a"), S("a", of=0), P("b"), done(10), {"match": 1, "missing": 1},
    ]}),
    "many": ({"candidate": STATEFUL, "identity": COORDINATE | {"outputs": "many"}}, {"all outputs of one input": [
        P("a", of="in/0/0"), P("a", of="in/0/0"), S("a", of=0, warm="yes"), done(10), committed(10), {"warm_up": 2},
    ]}),
    "occurrence": ({"candidate": STATEFUL, "identity": {"kind": "occurrence", "tolerance_ms": 10}}, {
        "a once silent key excuses no record": [
            P("a", time_ms=5), absent(0, "warm_up", "a"), done(10), committed(10), P("z", time_ms=99_000),
            S("z", of=9, time_ms=99_000), {"missing": 1},
        ],
    }),
}  # fmt: skip
WHILE_STATE_COMES_BACK: Case = [
    P("a"), S("a", of=0, warm="yes"), {"warm_up": 1},
    P("b"), P("c"), S("b", of=1, warm="yes"), S("c", "2", of=2), {"warm_up": 1, "mismatch": 1},
    S("d", of=3, warm="yes"), S("e", of=4), committed(10), {"warm_up": 1, "extra": 1},
]  # fmt: skip
SILENT: Case = [P("a"), P("b"), absent(0, "warm_up", "a"), done(10), {"warm_up": 1, "missing": 1}]
AFTER_A_RESTART: Case = [
    S("a", of=0, warm="yes"), S("b", of=1), {}, restart, P("a"), P("b"), {"warm_up": 1, "match": 1},
]  # fmt: skip
LATE: Case = [
    P("a"), done(10), {"missing": 1}, S("a", of=3, warm="yes"), committed(10), {}, {"missing": -1, "warm_up": 1},
]  # fmt: skip


@each(PARTS)
def test_what_is_warm_up(settings: dict[str, Any], case: Case) -> None:
    play(begun(**settings), case)


@pytest.mark.parametrize("case", [WHILE_STATE_COMES_BACK, SILENT, AFTER_A_RESTART, LATE])
def test_outputs_before_the_candidates_state_is_rebuilt_are_warm_up(case: Case) -> None:
    play(begun(candidate=STATEFUL), case)
