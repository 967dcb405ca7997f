"""Batches of pairs by chance: a schema, rules, and bodies of both sides, many of them odd or broken."""

import random
import struct
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.framing import framed
from shadowstream.compare import RuleSet
from shadowstream.config import Rule
from tests.compare.written_pairs import Registry
from tests.fuzz.changes import changed

PAIRS = 20
NAMES = "abcd"
_UUIDS = [str(uuid.UUID(int=n)) for n in (0, 1, 2**128 - 1)]
_TEXTS = ["", "a", "A", " a", "é", "€uro", "😀", "x" * 70, "z" * 9 + "ß"]
_WHOLES = [0, 1, 2, -1, 63, 64, -65, 8192, 2**31 - 1, -(2**31)]
_LONGS = [*_WHOLES, 2**52, 2**52 + 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
_DOUBLES = [0.0, -0.0, 1.0, 1.5, 1.0 + 2**-52, 0.1, 0.2, 0.3, 2.0, 1e308, -1e308, 5e-324]
_ODD_DOUBLES = [float("nan"), float("inf"), float("-inf")]
_FLOATS = [0.0, -0.0, 1.0, 1.5, 2.0]
_MS = 1_600_000_000_000
_END_S = 253_402_300_799
Chance = random.Random


class Scalar(NamedTuple):
    """A type without parts: its schema, its values as they are written, and odd ones that come rarely."""

    schema: Any
    values: list[Any]
    rare: Sequence[Any] = ()


def _logical(kind: str, name: str, values: list[Any], rare: Sequence[Any] = (), **more: Any) -> Scalar:
    return Scalar({"type": kind, "logicalType": name, **more}, values, rare)


NUMBERS = [
    Scalar("int", _WHOLES, [2**31, -(2**31) - 1]),
    Scalar("long", _LONGS),
    Scalar("float", _FLOATS + _ODD_DOUBLES),
    Scalar("double", _DOUBLES + _ODD_DOUBLES),
]
SCALARS = [
    *NUMBERS,
    Scalar("boolean", [False, True]),
    Scalar("string", _TEXTS),
    Scalar("bytes", [b"", b"a", b"\xff", b"x" * 70]),
    Scalar({"type": "fixed", "size": 3}, [b"abc", b"abd", b"\xff\0\1"]),
    Scalar({"type": "enum", "symbols": ["A", "B", "C"]}, ["A", "B", "C"]),
    Scalar({"type": "enum", "symbols": [f"S{n}" for n in range(70)]}, ["S0", "S63", "S64", "S69"]),
    _logical("int", "date", [0, 1, 18_000, 2_932_896, -719_162], [2_932_897, -719_163]),
    _logical("int", "time-millis", [0, 1, 86_399_999], [86_400_000, -1]),
    _logical("long", "time-micros", [0, 1, 86_399_999_999], [86_400_000_000, -1]),
    _logical("long", "timestamp-millis", [_MS, _MS + 1, _END_S * 1000 + 999], [_END_S * 1000 + 1000]),
    _logical("long", "timestamp-micros", [_MS * 1000, _MS * 1000 + 1], [_END_S * 10**6 + 10**6]),
    _logical("long", "timestamp-nanos", [_MS * 10**6, _MS * 10**6 + 1]),
    _logical("long", "local-timestamp-millis", [_MS, -62_135_596_800_000], [-62_135_596_800_001]),
    _logical("long", "local-timestamp-micros", [_MS * 1000, _MS * 1000 + 1]),
    _logical("bytes", "decimal", [b"\1", b"\0\1", b"\2", b"", b"\x7f" * 4096], [b"\1" * 4097], precision=4, scale=2),
    _logical("fixed", "decimal", [b"\0\0\1", b"\0\1\0"], precision=4, scale=2, size=3),
    _logical("string", "uuid", _UUIDS, [_UUIDS[2].upper(), "{" + _UUIDS[1] + "}", "no", ""]),
]
USUAL_RULES: list[dict[str, Any]] = [
    *({"ignore": True}, {"exact": True}, {"atol": 0.5}, {"atol": 1}, {"atol": 1.0, "rtol": 0.5}, {"rtol": "0.1"}),
    *(
        {"atol": "0.1"},
        {"atol": 1, "ignore_case": True},
        {"rtol": 2**-52},
        {"atol": 0.5},
        *[{"atol": 1e308, "rtol": 1e308}] * 3,
    ),
]
RULES: list[dict[str, Any]] = [
    *USUAL_RULES,
    *({"ulp": 1}, {"ignore_case": True}, {"ignore_space": True}, {"round_ms": 1000}, {"absent_is_null": True}),
    *({"values": {"a": "A", "1": 2, "null": 0}}, {"types": "loose"}, {"lists": "unordered"}, {"lists": "set"}),
    *({"key": "a"}, {"normalise": ["trim", "lower"]}, {"normalise": ["number"], "atol": 0.5}),
    {"call": "tests.compare.cases:near"},
]
PATHS = ["a", "b", "c", "d", "*", "*", "*.*", "a.b", "a.*", "*.a", "*.*", "a.0", "b.1", "b.*.a", "*.0", "c.a"]


class Batch(NamedTuple):
    """Framed values of both sides, the source of their one schema, rules, and paths of fields."""

    registry: Registry
    schema: Any
    production: list[bytes]
    shadow: list[bytes]
    rules: RuleSet
    paths: list[list[str]]


class _Made:
    """Types and bodies of one batch."""

    def __init__(self, chance: Chance) -> None:
        self.chance = self.spelling = chance
        self.fields_max = chance.choice((1, 4))  # of one field, an odd part decides alone
        self.changes, self.rare = chance.choice((0.03, 0.3)), chance.choice((0, 0, 0.05))
        self._names = 0
        self._records: list[str] = []
        self.named: dict[str, Any] = {}
        self._scalars: dict[int, Scalar] = {}

    def _name(self) -> str:
        self._names += 1
        return f"N{self._names}"

    def scalar(self) -> Any:
        chosen = self.chance.choice(self.chance.choice((NUMBERS, SCALARS)))
        schema = dict(chosen.schema) if isinstance(chosen.schema, dict) else {"type": chosen.schema}
        if schema["type"] in ("fixed", "enum"):
            schema["name"] = self._name()
        self._scalars[id(schema)] = chosen
        return schema

    def type(self, depth: int) -> Any:
        kind = self.chance.choice(["scalar"] * 5 + ["optional", "union", "array", "map", "record", "again"])
        if kind == "scalar" or depth == 0:
            return self.scalar()
        if kind == "array":
            return {"type": "array", "items": self.type(depth - 1)}
        if kind == "map":
            return {"type": "map", "values": self.type(depth - 1)}
        if kind == "optional":
            inner = self.type(depth - 1)
            return inner if isinstance(inner, list) else self.chance.choice([["null", inner], [inner, "null"]])
        if kind == "union":
            return self._union()
        if kind == "again" and self._records:
            return self.chance.choice(self._records)
        return self.record(depth - 1)

    def _union(self) -> Any:
        every = {"null": "null", "string": {"type": "string"}, "long": {"type": "long"}, "boolean": {"type": "boolean"}}
        for name in ("string", "long", "boolean"):
            self._scalars[id(every[name])] = next(one for one in SCALARS if one.schema == name)
        chosen = self.chance.sample(sorted(every), self.chance.choice((1, 2, 3, 3)))
        return [every[name] for name in chosen]

    def record(self, depth: int) -> Any:
        names = NAMES[: self.chance.randint(1, self.fields_max)]
        fields = [{"name": name, "type": self.type(depth)} for name in names]
        schema = {"type": "record", "name": self._name(), "fields": fields}
        self.named[schema["name"]] = schema
        self._records.append(schema["name"])
        return schema

    def value(self, schema: Any, like: Any = None) -> Any:
        """A value as it is written; one near to `like` if that is not None."""
        chance = self.chance
        if isinstance(schema, str):
            return None if schema == "null" else self.value(self.named[schema], like)
        if isinstance(schema, list):
            index = chance.randrange(len(schema)) if like is None or chance.random() < 0.08 else like[0]
            return index, self.value(schema[index], like[1] if like is not None and index == like[0] else None)
        kind = schema["type"]
        if kind == "record":
            fields = schema["fields"]
            return {one["name"]: self.value(one["type"], like and like[one["name"]]) for one in fields}
        if kind in ("array", "map"):
            inner = schema["items" if kind == "array" else "values"]
            if like is not None and chance.random() < 0.9:
                items = [(name, self.value(inner, one)) for name, one in like]
                return items if chance.random() < 0.9 else items[::-1]
            return [(chance.choice("aabc"), self.value(inner)) for _ in range(chance.choice((0, 1, 2, 3)))]
        scalar = self._scalars[id(schema)]
        if like is not None and chance.random() > self.changes:
            return like
        if isinstance(like, int) and kind == "long" and chance.random() < 0.5:
            return min(2**63 - 1, like + 1)
        return chance.choice(scalar.rare if scalar.rare and chance.random() < self.rare else scalar.values)

    def body(self, schema: Any, value: Any, odd: float) -> bytes:
        """The body of a value; with chance `odd`, each part is written in an odd or broken way."""

        def is_odd() -> bool:
            return self.spelling.random() < odd

        def number(whole: int) -> bytes:
            if is_odd():
                return self.spelling.choice(_ODD_NUMBERS)(varint(whole))
            return varint(whole)

        def counted(raw: bytes) -> bytes:
            return number(len(raw)) + raw

        if isinstance(schema, str):
            return b"" if schema == "null" else self.body(self.named[schema], value, odd)
        if isinstance(schema, list):
            return number(value[0]) + self.body(schema[value[0]], value[1], odd)
        kind = schema["type"]
        if kind == "record":
            return b"".join(self.body(field["type"], value[field["name"]], odd) for field in schema["fields"])
        if kind == "map":
            items = [counted(name.encode()) + self.body(schema["values"], one, odd) for name, one in value]
            return _blocks(items, number, is_odd)
        if kind == "array":
            return _blocks([self.body(schema["items"], one, odd) for _, one in value], number, is_odd)
        if kind == "boolean":
            return b"\2" if is_odd() else bytes([value])
        if kind in ("int", "long"):
            return number(value)
        if kind in ("float", "double"):
            return _nan(kind) if value != value and is_odd() else struct.pack("<f" if kind == "float" else "<d", value)
        if kind == "enum":
            return number(len(schema["symbols"]) if is_odd() else schema["symbols"].index(value))
        if kind == "fixed":
            return bytes(value)
        raw = value.encode() if kind == "string" else value
        return counted(self.spelling.choice(_NO_UTF8) if is_odd() else raw)


_NO_UTF8 = [
    *(b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1", b"12345678\x80"),
    *(b"\xe2\x82\x28", b"\xf0\x9f\x98\x28"),
]
_ODD_NUMBERS: list[Callable[[bytes], bytes]] = [
    lambda raw: raw[:-1] + bytes([raw[-1] | 0x80, 0]),  # longer than needed
    lambda raw: varint(-1 - _number(raw)),
    lambda raw: varint(_number(raw) + 1),
    lambda raw: b"\x80" * 9 + b"\2",
    lambda raw: b"\x80" * 10 + b"\1",
    lambda raw: varint(2**40),
    lambda raw: varint(-(2**63)),
    lambda raw: raw[:-1] + bytes([raw[-1] | 0x80]),  # continues into the next part
]


def varint(number: int) -> bytes:
    """A number in its shortest form."""
    raw, out = ((number << 1) ^ (number >> 63)) & (2**64 - 1), b""
    while raw > 127:
        raw, out = raw >> 7, out + bytes([raw & 127 | 128])
    return out + bytes([raw])


def _number(raw: bytes) -> int:
    whole = sum((byte & 127) << (7 * place) for place, byte in enumerate(raw))
    return (whole >> 1) ^ -(whole & 1)


def _nan(kind: str) -> bytes:
    return b"\1\0\xc0\xff" if kind == "float" else b"\1\0\0\0\0\0\xf8\xff"


def _blocks(items: list[bytes], number: Callable[[int], bytes], is_odd: Callable[[], bool]) -> bytes:
    if is_odd():  # a count without its items
        return varint(len(items) + 1) + b"".join(items) + b"\0"
    if is_odd():
        return varint(-1)
    if items and is_odd():  # a block with its size
        size = sum(map(len, items))
        return varint(-len(items)) + varint(size) + b"".join(items) + b"\0"
    if len(items) > 1 and is_odd():
        return b"".join(number(1) + item for item in items) + b"\0"
    return (number(len(items)) + b"".join(items) if items else b"") + b"\0"


def _rules(chance: Chance) -> RuleSet:
    paths = chance.sample(PATHS, chance.choice((0, 1, 2, 3, 5)))
    kinds = chance.choice((USUAL_RULES, RULES))
    return RuleSet([Rule(path=path, **chance.choice(kinds)) for path in dict.fromkeys(paths)])


def _paths(schema: Any, chance: Chance) -> list[list[str]]:
    every: list[list[str]] = []

    def walk(part: Any, path: list[str]) -> None:
        if isinstance(part, dict) and part["type"] == "record":
            for field in part["fields"]:
                walk(field["type"], [*path, field["name"]])
        elif path:
            every.append(path)

    walk(schema, [])
    return chance.sample(every, min(len(every), chance.choice((1, 2, 3))))


def batch(seed: int) -> Batch:
    """The batch of a seed."""
    chance = random.Random(seed)
    made = _Made(chance)
    schema = made.record(chance.choice((0, 1, 3)))
    registry = Registry(schema)
    odd = chance.choice((0.0, 0.0, 0.01, 0.05))
    sides: tuple[list[bytes], list[bytes]] = [], []
    few = [made.value(schema) for _ in range(3)]
    head = framed(1)
    for _ in range(PAIRS):
        value = chance.choice(few)
        spelling = chance.getrandbits(32) if chance.random() < 0.5 else None  # both sides are odd in one way
        for side, one in zip(sides, (value, made.value(schema, value)), strict=True):
            made.spelling = chance if spelling is None else random.Random(spelling)
            side.append(head + made.body(schema, one, odd))
    for _ in range(chance.choice((0, 0, 2, 6))):
        side, place = chance.choice(sides), chance.randrange(PAIRS)
        body = side[place][len(head) :]
        choice = chance.randrange(3)
        broken = body[:-1] if choice == 0 else body + b"\0" if choice == 1 else changed(chance, [body, body[::-1]])
        side[place] = head + broken
    return Batch(registry, schema, *sides, _rules(chance), _paths(schema, chance))
