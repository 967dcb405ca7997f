"""Types of generated values: how one is drawn, edited, written, and what it is to the oracle.

An edit says beforehand where and how it makes two values differ, so that generator and oracle check each other. Every
writing that a format leaves free (blocks of lists, the order of a map, padding of decimals, bits of a NaN) is drawn
anew for each side: such pairs are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from tests.compare.proof.oracle import At, Node

Place = tuple[At, str]


class Edit(NamedTuple):
    """`places`: where the edited value differs, and by which kind; None where the edit cannot tell."""

    value: Any
    name: str
    places: tuple[Place, ...] | None

    def below(self, name: str, value: Any) -> Edit:
        """The same edit, seen from the value around it."""
        places = None if self.places is None else tuple(((name, *at), kind) for at, kind in self.places)
        return Edit(value, self.name, places)


def zigzag(number: int) -> bytes:
    """An int or long of Avro."""
    return varint((number << 1) ^ (number >> 63))


def varint(number: int) -> bytes:
    """An unsigned number, seven bits a byte."""
    out = b""
    number &= 2**64 - 1
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


class Pen(Random):
    """What draws one of the forms in which a value may be written; where it `is_free`, rare ones too."""

    is_free = True


class Type:
    """A type of values."""

    label: str

    def schema(self, known: set[str]) -> Any:
        """Its Avro schema; named types already in `known` are called by name."""
        raise NotImplementedError

    def draw(self, rng: Random, depth: int = 0) -> Any:
        raise NotImplementedError

    def edit(self, rng: Random, value: Any) -> Edit:
        raise NotImplementedError

    def edit_part(self, rng: Random, value: Any, part: int) -> Edit:
        """As `edit`, of the part whose turn it is."""
        return self.edit(rng, value)

    def count(self) -> int:
        """How many parts have a turn."""
        return 1

    def node(self, value: Any) -> Node:
        raise NotImplementedError

    def raw(self, value: Any, rng: Random) -> bytes:
        raise NotImplementedError

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        """Names (None for a star) and types of what is inside."""
        return ()


@dataclass
class Scalar(Type):
    """`values` draws one, `near` another one close to it, `write` any form of it."""

    label: str
    of: Any
    kind: str
    values: Callable[[Random], Any]
    near: Callable[[Random, Any], Any]
    write: Callable[[Any, Random], bytes]
    name: str | None = None
    promoted: bool = False

    def schema(self, known: set[str]) -> Any:
        if isinstance(self.of, dict) and "name" in self.of:
            if self.of["name"] in known:
                return self.of["name"]
            known.add(self.of["name"])
        return self.of

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return self.values(rng)

    def edit(self, rng: Random, value: Any) -> Edit:
        other = self.near(rng, value)
        places: tuple[Place, ...] = () if self.node(other) == self.node(value) else (((), "value"),)
        return Edit(other, self.label, None if other != other or value != value else places)

    def node(self, value: Any) -> Node:
        return Node(self.kind, value, self.name, self.promoted)

    def raw(self, value: Any, rng: Random) -> bytes:
        return self.write(value, rng)


@dataclass
class Field:
    """`shown`: the name in paths, which is production's; `unless`: a value that is as good as none, as the other
    schema has no such field and a reader would put this in."""

    name: str
    type: Type
    shown: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    unless: Any = None

    def __post_init__(self) -> None:
        self.shown = self.shown or self.name


@dataclass
class Record(Type):
    name: str
    fields: list[Field]
    label: str = "record"
    shown: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def schema(self, known: set[str]) -> Any:
        if self.name in known:
            return self.name
        known.add(self.name)
        fields = [{"name": f.name, "type": f.type.schema(known), **f.more} for f in self.fields]
        return {"type": "record", "name": self.name, "fields": fields, **self.more}

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return {f.name: f.type.draw(rng, depth + 1) for f in self.fields}

    def edit(self, rng: Random, value: Any) -> Edit:
        return self.edit_part(rng, value, rng.randrange(len(self.fields)))

    def edit_part(self, rng: Random, value: Any, part: int) -> Edit:
        f = self.fields[part % len(self.fields)]
        found = f.type.edit(rng, value[f.name])
        whole = found.below(f.shown, {**value, f.name: found.value})
        return whole if f.unless is None else whole._replace(places=None)

    def count(self) -> int:
        return len(self.fields)

    def node(self, value: Any) -> Node:
        fields = [f for f in self.fields if f.unless is None or value[f.name] != f.unless]
        return Node("object", {f.shown: f.type.node(value[f.name]) for f in fields}, self.shown or self.name)

    def raw(self, value: Any, rng: Random) -> bytes:
        return b"".join(f.type.raw(value[f.name], rng) for f in self.fields)

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        return [(f.shown, f.type) for f in self.fields]


@dataclass
class Again(Type):
    """A record inside itself, or null."""

    record: Record
    label: str = "recursive"

    def schema(self, known: set[str]) -> Any:
        return ["null", self.record.name]

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return None if depth > 3 or rng.random() < 0.4 else self.record.draw(rng, depth)

    def edit(self, rng: Random, value: Any) -> Edit:
        if value is None:
            return Edit(self.record.draw(rng, 3), "null", (((), "null"),))
        if rng.random() < 0.1:
            return Edit(None, "null", (((), "null"),))
        found = self.record.edit(rng, value)
        return found._replace(name="recursive")

    def node(self, value: Any) -> Node:
        return Node("null") if value is None else self.record.node(value)

    def raw(self, value: Any, rng: Random) -> bytes:
        return zigzag(0) if value is None else zigzag(1) + self.record.raw(value, rng)


@dataclass
class Array(Type):
    items: Type
    items_max: int = 4
    label: str = "array"

    def schema(self, known: set[str]) -> Any:
        return {"type": "array", "items": self.items.schema(known)}

    def draw(self, rng: Random, depth: int = 0) -> Any:
        least = 0 if depth else 1
        count = (
            rng.randint(least, min(self.items_max, 5)) if rng.random() < 0.85 else rng.randint(least, self.items_max)
        )
        return [self.items.draw(rng, depth + 1) for _ in range(count)]

    def edit(self, rng: Random, value: Any) -> Edit:
        what = rng.choice(["inside", "inside", "inside", "order", "longer", "shorter", "again"])
        if what == "longer" or not value:
            return Edit([*value, self.items.draw(rng, 2)], "length", (((), "length"),))
        if what == "again":
            return Edit([*value, rng.choice(value)], "an element twice", (((), "length"),))
        if what == "shorter":
            return Edit(value[:-1], "length", (((), "length"),))
        if what == "order":
            moved = rng.sample(value, len(value))
            if isinstance(self.items, Scalar) and self.items.label == "double" and rng.random() < 0.5:
                return Edit([one + rng.choice((0.001, -0.001)) for one in moved], "order and numbers", None)
            return Edit(moved, "order", None)
        at = rng.randrange(len(value))
        found = self.items.edit(rng, value[at])
        return found.below(str(at), [*value[:at], found.value, *value[at + 1 :]])

    def node(self, value: Any) -> Node:
        return Node("list", [self.items.node(one) for one in value])

    def raw(self, value: Any, rng: Random) -> bytes:
        return blocks([self.items.raw(one, rng) for one in value], rng)

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        return [(None, self.items)]


def blocks(items: list[bytes], rng: Random) -> bytes:
    """Items in one block or several, with or without the block's size."""
    if isinstance(rng, Pen) and not rng.is_free:
        return (zigzag(len(items)) + b"".join(items) if items else b"") + zigzag(0)
    out = b""
    while items:
        count = len(items) if rng.random() < 0.7 else rng.randint(1, len(items))
        body, items = b"".join(items[:count]), items[count:]
        out += zigzag(count) + body if rng.random() < 0.8 else zigzag(-count) + zigzag(len(body)) + body
    return out + zigzag(0)


