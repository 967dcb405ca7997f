"""What ends at once is more than one commit is to hold: it goes out in several, and nothing is lost or said twice."""

from collections.abc import Callable
from typing import Any

import pytest

from shadowstream.records import Side
from tests.joiner.joiner_world import World
from tests.joiner.matching.test_load_shedding import KEYS, ends_of, shed, the_task
from tests.joiner.outcome_cases import Case, P, S, begun, committed, deleted, done, play, restart
from tests.joiner.outcomes.test_awaited_schemas import KNOWN, UNKNOWN, away, order_text, waiting

MAXIMUM = 7
ALIKE: dict[str, dict[str, Any]] = {
    "key": {},
    "occurrence": {"identity": {"kind": "occurrence", "tolerance_ms": 5}},
    "many": {"identity": {"kind": "coordinate", "header": "origin", "outputs": "many"}},
}


def commits(world: World, each: Callable[[World], None] = lambda world: None) -> list[dict[str, int]]:
    """Outcomes by commit, from the present one on until none is behind; `each` happens between two."""
    found = []
    while True:
        records_before = len(world.stats)
        world.commit()
        if outcomes := world.outcomes(records_before):
            found.append(outcomes)
            each(world)
        elif not world.has_more and not world.joiner.wanted():
            return found


def come_back(world: World) -> None:
    """The joiner dies, and its successor has read everything again when it commits next."""
    restart(world)
    maximum, world.maximum = world.maximum, 0
    world.read_all()
    world.maximum = maximum


ANSWERS: Case = [S(key, of=n % 10, k=n // 10) for n, key in enumerate(KEYS)]
BETWEEN = pytest.mark.parametrize("between", [lambda world: None, come_back], ids=["straight", "restarted"])


@BETWEEN
@pytest.mark.parametrize("more", ALIKE.values(), ids=ALIKE)
def test_the_outcomes_of_one_mark_are_committed_in_requested_sizes(
    more: dict[str, Any], between: Callable[[World], None]
) -> None:
    world = begun(**more)
    world.turn()
    world.maximum = MAXIMUM
    for n, key in enumerate(KEYS):
        P(key, of=f"in/0/{n % 10}/{n // 10}")(world)
    if "tolerance_ms" in str(more):  # event time must pass them
        play(world, [P("last", time_ms=90_000), S("last", of=9, time_ms=90_000)])
    play(world, [done(10), committed(10)])
    world.read_all()
    found = commits(world, between)
    # What belongs together is said together: of many it is the outputs of one input.
    assert all(sum(one.values()) < MAXIMUM + 4 for one in found)
    assert len(found) > len(KEYS) // (MAXIMUM + 4)
    assert world.outcomes() == {"missing": len(KEYS)}
    assert set(ends_of(world).values()) == {1}
    floors = [record["watermark_ms"] for record in world.stats if record["pending"] >= MAXIMUM]
    assert all(floor is None or floor <= 0 for floor in floors), "no window closes before all of it has ended"


@BETWEEN
def test_pairs_reread_whole_after_a_restart_are_committed_in_parts(between: Callable[[World], None]) -> None:
    world, registry = away()
    sides = (P, order_text("x", UNKNOWN)), (S, order_text("y", KNOWN))
    play(world, [*(side(key, value) for key in KEYS for side, value in sides), World.turn])
    assert waiting(world) == [len(KEYS)] * 2
    registry.away = False
    world.maximum = MAXIMUM
    restart(world)
    world.read_all()
    assert world.joiner.ended_records() == 0, "what is read again enters nothing by itself"
    assert waiting(world) == [len(KEYS)] * 2
    found = commits(world, between)
    assert all(one == {"mismatch": MAXIMUM} for one in found[:-1])
    assert world.outcomes() == {"mismatch": len(KEYS)}
    assert set(ends_of(world).values()) == {1}


@BETWEEN
def test_partners_first_after_a_restart_pair_with_reread_records_in_parts(between: Callable[[World], None]) -> None:
    world = begun(compare={"match_sample": 1})
    play(world, [*map(P, KEYS), World.turn])
    world.maximum = MAXIMUM
    restart(world)
    play(world, ANSWERS)
    world.read(Side.SHADOW, 0, world.end(world.sides[Side.SHADOW][0]) + 1)
    assert world.joiner.ended_records() == 0, "they wait"
    world.read_all()
    assert waiting(world) == [len(KEYS)] * 2
    assert all(one == {"match": MAXIMUM} for one in commits(world, between)[:-1])
    assert world.outcomes() == {"match": len(KEYS)}
    assert set(ends_of(world).values()) == {1}


@BETWEEN
def test_what_is_shed_goes_out_in_such_commits(between: Callable[[World], None]) -> None:
    world = begun()
    play(world, [*map(P, KEYS), World.turn])
    shed(world)
    world.maximum = MAXIMUM
    left = sum(not the_task(world).shedding.sheds(key.encode()) for key in KEYS)
    assert waiting(world) == [len(KEYS), 0], "it is pending until it is said"
    found = commits(world, between)
    assert all(one == {"evicted": MAXIMUM} for one in found[:-1])
    assert world.outcomes() == {"evicted": len(KEYS) - left}
    assert waiting(world) == [left, 0]
    assert set(ends_of(world).values()) == {1}


@BETWEEN
def test_what_retention_has_deleted_goes_out_in_such_commits(between: Callable[[World], None]) -> None:
    world = begun()
    play(world, [*map(P, KEYS), World.turn])
    play(world, [deleted(Side.PRODUCTION, offset) for offset in range(len(KEYS))])
    world.maximum = MAXIMUM
    restart(world)
    world.read_all()
    found = commits(world, between)
    assert all(one == {"evicted": MAXIMUM} for one in found[:-1])
    assert world.outcomes() == {"evicted": len(KEYS)}
    assert waiting(world) == [0, 0]


@pytest.mark.parametrize("gone", [False, True], ids=["read", "gone"])
@BETWEEN
def test_corrections_go_out_in_such_commits(between: Callable[[World], None], gone: bool) -> None:
    world = begun()
    play(world, [*map(P, KEYS), done(10), {"missing": len(KEYS)}])
    gaps = [deleted(Side.PRODUCTION, n) for n in range(len(KEYS) if gone else 0)]
    play(world, [*ANSWERS, *gaps, committed(10)])
    world.read_all()
    world.maximum = MAXIMUM
    records_before = "evicted" if gone else "match"
    found = commits(world, between)
    assert len(found) > len(KEYS) // (MAXIMUM + 1)
    assert all(0 < one[records_before] == -one["missing"] <= MAXIMUM for one in found)
    assert world.outcomes() == {records_before: len(KEYS)}
    assert waiting(world) == [0, 0]
