"""Shedding: which identities go is a matter of their ids, and every record of one that goes ends once, evicted."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.config import Config
from shadowstream.joiner.matching.load_shedding import LEVEL_MAX, LoadShedder
from shadowstream.joiner.task import Task
from shadowstream.records import InputCoordinate, Side
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import P, S, T, begun, committed, done, play, restart
from tests.joiner.outcomes.test_awaited_schemas import KNOWN, UNKNOWN, away, order_text, waiting
from tests.joiner.recovery.test_restarts import BY_COORDINATE, BY_KEY, CRASHES, do, histories, sides
from tests.joiner.whole_trial import Trial

KEYS = [f"k{n}" for n in range(40)]


def at_level(level: int) -> LoadShedder:
    shedding = LoadShedder()
    shedding.level = level
    return shedding


GONE = [key for key in KEYS if at_level(1).sheds(key.encode())]
LEFT = [key for key in KEYS if key not in GONE]
LAST = next(key for key in (f"last{n}" for n in range(40)) if not at_level(1).sheds(key.encode()))


def the_task(world: World) -> Task:
    (task,) = world.joiner.tasks.values()
    return task


def shed(world: World) -> None:
    """The task's memory is full."""
    the_task(world).shed_more()


def ends_of(world: World) -> Counter[tuple[str, int]]:
    """How often each record stands in a row of diff, those of corrections left out: topic and offset."""
    rows = [row for row in world.diff if not row["late"]]
    return Counter((row[s.word]["topic"], row[s.word]["offset"]) for row in rows for s in Side if row[s.word])


# -------------------------------------------------------------------- which


def test_each_level_sheds_half_of_the_rest_and_all_shed_before() -> None:
    ids = [b"%d" % n for n in range(20_000)]
    left = set(ids)
    for level in range(1, 6):
        kept = {id_ for id_ in ids if not at_level(level).sheds(id_)}
        assert kept < left
        assert 0.9 < len(kept) * 2**level / len(ids) < 1.1
        left = kept


def test_what_is_shed_is_the_same_in_every_process_and_release() -> None:
    # A release that sheds others would call the partners of what the one before it has shed missing or extra.
    assert GONE[:8] == ["k0", "k1", "k2", "k5", "k6", "k9", "k10", "k14"]
    assert [n for n in range(8) if at_level(1).sheds(InputCoordinate(0, 0, n, 0))] == [2, 5]
    assert at_level(1).sheds(InputCoordinate(0, 1, 5, 0)) == at_level(1).sheds((0, 1, 5, 0))


def test_the_first_level_sheds_nothing_and_the_last_is_final() -> None:
    shedding = LoadShedder()
    assert not any(shedding.sheds(key.encode()) for key in KEYS)
    assert [shedding.step() for _ in range(LEVEL_MAX + 1)] == [True] * LEVEL_MAX + [False]


# -------------------------------------------------------------------- what becomes of their records

ALIKE: list[dict[str, Any]] = [
    {},
    {"identity": {"kind": "occurrence", "tolerance_ms": 5}},
    {"identity": {"kind": "id", "header": "id"}},
]


