"""What lacks a partner that retention may have taken: neither missing nor extra, for nobody knows."""

import pytest

from shadowstream.records import Side
from tests.joiner.outcome_cases import (
    GRACE_MS,
    INPUTS,
    P,
    S,
    Step,
    begun,
    committed,
    counted,
    deleted,
    deleted_below,
    done,
    inputs,
    play,
    restart,
    twin_committed,
)

BY_RETENTION = "its partner may have been deleted before it was read"
LATER_MS = 2 * GRACE_MS


def test_no_shadow_record_is_extra_whose_partner_may_be_unread() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("c"), P("d"), deleted_below(Side.PRODUCTION, 3), restart])
    play(world, [S("b"), S("x"), S("d"), {"match": 1}], lost=True)
    play(world, [committed(INPUTS), {"evicted": 2}], lost=True)
    assert world.evicted_reasons() == {BY_RETENTION}


def test_what_came_a_grace_after_the_gap_is_extra_as_ever() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("c", time_ms=LATER_MS), deleted_below(Side.PRODUCTION, 2), restart, S("c")])
    late_ms = LATER_MS + GRACE_MS
    play(world, [S("b", time_ms=late_ms), S("x", time_ms=late_ms + 1), {"match": 1}], lost=True)
    play(world, [committed(INPUTS), {"evicted": 1, "extra": 1}], lost=True)


def test_while_nothing_after_the_gap_is_read_any_partner_may_be_lost() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}, P("b"), deleted_below(Side.PRODUCTION, 2), restart])
    play(world, [S("x", time_ms=10 * LATER_MS), committed(INPUTS), {"evicted": 1}], lost=True)


def test_no_production_record_is_missing_whose_partner_may_be_among_them() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("c"), S("b"), S("c"), deleted_below(Side.SHADOW, 2), restart, {"match": 1}], lost=True)
    play(world, [done(INPUTS), {"evicted": 1}], lost=True)
    assert world.evicted_reasons() == {BY_RETENTION}


def test_nor_is_the_partner_of_a_pending_record_that_refetch_lost() -> None:
    world = begun()
    play(world, [P("a"), P("b"), S("b"), {"match": 1}, deleted(Side.PRODUCTION, 0), restart, {"evicted": 1}])
    play(world, [S("a"), committed(INPUTS), {"evicted": 1}])
    assert world.evicted_reasons() == {BY_RETENTION, "deleted from the source topic"}


def test_a_restart_remembers_what_retention_took() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("c"), deleted_below(Side.PRODUCTION, 2), restart, S("c"), {"match": 1}], lost=True)
    play(world, [restart, S("b"), committed(INPUTS), {"evicted": 1}], lost=True)


def test_outputs_of_one_input_of_which_some_were_deleted_are_no_cardinality() -> None:
    world = begun(identity={"kind": "key", "outputs": "many"})
    play(world, [P("z"), S("z"), done(INPUTS), committed(INPUTS), {"match": 1}])
    play(world, [inputs(2), P("b"), P("b", "2"), deleted_below(Side.PRODUCTION, 2), restart])
    play(world, [S("b", of=INPUTS), S("b", "2", of=INPUTS, k=1), done(INPUTS + 2)])
    play(world, [committed(INPUTS + 2), {"evicted": 3}], lost=True)


def test_of_a_twin_production_that_retention_took_leaves_no_extra() -> None:
    world = begun(twin={"topic": "twin", "group": "prod-twin", "commits": "after_output"})
    play(world, [P("a"), S("a"), {}, P("b"), P("c"), deleted_below(Side.PRODUCTION, 2), restart])
    world.twin("b", "1")
    play(world, [done(INPUTS), twin_committed(INPUTS), committed(INPUTS), counted])
    world.turn()
    assert world.last_words()["twin/0/0"]["outcome"] == "evicted"


@pytest.mark.parametrize("between", [[], [restart]])
def test_a_partner_that_was_late_and_not_deleted_takes_it_back(between: list[Step]) -> None:
    world, later_ms = begun(production={"outputs": ["out"]}), LATER_MS + GRACE_MS
    play(world, [P("a"), S("a"), {"match": 1}])
    play(world, [P("b"), P("z"), deleted_below(Side.PRODUCTION, 2), restart, S("z"), {"match": 1}], lost=True)
    play(world, [S("c"), P("q", time_ms=later_ms), S("q", time_ms=later_ms), {"match": 1, "evicted": 1}], lost=True)
    play(world, [*between, P("c"), done(INPUTS), {}, {"match": 1, "evicted": -1}], lost=True)
