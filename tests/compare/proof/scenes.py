"""Scenes: six pairs of values each, by kind of format and schema, in an endless row."""

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

from tests.compare.proof import avro_types, json_types, proto_types, two_formats
from tests.compare.proof import rule_edges as under
from tests.compare.proof.avro_types import COLUMN_TYPES, ROW_TYPES, dealt
from tests.compare.proof.model import Field, Record, Type, Union
from tests.compare.proof.pairs import Made, Scene, framed, in_avro, pairs_of
from tests.compare.proof.schema_changes import Evolved, two_flat_records, two_records

FIELDS = 7
Make = Callable[[int, int, int], Scene]
"""A scene of a seed; its number, and how many of its kind came before."""


def one_schema(makes: tuple[avro_types.Make, ...], is_free: bool = True) -> Make:
    """A scene of one record whose fields are the next of these types."""

    def make(seed: int, number: int, nth: int) -> Scene:
        rng, named = Random(f"{seed}/{number}/types"), avro_types.names()
        drawn = [one(rng, named) for one in dealt(makes, seed, nth * FIELDS, FIELDS)]
        record = Record("org.shop.Root", [Field(f"f{n}", of) for n, of in enumerate(drawn)])
        label = ", ".join(of.label for of in drawn)
        return pairs_of(in_avro(unchanged(record), is_free=is_free), seed, number, f"avro: {label}")

    return make


def at_the_top(seed: int, number: int, nth: int) -> Scene:
    """A scene of values that are no records."""
    rng, named = Random(f"{seed}/{number}/types"), avro_types.names()
    (make,) = dealt((*ROW_TYPES, *COLUMN_TYPES), f"{seed}-top", nth, 1)
    of: Type = make(rng, named)
    return pairs_of(in_avro(unchanged(of)), seed, number, f"avro at the top: {of.label}")


def two_schemas(seed: int, number: int, nth: int) -> Scene:
    """A scene of two writer schemas."""
    rng = Random(f"{seed}/{number}/types")
    evolved = two_records(rng, avro_types.names(avro_types.FULL), 4)
    return pairs_of(in_avro(evolved, (1, 2)), seed, number, f"two schemas: {evolved.label}")


def two_of_columns(seed: int, number: int, nth: int) -> Scene:
    """A scene of two writer schemas whose values columns can be made of."""
    evolved = two_flat_records(Random(f"{seed}/{number}/types"), avro_types.names(avro_types.FULL), FIELDS)
    return pairs_of(in_avro(evolved, (1, 2), is_free=False), seed, number, f"two schemas in columns: {evolved.label}")


def under_rules(makes: tuple[Callable[..., under.Under], ...], how: str) -> Make:
    """A scene in which each field stands under a rule of its own; `how`: in rows, columns or json."""

    def make(seed: int, number: int, nth: int) -> Scene:
        rng, named = Random(f"{seed}/{number}/types"), avro_types.names()
        drawn = [one(rng, named) for one in dealt(makes, f"{seed}-{how}", nth * FIELDS, FIELDS)]
        called = rng.sample(json_types.FIELD_NAMES, FIELDS) if how == "json" else [f"f{n}" for n in range(FIELDS)]
        fields = [Field(name, one) for name, one in zip(called, drawn, strict=True)]
        if how == "json":
            of: Type = json_types.Object("", fields)
            made = Made(unchanged(of), [], lambda _, value, pen: of.raw(value, pen))
        else:
            made = in_avro(unchanged(Record("org.shop.Root", fields)), is_free=how == "rows")
        label = ", ".join(one.label for one in drawn)
        return pairs_of(made._replace(rules=under.rules_of(fields, rng)), seed, number, f"{how} under rules: {label}")

    return make


def in_json(seed: int, number: int, nth: int) -> Scene:
    """A scene of JSON texts: objects, or any value at the top."""
    rng = Random(f"{seed}/{number}/types")
    of = json_types.json_object(rng, 0, FIELDS) if nth % 3 else json_types.json_type(rng)
    made = Made(unchanged(of), [], lambda _, value, rng: of.raw(value, rng))
    return pairs_of(made, seed, number, f"json: {of.label}")


def beside_json(seed: int, number: int, nth: int) -> Scene:
    """A scene of Avro on production's side and JSON on the candidate's; no tolerance of numbers, as they are of two
    kinds there."""
    evolved = two_formats.two_formats(Random(f"{seed}/{number}/types"), avro_types.names(), FIELDS)

    def write(side: int, value: Any, rng: Random) -> bytes:
        return framed(1, evolved.one.raw(value, rng)) if side == 0 else evolved.two.raw(value, rng)

    made = Made(evolved, [evolved.one.schema(set())], write, of_numbers=False)
    return pairs_of(made, seed, number, f"avro beside json: {evolved.label}")


def in_protobuf(seed: int, number: int, nth: int) -> Scene:
    """A scene of Protobuf messages: two of one shape, told apart by the message index."""
    rng = Random(f"{seed}/{number}/types")
    shapes = proto_types.two_messages(rng)
    schema = proto_types.described([*shapes.messages, shapes.inner])
    one = Union([*shapes.messages], True, "message index")

    def write(_: int, value: Any, rng: Random) -> bytes:
        index = rng.choice((b"\0", b"\x02\0")) if value[0] == 0 else b"\x02\x02"
        return framed(rng.choice((1, 2)), index + shapes.messages[value[0]].raw(value[1], rng))

    return pairs_of(Made(unchanged(one), [schema, schema], write), seed, number, "protobuf")


def unchanged(of: Type) -> Evolved:
    """One type on both sides."""
    return Evolved(of, of, lambda value: value, of.label)


IN_COLUMNS = one_schema(COLUMN_TYPES, is_free=False)
IN_ROWS = one_schema(ROW_TYPES)
RULED = under_rules(under.AVRO, "rows")
RULED_JSON = under_rules(under.JSON, "json")
RULED_COLUMNS = under_rules(under.COLUMNS, "columns")
ROUND: tuple[Make, ...] = (
    *(IN_ROWS, RULED, two_schemas, IN_COLUMNS, in_json, IN_ROWS, RULED_JSON, two_of_columns, RULED_COLUMNS),
    *(in_protobuf, RULED, IN_ROWS, at_the_top, two_schemas, in_json, IN_COLUMNS, one_schema(COLUMN_TYPES), beside_json),
)
"""What scenes come in which order."""


@lru_cache(64)
def scene(seed: int, number: int) -> Scene:
    """The scene of that number; the same in every process."""
    turn, place = divmod(number, len(ROUND))
    make = ROUND[place]
    nth = turn * ROUND.count(make) + ROUND[:place].count(make)
    return make(seed, number, nth)
