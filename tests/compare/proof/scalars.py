"""Scalars of Avro, with the values at which comparisons go wrong."""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.compare.proof.model import Scalar, text_bytes, zigzag

DELTAS = ("0.01", "0.03", "0.06", "0.3", "1", "3", "1000")
INTS = (0, 1, -1, 7, 100, 2**31 - 1, -(2**31))
LONGS = (*INTS, 2**24 + 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63), 1772955000123)
DOUBLES = (0.0, 1.0, -1.5, 5.0, 10.0, 0.1, 1e308, 5e-324, 2.0**53, 2.0**63, 16777216.0, math.nan, math.inf, -math.inf)
LONG_TEXT = "https://example.org/" + "a" * 60
TEXTS = (
    *("", "a", "A", " a", "UA", "b  c", "stra\xdfe", "e\u0301", "\xe9", "null", "1", "1.0"),
    *("2026-03-08T07:30:00.123456789Z", LONG_TEXT, LONG_TEXT + "b", "x" * 64, "x" * 65, "x" * 300, "a.b", "\U0001f600"),
)


def any_of(pool: Sequence[Any]) -> Callable[[Random], Any]:
    return lambda rng: rng.choice(pool)


def another_of(pool: Sequence[Any]) -> Callable[[Random, Any], Any]:
    return lambda rng, one: rng.choice([other for other in pool if other != one])


def clamped(low: int, high: int) -> Callable[[Random, int], int]:
    """Another integer near by."""

    def near(rng: Random, value: int) -> int:
        other = value + rng.choice((1, -1, 1, -1, 3, 10, 100, 1000))
        return other if low <= other <= high else value - 1 if value > low else value + 1

    return near


def whole(rng: Random, pool: tuple[int, ...], bits: int) -> int:
    return rng.choice(pool) if rng.random() < 0.7 else rng.getrandbits(bits - 1) - rng.getrandbits(bits - 1)


def near_double(rng: Random, value: float) -> float:
    """Another double: a few places on, a step of a tolerance, or something else."""
    what = rng.randrange(5)
    if what == 0:
        return rng.choice(DOUBLES)
    if what == 1 or not math.isfinite(value):
        return math.nextafter(value, rng.choice((math.inf, -math.inf)))
    if what == 2:
        return value * rng.choice((1.01, 0.99, 1.001))
    return value + float(rng.choice(DELTAS)) * rng.choice((1, -1))


def single(value: float) -> float:
    """The nearest value of Avro's float."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def near_single(rng: Random, value: float) -> float:
    bits = struct.unpack("<i", struct.pack("<f", value))[0]
    next_one = float(struct.unpack("<f", struct.pack("<i", bits ^ 1))[0])
    return single(near_double(rng, value)) if rng.random() < 0.6 or next_one != next_one else next_one


def double_bytes(value: float, rng: Random) -> bytes:
    """A double; a zero with any sign, a NaN with any of its bits."""
    if value != value:
        return struct.pack("<Q", 0x7FF8_0000_0000_0000 | rng.getrandbits(20) | rng.getrandbits(1) << 63)
    return struct.pack("<d", value if value else rng.choice((0.0, -0.0)))


def single_bytes(value: float, rng: Random) -> bytes:
    if value != value:
        return struct.pack("<I", 0x7FC0_0000 | rng.getrandbits(10))
    return struct.pack("<f", value if value else rng.choice((0.0, -0.0)))


def near_text(rng: Random, value: str) -> str:
    """Another text: case, white space, its end, or another one."""
    what = 2 if len(value) > 64 and rng.random() < 0.6 else rng.randrange(6)
    if what == 0 and value.upper() != value:
        return value.upper()
    if what == 1:
        return " " + value.replace(" ", "  ")
    if what == 2 and value:
        return value[:-1] + ("z" if value[-1] != "z" else "y")
    if what == 3 and value:
        at = rng.randrange(len(value))
        return value[:at] + ("q" if value[at] != "q" else "r") + value[at + 1 :]
    return rng.choice([one for one in (*TEXTS, value + "!") if one != value])


def near_bytes(rng: Random, value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ rng.randint(1, 255)]) if value else b"\0"


def _primitive(label: str, kind: str, values: Any, near: Any, write: Any) -> Scalar:
    return Scalar(label, label, kind, values, near, write, label)


def _number(label: str, pool: tuple[int, ...], bits: int) -> Scalar:
    near = clamped(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return _primitive(label, "int", lambda rng: whole(rng, pool, bits), near, lambda n, _: zigzag(n))


def _double(rng: Random) -> float:
    return rng.choice(DOUBLES) if rng.random() < 0.6 else rng.gauss(0, 10)


INT = _number("int", INTS, 32)
LONG = _number("long", LONGS, 64)
FLOAT = _primitive("float", "double", lambda rng: single(rng.choice(DOUBLES)), near_single, single_bytes)
DOUBLE = _primitive("double", "double", _double, near_double, double_bytes)
STRING = _primitive("string", "text", any_of(TEXTS), near_text, lambda t, _: text_bytes(t))
BYTES = _primitive(
    "bytes", "bytes", any_of((b"", b"a", b"\xff\0", b"abc")), near_bytes, lambda b, _: zigzag(len(b)) + b
)
BOOLEAN = _primitive("boolean", "bool", lambda rng: rng.random() < 0.5, lambda _, b: not b, lambda b, _: bytes([b]))
PLAIN = (INT, LONG, FLOAT, DOUBLE, STRING, BOOLEAN)


def minimal(number: int) -> bytes:
    """The shortest two's complement, big-endian."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def decimal(rng: Random, name: str | None = None) -> Scalar:
    """A decimal of any precision."""
    return decimal_of(*rng.choice(((4, 2), (10, 2), (38, 10), (5, 5), (3, 0))), name)


