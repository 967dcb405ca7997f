"""What lacks a partner that nobody could read: neither extra nor missing, as many as there are such records."""

from typing import Any

import pytest

from shadowstream.records import Side
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import (
    GRACE_MS,
    INPUTS,
    Case,
    P,
    S,
    Step,
    T,
    begun,
    committed,
    counted,
    deleted,
    done,
    play,
    restart,
    twin_committed,
)

BY_PATH: dict[str, Any] = {"kind": "id", "path": "id"}
BY_COORDINATE: dict[str, Any] = {"kind": "coordinate", "header": "origin"}
UNREAD = "its partner may be a record of production that could not be read"
CUT = '{"id": 1, "score": '


def broken(side: Side, *offsets: int) -> Step:
    """The client cannot decompress these records."""
    return lambda world: world.broken.update((world.sides[side][0], offset) for offset in offsets)


def compacting(world: World) -> None:
    """Production's topic is compacted; the joiner starts anew."""
    world.compacted = frozenset(("out",))
    world.start_joiner()


BY_PATH_CASES: dict[str, Case] = {
    "production's text is no JSON only because of NaN: the pair is known": [
        P("k", '{"id":1,"s":NaN}'), S("k", '{"id":1,"s":0.5}'), {"undecodable_production": 1},
    ],
    "both write infinity: production is named": [
        P("k", '{"id":1,"s":Infinity}'), S("k", '{"id":1,"s":-Infinity}'), {"undecodable_production": 1},
    ],
    "production's text is cut": [
        P("k", CUT), S("k", '{"id": 1}'), {"undecodable_production": 1}, committed(INPUTS), {"evicted": 1},
    ],
    "two extra beside one that could not be read": [
        P("k", CUT), S("k", '{"id": 1}'), S("k", '{"id": 2}'), {"undecodable_production": 1},
        committed(INPUTS), {"evicted": 1, "extra": 1},
    ],
    "the candidate's text is cut: it pays once": [
        P("k", '{"id": 1}'), S("k", CUT), {}, committed(INPUTS), {"undecodable_shadow": 1},
        done(INPUTS), {"evicted": 1},
    ],
    "the candidate's text is cut and missing comes first": [
        P("k", '{"id": 1}'), S("k", CUT), done(INPUTS), {"evicted": 1}, committed(INPUTS), {"undecodable_shadow": 1},
    ],
    "the candidate's text is cut and another is missing": [
        P("k", '{"id": 1}'), P("k", '{"id": 2}'), S("k", CUT), done(INPUTS), {"evicted": 1, "missing": 1},
    ],
    "both texts are cut: the candidate is as production is": [
        P("k", CUT), S("k", CUT), {"undecodable_production": 1}, committed(INPUTS), done(INPUTS), {"evicted": 1},
    ],
    "both texts are cut, so neither explains a missing one": [
        P("k", CUT), S("k", CUT), P("k", '{"id": 2}'), committed(INPUTS), {"undecodable_production": 1, "evicted": 1},
        done(INPUTS), {"missing": 1},
    ],
}  # fmt: skip
LOST: dict[str, tuple[dict[str, Any], Case]] = {
    "by key": ({"kind": "key"}, [
        P("a"), P("b"), S("a"), S("b"), broken(Side.PRODUCTION, 1), {"match": 1, "undecodable_production": 1},
        committed(INPUTS), {"evicted": 1},
    ]),
    "by coordinate": (BY_COORDINATE, [
        P("a", of="in/0/0"), P("a", of="in/0/1"), S("a"), S("a", of=1), broken(Side.PRODUCTION, 0),
        {"match": 1, "undecodable_production": 1}, committed(INPUTS), {"evicted": 1},
    ]),
    "by occurrence": ({"kind": "occurrence", "tolerance_ms": 10}, [
        P("a"), P("a", time_ms=100), S("a"), S("a", of=1, time_ms=100), broken(Side.PRODUCTION, 0),
        P("z", time_ms=10 * GRACE_MS), S("z", of=2, time_ms=10 * GRACE_MS), {"undecodable_production": 1},
        committed(INPUTS), done(INPUTS),
        P("y", time_ms=20 * GRACE_MS), S("y", of=3, time_ms=20 * GRACE_MS), {"match": 2, "evicted": 1},
    ]),
    "several outputs of one input": ({"kind": "coordinate", "header": "origin", "outputs": "many"}, [
        P("a", of="in/0/0/0"), P("a", of="in/0/0/1"), S("a"), S("a", k=1), broken(Side.PRODUCTION, 1),
        done(INPUTS), committed(INPUTS), {"undecodable_production": 1, "evicted": 3},
    ]),
    "of both sides": ({"kind": "key"}, [
        P("a"), S("a"), broken(Side.PRODUCTION, 0), broken(Side.SHADOW, 0), {"undecodable_production": 1},
        committed(INPUTS), {"evicted": 1},
    ]),
    "production's first of an id that comes again: its repeat stands in its place": ({"kind": "key"}, [
        P("a", "1"), P("a", "2"), S("a", "1"), S("a", "2", of=1), broken(Side.PRODUCTION, 0),
        {"undecodable_production": 1, "mismatch": 1, "repeated_shadow": 1}, committed(INPUTS), {},
    ]),
    "the candidate's first of an id that comes again": ({"kind": "key"}, [
        P("a", "1"), P("a", "2"), S("a", "1"), S("a", "2", of=1), broken(Side.SHADOW, 0),
        {"mismatch": 1, "repeated_production": 1}, committed(INPUTS), {"undecodable_shadow": 1}, done(INPUTS), {},
    ]),
    "of the candidate": ({"kind": "key"}, [
        P("a"), S("a"), broken(Side.SHADOW, 0), done(INPUTS), {"evicted": 1}, committed(INPUTS),
        {"undecodable_shadow": 1},
    ]),
}  # fmt: skip


