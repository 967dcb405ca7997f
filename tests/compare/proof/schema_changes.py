"""Pairs of writer schemas of which Avro's rules of resolution say whether their values are the same."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from tests.compare.proof import scalars
from tests.compare.proof.avro_types import COLUMN_TYPES, plain, record_of
from tests.compare.proof.model import Again, Array, Field, Map, Record, Scalar, Type, Union
from tests.compare.proof.oracle import Node
from tests.compare.proof.scalars import single


class Evolved(NamedTuple):
    """Production's type, the candidate's, and production's value as the candidate's."""

    one: Type
    two: Type
    carry: Callable[[Any], Any]
    label: str


class _Rare(Scalar):
    """The values of a scalar, and often one of them."""

    def __init__(self, of: Scalar, often: Any) -> None:
        super().__init__(*(getattr(of, name) for name in ("label", "of", "kind", "values", "near", "write", "name")))
        self.often = often

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return self.often if rng.random() < 0.5 else super().draw(rng, depth)


def _same(value: Any) -> Any:
    return value


PROMOTIONS = [*itertools.combinations(("int", "long", "float", "double"), 2)]
"""From which type to which, in the order in which they are drawn."""


def promoted(rng: Random) -> Evolved:
    """Two types of numbers of which one is read as the other, in either direction."""
    narrow, wide = rng.choice(PROMOTIONS)
    by_name = {one.label: replace(one, promoted=True) for one in scalars.PLAIN}
    one, two = by_name[narrow], by_name[wide]
    widen: Callable[[Any], Any] = {"long": int, "float": lambda n: single(float(n)), "double": float}[wide]
    label = f"promotion {narrow} to {wide}"
    if rng.random() < 0.6:
        return Evolved(one, two, widen, label)
    low, high = -(2 ** (63 if narrow == "long" else 31)), 2 ** (63 if narrow == "long" else 31) - 1
    back: Callable[[Any], Any] = single if narrow == "float" else lambda x: min(max(int(x), low), high)
    two = replace(two, values=lambda rng: widen(one.values(rng)))
    return Evolved(two, one, back, label)


def texts_and_bytes(rng: Random) -> Evolved:
    """A string and bytes: the same if they are the same bytes."""

    class Text(Scalar):
        def node(self, value: Any) -> Any:
            return super().node(value)._replace(kind="bytes", value=value.encode(), name=None)

    text = Text(*(getattr(scalars.STRING, name) for name in ("label", "of", "kind", "values", "near", "write")))
    raw = replace(scalars.BYTES, name=None)
    if rng.random() < 0.5:
        return Evolved(text, raw, str.encode, "string and bytes")
    raw = replace(raw, values=lambda rng: scalars.STRING.values(rng).encode())
    return Evolved(raw, text, bytes.decode, "string and bytes")


def logical_added(rng: Random) -> Evolved:
    """A logical type that only one of the schemas has: the bytes stay what they are."""
    unit = rng.choice(("millis", "micros", "nanos"))
    with_one, bare = rng.choice(
        [(scalars.timestamp(unit), "long"), (scalars.DATE, "int"), (scalars.TIME, "long"), (scalars.UUID, "string")]
    )
    kind, scale = ("int", UNITS[with_one.label]) if bare != "string" else ("text", 1)
    both: list[Scalar] = [_AsWritten(scale, with_one, kind, of) for of in (with_one.of, bare)]
    rng.shuffle(both)
    return Evolved(both[0], both[1], _same, f"logical type {with_one.label}")


UNITS = {f"timestamp-{unit}": ns for unit, ns in scalars.UNIT_NS.items()} | {"date": 1, "time-micros": 1}
"""By which a value is divided for the number that is written."""


class _AsWritten(Scalar):
    """A value at a place where one schema alone has a logical type: both are what was written."""

    def __init__(self, scale: int, like: Scalar, kind: str, of: Any) -> None:
        super().__init__(like.label, of, kind, like.values, like.near, like.write)
        self.scale = scale

    def node(self, value: Any) -> Node:
        return Node(self.kind, value // self.scale if self.kind == "int" else value)


def units(rng: Random) -> Evolved:
    """One instant in two units."""
    millis, micros = scalars.timestamp("millis"), scalars.timestamp("micros")
    if rng.random() < 0.5:
        return Evolved(millis, micros, _same, "units of time")
    micros = replace(micros, values=millis.values)
    return Evolved(micros, millis, _same, "units of time")


def symbols(rng: Random, named: Iterator[str]) -> Evolved:
    """An enum of which one schema has fewer symbols, and a default for those that it lacks: they stay different."""
    name = next(named)
    many, few = scalars.enum(name, ("A", "B", "C")), scalars.enum(name, ("B", "A"))
    few = replace(few, of={**few.of, "default": "A"})
    if rng.random() < 0.5:
        return Evolved(many, few, lambda s: "A" if s == "C" else s, "enum default")
    return Evolved(few, many, _same, "enum default")


def kept(rng: Random, named: Iterator[str]) -> Evolved:
    """One type in both."""
    one = rng.choice([plain(rng, named), scalars.decimal(rng), scalars.enum(next(named))])
    return Evolved(one, one, _same, "no change")


def named_anew(rng: Random, named: Iterator[str]) -> Evolved:
    """A record, enum or fixed of another name: another type, unless an alias says that it is the same."""
    old, new = next(named), next(named)
    if rng.random() < 0.3:
        new = "other." + old.rpartition(".")[2]
    aliased = rng.random() < 0.5
    aliases = {"aliases": [old]} if aliased else {}
    if rng.random() < 0.5:
        one = record_of(rng, iter([old]), scalars.LONG)
        two = replace(one, name=new, shown=old if aliased else new, more=aliases)
        return Evolved(one, two, _same, "record alias" if aliased else "record name")
    make = rng.choice((scalars.enum, scalars.fixed))
    first, second = make(old), make(new)
    if aliased:
        second = replace(second, of={**second.of, **aliases}, name=old)
    return Evolved(first, second, _same, f"{first.label} {'alias' if aliased else 'name'}")


def field_level(rng: Random, named: Iterator[str]) -> Evolved:
    """A change of one field's type."""
    makes: list[Callable[[], Evolved]] = [
        lambda: promoted(rng),
        lambda: promoted(rng),
        lambda: promoted(rng),
        lambda: texts_and_bytes(rng),
        lambda: logical_added(rng),
        lambda: units(rng),
        lambda: symbols(rng, named),
        lambda: named_anew(rng, named),
        lambda: named_anew(rng, named),
        lambda: kept(rng, named),
    ]
    return rng.choice(makes)()


