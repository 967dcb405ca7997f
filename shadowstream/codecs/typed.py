"""Values that know their type, where two values of equal fields may be of two types.

A decoded value is plain Python everywhere but in the comparison of two Avro or Protobuf values, and plain there too
but at the places where the schemas leave open which type stands there, or name two. At such a place stands a `Typed`:
its value and its `Kind`, which says by what the schemas call it and with which types of the other side it is one type.
On the way there a union's value is a `Branch` (from `AvroReader`), a whole message a `Message` (`ProtobufReader`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from shadowstream.codecs.numbers import FLOATS, NUMBERS, ExactFloat, equal


class Kind(NamedTuple):
    """A type at one place of one side's schema."""

    name: str
    """By what differences show it: its full name, or its primitive type."""
    is_named: bool = True
    place: int = 0
    """Among the types that its side has there: the index in a union, else 0."""
    partners: frozenset[int] = frozenset()
    """Places of the other side's types there that are the same type."""
    key: str = ""
    """Equal for two types of which any two equal values agree; without one its name is."""


class Typed:
    """A value and its type."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: Kind, value: Any) -> None:
        self.kind, self.value = kind, value

    def agrees(self, other: Typed) -> bool:
        """Whether the other side's value is of the same type."""
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
    """The value as plain Python, to its last element: what functions of the config and declared changes are given.

    >>> bare({"events": [Typed(Kind("Placed"), {"id": 1})]})
    {'events': [{'id': 1}]}
    """
    if isinstance(value, Typed):
        return bare(value.value)
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items()}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are strictly equal: types before values, NaN equal to itself.

    >>> same([1, float("nan")], [1, float("nan")]), same(1, 1.0), same({"a": 0}, {"a": False})
    (True, False, False)
    """
    if isinstance(one, Typed) and isinstance(other, Typed):
        return one.agrees(other) and same(one.value, other.value)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(inner, other[name]) for name, inner in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return equal(one, other) if type(one) in FLOATS else bool(one == other)


def promoted(one: Any, other: Any) -> tuple[Any, Any]:
    """An int and a float as two numbers of one kind; a text and bytes as bytes; all else as it is.

    >>> promoted(1, 1.5), promoted(b"a", "b")
    ((1.0, 1.5), (b'a', b'b'))
    """
    types = {type(one), type(other)}
    if int in types and types <= NUMBERS and len(types) > 1:
        return as_float(one), as_float(other)
    if types == {str, bytes}:
        return as_bytes(one), as_bytes(other)
    return one, other


def as_bytes(text: str | bytes) -> bytes:
    """A text as Avro writes it."""
    return text.encode() if isinstance(text, str) else text


def as_float(number: Any) -> Any:
    """An int as the float that it equals, or an `ExactFloat` where there is none; all else as it is.

    >>> as_float(5), as_float(2**53 + 1).exact
    (5.0, Decimal('9007199254740993'))
    """
    if type(number) is not int:
        return number
    exact = Decimal(number)
    nearest = float(exact)
    return nearest if nearest == number else ExactFloat(exact)