@pytest.mark.parametrize("between", [[], [restart]], ids=["in one go", "with restarts"])
@pytest.mark.parametrize("case", BY_PATH_CASES.values(), ids=BY_PATH_CASES)
def test_where_the_identity_lies_inside_a_value(case: Case, between: list[Step]) -> None:
    play(begun(identity=BY_PATH), _with(case, between))


@pytest.mark.parametrize("between", [[], [restart]], ids=["in one go", "with restarts"])
@pytest.mark.parametrize(("identity", "case"), LOST.values(), ids=LOST)
def test_records_that_the_client_cannot_decompress(identity: dict[str, Any], case: Case, between: list[Step]) -> None:
    play(begun(identity=identity), _with(case, between))


@pytest.mark.parametrize("between", [[], [restart]], ids=["in one go", "with restarts"])
def test_an_undated_record_takes_the_time_of_the_records_beside_it(between: list[Step]) -> None:
    world, later_ms = begun(production={"outputs": ["out"]}), 5 * GRACE_MS
    case: Case = [
        S("a"), broken(Side.SHADOW, 0), {}, P("b", time_ms=GRACE_MS), S("b", of=1, time_ms=GRACE_MS), {"match": 1},
        P("c", time_ms=later_ms), S("c", of=2, time_ms=later_ms), {"match": 1, "undecodable_shadow": 1},
    ]  # fmt: skip
    play(world, _with(case, between))
    assert {row["time_ms"] for row in world.last_words().values() if row["outcome"] == "undecodable_shadow"} == {
        GRACE_MS
    }


def test_a_bounded_trial_of_unreadable_records_ends() -> None:
    world = begun(production={"outputs": ["out"], "group": "prod", "commits": "unknown"}, bounded=True)
    play(world, [
        S("a"), S("b", of=1), P("a"), broken(Side.SHADOW, 0, 1), broken(Side.PRODUCTION, 0),
        {"undecodable_production": 1}, done(INPUTS, "end"), committed(INPUTS), {"evicted": 1, "undecodable_shadow": 1},
    ])  # fmt: skip