NAMES = ("a", "b", "x.y", "*", "0", "$", "$.a", "a[0]", "\\", "", "é", "#2")


@dataclass
class Map(Type):
    of: Type
    label: str = "map"

    def schema(self, known: set[str]) -> Any:
        return {"type": "map", "values": self.of.schema(known)}

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return {name: self.of.draw(rng, depth + 1) for name in rng.sample(NAMES, rng.randint(1, 4))}

    def edit(self, rng: Random, value: Any) -> Edit:
        what = rng.choice(["inside", "inside", "more", "less"])
        if what == "more" or not value:
            (name,) = rng.sample([n for n in NAMES if n not in value], 1)
            return Edit({**value, name: self.of.draw(rng, 2)}, "key of a map", (((name,), "extra"),))
        name = rng.choice(list(value))
        if what == "less":
            return Edit({n: v for n, v in value.items() if n != name}, "key of a map", (((name,), "missing"),))
        found = self.of.edit(rng, value[name])
        return found.below(name, {**value, name: found.value})

    def node(self, value: Any) -> Node:
        return Node("object", {name: self.of.node(one) for name, one in value.items()}, "map")

    def raw(self, value: Any, rng: Random) -> bytes:
        entries = [text_bytes(name) + self.of.raw(one, rng) for name, one in value.items()]
        return blocks(rng.sample(entries, len(entries)), rng)

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        return [*((name, self.of) for name in NAMES[:9]), (None, self.of)]


