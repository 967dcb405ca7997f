"""Fields that each stand under a rule, with edits at the very place where the rule changes its answer."""

import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any

from tests.compare.proof import json_types, scalars
from tests.compare.proof.avro_types import keyed_list
from tests.compare.proof.model import Array, Edit, Field, Scalar, Type
from tests.compare.proof.oracle import STAR, Node, Rule
from tests.compare.proof.rules import written

Change = Callable[[Random, Any, dict[str, Any]], Any]
_EXACT = Context(prec=2000, Emax=10**6, Emin=-(10**6))


@dataclass
class Under(Type):
    """A type, what its rule says, and how a value is changed where that rule decides."""

    of: Type
    says: dict[str, Any]
    change: Change
    values: Callable[[Random], Any] | None = None
    inner: dict[str, Any] | None = None
    """What a rule says of a list's elements."""

    def __post_init__(self) -> None:
        self.label = f"{self.of.label} under {'+'.join(self.says)}"

    def schema(self, known: set[str]) -> Any:
        return self.of.schema(known)

    def draw(self, rng: Random, depth: int = 0) -> Any:
        return self.of.draw(rng, depth) if self.values is None else self.values(rng)

    def edit(self, rng: Random, value: Any) -> Edit:
        return Edit(self.change(rng, value, {**self.says, **(self.inner or {})}), self.label, None)

    def node(self, value: Any) -> Node:
        return self.of.node(value)

    def raw(self, value: Any, rng: Random) -> bytes:
        return self.of.raw(value, rng)

    def parts(self) -> Sequence[tuple[str | None, Type]]:
        return self.of.parts()


def rules_of(fields: list[Field], rng: Random) -> list[Rule]:
    """The rules of fields that are `Under` one."""
    found = []
    for one in fields:
        assert isinstance(one.type, Under)
        for at, says in (((one.name,), one.type.says), ((one.name, STAR), one.type.inner)):
            found += [Rule(at=at, path=written(rng, at), **says)] if says is not None else []
    return found


# -------------------------------------------------------------------- numbers


def at_the_bound(rng: Random, value: Any, says: dict[str, Any]) -> Any:
    """As far away as the rule allows, a step more or less, or as far as it would allow from the other side."""
    atol, rtol = (Fraction(says.get(name, 0)) for name in ("atol", "rtol"))
    if isinstance(value, float) and not math.isfinite(value):
        return 1.0
    apart = (atol + rtol * abs(Fraction(value))) * rng.choice((1, 1, 1 + rtol / 2))
    side = rng.choice((1, -1))
    if isinstance(value, float):
        found = value + side * float(apart)
        return rng.choice((found, math.nextafter(found, math.inf), math.nextafter(found, -math.inf)))
    if isinstance(value, int):
        return value + side * (math.floor(apart) + rng.choice((0, 0, 1)))
    unit = Decimal((0, (1,), min(int(value.as_tuple().exponent), -2 if says.get("fine") else 0)))
    steps = math.floor(apart / Fraction(unit)) + rng.choice((0, 0, 1))
    return _EXACT.add(value, _EXACT.multiply(unit, Decimal(side * steps)))


def ulps_apart(rng: Random, value: float, says: dict[str, Any]) -> float:
    for _ in range(says["ulp"] + rng.choice((0, 0, 1))):
        value = math.nextafter(value, math.inf)
    return value


def small(of: Scalar, values: Sequence[Any], **says: Any) -> Under:
    return Under(of, says, at_the_bound, lambda rng: rng.choice(values))


AMOUNTS = tuple(Decimal(text) for text in ("5.00", "10.00", "-2.50", "90.00", "100.00", "0.00", "1234.56"))
WHOLES = (0, 5, 100, -90, 10**6, 2**53 + 1, 2**62)
BIG = (2**53, 2**53 + 1, -(2**53) - 1, 2**62)
REALS = (0.0, 5.0, 10.0, -2.5, 90.0, 0.1, 1e16)

# -------------------------------------------------------------------- texts and times

CASED = ("Abc", "UA x", "stra\xdfe", "\xc9clair e\u0301")


