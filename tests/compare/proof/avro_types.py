"""Types for the fields of generated Avro records: those that columns can be made of, and those that only rows know."""

import itertools
from collections.abc import Callable, Iterator
from random import Random

from tests.compare.proof import scalars
from tests.compare.proof.model import Again, Array, Edit, Field, Map, Record, Type, Union

Make = Callable[[Random, Iterator[str]], Type]


def names(spaces: tuple[str, ...] = ("", "org.shop.")) -> Iterator[str]:
    """Names for named types, some in a namespace of their own."""
    return (f"{spaces[n % len(spaces)]}N{n}" for n in itertools.count())


FULL = ("org.shop.", "org.")
"""Namespaces for names that aliases call: one without a dot would be looked for in the namespace of its alias."""


def plain(rng: Random, _: Iterator[str]) -> Type:
    return rng.choice(scalars.PLAIN)


def optional(of: Type, rng: Random) -> Union:
    return Union([None, of] if rng.random() < 0.5 else [of, None], label="optional")


def record_of(rng: Random, named: Iterator[str], *types: Type) -> Record:
    return Record(next(named), [Field(f"f{n}", one) for n, one in enumerate(types)])


def recursive(rng: Random, named: Iterator[str], of: Type) -> Record:
    """A record that holds another of its kind, or none."""
    record = Record(next(named), [Field("v", of)], label="recursive")
    record.fields.append(Field("next", Again(record)))
    return record


def twin_records(rng: Random, named: Iterator[str]) -> Union:
    """Two records of one shape and two names."""
    of = rng.choice(scalars.PLAIN)
    branches: list[Type | None] = [record_of(rng, named, of) for _ in range(2)]
    return Union([*branches, *([None] if rng.random() < 0.3 else [])], True, "record names")


def twin_scalars(rng: Random, named: Iterator[str]) -> Union:
    """Two branches whose values are written alike."""
    symbols = ("A", "B", "C")
    one = scalars.enum(next(named), symbols)
    letters = scalars.Scalar("string", "string", "text", one.values, one.near, scalars.STRING.write, "string")
    fix = scalars.fixed(next(named))
    three = scalars.Scalar("bytes", "bytes", "bytes", fix.values, fix.near, scalars.BYTES.write, "bytes")
    label, pair = rng.choice(
        [
            ("enum names", [one, scalars.enum(next(named), symbols)]),
            ("enum and string", [one, letters]),
            ("fixed names", [fix, scalars.fixed(next(named))]),
            ("fixed and bytes", [fix, three]),
        ]
    )
    return Union([*pair], True, label)


def record_and_map(rng: Random, named: Iterator[str]) -> Union:
    """A record and a map of the same names."""
    record = record_of(rng, named, scalars.LONG)

    class Entries(Map):
        def draw(self, rng: Random, depth: int = 0) -> dict[str, int]:
            return {"f0": scalars.LONG.draw(rng)}

        def edit(self, rng: Random, value: dict[str, int]) -> Edit:
            found = scalars.LONG.edit(rng, value["f0"])
            return found.below("f0", {"f0": found.value})

    return Union([record, Entries(scalars.LONG)], True, "record and map")


def several(rng: Random, _: Iterator[str]) -> Union:
    """A union of several plain types."""
    pool = [scalars.INT, scalars.STRING, scalars.DOUBLE, scalars.BOOLEAN, scalars.BYTES]
    return Union([None, *rng.sample(pool, 3)], label="several types")


def keyed_list(rng: Random, named: Iterator[str]) -> Array:
    record = Record(next(named), [Field("id", scalars.INT), Field("price", scalars.DOUBLE)])
    return Array(record, label="list of records")


COLUMN_TYPES: tuple[Make, ...] = (
    lambda rng, _: scalars.INT,
    lambda rng, _: scalars.LONG,
    lambda rng, _: scalars.FLOAT,
    lambda rng, _: scalars.DOUBLE,
    lambda rng, _: scalars.STRING,
    lambda rng, _: scalars.BOOLEAN,
    lambda rng, n: optional(plain(rng, n), rng),
    lambda rng, n: Array(plain(rng, n)),
    lambda rng, n: Map(plain(rng, n)),
    lambda rng, n: record_of(rng, n, scalars.DOUBLE, scalars.STRING),
    lambda rng, n: scalars.enum(next(n)),
    lambda rng, _: scalars.timestamp("millis", far=False),
    lambda rng, _: scalars.timestamp("micros", far=False),
    lambda rng, _: scalars.NEAR_DATE,
    lambda rng, _: scalars.STRING,
    lambda rng, n: optional(record_of(rng, n, scalars.LONG), rng),
)

ROW_TYPES: tuple[Make, ...] = (
    lambda rng, _: scalars.decimal(rng),
    lambda rng, n: scalars.decimal(rng, next(n)),
    lambda rng, _: optional(scalars.decimal(rng), rng),
    lambda rng, _: scalars.bad_decimal(rng),
    lambda rng, _: scalars.timestamp("nanos"),
    lambda rng, _: optional(scalars.timestamp("nanos"), rng),
    lambda rng, _: scalars.timestamp(rng.choice(("millis", "micros")), local=True),
    lambda rng, _: scalars.timestamp("micros"),
    lambda rng, _: scalars.TIME,
    lambda rng, _: scalars.DATE,
    lambda rng, _: scalars.timestamp(rng.choice(("millis", "micros"))),
    lambda rng, _: scalars.UUID,
    lambda rng, _: scalars.UNKNOWN_LOGICAL,
    lambda rng, n: scalars.fixed(next(n)),
    lambda rng, n: scalars.BYTES,
    twin_records,
    lambda rng, n: Array(twin_records(rng, n)),
    lambda rng, n: Map(twin_records(rng, n)),
    twin_scalars,
    lambda rng, n: Array(twin_scalars(rng, n)),
    record_and_map,
    several,
    lambda rng, n: Array(several(rng, n)),
    keyed_list,
    lambda rng, n: Array(scalars.DOUBLE, label="list of numbers"),
    lambda rng, n: Array(scalars.DOUBLE, items_max=80, label="long list"),
    lambda rng, n: Map(Array(plain(rng, n))),
    lambda rng, n: recursive(rng, n, scalars.LONG),
    lambda rng, n: Array(Map(scalars.STRING)),
    lambda rng, n: scalars.STRING,
    lambda rng, n: Array(scalars.decimal(rng)),
)


def dealt(makes: tuple[Make, ...], seed: object, first: int, count: int) -> list[Make]:
    """`count` of them from place `first` of an endless row of shuffled decks: each comes about equally often."""
    found: list[Make] = []
    for place in range(first, first + count):
        deck, at = divmod(place, len(makes))
        order = list(range(len(makes)))
        Random(f"{seed}-{deck}-{len(makes)}").shuffle(order)
        found.append(makes[order[at]])
    return found
