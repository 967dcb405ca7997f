"""Number of values that an Avro body claims, counted without making any of them.

A body of a few bytes can claim millions of values: a block of records whose fields are all null, a list of empty
lists. `AvroClaims.check` walks over the body by its schema. It charges all items of a block before it looks at the
first, so a false count costs nothing, and stops at the bound. Most bodies need no walk: `safe_bytes` is a length up to
which no body of the schema can claim too much.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from shadowstream.codecs.avro_types import Types, kind_of
from shadowstream.codecs.bounds import DEPTH_MAX, ValuesMax, too_deep
from shadowstream.codecs.logical_types import logical_of
from shadowstream.codecs.schemas import ParsedSchema
from shadowstream.errors import RecordError

_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_VARINT_BYTES_MAX = 10
_DIGIT_COST = 5_000
"""A decimal of n bytes takes the time of n² / 5,000 other values."""

_Walk = Callable[[bytes, int, ValuesMax, int], int]
"""Bytes, index, what may still be claimed, and depth to the index behind a value. It charges what exceeds the least."""


class _Claim(NamedTuple):
    """The largest number of values of a body of n bytes: `fixed` + n · `per_byte`; and the fewest bytes of a body."""

    fixed: float
    per_byte: float
    least_bytes: int


class _Broken(Exception):
    """The body ends within a value, or has no such branch: the reader reports it."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and the index behind it."""
    raw = data[at]
    if raw < 0x80:
        return (raw >> 1) ^ -(raw & 1), at + 1
    raw &= 0x7F
    for n in range(1, _VARINT_BYTES_MAX):
        byte = data[at + n]
        raw |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at + n + 1
    raise RecordError(f"a number of more than {_VARINT_BYTES_MAX} bytes", reason="decode")


def _skip_varint(data: bytes, at: int, _: ValuesMax, __: int) -> int:
    if data[at] < 0x80:
        return at + 1
    return varint(data, at)[1]


def _skip_bytes(data: bytes, at: int, _: ValuesMax, __: int) -> int:
    length, at = varint(data, at)
    if not 0 <= length <= len(data) - at:
        raise _Broken
    return at + length


