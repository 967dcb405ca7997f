"""Order of the records of one key, against a count from both logs, through batches, restarts and late records."""

from collections import Counter, defaultdict
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from shadowstream.joiner.matching import key_order
from shadowstream.joiner.matching.key_order import KeyOrder
from shadowstream.joiner.outcomes.compare_stage import UNKNOWN_ORDER
from shadowstream.records import Side
from tests.joiner.joiner_world import World, config
from tests.joiner.outcome_cases import P, S, committed, done, inputs, play, restart

BY_ORIGIN = {"kind": "coordinate", "header": "origin"}
SPAN = 40
KEYS = "abcde"


def world_of(span: int = SPAN, **compare: Any) -> World:
    settings = {"match_sample": 1, "order": True, **compare}
    return World(config(identity=BY_ORIGIN | {"dedupe_span": span}, compare=settings)).begin()


def swapped(chance: Random, keys: list[str]) -> list[int]:
    """Inputs in the order of the candidate: some neighbours of one key have changed places."""
    order, of_key = list(range(len(keys))), defaultdict[str, list[int]](list)
    for n, key in enumerate(keys):
        of_key[key].append(n)
    for places in of_key.values():
        for one, other in zip(places[::2], places[1::2], strict=False):
            if chance.random() < 0.3:
                order[one], order[other] = other, one
    return order


def broken(keys: list[str], order: list[int], lost: set[int], span: int = SPAN) -> int:
    """Neighbours of one key, both answered, that the candidate answered in another order, and near enough."""
    answered = {of: offset for offset, of in enumerate(one for one in order if one not in lost)}
    of_key = defaultdict[str, list[int]](list)
    for n, key in enumerate(keys):
        of_key[key].append(n)
    return sum(
        answered[one] > answered[other] and answered[one] - answered[other] <= span and other - one <= span
        for places in of_key.values()
        for one, other in pairwise(places)
        if one in answered and other in answered
    )


@pytest.mark.parametrize("seed", [*range(6), 40, 52])
def test_each_inversion_is_one_pair_whatever_the_batches_and_restarts(seed: int) -> None:
    span = (12, SPAN)[seed % 2]
    chance, world, n = Random(seed), world_of(span), 160
    keys, lost = chance.choices(KEYS, k=n), set(chance.sample(range(n), 8))
    order = swapped(chance, keys)
    inputs(n)(world)
    steps = (
        [P(key, of=f"in/0/{at}") for at, key in enumerate(keys)],
        [S(keys[at], of=at) for at in order if at not in lost],
    )
    written = [0, 0]
    while any(written[side] < len(steps[side]) for side in (0, 1)):
        for side in (0, 1):
            for step in steps[side][written[side] : written[side] + chance.randrange(20)]:
                step(world)
                written[side] += 1
        world.observe()
        for side in chance.sample([Side.PRODUCTION, Side.SHADOW], 2):
            world.read(side, 0, chance.randrange(1, 20))
        if chance.random() < 0.5:
            world.commit()
        if chance.random() < 0.3:
            world.start_joiner()
    done(n, "end")(world)
    committed(n)(world)
    world.turn(3)
    inverted = broken(keys, order, lost, span)
    assert inverted > 5
    assert world.outcomes() == {"match": n - len(lost) - inverted, "mismatch": inverted, "missing": len(lost)}
    paths = Counter(one["path"] for row in world.last_words().values() for one in row["differences"])
    assert paths == {"$order": inverted}


@pytest.mark.parametrize("between", [[], [restart]])
@pytest.mark.parametrize("first", ["production", "candidate"])
def test_the_difference_names_the_neighbour_and_both_orders(first: str, between: list[Any]) -> None:
    world = world_of()
    inputs(10)(world)
    production = [P("k", of="in/0/0"), P("other", of="in/0/1"), P("k", of="in/0/2")]
    candidate = [S("k", of=2), S("other", of=1), S("k", of=0)]
    sides = [production, candidate] if first == "production" else [candidate, production]
    play(world, [*sides[0], {}, *between, *sides[1], {"match": 2, "mismatch": 1}])
    ((pair_id, difference),) = [
        (row["pair_id"], one) for row in world.last_words().values() for one in row["differences"]
    ]
    expected = {
        "production": ("out/0/0", '"before offset 2"', '"after offset 2"'),
        "candidate": ("out/0/2", '"after offset 0"', '"before offset 0"'),
    }
    found = pair_id, difference["production"], difference["shadow"]
    assert found == expected[first] if not between else found in expected.values()


def test_records_without_a_key_and_of_other_keys_have_no_order() -> None:
    world = world_of()
    inputs(10)(world)
    production = [P(key, of=f"in/0/{of}") for of, key in enumerate([None, None, "a", "b"])]
    candidate = [S(key, of=of) for of, key in [(3, "b"), (2, "a"), (1, None), (0, None)]]
    play(world, [*production, *candidate, {"match": 4}])


def test_a_rule_ignores_the_order_as_any_field() -> None:
    world = world_of(rules=[{"path": "$order", "ignore": True}])
    play(world, [P("k", of="in/0/0"), P("k", of="in/0/1"), S("k", of=1), S("k", of=0), {"match": 1, "ignored": 1}])


def test_another_value_and_another_order_are_one_pair_with_two_differences() -> None:
    world = world_of()
    production = [P("k", '{"n": 1}', of="in/0/0"), P("k", '{"n": 1}', of="in/0/1")]
    play(world, [*production, S("k", '{"n": 1}', of=1), S("k", '{"n": 2}', of=0), {"match": 1, "mismatch": 1}])
    (row,) = [row for row in world.diff if row["outcome"] == "mismatch"]
    assert [one["path"] for one in row["differences"]] == ["$order", "n"]


@pytest.mark.parametrize("at", range(9))
def test_a_late_record_is_in_order_or_not_as_any_other(at: int) -> None:
    world = world_of()
    inputs(10)(world)
    begun = [P("k", of="in/0/0"), P("k", of="in/0/1"), S("k", of=1), done(10), {}]
    case: list[Any] = [*begun, S("k", of=0), committed(10), {}, {}]
    for step in [*case[:at], restart, *case[at:], {}]:
        step(world) if callable(step) else world.turn()
    assert world.outcomes() == {"match": 1, "mismatch": 1}


def test_a_pair_whose_order_is_unknown_is_not_compared_unless_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_order, "FORGET_AT", 0)
    world = world_of()
    inputs(10)(world)
    (task,) = world.joiner.tasks.values()
    task.comparing.order = task.order = KeyOrder(SPAN, records_max=2)
    for side in task.sides:
        monkeypatch.setattr(side, "_parts", side._parts._replace(order=task.order))
    candidate = [S("k", of=0), S("k", "2", of=1), S("k", of=2), S("k", of=3)]
    play(
        world,
        [*(P("k", of=f"in/0/{of}") for of in range(4)), {}, *candidate, {"uncompared": 1, "mismatch": 1, "match": 2}],
    )
    (row,) = [row for row in world.diff if row["outcome"] == "uncompared"]
    assert (row["pair_id"], row["reason"]) == ("out/0/0", UNKNOWN_ORDER)
