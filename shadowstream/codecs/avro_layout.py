"""The layout of Avro bodies: a schema as the native kernel walks it, or None if it cannot.

The kernel gets types whose accepted encodings and values belong to each other one to one. A decimal has several,
so equal bytes are equal and others are unknown. Recursive schemas have no layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.avro_claims import varint
from shadowstream.codecs.avro_types import Types, kind_of
from shadowstream.codecs.columns import DAYS, bounds_of_times
from shadowstream.codecs.logical_types import logical_of
from shadowstream.codecs.numbers import DECIMAL_BYTES_MAX
from shadowstream.codecs.schemas import ParsedSchema

PARTS_MAX = 2_000
"""With more parts in a value, the program is larger than the caches of a processor."""
LOOPS_MAX = 16
_ANY_LENGTH = 2**62
_LONG = (-(2**63), 2**63 - 1)
_INT = (-(2**31), 2**31 - 1)
_DAY_MS = 86_400_000


_TIMES = {
    "date": DAYS,
    "time-millis": (0, _DAY_MS - 1),
    "time-micros": (0, _DAY_MS * 1_000 - 1),
    "timestamp-millis": bounds_of_times(1_000),
    "timestamp-micros": bounds_of_times(1_000_000),
    "timestamp-nanos": _LONG,
    "local-timestamp-millis": bounds_of_times(1_000),
    "local-timestamp-micros": bounds_of_times(1_000_000),
    "local-timestamp-nanos": _LONG,
}
"""The numbers of each type of time that become a value of their own."""


class Part(NamedTuple):
    """One part of a value.

    `kind`: record, union, array, map, null, or one of the kinds of `native.library.KIND`. `bounds`: of a whole number;
    the maximum length of bytes, the length of a fixed. `is_number`: a tolerance of numbers can hold. `is_opaque`:
    different bytes may be the same value. `names`: of a record's fields; the symbols of an enum.
    """

    kind: str
    parts: tuple[Part, ...] = ()
    bounds: tuple[int, int] = (0, _ANY_LENGTH)
    is_number: bool = False
    is_opaque: bool = False
    names: tuple[str, ...] = ()

    def at(self, path: Sequence[str]) -> Part | None:
        """The part at a path of fields that every value has; None if there is none."""
        part = self
        for name in path:
            if part.kind != "record" or name not in part.names:
                return None
            part = part.parts[part.names.index(name)]
        return part

    def value(self, encoded: bytes) -> Any:
        """The value of an accepted encoding of a text, boolean, enum, plain number, null, or a union of these.

        >>> Part("union", (Part("null"), Part("text"))).value(b"\\x02\\x02a")
        'a'
        """
        if self.kind == "text":
            return encoded[varint(encoded, 0)[1] :].decode()
        if self.kind == "null":
            return None
        number, end = varint(encoded, 0)
        if self.kind == "union":
            return self.parts[number].value(encoded[end:])
        if self.kind == "boolean":
            return encoded == b"\1"
        return self.names[number] if self.names else number

    @property
    def is_nameable(self) -> bool:
        """Whether `value` reads this part."""
        if self.kind == "union":
            return all(part.is_nameable and part.kind != "union" for part in self.parts)
        return self.kind in ("text", "null", "boolean") or (
            self.kind == "whole" and (self.is_number or self.names != ())
        )


class Layout:
    """The layout of one schema in one decoder. Layouts are equal only if they are one object; compare `top`."""

    __slots__ = ("top",)

    def __init__(self, top: Part) -> None:
        self.top = top


class _Refused(Exception):
    """The kernel gets no values of this schema."""


def layout(schema: ParsedSchema) -> Layout | None:
    """The layout of a parsed writer schema of records; None if the kernel cannot walk its values."""
    try:
        top = _Parts(schema).of(schema)
    except _Refused:
        return None
    return Layout(top) if top.kind == "record" else None


class _Parts:
    def __init__(self, schema: ParsedSchema) -> None:
        self._types = Types(schema)
        self._open: set[str] = set()
        self._count = self._loops = 0

    def of(self, schema: Any) -> Part:
        self._count += 1
        if self._count > PARTS_MAX:
            raise _Refused
        if isinstance(schema, list):
            return self._union(schema)
        schema = self._types.of(schema)
        if isinstance(schema["type"], list):
            return self._union(schema["type"])
        kind = kind_of(schema)
        if kind == "record":
            return self._record(schema)
        if kind in ("array", "map"):
            return self._loop(kind, schema["items" if kind == "array" else "values"])
        logical = logical_of(schema)
        if schema.get("logicalType") is not None and logical is None:
            raise _Refused
        return _scalar(kind, logical, schema)

    def _union(self, branches: list[Any]) -> Part:
        if not branches or any(isinstance(branch, list) for branch in branches):
            raise _Refused
        return Part("union", tuple(map(self.of, branches)))

    def _record(self, schema: dict[str, Any]) -> Part:
        name, fields = schema["name"], schema["fields"]
        names = tuple(field["name"] for field in fields)
        if name in self._open or len({*names}) < len(names):
            raise _Refused
        self._open.add(name)
        parts = tuple(self.of(field["type"]) for field in fields)
        self._open.discard(name)
        return Part("record", parts, names=names)

    def _loop(self, kind: str, inner: Any) -> Part:
        self._loops += 1
        if self._loops > LOOPS_MAX:
            raise _Refused
        part = Part(kind, (self.of(inner),))
        self._loops -= 1
        return part


def _scalar(kind: str, logical: str | None, schema: dict[str, Any]) -> Part:
    if kind in ("int", "long"):
        if logical is None:
            return Part("whole", bounds=_INT if kind == "int" else _LONG, is_number=True)
        return Part("whole", bounds=_TIMES[logical])
    if kind == "enum":
        symbols = tuple(schema["symbols"])
        if len({*symbols}) < len(symbols):
            raise _Refused
        return Part("whole", bounds=(0, len(symbols) - 1), names=symbols)
    if logical == "decimal":
        size = schema["size"] if kind == "fixed" else DECIMAL_BYTES_MAX
        if size > DECIMAL_BYTES_MAX:
            raise _Refused
        return Part(kind, bounds=(0, size), is_opaque=True)
    if kind == "string":
        return Part("uuid" if logical == "uuid" else "text")
    if kind == "fixed" and logical in (None, "uuid"):
        return Part("fixed", bounds=(0, schema["size"]))
    if kind in ("null", "boolean", "float", "double", "bytes") and logical is None:
        return Part(kind, is_number=kind in ("float", "double"))
    raise _Refused
