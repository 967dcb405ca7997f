"""Values with their types, for places where two values of equal fields may have different types.

Decoded values are plain Python, with one exception: the comparison of two Avro or Protobuf values. There too they
are plain, except where the schemas allow several types or name two different types. At such a place the value is a
`Typed`: a value and its `Kind`. The kind holds the type's name and its matching types on the other side. Before that
step, a union's value is a `Branch` (from `AvroReader`), and a whole message a `Message` (from `ProtobufReader`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from shadowstream.codecs.numbers import FLOATS, NUMBERS, ExactFloat, equal


class Kind(NamedTuple):
    """A type at one place of one side's schema."""

    name: str
    """The name in differences: the full name, or the primitive type."""
    is_named: bool = True
    place: int = 0
    """The index in a union of its own side, else 0."""
    partners: frozenset[int] = frozenset()
    """Indexes of the other side's types that are the same type."""
    key: str = ""
    """Equal for two types of which any two equal values agree; if empty, the name is used."""


class Typed:
    """A value and its type."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: Kind, value: Any) -> None:
        self.kind, self.value = kind, value

    def agrees(self, other: Typed) -> bool:
        """Whether the other side's value has the same type."""
        return other.kind.place in self.kind.partners

    def __repr__(self) -> str:
        return f"Typed({self.kind.name}, {self.value!r})"


class Branch:
    """A value of a union of several types, with the index of its type."""

    __slots__ = ("index", "value")

    def __init__(self, index: int, value: Any) -> None:
        self.index, self.value = index, value


class Message(NamedTuple):
    """A whole Protobuf message, with its descriptor."""

    descriptor: Any
    value: Any


def bare(value: Any) -> Any:
    """The value as plain Python at every level, for functions of the config and declared changes.

    >>> bare({"events": [Typed(Kind("Placed"), {"id": 1})]})
    {'events': [{'id': 1}]}
    """
    if isinstance(value, Typed):
        return bare(value.value)
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items()}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def same(production: Any, shadow: Any) -> bool:
    """Whether two values are strictly equal: types before values, NaN equal to itself.

    >>> same([1, float("nan")], [1, float("nan")]), same(1, 1.0), same({"a": 0}, {"a": False})
    (True, False, False)
    """
    if isinstance(production, Typed) and isinstance(shadow, Typed):
        return production.agrees(shadow) and same(production.value, shadow.value)
    if type(production) is not type(shadow):
        return False
    if isinstance(production, dict):
        return production.keys() == shadow.keys() and all(
            same(inner, shadow[name]) for name, inner in production.items()
        )
    if isinstance(production, list):
        return len(production) == len(shadow) and all(map(same, production, shadow))
    return equal(production, shadow) if type(production) in FLOATS else bool(production == shadow)


def promoted(production: Any, shadow: Any) -> tuple[Any, Any]:
    """Convert an int and a float to two numbers of one kind, and a text and bytes to bytes; other values stay
    unchanged.

    >>> promoted(1, 1.5), promoted(b"a", "b")
    ((1.0, 1.5), (b'a', b'b'))
    """
    types = {type(production), type(shadow)}
    if int in types and types <= NUMBERS and len(types) > 1:
        return as_float(production), as_float(shadow)
    if types == {str, bytes}:
        return as_bytes(production), as_bytes(shadow)
    return production, shadow


def as_bytes(text: str | bytes) -> bytes:
    """A text in its Avro encoding; bytes stay unchanged."""
    return text.encode() if isinstance(text, str) else text


def as_float(number: Any) -> Any:
    """The float that equals an int, or an `ExactFloat` if there is none; other values stay unchanged.

    >>> as_float(5), as_float(2**53 + 1).exact
    (5.0, Decimal('9007199254740993'))
    """
    if type(number) is not int:
        return number
    exact = Decimal(number)
    nearest = float(exact)
    return nearest if nearest == number else ExactFloat(exact)