@pytest.mark.parametrize("restarted", [False, True], ids=["straight", "restarted"])
@pytest.mark.parametrize("more", ALIKE, ids=["key", "occurrence", "id"])
def test_what_waits_and_what_comes_later_of_either_side_is_evicted_once(more: dict[str, Any], restarted: bool) -> None:
    world = begun(**more)
    half = len(KEYS) // 2
    production = [P(key, id=key) for key in KEYS]
    shadow = [S(key, of=n % 10, k=n // 10, id=key) for n, key in enumerate(KEYS)]
    waits = [restart] if restarted else []
    play(world, [*production[:half], *shadow[half:], {}, shed, {"evicted": len(GONE)}, *waits, {}])
    play(world, [*production[half:], *shadow[:half]])
    world.turn()
    # Event time goes on, and occurrences are decided; the marks say that nothing more will come.
    play(world, [*waits, P(LAST, time_ms=90_000, id=LAST), S(LAST, k=9, time_ms=90_000, id=LAST)])
    play(world, [done(10), committed(10)])
    world.turn()
    found = world.outcomes()
    assert (found.keys(), found["evicted"]) == ({"match", "evicted"}, 2 * len(GONE))
    by_outcome = {(row["outcome"], row["key"].decode()) for row in world.diff} - {("match", LAST)}
    assert by_outcome == {("evicted", key) for key in GONE} | {("match", key) for key in LEFT}
    assert set(ends_of(world).values()) == {1}
    assert {row["reason"] for row in world.diff if row["outcome"] == "evicted"} == {"shed: pending_bytes_max"}


def test_all_outputs_of_one_input_are_shed_together() -> None:
    world = begun(identity={"kind": "coordinate", "header": "origin", "outputs": "many"})
    gone = [n for n in range(10) if at_level(1).sheds((0, 0, n))]
    assert 0 < len(gone) < 10
    for n in range(10):
        P("x", of=f"in/0/{n}/0")(world)
        S("x", of=n, k=1)(world)
    play(world, [{}, shed, {"evicted": 2 * len(gone)}])
    for n in range(10):
        P("x", of=f"in/0/{n}/1")(world)
        S("x", of=n, k=0)(world)
    play(world, [done(10), committed(10), {"evicted": 2 * len(gone), "match": 2 * (10 - len(gone))}])


def test_a_twin_is_shed_with_its_record() -> None:
    world = begun(twin={"topic": "twin", "group": "prod-twin"})
    gone, left = GONE[0], LEFT[0]
    play(world, [P(gone), T(gone), P(left), T(left), {}, shed, {"evicted": 2}])
    play(world, [S(gone), S(left), T(gone), P(gone), {"match": 1, "twin_match": 1, "joint_neither": 1, "evicted": 3}])
    assert waiting(world) == [0, 0, 0]


def test_of_a_key_used_again_all_that_wait_are_shed() -> None:
    world = begun(identity={"kind": "key", "dedupe_span": 0})
    play(world, [P(GONE[0]), P(GONE[0]), P(LEFT[0]), {}, shed, {"evicted": 2}, S(GONE[0]), S(LEFT[0]),
                 {"evicted": 1, "match": 1}])  # fmt: skip


def test_a_late_record_that_is_shed_withdraws_its_partners_outcome() -> None:
    world = begun()
    play(world, [P(GONE[0]), done(10), {"missing": 1}, shed, {}, S(GONE[0]), {"missing": -1, "evicted": 1}])
    assert world.diff[-1]["correction_of"] == "missing"


@pytest.mark.parametrize("side", [Side.PRODUCTION, Side.SHADOW])
def test_a_correction_that_waits_for_a_value_is_shed(side: Side) -> None:
    world = begun()
    if side is Side.SHADOW:
        play(world, [P(GONE[0]), done(10), {"missing": 1}, S(GONE[0]), committed(10), {}])
    else:
        play(world, [S(GONE[0]), done(10), committed(10), {"extra": 1}, P(GONE[0]), {}])
    assert world.joiner.wanted()
    outcome = "missing" if side is Side.SHADOW else "extra"
    play(world, [shed, {outcome: -1, "evicted": 1}, {}])
    assert world.joiner.wanted() == {}
    assert waiting(world) == [0, 0]


def test_what_waits_for_a_schema_is_shed() -> None:
    world, registry = away()
    for key in (GONE[0], LEFT[0]):
        P(key, order_text("x", UNKNOWN))(world)
        S(key, order_text("y", KNOWN))(world)
    play(world, [{}, shed, {"evicted": 2}])
    assert waiting(world) == [1, 1]
    registry.away = False
    play(world, [{"mismatch": 1}])


# -------------------------------------------------------------------- whatever happens


def restart_where_it_was(trial: Trial) -> None:
    read_to = dict(trial.positions)
    trial.start_joiner()
    for side, (place,) in zip(Side, trial.sides, strict=False):
        if trial.positions[place] < read_to[place]:
            trial.read(side, place.partition, read_to[place] - trial.positions[place])


def reported(
    setting: Config, kinds: list[list[str]], history: list[tuple[str, int, int]], at: set[int], renewed: bool = False
) -> Trial:
    """A trial that has gone through a history, one level more after each action of these numbers, and to its end.

    `renewed`: after each commit that has said the level there is a new joiner, which reads again what had been read:
    a pair that has met before a step is compared, and one that is still to be read is shed.
    """
    trial = Trial(setting, kinds).begin()
    for number, action in enumerate(history):
        do(trial, action)
        if action[0] == "commit":
            outcome = trial.states.get("out/0", {"counts": {}})["counts"].get("shed_level", 0)
            if renewed and outcome == the_task(trial).shedding.level:
                restart_where_it_was(trial)
            trial.observe()
        if number in at:
            shed(trial)
    trial.finish()
    return trial


def identity_of(row: dict[str, Any], by_key: bool) -> Any:
    """The id by which a row's record was paired; None where it has none."""
    if by_key:
        return row["key"]
    return None if row["input"] is None else InputCoordinate(0, *map(int, row["input"].split("/")[1:3]), 0)


def records_of(row: dict[str, Any]) -> set[tuple[str, int]]:
    return {(row[side.word]["topic"], row[side.word]["offset"]) for side in Side if row[side.word]}


@given(kinds=sides, history=histories, at=st.sets(st.integers(0, 59), max_size=3), by_key=st.booleans())
@settings(max_examples=40)
def test_every_record_ends_once_and_unshed_ones_as_without_shedding(
    kinds: list[list[str]], history: list[tuple[str, int, int]], at: set[int], by_key: bool
) -> None:
    setting = BY_KEY if by_key else BY_COORDINATE
    without = reported(setting, kinds, [action for action in history if action[0] not in CRASHES], set())
    trial = reported(setting, kinds, history, at)
    level = at_level(the_task(trial).shedding.level)
    assert trial.remainders() == []
    assert set(ends_of(trial).values()) <= {1}
    assert ends_of(trial) == ends_of(without)
    expected = {record: row for row in without.diff for record in records_of(row)}
    for row in trial.diff:
        id_ = identity_of(row, by_key)
        sheds = id_ is not None and level.sheds(id_)
        for record in records_of(row):
            outcome = expected[record]["outcome"]
            assert row["outcome"] == outcome or (sheds and row["outcome"] == "evicted")


@given(kinds=sides, history=histories, at=st.sets(st.integers(0, 59), min_size=1, max_size=3))
@settings(max_examples=40)
def test_a_restart_after_each_commit_sheds_the_same(
    kinds: list[list[str]], history: list[tuple[str, int, int]], at: set[int]
) -> None:
    history = [action for action in history if action[0] not in CRASHES]
    straight, restarted = (reported(BY_KEY, kinds, history, at, renewed) for renewed in (False, True))
    assert restarted.last_words() == straight.last_words()
    assert restarted.outcomes() == straight.outcomes()
    assert the_task(restarted).shedding.level == the_task(straight).shedding.level


def test_a_level_that_was_not_committed_is_forgotten_with_its_evictions() -> None:
    world = begun()
    play(world, [P(GONE[0]), {}, shed, restart, S(GONE[0]), {"match": 1}])