def wrapped(rng: Random, named: Iterator[str], inner: Evolved) -> Evolved:
    """The same inside an optional value, a list, a map, a union of several, a record, a recursive record."""
    one, two, carry, label = inner
    what = rng.choice(("bare", "bare", "optional", "made optional", "array", "map", "union", "record", "recursive"))
    if what == "made optional":
        if rng.random() < 0.5:
            return Evolved(one, Union([None, two]), lambda v: (1, carry(v)), label)
        return Evolved(Union([one]), two, lambda v: carry(v[1]), label)
    if what == "array":
        return Evolved(Array(one), Array(two), lambda v: [carry(x) for x in v], label)
    if what == "map":
        return Evolved(Map(one), Map(two), lambda v: {n: carry(x) for n, x in v.items()}, label)
    if what in ("optional", "union"):
        more: list[Type | None] = [] if what == "optional" else [_other_branch(one, two)]
        left: list[Type | None] = [None, one, *more]
        order = rng.sample(range(len(left)), len(left))
        right = [two if n == 1 else left[n] for n in order]

        def across(value: Any) -> Any:
            place, content = value
            return order.index(place), carry(content) if place == 1 else content

        return Evolved(Union(left), Union([*right]), across, label)
    if what == "record":
        return fields_of(rng, next(named), [(Field("w", one), Field("w", two), carry)], label)
    if what == "recursive":
        return _recursive(next(named), inner)
    return inner


