"""What a comparison must answer, by `decimal`, `fractions` and the documented rules, and nothing of the product."""

from __future__ import annotations

import json
import math
import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

OUTCOMES = ("match", "ignored", "tolerated", "mismatch")
MATCH, IGNORED, TOLERATED, MISMATCH = range(4)
STAR = None
NUMBERS = frozenset(("int", "double", "decimal"))
ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
SINCE_1970_NS = {"int": 10**6, "double": 10**6, "decimal": 10**6, "time": 1, "local": 1, "date": 86_400 * 10**9}
TIDY = {"trim": lambda t: " ".join(t.split()), "lower": str.casefold, "nfc": lambda t: unicodedata.normalize("NFC", t)}
At = tuple[str, ...]


class Node(NamedTuple):
    kind: str
    value: Any = None
    name: str | None = None  # what a schema calls the type; None where the format has no names
    promoted: bool = False  # the schemas of both sides make numbers of two kinds one kind here

    def is_one_type_with(self, other: Node) -> bool:
        numbers = self.promoted and other.promoted and {self.kind, other.kind} <= NUMBERS
        return numbers or (self.kind == other.kind and (None in (self.name, other.name) or self.name == other.name))

    def equals(self, other: Node) -> bool:
        return not list(_Walk([], "mismatch").values((), (), self, other))

    def exact(self) -> Any:
        finite = self.kind in SINCE_1970_NS and (self.kind != "double" or math.isfinite(self.value))
        return Fraction(self.value) if finite else str(self.value)

    def word(self) -> str:
        return self.value if isinstance(self.value, str) else json.dumps(self.value, default=str)

    def tidied(self, names: Iterable[str]) -> Node:
        node = self
        for name in names:
            if name == "number" and node.kind in {*NUMBERS, "text"} and NUMBER.fullmatch(str(node.value)):
                node = Node("decimal", Decimal(str(node.value)), None, True)
            elif name == "number" and node.kind == "double":
                node = node._replace(promoted=True)
            elif name == "utc" and node.kind == "text" and node.instant_ns() is not None:
                node = Node("time", node.instant_ns())
            elif name in TIDY and node.kind == "text":
                node = node._replace(value=TIDY[name](node.value))
        return node

    def instant_ns(self) -> int | None:
        if self.kind in SINCE_1970_NS and not isinstance(number := self.exact(), str):
            number = Fraction(repr(self.value)) if self.kind == "double" else number
            return math.floor(number * SINCE_1970_NS[self.kind]) if abs(number) < 10**31 or self.kind == "int" else None
        iso = ISO.fullmatch(self.value) if self.kind == "text" else None
        if iso is None:
            return None
        whole = datetime.fromisoformat(iso[1] + (iso[3] or "Z").replace("Z", "+00:00"))
        return int(whole.timestamp()) * 10**9 + int((iso[2] or "0").ljust(9, "0"))