def test_a_repeat_replaces_an_unreadable_first_record_in_any_order() -> None:
    play(begun(), [
        P("a", "1"), S("a", "1"), S("a", "2", of=1), broken(Side.PRODUCTION, 0), committed(INPUTS),
        {"undecodable_production": 1, "evicted": 1, "repeated_shadow": 1},
        P("a", "2"), done(INPUTS), {}, {"mismatch": 1, "evicted": -1},
    ])  # fmt: skip


def test_the_reason_names_whose_record_could_not_be_read() -> None:
    world = begun(identity=BY_PATH)
    play(world, [P("k", CUT), S("k", '{"id": 1}'), committed(INPUTS), {"undecodable_production": 1, "evicted": 1}])
    assert world.evicted_reasons() == {UNREAD}


def test_what_a_compacted_topic_no_longer_has_makes_no_extra() -> None:
    world = begun()
    play(world, [P("a"), P("b"), P("c"), deleted(Side.PRODUCTION, 1), compacting, S("a"), S("b"), S("c"), S("x")])
    play(world, [committed(INPUTS), {"match": 2, "evicted": 1, "extra": 1}])
    assert world.evicted_reasons() == {"its partner may be a record of production that was compacted away"}


def test_a_gap_without_compaction_holds_control_records_only() -> None:
    world = begun()
    play(world, [P("a"), P("b"), P("c"), deleted(Side.PRODUCTION, 1), S("a"), S("b"), S("c"), committed(INPUTS)])
    play(world, [{"match": 2, "extra": 1}])


def test_what_compaction_removed_is_counted_once_whatever_is_read_again() -> None:
    world = begun()
    play(world, [P("w"), P("a"), P("b"), P("c"), deleted(Side.PRODUCTION, 1), compacting, {}, restart, restart])
    play(world, [S("b"), S("c"), S("w"), S("x"), S("y"), committed(INPUTS), {"match": 3, "evicted": 1, "extra": 1}])


def test_of_a_twin_what_production_wrote_and_nobody_read_leaves_no_extra() -> None:
    world = begun(identity=BY_PATH, twin={"topic": "twin", "group": "prod-twin", "commits": "after_output"})
    play(world, [P("k", CUT), S("k", '{"id": 1}'), T("k", '{"id": 1}')])
    play(world, [done(INPUTS), twin_committed(INPUTS), committed(INPUTS), counted])
    world.turn()
    assert {row["outcome"] for row in world.last_words().values()} == {"undecodable_production", "evicted"}
    assert "twin_extra" not in world.outcomes()


@pytest.mark.parametrize("between", [[], [restart]], ids=["in one go", "with a restart"])
def test_a_late_partner_withdraws_the_excuse_for_another_record(between: list[Step]) -> None:
    later_ms = 2 * GRACE_MS
    world = begun(identity=BY_PATH, production={"outputs": ["out"]})
    play(world, [P("k", CUT), S("k", '{"id": 1}'), {"undecodable_production": 1}])
    play(world, [P("q", '{"id": 8}', later_ms), S("q", '{"id": 8}', time_ms=later_ms), {"match": 1, "evicted": 1}])
    play(world, [*between, P("k", '{"id": 1}', later_ms), done(INPUTS), {}, {"match": 1, "evicted": -1}])
    play(world, [S("k", '{"id": 2}', time_ms=later_ms), P("q", '{"id": 9}', 3 * later_ms)])
    play(world, [S("q", '{"id": 9}', time_ms=3 * later_ms), {"match": 1, "evicted": 1}])


def _with(case: Case, between: list[Step]) -> Case:
    """The case with steps after each thing that happens or is compared."""
    return [one for step in case for one in (step, *between)]