def text_bytes(text: str) -> bytes:
    """A string of Avro."""
    raw = text.encode()
    return zigzag(len(raw)) + raw


@dataclass
class Union(Type):
    """A value is (branch, value of it). `twins`: values of one branch can be values of another."""

    branches: list[Type | None]
    twins: bool = False
    label: str = "union"

    def schema(self, known: set[str]) -> Any:
        return ["null" if one is None else one.schema(known) for one in self.branches]

    def draw(self, rng: Random, depth: int = 0) -> Any:
        place = rng.randrange(len(self.branches))
        branch = self.branches[place]
        return place, None if branch is None else branch.draw(rng, depth + 1)

    def edit(self, rng: Random, value: Any) -> Edit:
        place, inner = value
        branch = self.branches[place]
        if branch is not None and (len(self.branches) == 1 or rng.random() < 0.5):
            found = branch.edit(rng, inner)
            return found._replace(value=(place, found.value))
        other = rng.choice([n for n in range(len(self.branches)) if n != place])
        new = self.branches[other]
        if new is None or branch is None:
            return Edit((other, None if new is None else new.draw(rng, 2)), "null", (((), "null"),))
        content = inner if self.twins else new.draw(rng, 2)
        places = (((), "type"),) if self.twins else None
        return Edit((other, content), f"branch: {self.label}", places)

    def edit_part(self, rng: Random, value: Any, part: int) -> Edit:
        branch = self.branches[value[0]]
        if branch is None or part % 4 == 3:
            return self.edit(rng, value)
        found = branch.edit_part(rng, value[1], part)
        return found._replace(value=(value[0], found.value))

    def node(self, value: Any) -> Node:
        branch = self.branches[value[0]]
        return Node("null") if branch is None else branch.node(value[1])

    def raw(self, value: Any, rng: Random) -> bytes:
        branch = self.branches[value[0]]
        return zigzag(value[0]) + (b"" if branch is None else branch.raw(value[1], rng))

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        return [part for one in self.branches if one is not None for part in one.parts()]


def scalar_of(kind: Type) -> Scalar | None:
    """The scalar that a type or an optional one is."""
    if isinstance(kind, Union):
        inner = [one for one in kind.branches if one is not None]
        return scalar_of(inner[0]) if len(inner) == 1 else None
    return kind if isinstance(kind, Scalar) else None
