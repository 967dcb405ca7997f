"""How a task ends, how far it says it is, what it commits and what bounds it."""

from typing import Any
from zlib import crc32

import pytest

from shadowstream.errors import ShadowstreamBug
from shadowstream.records import Batch, Partition, Side
from tests.joiner.joiner_world import NOW_MS, Record, World
from tests.joiner.outcome_cases import (
    GRACE_MS,
    INPUTS,
    P,
    S,
    Step,
    begun,
    committed,
    counted,
    done,
    freeze,
    land,
    play,
    restart,
    warm,
)


def complete(world: World) -> bool:
    world.turn()
    return bool(world.stats[-1]["complete"])


END, COMMITTED = done(INPUTS, "end"), committed(INPUTS)
FROM_GROUP = {"start": "production-group"}
BOUNDED: dict[str, tuple[dict[str, Any], list[Step | bool], dict[str, int]]] = {
    "everything that waits ends": (
        {}, [P("a"), S("b", of=3), counted, False, END, False, COMMITTED, True], {"missing": 1, "extra": 1},
    ),
    "not before its inputs are counted": ({}, [END, COMMITTED, False, counted, True], {}),
    "not while the candidate's ends are hidden": (
        {}, [freeze, S("a"), P("a"), counted, END, COMMITTED, False, land, True], {"match": 1},
    ),
    "not while its warm-up is unknown": (
        FROM_GROUP | {"pinned": {"warm_below": 5}}, [P("a"), counted, END, COMMITTED, False, warm, True],
        {"warm_up": 1},
    ),
    "an input that the candidate does not read delays nothing": (
        FROM_GROUP | {"pinned": {"committed": INPUTS, "warm_below": INPUTS}}, [warm, END, COMMITTED, True], {},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "steps", "outcomes"), BOUNDED.values(), ids=BOUNDED)
def test_a_bounded_run_is_complete_once_everything_that_waits_has_ended(
    settings: dict[str, Any], steps: list[Step | bool], outcomes: dict[str, int]
) -> None:
    """A bool: whether it is complete then."""
    world = begun(bounded=True, **settings)
    for number, step in enumerate(steps):
        if callable(step):
            step(world)
        else:
            assert complete(world) is step, f"step {number}"
    assert world.outcomes() == outcomes
    assert world.joiner.finished()


# ---------------------------------------------------------------- watermark, commits, bounds


def watermark(world: World) -> int | None:
    world.turn()
    mark: int | None = world.stats[-1]["watermark_ms"]
    return mark


def test_the_watermark_is_the_minimum_of_both_sides_and_pending_records() -> None:
    world = begun()
    counted(world)
    # Production's record waits in the window from 2,000 on.
    records = P("a", time_ms=2_500), S("x", time_ms=9_000), S("a", time_ms=9_000), P("x", time_ms=8_000)
    for step, expected in zip(records, (None, 2_000, 2_500, 8_000), strict=True):
        step(world)
        assert watermark(world) == expected


def test_no_watermark_before_the_ends_of_the_inputs_are_known() -> None:
    world = begun()
    play(world, [P("a", time_ms=2_500), S("a", time_ms=2_500)])
    for side in (Side.PRODUCTION, Side.SHADOW):
        world.read(side, 0, 1)
    world.commit()
    assert world.stats[-1]["watermark_ms"] is None


def test_no_watermark_while_announced_records_have_not_been_read_again() -> None:
    world = begun()
    counted(world)
    play(world, [P("a", time_ms=9_500), P("b", time_ms=100), S("c", time_ms=9_900)])
    assert watermark(world) == 0
    world.start_joiner()
    world.observe()
    world.read(Side.PRODUCTION, 0, 1)
    world.read(Side.SHADOW, 0, 1)
    world.commit()
    assert world.stats[-1]["watermark_ms"] is None, (
        "b waits as well, in the window from 0 on, and is not read again yet"
    )
    assert watermark(world) == 0


