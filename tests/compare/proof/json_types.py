"""Types of generated JSON texts: numbers as they may be written, names of any kind, fields that are absent or null."""

import json
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from random import Random
from typing import Any

from tests.compare.proof import scalars
from tests.compare.proof.model import Array, Edit, Field, Map, Record, Scalar, Type
from tests.compare.proof.oracle import Node
from tests.compare.proof.scalars import DELTAS, LONGS, TEXTS, any_of, near_text

FRACTIONS = (
    *("0.5", "0.1", "1.0", "-0.0", "10.0", "12345678901234567.89", "0.1000000000000000055", "9007199254740993.0"),
    *("1e400", "5.00", "1e-400", "123456789012345678901234567890.5"),
)


def blank(rng: Random) -> bytes:
    return rng.choice((b"", b"", b"", b" ", b"\n\t"))


def json_text(text: str, rng: Random) -> bytes:
    """A text; any character may be escaped."""
    if rng.random() < 0.3:
        return json.dumps(text).encode()
    if rng.random() < 0.2 and text and ord(text[0]) < 0x10000:
        return f'"\\u{ord(text[0]):04X}'.encode() + json.dumps(text[1:], ensure_ascii=False).encode()[1:]
    return json.dumps(text, ensure_ascii=False).encode()


def json_fraction(number: Decimal, rng: Random) -> bytes:
    """A number with a point or an exponent; zeros behind it and the place of the point are free."""
    sign, digits, exponent = number.as_tuple()
    whole = "".join(map(str, digits)) + "0" * (extra := rng.choice((0, 0, 1, 2)))
    exponent = int(exponent) - extra
    minus = "-" if sign else ""
    if exponent < 0 and -exponent < 60 and rng.random() < 0.7:
        padded = whole.rjust(-exponent + 1, "0")
        return f"{minus}{padded[:exponent]}.{padded[exponent:]}".encode()
    return f"{minus}{whole.lstrip('0') or '0'}{rng.choice('eE')}{exponent:{rng.choice(('', '+'))}}".encode()


def near_fraction(rng: Random, value: Decimal) -> Decimal:
    """Another fraction: a step of a tolerance, or its last digit."""
    if rng.random() < 0.5:
        step = Decimal((0, (1,), int(value.as_tuple().exponent)))
        return _exactly(value, step if rng.random() < 0.5 else -step)
    return _exactly(value, Decimal(rng.choice(DELTAS)) * rng.choice((1, -1)))


def _exactly(one: Decimal, other: Decimal) -> Decimal:
    return Context(prec=1000, Emax=10**6, Emin=-(10**6)).add(one, other)


def _near_int(rng: Random, value: int) -> int:
    return value + rng.choice((1, -1, 3, 1000, 10**20))


def _int_text(n: int, rng: Random) -> bytes:
    return b"-0" if n == 0 and rng.random() < 0.2 else str(n).encode()


def _fraction(rng: Random) -> Decimal:
    if rng.random() < 0.7:
        return Decimal(rng.choice(FRACTIONS))
    return Decimal(rng.getrandbits(70)).scaleb(-rng.randint(1, 25))


INTEGER = Scalar("json integer", None, "int", any_of((*LONGS, 2**64, 10**21 + 1, -(10**30))), _near_int, _int_text)
FRACTION = Scalar("json fraction", None, "decimal", _fraction, near_fraction, json_fraction)
TEXT = Scalar("json text", None, "text", any_of(TEXTS), near_text, json_text)
BOOLEAN = replace(
    scalars.BOOLEAN, label="json boolean", of=None, write=lambda b, _: b"true" if b else b"false", name=None
)
SCALARS = (INTEGER, FRACTION, TEXT, BOOLEAN, FRACTION, INTEGER)
FIELD_NAMES = ("id", "price", "o.id", "items", "*", "$", "a[0]", "é", "x\\y", "0", "$.a", "n" * 70, "b")