def _other_branch(*types: Type) -> Type:
    """A branch that none of these can be read as."""
    taken = {one.kind for one in types if isinstance(one, Scalar)}
    return scalars.BOOLEAN if taken & {"text", "bytes", "uuid"} else scalars.STRING


def _recursive(name: str, inner: Evolved) -> Evolved:
    one, two, carry, label = inner
    records = [Record(name, [Field("v", of)]) for of in (one, two)]
    for record in records:
        record.fields.append(Field("next", Again(record)))

    def across(value: Any) -> Any:
        return None if value is None else {"v": carry(value["v"]), "next": across(value["next"])}

    return Evolved(records[0], records[1], across, label)


Pair = tuple[Field | None, Field | None, Callable[[Any], Any]]


def fields_of(rng: Random, name: str, pairs: list[Pair], label: str) -> Evolved:
    """Two records of one name; a field that a side lacks is None there."""
    ones, twos = [p[0] for p in pairs if p[0] is not None], [p[1] for p in pairs if p[1] is not None]
    twos = rng.sample(twos, len(twos))

    def across(value: Any) -> Any:
        return {
            two.name: carry(value[one.name]) if one is not None else carry(None)
            for one, two, carry in pairs
            if two is not None
        }

    return Evolved(Record(name, ones), Record(name, twos), across, label)


def paired(rng: Random, n: int, inner: Evolved, labels: list[str]) -> Pair:
    """The field of both records, at times one that only an alias, of either schema, says to be the other's."""
    labels.append(inner.label)
    if rng.random() >= 0.2:
        return Field(f"c{n}", inner.one), Field(f"c{n}", inner.two), inner.carry
    labels.append("field alias")
    old, new = f"old{n}", f"new{n}"
    first, second = ({"aliases": [new]}, {}) if rng.random() < 0.5 else ({}, {"aliases": [old]})
    return Field(old, inner.one, more=first), Field(new, inner.two, shown=old, more=second), inner.carry


def two_flat_records(rng: Random, named: Iterator[str], count: int) -> Evolved:
    """Two writer schemas of one record of types that columns can be made of; `label` says what changed."""
    pairs: list[Pair] = []
    labels = []
    for n in range(count):
        one = rng.choice(COLUMN_TYPES)(rng, named)
        inner = promoted(rng) if rng.random() < 0.4 else Evolved(one, one, _same, "no change")
        pairs.append(paired(rng, n, inner, labels))
    if rng.random() < 0.2:
        pairs.append((None, Field("added", scalars.INT), lambda _: 3))
        labels.append("field added")
    return fields_of(rng, "org.shop.Root", pairs, ", ".join(labels))


def two_records(rng: Random, named: Iterator[str], count: int) -> Evolved:
    """Two writer schemas of one record, or of one value that is none; `label` says what changed."""
    if rng.random() < 0.15:
        return wrapped(rng, named, field_level(rng, named))
    pairs: list[Pair] = []
    labels = []
    for n in range(count):
        inner = wrapped(rng, named, field_level(rng, named))
        pairs.append(paired(rng, n, inner, labels))
    for side, what in enumerate(("removed", "added")):
        if rng.random() < 0.2:
            default = rng.choice((None, 7))
            more = {} if default is None else {"default": 7}
            unpaired, made = Field(what, _Rare(scalars.INT, 7), more=more, unless=default), Random(rng.random())
            added: Pair = (None, unpaired, lambda _, of=unpaired, by=made: of.type.draw(by))
            pairs.append(added if side else (unpaired, None, _same))
            labels.append(f"field {what}{' with a default' if default else ''}")
    return fields_of(rng, "org.shop.Root", pairs, ", ".join(labels))
