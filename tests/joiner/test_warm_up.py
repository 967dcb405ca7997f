"""Warm-up: pairs of inputs before the start, and what production still writes of them."""

from typing import Any

import pytest

from tests.joiner.outcome_cases import GRACE_MS, Case, P, S, absent, begun, committed, done, play, restart, warm

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


def test_an_output_of_a_warm_up_input_is_warm_up_however_late() -> None:
    identity = {"kind": "coordinate", "header": "origin"}
    world = begun({"warm_below": 5}, start="production-group", identity=identity)
    play(world, [warm, P("a", of="in/0/4"), P("b", of="in/0/5"), done(10), {"warm_up": 1, "missing": 1}])


def test_without_warm_up_every_pair_counts_from_the_first_input_on() -> None:
    play(begun(), [P("a"), S("a", of=0), P("b"), done(10), {"match": 1, "missing": 1}])


STATEFUL = {
    "call": "tests.joiner.whole_trial:candidate", "trusted": True, "partitioner": "input",
    "state": "warm_up", "warm_up_records": 2,
}  # fmt: skip
WHILE_STATE_COMES_BACK: Case = [
    P("a"), S("a", of=0, warm="yes"), {"warm_up": 1},
    P("b"), P("c"), S("b", of=1, warm="yes"), S("c", "2", of=2), {"warm_up": 1, "mismatch": 1},
    S("d", of=3, warm="yes"), S("e", of=4), committed(10), {"warm_up": 1, "extra": 1},
]  # fmt: skip
SILENT: Case = [P("a"), P("b"), absent(0, "warm_up", "a"), done(10), {"warm_up": 1, "missing": 1}]
AFTER_A_RESTART: Case = [
    S("a", of=0, warm="yes"),
    S("b", of=1),
    {},
    restart,
    P("a"),
    P("b"),
    {"warm_up": 1, "match": 1},
]
LATE: Case = [
    P("a"),
    done(10),
    {"missing": 1},
    S("a", of=3, warm="yes"),
    committed(10),
    {},
    {"missing": -1, "warm_up": 1},
]


@pytest.mark.parametrize("case", [WHILE_STATE_COMES_BACK, SILENT, AFTER_A_RESTART, LATE])
def test_outputs_before_the_candidates_state_is_rebuilt_are_warm_up(case: Case) -> None:
    play(begun(candidate=STATEFUL), case)


def test_outputs_of_one_input_in_warm_up_are_warm_up_all_together() -> None:
    identity = {"kind": "coordinate", "header": "origin", "outputs": "many"}
    more: Any = {"candidate": STATEFUL, "identity": identity}
    case: Case = [
        P("a", of="in/0/0"), P("a", of="in/0/0"), S("a", of=0, warm="yes"), done(10), committed(10), {"warm_up": 2},
    ]  # fmt: skip
    play(begun(**more), case)


def test_under_occurrence_a_once_silent_key_excuses_no_record() -> None:
    identity = {"kind": "occurrence", "tolerance_ms": 10}
    case: Case = [P("a", time_ms=5), absent(0, "warm_up", "a"), done(10), committed(10), P("z", time_ms=99_000)]
    world = begun(candidate=STATEFUL, identity=identity)
    play(world, [*case, S("z", of=9, time_ms=99_000), {"missing": 1}])