@dataclass
class Any_(Type):
    """A value of any type: what a scalar becomes when its type changes."""

    of: Scalar
    label: str = "json type"

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return None if rng.random() < 0.1 else (self.of, self.of.draw(rng))

    def edit(self, rng: Random, value: Any) -> Edit:
        if value is None or rng.random() < 0.15:
            new = (self.of, self.of.draw(rng)) if value is None else None
            return Edit(new, "null", (((), "null"),))
        kind, content = value
        if rng.random() < 0.25:
            return self._other_type(rng, kind, content)
        found = kind.edit(rng, content)
        return found._replace(value=(kind, found.value))

    def _other_type(self, rng: Random, kind: Scalar, content: Any) -> Edit:
        if kind.kind == "int":
            new = rng.choice(((FRACTION, Decimal(content)), (TEXT, str(content)), (BOOLEAN, bool(content))))
        elif kind.kind == "decimal" and content == int(content):
            new = (INTEGER, int(content))
        else:
            new = (INTEGER, 1) if kind.kind != "int" else (TEXT, "1")
        return Edit(new, "json type", (((), "type"),))

    def node(self, value: Any) -> Node:
        return Node("null") if value is None else value[0].node(value[1])

    def raw(self, value: Any, rng: Random) -> bytes:
        return b"null" if value is None else value[0].raw(value[1], rng)

    def parts(self) -> Any:
        return ()


@dataclass
class Object(Record):
    """Fields that may be absent; their order and the white space are free."""

    label: str = "json object"

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return {f.name: f.type.draw(rng, depth + 1) for f in self.fields if rng.random() < 0.9}

    def edit_part(self, rng: Random, value: Any, part: int) -> Edit:
        f = self.fields[part % len(self.fields)]
        if f.name not in value:
            new = None if isinstance(f.type, Any_) and rng.random() < 0.5 else f.type.draw(rng, 2)
            return Edit({**value, f.name: new}, "field absent", (((f.name,), "extra"),))
        if rng.random() < 0.15:
            return Edit({n: v for n, v in value.items() if n != f.name}, "field absent", (((f.name,), "missing"),))
        found = f.type.edit(rng, value[f.name])
        return found.below(f.name, {**value, f.name: found.value})

    def node(self, value: Any) -> Node:
        types = {f.name: f.type for f in self.fields}
        return Node("object", {name: types[name].node(one) for name, one in value.items()})

    def raw(self, value: Any, rng: Random) -> bytes:
        types = {f.name: f.type for f in self.fields}
        return enclosed(b"{", [json_text(n, rng) + b":" + types[n].raw(v, rng) for n, v in value.items()], b"}", rng)


SPOILING = (
    (b'"twice":1,"twice":1', "name twice"),
    (b'"odd":NaN', "NaN token"),
    (b'"odd":-Infinity', "Infinity token"),
    (b'"tw\\u0069ce":1,"twice":2', "name twice"),
)


def spoilt(text: bytes, rng: Random) -> tuple[bytes, str] | None:
    """An object with a name twice, or with a number that JSON has not; None for a text that is no object."""
    if text[:1] != b"{":
        return None
    more, name = rng.choice(SPOILING)
    rest = text[1:].lstrip()
    return b"{" + more + (b"" if rest[:1] == b"}" else b",") + rest, name


def enclosed(start: bytes, parts: list[bytes], end: bytes, rng: Random) -> bytes:
    parts = rng.sample(parts, len(parts)) if start == b"{" else parts
    return start + blank(rng) + (blank(rng) + b"," + blank(rng)).join(parts) + blank(rng) + end


class List(Array):
    """A list."""

    def raw(self, value: Any, rng: Random) -> bytes:
        return enclosed(b"[", [self.items.raw(one, rng) for one in value], b"]", rng)


class Entries(Map):
    """An object used as a map."""

    def node(self, value: Any) -> Node:
        return super().node(value)._replace(name=None)

    def raw(self, value: Any, rng: Random) -> bytes:
        parts = [json_text(n, rng) + b":" + self.of.raw(v, rng) for n, v in value.items()]
        return enclosed(b"{", parts, b"}", rng)


def json_type(rng: Random, depth: int = 0) -> Type:
    """A type of JSON: a scalar, a list, an object."""
    what = rng.choice(("scalar", "scalar", "scalar", "list", "map", "object", "keyed")) if depth < 2 else "scalar"
    if what == "list":
        return List(json_type(rng, depth + 1) if rng.random() < 0.5 else rng.choice(SCALARS), label="json list")
    if what == "map":
        return Entries(json_type(rng, depth + 1), label="json map")
    if what == "object":
        return json_object(rng, depth + 1, 2)
    if what == "keyed":
        return List(Object("", [Field("id", INTEGER), Field("price", FRACTION)]), label="json list of objects")
    return Any_(rng.choice(SCALARS))


def json_object(rng: Random, depth: int, count: int) -> Object:
    return Object("", [Field(name, json_type(rng, depth)) for name in rng.sample(FIELD_NAMES, count)])
