"""Why records ended as they did is counted beside their outcomes, bounded, and equal causes add up."""

import random
from collections import Counter
from typing import Any

import pytest

from shadowstream.joiner.accounting.reason_counts import KINDS_MAX, ReasonCounts, kind_of
from shadowstream.protocol.reasons import OTHER
from tests.joiner.joiner_world import World, config

AT = (0, "ab")


def reasons_of(world: World) -> dict[str, int]:
    total: Counter[str] = Counter()
    for record in world.stats:
        for window in record["windows"]:
            total.update(window.get("reasons", {}))
    return dict(total)


def compared(production: list[str | None], shadow: list[str | None], **settings: Any) -> World:
    world = World(config(**settings)).begin()
    for number, (one, other) in enumerate(zip(production, shadow, strict=True)):
        world.production(f"k{number}", one, number)
        world.shadow(f"k{number}", other, number, number)
        if number % 7 == 6:
            world.turn()
    world.turn()
    return world


def test_records_of_one_cause_add_up_whatever_their_positions() -> None:
    values = [f'{{"{"a" * number}": NaN}}' for number in range(40)]
    world = compared(values, ["1"] * 40)
    found = reasons_of(world)
    assert sum(found.values()) == 40 == world.outcomes()["undecodable_production"]
    assert len(found) == 1, found
    assert next(iter(found)).startswith("undecodable_production: decode: not JSON")


def test_a_plain_match_and_a_mismatch_have_no_reason() -> None:
    assert reasons_of(compared(["1", "2"] * 5, ["1", "3"] * 5)) == {}


def test_what_cannot_be_paired_says_why() -> None:
    world = World(config(identity={"kind": "id", "path": "order.id"})).begin()
    for number in range(5):
        world.production(None, f'{{"id": {number}}}', number)
    world.turn()
    assert reasons_of(world) == {"unpairable_production: no field 'order.id'": 5}


def test_beyond_the_bound_new_kinds_count_as_other_and_the_sum_stays() -> None:
    counts = ReasonCounts()
    draw = random.Random(2)
    for _ in range(5_000):
        counts.add(AT, draw.choice(("evicted", "unpairable_shadow")), f"cause {draw.randrange(10**6)}")
    found = counts.of(AT)
    assert sum(found.values()) == 5_000
    assert len(found) <= KINDS_MAX + 2
    assert found[f"evicted: {OTHER}"] > 2_000
    counts.clear()
    assert counts.of(AT) == {}


def test_windows_share_the_room_and_none_loses_a_record() -> None:
    counts = ReasonCounts()
    for window in range(100):
        for number in range(50):
            counts.add((window, "ab"), "evicted", f"{window}-{number}-" + "x" * 150)
    assert sum(sum(counts.of((window, "ab")).values()) for window in range(100)) == 5_000
    assert sum(len(name) for window in range(100) for name in counts.of((window, "ab"))) < 110_000


@pytest.mark.parametrize("outcome", ["match", "ignored", "expected", "warm_up"])
def test_what_is_no_fault_and_no_loss_is_not_counted(outcome: str) -> None:
    counts = ReasonCounts()
    counts.add(AT, outcome, "a reason")
    assert counts.of(AT) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("decode: 7.order.avsc: broken after byte 3 of 99", "decode: 7.order.avsc: broken after byte 81 of 120"),
        ("framing: begins with 0badcafe00: neither", "framing: begins with 0123456789abcdef: neither"),
    ],
)
def test_positions_and_bytes_are_of_a_single_record(one: str, other: str) -> None:
    assert kind_of(one) == kind_of(other)
    assert kind_of("schema: schema 42 is unknown") != kind_of("schema: schema 43 is unknown")


def test_a_long_reason_is_cut() -> None:
    assert len(kind_of("x" * 5_000)) == 160