def test_the_watermark_holds_again_once_a_restart_has_reread_everything() -> None:
    world = begun(production={"outputs": ["out"]}, start="latest")
    counted(world)
    ahead_ms = 2 * GRACE_MS
    play(world, [P("b", time_ms=100), P("x", time_ms=ahead_ms), S("x", time_ms=ahead_ms), {"match": 1}])
    world.start_joiner()
    world.observe()
    S("b", of=4, time_ms=100)(world)
    S("a", of=3, time_ms=200)(world)
    world.read(Side.SHADOW, 0, 9)
    world.commit()
    assert world.outcomes() == {"match": 1}, "b is announced and not read again: its partner is no extra"
    play(world, [{"match": 1, "extra": 1}])
    assert world.stats[-1]["watermark_ms"] == ahead_ms


def test_a_timestamp_in_the_future_moves_no_watermark_and_is_counted() -> None:
    world = begun(future_ms_max=1_000)
    counted(world)
    play(world, [P("a", time_ms=NOW_MS * 1_000), S("a", time_ms=NOW_MS * 1_000), {"match": 1}])
    assert (world.stats[-1]["watermark_ms"], world.stats[-1]["ahead"]) == (None, 2)
    assert world.stats[-1]["windows"][0]["start_ms"] == NOW_MS * 1_000, "the window of its own time"
    play(world, [restart, P("b", time_ms=5), S("b", time_ms=5), {"match": 1}])
    assert (world.stats[-1]["watermark_ms"], world.stats[-1]["ahead"]) == (5, 2)


def test_nothing_new_is_not_committed_again() -> None:
    world = begun()
    play(world, [P("a"), S("a"), {"match": 1}, {}])
    commits = len(world.stats)
    world.turn()
    assert len(world.stats) == commits


def test_a_task_at_its_end_with_nothing_pending_reports_idle() -> None:
    world = begun(idle_ms=1_000)
    play(world, [P("a"), S("a"), {"match": 1}])
    assert not world.stats[-1]["idle"]
    world.now_ms += 1_000
    world.turn()
    assert world.stats[-1]["idle"]
    P("b")(world)
    world.turn()
    assert not world.stats[-1]["idle"]


def test_an_announced_record_that_retention_deleted_is_evicted_and_not_waited_for() -> None:
    world = begun()
    play(world, [P("a"), P("b"), S("b"), {"match": 1}])
    world.hidden.add((Partition("out", 0), 0))
    play(world, [restart, {"evicted": 1}, {}])
    assert world.last_words()["out/0/0"]["outcome"] == "evicted"


def test_a_pending_set_beyond_the_metadata_is_restored_from_the_state_record() -> None:
    world = begun()
    place = Partition("out", 0)
    keys = [f"{number}" for number in range(10_000)]
    for key in keys:
        world.logs[place] += [None] * (crc32(key.encode()) % 39)
        P(key)(world)
    assert 150_000 < world.end(place) < 250_000
    play(world, [S(keys[7]), {"match": 1}])
    assert world.states["out/0"]["overflow"].keys() == {"production"}
    play(world, [restart, *(S(key) for key in keys if key != keys[7]), {"match": len(keys) - 1}])


def test_reading_an_offset_twice_is_a_bug_and_not_a_count() -> None:
    world = begun()
    play(world, [P("a"), {}])
    again = Batch(Partition("out", 0), [0], [0], [b"a"], [b"1"])
    with pytest.raises(ShadowstreamBug, match="read again"):
        world.joiner.read(again, NOW_MS)


def test_a_header_with_an_unknown_input_is_no_header() -> None:
    world = begun(identity={"kind": "coordinate"})
    place = world.sides[Side.SHADOW][0]
    world.shadow("a", "1", of=0)
    headers = world.logs[place][0]
    assert headers is not None
    name, packed = (headers.headers or [])[0]
    other = packed[:9] + b"\x00\x07" + packed[11:]
    for log in (world.logs[place], world.logs[world.sides[Side.PRODUCTION][0]]):
        log[:] = [Record(b"a", b"1", 0, [(name, other)])]
    play(world, [{"unpairable_production": 1, "unpairable_shadow": 1}])
