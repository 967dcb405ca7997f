"""Faults planted in the product, by replacing one function of it: each must be caught by the proof within 200 cases."""

import copy
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest

from shadowstream.codecs import avro_types, evolution, far_times, json_values, typed
from shadowstream.codecs.decoder import Decoder
from shadowstream.codecs.far_times import FarTime
from shadowstream.codecs.numbers import ExactFloat
from shadowstream.codecs.protobuf import ProtobufReader
from shadowstream.compare import by_arrow, by_column, by_value, lists, rules, scalars, tolerances
from shadowstream.compare.result import MISMATCH, TOLERATED
from shadowstream.native.library import SWITCH
from tests.compare.proof.executions import Report, run
from tests.compare.proof.pairs import PAIRS

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
    if isinstance(value, typed.Message):
        return value._replace(value=mapped(value.value, of))
    if isinstance(value, typed.Branch | typed.Typed):
        made = copy.copy(value)
        made.value = mapped(value.value, of)
        return made
    return of(value)


def decoding(kind: type, of: Callable[[Any], Any]) -> Plant:
    """Each decoded scalar of a type becomes another."""
    real = Decoder.decode_many

    def one(value: Any) -> Any:
        return of(value) if type(value) is kind else value

    def decode_many(self: Decoder, values: Sequence[bytes | None], headers: Any = ()) -> list[Any]:
        return [mapped(value, one) for value in real(self, values, headers)]

    return lambda patch: patch.setattr(Decoder, "decode_many", decode_many)


def replacing(by: Callable[..., Any], *names: str, where: Any) -> Plant:
    """`by` is given the real function and its arguments."""

    def around(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **more: by(real, *given, **more)

    def plant(patch: pytest.MonkeyPatch) -> None:
        for name in names:
            patch.setattr(where, name, around(getattr(where, name)))

    return plant


def both(*plants: Plant) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for one in plants:
            one(patch)

    return plant


def _then(of: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda real, *given: of(real(*given))


def _microseconds(self: FarTime) -> Any:
    return int(self) * self.unit_ns // 1000 * 1000


def _swapped(real: Any, one: Any, other: Any, *more: Any) -> Any:
    return real(other, one, *more)


def _binary(real: Any, one: Any, other: Any, atol: Any, *more: Any) -> Any:
    return real(one, other, Decimal(float(atol)), *more)


def _no_nan(real: Any, one: Any, other: Any, *more: Any) -> Any:
    return MISMATCH if one != one else real(one, other, *more)


def _signed_zero(real: Any, one: Any, other: Any, *more: Any) -> Any:
    differ = type(one) is type(other) is float and one == other == 0 and repr(one) != repr(other)
    return MISMATCH if differ else real(one, other, *more)


def _by_place(real: Any, one: list[Any], other: list[Any], fits: Any) -> Any:
    shorter = min(len(one), len(other))
    return lists.Plan(
        [(n, n) for n in range(shorter)], [*range(shorter, len(one))], [*range(shorter, len(other))], False
    )


def _unescaped(real: Any, text: str) -> Any:
    return real(text.replace("\\", ""))


def _no_alias(real: Any, field: Any, shadow: Any, own: Any) -> Any:
    return shadow.get(field["name"])


def _without(kind: str) -> Any:
    def differ(real: Any, self: Any, level: int, found: str, *more: Any) -> None:
        if found != kind:
            real(self, level, found, *more)

    return differ


def _of_one_kind(real: Any, one: Any, other: Any) -> Any:
    return one["type"] == other["type"]


def _one_message(real: Any, self: Any, value: bytes, start: int) -> Any:
    return (0,), real(self, value, start)[1]


PLANTED = (
    Planted("a decimal is rounded to four digits", replacing(_then(Context(prec=4).plus), "unscaled", where=far_times)),
    Planted("a decimal becomes a double", replacing(_then(lambda n: Decimal(float(n))), "unscaled", where=far_times)),
    Planted("a fraction of JSON becomes a double", decoding(ExactFloat, float)),
    Planted("an int is widened to a double", decoding(int, lambda n: float(n) if abs(n) < 2**1000 else n)),
    Planted("a promoted int is rounded", replacing(lambda _, exact: float(exact), "ExactFloat", where=typed)),
    Planted("nanoseconds are cut", lambda patch: patch.setattr(FarTime, "ns", property(_microseconds))),
    Planted("a text is cut at 64 characters", decoding(str, lambda text: text[:64])),
    Planted("a text is taken in lower case", decoding(str, str.lower)),
    Planted("bytes are cut at two", decoding(bytes, lambda raw: raw[:2])),
    Planted("a branch is dropped", replacing(lambda *_: True, "agrees", where=typed.Typed)),
    Planted(
        "a name is dropped",
        both(*(replacing(_of_one_kind, "is_same_type", where=one) for one in (avro_types, evolution))),
    ),
    Planted("a message's index is dropped", replacing(_one_message, "_indexes", where=ProtobufReader)),
    Planted("an alias is not looked at", replacing(_no_alias, "_partner", where=evolution)),
    Planted("rtol looks at the candidate", replacing(_swapped, "within", where=scalars)),
    Planted(
        "rtol looks at the candidate in columns",
        both(*(replacing(_swapped, "float_levels", where=one) for one in (by_arrow, by_column))),
    ),
    Planted("atol is a binary double", replacing(_binary, "exactly_within", where=tolerances)),
    Planted("NaN is not itself", replacing(_no_nan, "scalar_level", where=by_value)),
    Planted("a zero has a sign", replacing(_signed_zero, "scalar_level", where=by_value)),
    Planted(
        "ints are doubles in columns",
        replacing(lambda real, c: real(c).astype(np.float64), "whole_numbers", where=by_arrow),
    ),
    Planted("unordered lists meet by place", replacing(_by_place, "unordered", where=lists)),
    Planted("a set counts", replacing(lambda _, values: list(values), "distinct", where=lists)),
    Planted("an absent field is null", replacing(lambda *_: TOLERATED, "_absent_level", where=by_value._Walk)),
    Planted("a backslash in a path is dropped", replacing(_unescaped, "parse_path", where=rules)),
    Planted("a name that stands twice passes", replacing(lambda *_: False, "_may_repeat_names", where=json_values)),
    Planted(
        "white space ignored means case ignored", replacing(lambda _, t, r: t.casefold(), "folded", where=tolerances)
    ),
    Planted("a longer list passes", replacing(_without("length"), "_differ", where=by_value._Walk)),
    Planted("a field more passes", replacing(_without("extra"), "_differ", where=by_value._Walk)),
)


def caught(fault: Planted, seed: int, cases: int = CASES) -> Report:
    """The proof with the fault planted, until it has seen one disagreement.

    Faults are planted in Python, so the native comparison is off: it has faults of its own (tests/native).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "0")
        fault.plant(patch)
        return run(seed, cases - cases % PAIRS, faults_max=1)