def decimal_of(precision: int, scale: int, name: str | None = None) -> Scalar:
    """A decimal in bytes, or in a fixed of `name`; unscaled numbers go beyond the precision."""
    size = 20
    of: dict[str, Any] = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if name is not None:
        of |= {"type": "fixed", "name": name, "size": size}
    pool: tuple[int, ...] = (0, 1, 500, 530, 1234, 123456, 123457)
    pool += (10**precision - 1, 10**precision, 10 ** (precision + 2) + 1, 10**40 + 1)

    def scaled(unscaled: int) -> Decimal:
        return Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))

    def near(rng: Random, value: Decimal) -> Decimal:
        return scaled(unscaled_of(value) + rng.choice((1, -1, 3, 6, 30, 100)))

    def unscaled_of(value: Decimal) -> int:
        sign, digits, _ = value.as_tuple()
        return int("".join(map(str, digits))) * (-1 if sign else 1)

    def write(value: Decimal, rng: Random) -> bytes:
        number = unscaled_of(value)
        if name is not None:
            return number.to_bytes(size, "big", signed=True)
        raw = minimal(number)
        raw = (b"\xff" if number < 0 else b"\0") * rng.choice((0, 0, 1, 3)) + raw
        return zigzag(len(raw)) + raw

    def values(rng: Random) -> Decimal:
        return scaled(rng.choice(pool) * rng.choice((1, -1)))

    label = "decimal" if name is None else "decimal in fixed"
    return Scalar(label, of, "decimal", values, near, write, name or "decimal")


def bad_decimal(rng: Random) -> Scalar:
    """An annotation that the specification calls invalid: plain bytes."""
    more = rng.choice(({}, {"precision": 2, "scale": 5}, {"precision": 0}, {"precision": -1, "scale": 0}))
    return annotated({"type": "bytes", "logicalType": "decimal", **more})


def annotated(of: dict[str, Any]) -> Scalar:
    """Bytes whose annotation says nothing."""
    return replace(BYTES, label="invalid decimal", of=of)


UNIT_NS = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}
NOW_NS = 1_772_955_000_123_000_000


def _logical(plain: str, logical: str, kind: str, values: Any, near: Any, write: Any) -> Scalar:
    return Scalar(logical, {"type": plain, "logicalType": logical}, kind, values, near, write, kind)


def timestamp(unit: str, local: bool = False, far: bool = True) -> Scalar:
    """An instant (or a local one), to the unit; `far` ones, beyond the years 1 to 9999, among them."""
    ns = UNIT_NS[unit]
    logical = f"{'local-' if local else ''}timestamp-{unit}"
    times = (0, NOW_NS, NOW_NS + 123_456_789, -1_500_000_000, -62_135_596_800 * 10**9)
    pool = [
        t // ns * ns for t in (times if unit == "nanos" or not far else (*times, 253_402_300_800 * 10**9, 9 * 10**21))
    ]
    low, high = -(2**63) * ns, (2**63 - 1) * ns

    def near(rng: Random, value: int) -> int:
        other = value + rng.choice((1, -1, 2, 333, 1000, 60_000) if ns > 1 else (1, -1, 2, 5, 77, 1000)) * ns
        return other if low <= other <= high else value - ns

    values = any_of([p for p in pool if low <= p <= high])
    return _logical("long", logical, "local" if local else "time", values, near, lambda t, _: zigzag(t // ns))


DATES = (0, 20_000, -1, 3_000_000, 2**31 - 1)
DATE = _logical("int", "date", "date", any_of(DATES), clamped(-(2**31), 2**31 - 1), lambda n, _: zigzag(n))
NEAR_DATE = replace(DATE, values=any_of((0, 20_000, -1, 365)))
CLOCKS = (0, 1, 86_399_999_999, 45_296_123_456)
TIME = _logical("long", "time-micros", "clock", any_of(CLOCKS), clamped(0, 86_399_999_999), lambda n, _: zigzag(n))
UUIDS = ("0000abcd-0000-0000-0000-000000001234", "ffffffff-0000-4000-8000-000000001234")
UUID = _logical(
    *("string", "uuid", "uuid", any_of(UUIDS)),
    lambda rng, u: u[:-1] + rng.choice([c for c in "0123456789abcdef" if c != u[-1]]),
    lambda u, _: text_bytes(u),
)
UNKNOWN_LOGICAL = replace(STRING, label="unknown logical type", of={"type": "string", "logicalType": "colour"})


def enum(name: str, symbols: tuple[str, ...] = ("A", "B", "C")) -> Scalar:
    of = {"type": "enum", "name": name, "symbols": list(symbols)}
    write: Callable[[str, Random], bytes] = lambda s, _: zigzag(symbols.index(s))  # noqa: E731  short
    return Scalar("enum", of, "text", any_of(symbols), another_of(symbols), write, name)


def fixed(name: str) -> Scalar:
    of = {"type": "fixed", "name": name, "size": 3}
    return Scalar("fixed", of, "bytes", any_of((b"abc", b"\0\0\xff")), near_bytes, lambda b, _: b, name)
