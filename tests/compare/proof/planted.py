"""Faults planted in the product, by replacing one function of it: each must be caught by the proof within 200 cases."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple

import pytest

from shadowstream.codecs.decoder import Decoder
from tests.compare.proof.running import Report, run

CASES = 200
Plant = Callable[[pytest.MonkeyPatch], None]


class Planted(NamedTuple):
    """A fault, and how it is planted."""

    name: str
    plant: Plant


def mapped(value: Any, of: Callable[[Any], Any]) -> Any:
    """A decoded value with another scalar for each of its scalars."""
    if isinstance(value, dict):
        return {name: mapped(inner, of) for name, inner in value.items()}
    if isinstance(value, list):
        return [mapped(inner, of) for inner in value]
    if isinstance(value, tuple) and hasattr(value, "_replace"):
        return value._replace(value=mapped(value.value, of))
    if hasattr(value, "value") and hasattr(type(value), "__slots__"):
        made = copy.copy(value)
        made.value = mapped(value.value, of)
        return made
    return of(value)


def decoding(of: Callable[[Any], Any]) -> Plant:
    """Each scalar that is decoded becomes another."""
    real = Decoder.decode_many

    def decode_many(self: Decoder, values: Sequence[bytes | None], headers: Any = ()) -> list[Any]:
        return [mapped(one, of) for one in real(self, values, headers)]

    return lambda patch: patch.setattr(Decoder, "decode_many", decode_many)


def only(kind: type, of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: of(value) if type(value) is kind else value


def replacing(where: Any, name: str, by: Any) -> Plant:
    return lambda patch: patch.setattr(where, name, by)


def around(where: Any, name: str, by: Callable[..., Any]) -> Plant:
    """`by` is given the real function and its arguments."""
    real = getattr(where, name)
    return replacing(where, name, lambda *given: by(real, *given))


PLANTED = (
    Planted("a decimal is rounded to four digits", decoding(only(Decimal, Context(prec=4).plus))),
    Planted("a decimal becomes a double", decoding(only(Decimal, lambda d: Decimal(float(d))))),
    Planted("an int is widened to a double", decoding(only(int, lambda n: float(n) if abs(n) < 2**1000 else n))),
    Planted("a text is cut at 64 characters", decoding(only(str, lambda text: text[:64]))),
    Planted("texts are taken in lower case", decoding(only(str, str.lower))),
    Planted("bytes are cut at two", decoding(only(bytes, lambda raw: raw[:2]))),
)


def caught(fault: Planted, seed: int, cases: int = CASES) -> Report:
    """The proof with the fault planted, until it has seen one disagreement."""
    with pytest.MonkeyPatch.context() as patch:
        fault.plant(patch)
        return run(seed, cases, most_faults=1)
