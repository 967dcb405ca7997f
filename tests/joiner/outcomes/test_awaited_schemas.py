"""While a registry is away: what needs a schema that nobody knows yet waits, counted, and all else goes on."""

from typing import Any

import pytest

from shadowstream.codecs.framing import SchemaId
from shadowstream.codecs.schemas import NoSchemas, parse
from shadowstream.compare.comparer import comparer
from shadowstream.errors import RegistryError
from shadowstream.records import Side
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import P, S, begun, committed, done, play, restart

KNOWN, UNKNOWN = "\0\0\0\0\1", "\0\0\0\0\2"


class Registry(NoSchemas):
    """Schema 1 is known; schema 2 only while the registry is there."""

    def __init__(self) -> None:
        self.away = True
        self.asked = 0

    def by_id(self, schema_id: SchemaId) -> Any:
        if schema_id == 2:
            self.asked += 1
            if self.away:
                raise RegistryError("schema 2 waits")
        return parse('"string"')


def away(**more: Any) -> tuple[World, Registry]:
    world, registry = begun(**more), Registry()
    world.compare = comparer(registry, world.config.compare)
    restart(world)
    return world, registry


def order_text(value: str, schema: str = KNOWN) -> str:
    """A framed text; its length and bytes."""
    return f"{schema}{chr(2 * len(value))}{value}"


def waiting(world: World) -> list[int]:
    (task,) = world.joiner.tasks.values()
    return [task.commit.pending.count(side) for side in task.sources.sides]


def test_pairs_with_known_schemas_resolve_and_the_others_are_pending() -> None:
    world, registry = away()
    for key, schema in (("a", KNOWN), ("b", UNKNOWN), ("c", KNOWN), ("d", UNKNOWN)):
        play(world, [P(key, order_text("x", schema)), S(key, order_text("y", schema))])
    play(world, [{"mismatch": 2}])
    assert waiting(world) == [2, 2]
    assert world.stats[-1]["pending"] == 4
    assert world.remainders() == []
    registry.away = False
    play(world, [{"mismatch": 2}])
    assert waiting(world) == [0, 0]
    assert world.remainders() == []


def test_what_waits_is_read_again_after_a_restart() -> None:
    world, registry = away()
    play(world, [P("a", order_text("x", UNKNOWN)), S("a", order_text("y", UNKNOWN)), {}, restart, {}])
    assert waiting(world) == [1, 1]
    registry.away = False
    play(world, [restart, {"mismatch": 1}])
    assert waiting(world) == [0, 0]
    assert world.remainders() == []


def test_the_registry_is_asked_for_one_pair_not_for_all_pending() -> None:
    world, registry = away()
    for n in range(50):
        play(world, [P(f"k{n}", order_text("x", UNKNOWN)), S(f"k{n}", order_text("y", UNKNOWN))])
    world.turn()
    before = registry.asked
    world.turn(10)
    assert registry.asked - before <= 20


def test_equal_bytes_need_no_schema_and_no_registry() -> None:
    world, _ = away()
    play(world, [P("a", order_text("x", UNKNOWN)), S("a", order_text("x", UNKNOWN)), {"match": 1}])


def test_a_window_stays_open_while_something_of_it_waits() -> None:
    world, registry = away()
    world.production("a", order_text("x", UNKNOWN), 10)
    world.shadow("a", order_text("y", UNKNOWN), of=0, time_ms=10)
    play(world, [done(10), committed(10), World.turn])
    held = world.stats[-1]["watermark_ms"]
    assert held is None or held <= 10
    registry.away = False
    play(world, [{"mismatch": 1}])


def test_outputs_many_wait_as_one_group() -> None:
    world, registry = away(identity={"kind": "coordinate", "header": "origin", "outputs": "many"})
    for k, value in enumerate("xy"):
        world.production("a", order_text(value, UNKNOWN), origin="in/0/0")
        world.shadow("a", order_text("yx"[k], UNKNOWN), of=0, k=k)
    play(world, [done(10), committed(10), World.turn])
    assert len(next(iter(world.joiner.tasks.values())).comparing.awaiting) == 1
    assert (world.outcomes(), waiting(world)) == ({}, [2, 2])
    registry.away = False
    world.turn()
    assert (world.outcomes(), waiting(world)) == ({"match": 2}, [0, 0])


def test_a_batch_with_ids_in_values_is_left_and_readable_again() -> None:
    world, registry = away(identity={"kind": "id", "path": "id"})
    P("a", order_text("x", UNKNOWN))(world)
    with pytest.raises(RegistryError):
        world.read(Side.PRODUCTION, 0, 9)
    registry.away = False
    world.read(Side.PRODUCTION, 0, 9)
    world.commit()
    assert world.outcomes() == {"unpairable_production": 1}