def recased(rng: Random, value: str, _: dict[str, Any]) -> str:
    """Another case, other white space, or both; now and then another letter."""
    changes = (str.swapcase, lambda t: f" {t} ".replace(" ", "  "), lambda t: t + "z")
    for change in rng.sample(changes, rng.choice((1, 1, 2))):
        value = change(value)
    return value


def normal(rng: Random, value: str, _: dict[str, Any]) -> str:
    forms = [unicodedata.normalize(form, value) for form in ("NFC", "NFD")]
    return rng.choice((*forms, value.upper(), value + " "))


MAPPED = {scalars.LONG_TEXT: "x", scalars.LONG_TEXT + "b": "y", "NEW": "created", "a" * 64: "z"}


def by_map(rng: Random, value: str, _: dict[str, Any]) -> str:
    return rng.choice((MAPPED.get(value, "x"), MAPPED.get(value, "x"), "y", "created"))


NUMERALS = (
    *("1", "1.0", " 1e0", "9007199254740993", "9007199254740992", "9007199254740992.0"),
    *("0.1", "0.10", "0.1000000000000000001"),
)
MOMENTS = (
    *("2026-03-08T07:30:00Z", "2026-03-08T08:30:00+01:00", "2026-03-08T07:30:00.123456789Z"),
    *("2026-03-08T07:30:00.123456123Z", "2026-03-08T07:30:00.999Z", "2026-03-08T07:30:01Z", "2026-03-08T07:30:00"),
)


def among(pool: Sequence[Any]) -> Change:
    return lambda rng, value, _: rng.choice(pool)


def text_types(text: Scalar) -> list[Callable[[Random, Iterator[str]], Under]]:
    """Texts under each rule of texts."""
    cased: Callable[[Random], str] = lambda rng: rng.choice(CASED)  # noqa: E731  used five times
    return [
        lambda rng, _: Under(text, {"ignore_case": True}, recased, cased),
        lambda rng, _: Under(text, {"ignore_space": True}, recased, cased),
        lambda rng, _: Under(text, {"values": MAPPED}, by_map, lambda r: r.choice([*MAPPED][: r.choice((2, 4))])),
        lambda rng, _: Under(text, {"normalise": ["trim"]}, recased, cased),
        lambda rng, _: Under(text, {"normalise": ["nfc", "lower"]}, normal, cased),
        lambda rng, _: Under(text, {"normalise": ["number"]}, among(NUMERALS), lambda r: r.choice(NUMERALS)),
        lambda rng, _: Under(text, {"normalise": ["utc"]}, among(MOMENTS), lambda r: r.choice(MOMENTS)),
        lambda rng, _: Under(text, {"round_ms": 1000}, among(MOMENTS), lambda r: r.choice(MOMENTS)),
    ]


# -------------------------------------------------------------------- lists


def reordered(rng: Random, value: list[Any], says: dict[str, Any]) -> list[Any]:
    """Another order; numbers moved as far as a rule for them allows, or an element twice."""
    moved = rng.sample(value, len(value))
    if "atol" in says and rng.random() < 0.8:
        moved = [at_the_bound(rng, one, says) if rng.random() < 0.5 else one for one in moved]
    if says.get("lists") == "set" or rng.random() < 0.2:
        moved.append(rng.choice(moved))
    return moved


def by_key(rng: Random, value: list[Any], _: dict[str, Any]) -> list[Any]:
    first, *rest = moved = rng.sample(value, len(value))
    return moved if rng.random() < 0.5 else [*rest, {**first, "price": first["price"] + first["price"] + 1}]


def listed(
    of: Type, values: Sequence[Any], says: dict[str, Any], inner: dict[str, Any] | None, maximum: int = 5
) -> Under:
    """A list; now and then one of `maximum` elements."""

    def drawn(rng: Random) -> list[Any]:
        return [rng.choice(values) for _ in range(maximum if rng.random() < 0.2 else rng.randint(2, 5))]

    return Under(of, says, reordered, drawn, inner)