class Rule(dict[str, Any]):
    """What a user says of a path; `at` has its names, `STAR` for any."""

    def meets(self, path: At) -> bool:
        return len(self["at"]) <= len(path) and all(a in (STAR, n) for a, n in zip(self["at"], path, strict=False))

    def tolerates(self, one: Node, other: Node) -> bool:
        ways = [name for key, name in (("ignore_space", "trim"), ("ignore_case", "lower")) if self.get(key)]
        finite = one.kind in NUMBERS and str not in (type(one.exact()), type(other.exact()))
        near = (finite and self.near(one, other)) or (bool(ways) and one.tidied(ways).value == other.tidied(ways).value)
        return near or bool(self.near_times(one, other))

    def near(self, one: Node, other: Node) -> bool:
        """|s − p| ≤ atol + rtol·|p|: doubles, and an int beside one that is a double too, as doubles; else exactly."""
        kinds, numbers = {one.kind, other.kind}, (one.value, other.value)
        doubles = "double" in kinds <= {"int", "double"} and all(Fraction(n) == float(n) for n in numbers)
        p, s, atol, rtol = map(float if doubles else Fraction, (*numbers, self.get("atol", 0), self.get("rtol", 0)))
        ulp = "ulp" in self and (kinds == {"double"} or (one.promoted and "double" in kinds))
        bits = [int.from_bytes(struct.pack(">d", abs(n))) * (1 if n > 0 else -1) for n in numbers if ulp]
        near = bool(atol or rtol) and abs(s - p) <= atol + rtol * abs(p)
        return near or (ulp and abs(bits[0] - bits[1]) <= self["ulp"])

    def near_times(self, one: Node, other: Node) -> bool | None:
        times = [node.instant_ns() for node in (one, other)] if self.get("round_ms") else [None]
        return None if None in times else len({t // (self["round_ms"] * 10**6) for t in times if t is not None}) == 1

    def maps(self, one: Node, other: Node) -> bool:
        if one.kind in ("object", "list") or one.word() not in self.get("values", ()):
            return False
        return (type(other.value), other.value) == (type(wanted := self["values"][one.word()]), wanted)


class Verdict(NamedTuple):
    outcome: str
    found: frozenset[tuple[At, str]]  # of the gravest level; below an "any order" it is open which elements meet


def verdict(production: Node, shadow: Node, rules: list[Rule], added: str = "mismatch") -> Verdict:
    """The outcome of a pair of decoded values; a star reaches a bare value as its only part."""
    bare = not {production.kind, shadow.kind} & {"object", "list"} and any(r["at"] == (STAR,) for r in rules)
    found = list(_Walk(rules, added).values(("*",) if bare else (), (), production, shadow))
    level = max((one[0] for one in found), default=MATCH)
    places = frozenset((at, kind) for own, at, kind in found if own == level)
    return Verdict(OUTCOMES[level], places)


class _Walk(NamedTuple):
    rules: list[Rule]
    added: str

    def rule(self, at: At) -> tuple[Rule, Rule]:  # the most specific, and what it says of this path alone
        fits = [((len(r["at"]), [n is not STAR for n in r["at"]]), r) for r in self.rules if r.meets(at)]
        best = max(fits, key=lambda f: f[0])[1] if fits else Rule()
        return (Rule() if best.get("exact") else best), (best if len(best.get("at", "")) == len(at) else Rule())

    def values(self, at: At, shown: At, one: Node, other: Node) -> Iterator[Any]:
        rule, own = self.rule(at)
        lists = one.kind == other.kind == "list"
        if own and not one.equals(other):
            one, other = (node.tidied(own.get("normalise", ())) for node in (one, other))
            if lists and own.get("key"):
                return (yield from self.by_key(at, shown, own["key"], one.value, other.value))
            if lists and own.get("lists") in ("unordered", "set"):
                return (yield self.in_any_order(at, shown, own["lists"] == "set", one.value, other.value))
        kind = "null" if "null" in (one.kind, other.kind) else "type"
        if kind == "type" and (one.is_one_type_with(other) or (rule.get("types") and one.kind == other.kind)):
            yield from [] if one.is_one_type_with(other) else [(TOLERATED, shown, "type")]
            yield from self.inside(at, shown, rule, one, other)
        elif rule.maps(one, other) or (kind == "type" and rule.near_times(one, other)):
            yield TOLERATED, shown, kind
        elif kind == "type" and rule.near_times(one, other) is False:
            yield MISMATCH, shown, "value"
        elif kind == "type" and {one.kind, other.kind} <= NUMBERS and rule.keys() & {"atol", "rtol"}:
            agree = one.exact() == other.exact() or rule.tolerates(one, other)
            yield (TOLERATED, shown, "type") if agree else (MISMATCH, shown, "value")
        elif (one.kind, other.kind) != ("null", "null"):
            yield IGNORED if rule.get("ignore") else MISMATCH, shown, kind

    def inside(self, at: At, shown: At, rule: Rule, one: Node, other: Node) -> Iterator[Any]:
        plain = IGNORED if rule.get("ignore") else MISMATCH
        if one.kind == "object":
            for name in [*one.value, *(n for n in other.value if n not in one.value)]:
                yield from self.field((*at, name), (*shown, name), one.value.get(name), other.value.get(name))
        elif one.kind == "list":
            if len(one.value) != len(other.value):
                yield plain, shown, "length"
            for n, (first, second) in enumerate(zip(one.value, other.value, strict=False)):
                yield from self.values((*at, str(n)), (*shown, str(n)), first, second)
        elif one.exact() != other.exact():
            tolerated = not rule.get("ignore") and (rule.tolerates(one, other) or rule.maps(one, other))
            yield TOLERATED if tolerated else plain, shown, "value"

    def field(self, at: At, shown: At, one: Node | None, other: Node | None) -> Iterator[Any]:
        if one is not None and other is not None:
            return (yield from self.values(at, shown, one, other))
        rule, _ = self.rule(at)
        ignored = rule.get("ignore") or (one is None and self.added == "ignore")
        null = rule.get("absent_is_null") and (one or other) == Node("null")
        level = TOLERATED if null else IGNORED if ignored else MISMATCH
        yield level, shown, "missing" if other is None else "extra"

    def in_any_order(self, at: At, shown: At, is_set: bool, ones: list[Node], others: list[Node]) -> Any:
        if is_set:
            ones, others = ([a for n, a in enumerate(s) if not any(a.equals(b) for b in s[:n])] for s in (ones, others))
        levels = [[max([0, *(f[0] for f in self.values((*at, "*"), shown, a, b))]) for b in others] for a in ones]
        taken: dict[int, int] = {}

        def place(row: int, tried: set[int]) -> bool:  # an alternating path, if there is one
            for column in [n for n, level in enumerate(levels[row]) if level != MISMATCH and n not in tried]:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
            return False

        agree = len(ones) == len(others) and all(place(row, set()) for row in range(len(ones)))
        return TOLERATED if agree else MISMATCH, shown, "any order"

    def by_key(self, at: At, shown: At, key: str, ones: list[Node], others: list[Node]) -> Iterator[Any]:
        found: list[dict[str, Node]] = []
        for side in (ones, others):
            names = [one.value[key].word() if one.kind == "object" and key in one.value else "?" for one in side]
            names = [w + f"#{t}" * (t > 1) for w, t in ((w, names[: n + 1].count(w)) for n, w in enumerate(names))]
            found.append(dict(zip(names, side, strict=True)))
        left, right = found
        if [name for name in left if name in right] != [name for name in right if name in left]:
            yield TOLERATED, shown, "order"
        for name in [*left, *(n for n in right if n not in left)]:
            yield from self.field((*at, name), (*shown, name), left.get(name), right.get(name))
