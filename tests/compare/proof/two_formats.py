"""One value in two formats: production's in Avro, the candidate's in JSON, as a candidate's own output mostly is."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.compare.proof import json_types, scalars
from tests.compare.proof.model import Array, Field, Map, Record, Scalar, Union
from tests.compare.proof.oracle import Node
from tests.compare.proof.schema_changes import Evolved

FINITE = (0.0, 1.0, -1.5, 0.1, 10.03, 2.0**53, 1e21, 5e-324, 0.30000000000000004)


class _Double(Scalar):
    """A double that stands beside fractions of JSON: the decimal that its shortest text is."""

    def node(self, value: Any) -> Node:
        return Node("decimal", Decimal(repr(value)))


DOUBLE = _Double(
    *("double beside JSON", "double", scalars.DOUBLE.kind, scalars.any_of(FINITE)),
    *(scalars.near_double, scalars.DOUBLE.write),
)


def _same(value: Any) -> Any:
    return value


def one_scalar(rng: Random, named: Iterator[str]) -> Evolved:
    """A scalar in both."""
    return rng.choice(
        [
            Evolved(scalars.LONG, json_types.INTEGER, _same, "long beside JSON"),
            Evolved(DOUBLE, json_types.FRACTION, lambda x: Decimal(repr(x)), "double beside JSON"),
            Evolved(scalars.STRING, json_types.TEXT, _same, "string beside JSON"),
            Evolved(scalars.BOOLEAN, json_types.BOOLEAN, _same, "boolean beside JSON"),
            Evolved(scalars.enum(next(named)), replace(json_types.TEXT), _same, "enum beside JSON"),
        ]
    )


def one_type(rng: Random, named: Iterator[str]) -> Evolved:
    """A type in both: a scalar, an optional one, a list, a map, a record."""
    one, two, carry, label = one_scalar(rng, named)
    what = rng.choice(("scalar", "scalar", "optional", "list", "map", "record"))
    if what == "optional":
        kept = json_types.Any_(two)
        return Evolved(Union([None, one]), kept, lambda v: None if v[0] == 0 else (two, carry(v[1])), label)
    if what == "list":
        return Evolved(Array(one), json_types.List(two), lambda v: [carry(x) for x in v], label)
    if what == "map":
        return Evolved(Map(one), json_types.Entries(two), lambda v: {n: carry(x) for n, x in v.items()}, label)
    if what == "record":
        record = Record(next(named), [Field("w", one)])
        return Evolved(record, json_types.Object("", [Field("w", two)]), lambda v: {"w": carry(v["w"])}, label)
    return Evolved(one, two, carry, label)


def two_formats(rng: Random, named: Iterator[str], count: int) -> Evolved:
    """A record of Avro and an object of JSON."""
    found = [one_type(rng, named) for _ in range(count)]
    one = Record("org.shop.Root", [Field(f"f{n}", each.one) for n, each in enumerate(found)])
    two = json_types.Object("", [Field(f"f{n}", each.two) for n, each in enumerate(found)])

    def across(value: Any) -> Any:
        return {f"f{n}": each.carry(value[f"f{n}"]) for n, each in enumerate(found)}

    return Evolved(one, two, across, ", ".join(each.label for each in found))