def _priced(rng: Random, named: Iterator[str]) -> Under:
    of = keyed_list(rng, named)
    return Under(of, {"key": "id"}, by_key, lambda r: [of.items.draw(r) for _ in range(r.randint(2, 4))])


AVRO: tuple[Callable[[Random, Iterator[str]], Under], ...] = (
    lambda rng, _: small(scalars.decimal_of(10, 2), AMOUNTS, atol=rng.choice(("0.03", "0.06", "0.3"))),
    lambda rng, _: small(scalars.decimal_of(4, 2), AMOUNTS, rtol="0.01", atol="0.03"),
    lambda rng, _: small(scalars.decimal_of(10, 2), AMOUNTS, rtol="0.1"),
    lambda rng, _: small(scalars.LONG, WHOLES, atol=rng.choice(("3", "0.5"))),
    lambda rng, _: small(scalars.LONG, WHOLES[:-1], rtol="0.1"),
    lambda rng, _: small(scalars.DOUBLE, REALS, atol=rng.choice(("0.1", "0.3"))),
    lambda rng, _: small(scalars.DOUBLE, REALS, rtol="0.1"),
    lambda rng, _: Under(scalars.DOUBLE, {"ulp": 2}, ulps_apart, lambda r: r.choice(REALS)),
    lambda rng, _: Under(
        scalars.timestamp("nanos"), {"round_ms": 1}, lambda r, v, s: v + r.choice((1, 999_999, 1_000_000))
    ),
    lambda rng, _: Under(
        scalars.timestamp("micros"), {"round_ms": 1000}, lambda r, v, s: v + r.choice((1000, 10**9, 5 * 10**8))
    ),
    lambda rng, _: listed(Array(scalars.DOUBLE), REALS, {"lists": "unordered"}, {"atol": "0.3"}),
    lambda rng, _: listed(Array(scalars.LONG, label="long list"), WHOLES, {"lists": "unordered"}, {"atol": "3"}, 70),
    lambda rng, _: listed(Array(scalars.STRING), ("a", "b", "A"), {"lists": "set"}, None),
    lambda rng, _: listed(Array(scalars.INT), (1, 2), {"lists": "set"}, None),
    _priced,
    *text_types(scalars.STRING),
)


def big(rng: Random, named: Iterator[str]) -> Under:
    """An int that a double holds, or just not, and its neighbours."""
    return Under(scalars.LONG, {"atol": "0.5"}, lambda r, v, _: v + r.choice((1, -1)), lambda r: r.choice(BIG))


COLUMNS: tuple[Callable[[Random, Iterator[str]], Under], ...] = (
    lambda rng, _: small(scalars.DOUBLE, REALS, rtol="0.1"),
    lambda rng, _: small(scalars.DOUBLE, REALS, atol="0.3"),
    big,
    big,
    big,
    lambda rng, _: small(scalars.LONG, WHOLES, atol="3"),
    lambda rng, _: small(scalars.LONG, WHOLES, rtol="0.1"),
    lambda rng, _: Under(scalars.LONG, {"ignore": True}, lambda r, v, _: scalars.LONG.near(r, v)),
    lambda rng, _: Under(scalars.STRING, {"ignore_case": True}, recased, lambda r: r.choice(CASED)),
)
"""Of types that columns are made of."""
JSON: tuple[Callable[[Random, Iterator[str]], Under], ...] = (
    lambda rng, _: small(json_types.FRACTION, AMOUNTS, atol=rng.choice(("0.03", "0.06", "0.3"))),
    lambda rng, _: small(json_types.FRACTION, AMOUNTS, rtol="0.1"),
    lambda rng, _: small(json_types.INTEGER, WHOLES, rtol="0.1"),
    lambda rng, _: small(json_types.INTEGER, WHOLES, atol="3"),
    lambda rng, _: listed(json_types.List(json_types.FRACTION), AMOUNTS, {"lists": "unordered"}, {"atol": "0.03"}),
    lambda rng, _: listed(json_types.List(json_types.TEXT), ("a", "b"), {"lists": "set"}, None),
    *text_types(json_types.TEXT),
)