def _skip_decimal(data: bytes, at: int, left: ValuesMax, depth: int) -> int:
    end = _skip_bytes(data, at, left, depth)
    left.take((end - at) ** 2 // _DIGIT_COST)
    return end


class AvroClaims:
    """Claims of the bodies of one schema. `recursive`: whether its values nest without bound."""

    def __init__(self, schema: ParsedSchema, values_max: int, recursive: bool) -> None:
        self._types, self._max = Types(schema), values_max
        self._least: dict[str, float] = {}
        self._fixed: dict[str, int | None] = {}
        self._walks: dict[str, _Walk] = {}
        self._claims: dict[str, _Claim] = {}
        self._top = self._types.of(schema) if not isinstance(schema, list) else schema
        self._find_least()
        self._least_of_top = self._least_of(self._top)
        self._walk: _Walk | None = None
        self.safe_bytes = -1 if recursive else self._safe_bytes()

    def check(self, value: bytes, start: int) -> None:
        """Raise `RecordError` (``bounds``) for the body at `start` if it claims too much; (``decode``) for a number of
        too many bytes, which costs the time of its square. Other broken bodies are left to the reader."""
        if len(value) - start <= self.safe_bytes:
            return
        left = ValuesMax(self._max)
        left.take(self._least_of_top)
        if self._walk is None:
            self._walk = self._walk_of(self._top)
        try:
            self._walk(value, start, left, 0)
        except (IndexError, _Broken):
            return

    def _safe_bytes(self) -> int:
        claim = self._claim(self._top)
        if claim.fixed > self._max:
            return -1
        return 2**62 if not claim.per_byte else int((self._max - claim.fixed) / claim.per_byte)

    def _find_least(self) -> None:
        """Find the fewest values of each record. A record that holds itself needs the others first, so this repeats."""
        records = [(name, one) for name, one in self._types if kind_of(one) == "record"]
        self._least = {name: math.inf for name, _ in records}
        changed = True
        while changed:
            changed = False
            for name, record in reversed(records):
                least = 1 + sum(self._least_of(field["type"]) for field in record["fields"])
                if least < self._least[name]:
                    self._least[name], changed = least, True

    def _least_of(self, schema: Any) -> float:
        if isinstance(schema, list):
            return min((self._least_of(branch) for branch in schema), default=1)
        schema = self._types.of(schema)
        if isinstance(schema["type"], list):
            return self._least_of(schema["type"])
        return self._least[schema["name"]] if kind_of(schema) == "record" else 1

    def _claim(self, schema: Any) -> _Claim:
        """Only for a schema that is not recursive."""
        if isinstance(schema, list):
            of_branches = [self._claim(branch) for branch in schema] or [_Claim(1, 0, 0)]
            least = 1 + min(one.least_bytes for one in of_branches)
            return _Claim(max(one.fixed for one in of_branches), max(one.per_byte for one in of_branches), least)
        schema = self._types.of(schema)
        kind = kind_of(schema)
        if isinstance(schema["type"], list):
            return self._claim(schema["type"])
        if kind in ("array", "map"):
            item = self._claim(schema["items" if kind == "array" else "values"])
            keys = int(kind == "map")
            return _Claim(1, (item.fixed + keys) / max(1, item.least_bytes + keys) + item.per_byte + 1, 1)
        if kind == "record":
            return self._claims.get(schema["name"]) or self._claim_of_record(schema)
        if logical_of(schema) == "decimal":
            return _Claim(1, 1, 1)
        return _Claim(1, 0, schema["size"] if kind == "fixed" else _SIZES.get(kind, 1))

    def _claim_of_record(self, schema: dict[str, Any]) -> _Claim:
        fields = [self._claim(field["type"]) for field in schema["fields"]]
        fixed = 1 + sum(one.fixed for one in fields)
        per_byte = max((one.per_byte for one in fields), default=0)
        claim = self._claims[schema["name"]] = _Claim(fixed, per_byte, sum(one.least_bytes for one in fields))
        return claim

    def _size_of(self, schema: Any) -> int | None:
        """The bytes of every value of a type; None if they differ."""
        if isinstance(schema, list):
            return None
        schema = self._types.of(schema)
        kind = kind_of(schema)
        if kind == "fixed":
            return int(schema["size"])
        if kind != "record":
            return _SIZES.get(kind)
        name = schema["name"]
        if name not in self._fixed:
            self._fixed[name] = None  # a record that holds itself has no size
            sizes = [self._size_of(field["type"]) for field in schema["fields"]]
            self._fixed[name] = None if None in sizes else sum(size for size in sizes if size is not None)
        return self._fixed[name]

    def _walk_of(self, schema: Any) -> _Walk:
        if isinstance(schema, list):
            return self._walk_of_union(schema)
        schema = self._types.of(schema)
        kind = kind_of(schema)
        if isinstance(schema["type"], list):
            return self._walk_of_union(schema["type"])
        if (size := self._size_of(schema)) is not None:
            return lambda data, at, left, depth: at + size
        if kind == "record":
            return self._walk_of_record(schema)
        if kind in ("array", "map"):
            return self._walk_of_blocks(schema["items" if kind == "array" else "values"], kind == "map")
        if logical_of(schema) == "decimal":
            return _skip_decimal
        return _skip_varint if kind in ("int", "long", "enum") else _skip_bytes

    def _walk_of_union(self, branches: list[Any]) -> _Walk:
        least = self._least_of(branches)
        walks = [(self._walk_of(branch), self._least_of(branch) - least) for branch in branches]

        def walk(data: bytes, at: int, left: ValuesMax, depth: int) -> int:
            index, at = varint(data, at)
            if not 0 <= index < len(walks):
                raise _Broken
            of_branch, more = walks[index]
            if more:
                left.take(more)
            return of_branch(data, at, left, depth)

        return walk

    def _walk_of_record(self, schema: dict[str, Any]) -> _Walk:
        if (known := self._walks.get(schema["name"])) is not None:
            return known
        fields: list[_Walk] = []

        def walk(data: bytes, at: int, left: ValuesMax, depth: int) -> int:
            if depth >= DEPTH_MAX:
                raise too_deep()
            for field in fields:
                at = field(data, at, left, depth + 1)
            return at

        self._walks[schema["name"]] = walk
        fields += [self._walk_of(field["type"]) for field in schema["fields"]]
        return walk

    def _walk_of_blocks(self, items: Any, keyed: bool) -> _Walk:
        item, least, size = self._walk_of(items), self._least_of(items) + keyed, self._size_of(items)

        def walk(data: bytes, at: int, left: ValuesMax, depth: int) -> int:
            if depth >= DEPTH_MAX:
                raise too_deep()
            while True:
                count, at = varint(data, at)
                if count == 0:
                    return at
                if count < 0:
                    count, at = -count, varint(data, at)[1]
                left.take(count * least + 1)  # a block has a price of its own: it takes time
                if size is not None and not keyed:
                    at += count * size
                    continue
                for _ in range(count):
                    if keyed:
                        at = _skip_bytes(data, at, left, depth)
                    at = item(data, at, left, depth + 1)

        return walk
