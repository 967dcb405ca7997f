"""Pairs across two writer schemas are counted by what changed, each once, with the commit that counts its outcome."""

from typing import Any

import pytest

from shadowstream.codecs.framing import SchemaId
from shadowstream.compare.comparer import comparer
from shadowstream.errors import RegistryError
from shadowstream.records import Side
from tests.compare.avro_cases import Given
from tests.joiner.joiner_world import World
from tests.joiner.outcome_cases import P, S, begun, committed, done, play, restart


class Source(Given):
    """Production's schema 1 has an int, the candidate's, 2, a long; 2 cannot be had while the registry is away."""

    def __init__(self) -> None:
        self.away = False
        first, second = ({"type": "record", "fields": [{"name": "n", "type": kind}]} for kind in ("int", "long"))
        super().__init__(first, second)

    def by_id(self, schema_id: SchemaId) -> Any:
        if self.away and schema_id == 2:
            raise RegistryError("schema 2 waits")
        return super().by_id(schema_id)

    def text(self, schema_id: int, n: int) -> str:
        return self.frame(schema_id, {"n": n}).decode("latin-1")


def changing(**more: Any) -> tuple[World, Source]:
    world, source = begun(**more), Source()
    world.compare = comparer(source, world.config.compare)
    restart(world)
    return world, source


def write(world: World, source: Source, keys: range) -> None:
    for n in keys:
        P(f"k{n}", source.text(1, n))(world)
        S(f"k{n}", source.text(2, n), of=n)(world)


@pytest.mark.parametrize("pairs", [3, 300])
def test_what_a_commit_counts_is_counted_once(pairs: int) -> None:
    world, source = changing()
    write(world, source, range(pairs))
    play(world, [{"match": pairs}, {}])
    assert world.changes == {"promoted": pairs}


@pytest.mark.parametrize("pairs", [3, 300])
def test_what_was_compared_and_not_committed_is_counted_when_it_is(pairs: int) -> None:
    world, source = changing()
    write(world, source, range(pairs))
    for side, places in enumerate(world.sides):
        for place in places:
            world.read(Side(side), place.partition, pairs)
    world.joiner.prepare(world.now_ms)
    assert [dict(book.changes) for book in world.joiner.prepared_counts()] == [{"promoted": pairs}]
    restart(world)
    play(world, [{"match": pairs}])
    assert world.changes == {"promoted": pairs}


def test_what_waits_for_a_schema_is_counted_when_it_can_be_compared() -> None:
    world, source = changing()
    source.away = True
    write(world, source, range(20))
    P("same", source.text(1, 5))(world)
    S("same", source.text(1, 5), of=30)(world)
    play(world, [{"match": 1}])
    assert world.changes == {}
    source.away = False
    play(world, [{"match": 20}])
    assert world.changes == {"promoted": 20}


def test_with_many_outputs_of_one_input_only_entered_pairs_count() -> None:
    world, source = changing(identity={"kind": "coordinate", "header": "origin", "outputs": "many"})
    for n in range(5):
        P("x", source.text(1, n), of="in/0/0")(world)
        S("x", source.text(2, n), of=0, k=n)(world)
    play(world, [done(1), committed(1), {"match": 5}])
    assert world.changes == {"promoted": 5}


def test_a_correction_counts_what_changed() -> None:
    world, source = changing()
    play(world, [P("a", source.text(1, 1)), done(10), {"missing": 1}, S("a", source.text(2, 1), of=3), committed(10),
                 {}, {"missing": -1, "match": 1}])  # fmt: skip
    assert world.changes == {"promoted": 1}
