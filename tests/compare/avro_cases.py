"""Generated writer schemas with values: what can be read as columns, and a little of what cannot."""

import datetime as dt
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from shadowstream.codecs.framing import framed
from tests.compare.written_pairs import Registry, body

FLOATS = [0.0, -0.0, 1.0, 1.5, 1.0 + 2**-52, -2.0, math.nan, math.inf, -math.inf]
SINGLES = [0.0, -0.0, 1.0, 1.5, -2.0, math.nan, math.inf]
TIMES = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=n) for n in (0, 1, 999, 1_000)]


class Type(NamedTuple):
    """A type and its values, few of them, so that two sides are often equal."""

    schema: Any
    values: st.SearchStrategy[Any]


PLAIN = [
    Type("int", st.sampled_from([0, 1, -1, 2**31 - 1])),
    Type("long", st.sampled_from([0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])),
    Type("float", st.sampled_from(SINGLES)),
    Type("double", st.sampled_from(FLOATS)),
    Type("string", st.sampled_from(["", "a", "A", "b ", "\xe9", "x" * 70])),
    Type("boolean", st.booleans()),
    Type({"type": "long", "logicalType": "timestamp-millis"}, st.sampled_from(TIMES)),
    Type({"type": "long", "logicalType": "timestamp-micros"}, st.sampled_from(TIMES)),
    Type({"type": "int", "logicalType": "date"}, st.sampled_from([t.date() for t in TIMES])),
    Type("bytes", st.sampled_from([b"", b"a", b"\xff"])),
]


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> Type:
    kind = draw(st.sampled_from(["plain", "plain", "optional", "array", "map", "record", "enum"]))
    if kind == "plain" or depth == 0:
        return draw(st.sampled_from(PLAIN))
    if kind == "enum":
        return Type({"type": "enum", "name": "E", "symbols": ["A", "B"]}, st.sampled_from("AB"))
    if kind == "record":
        return draw(records(depth - 1))
    inner = draw(types(depth=depth - 1))
    if kind == "optional" and not isinstance(inner.schema, list):
        order = draw(st.booleans())
        return Type(["null", inner.schema] if order else [inner.schema, "null"], st.none() | inner.values)
    if kind == "array":
        return Type({"type": "array", "items": inner.schema}, st.lists(inner.values, max_size=3))
    values = st.dictionaries(st.sampled_from(["a", "b", "c"]), inner.values, max_size=3)
    return Type({"type": "map", "values": inner.schema}, values)


@st.composite
def records(draw: st.DrawFn, depth: int = 2) -> Type:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
    inner = {one: draw(types(depth=depth)) for one in names}
    fields = [{"name": one, "type": inner[one].schema} for one in names]
    return Type(
        {"type": "record", "name": "R", "fields": fields},
        st.fixed_dictionaries({one: inner[one].values for one in names}),
    )


def _named(schema: Any, numbers: Iterator[int]) -> Any:
    """The schema with another name for each of its types, which one that has been named so keeps."""
    if isinstance(schema, list):
        return [_named(one, numbers) for one in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _named(part, numbers) if key in ("type", "items", "values", "fields") else part
             for key, part in schema.items()}  # fmt: skip
    is_new = ("symbols" in schema or "fields" in schema) and not schema.get("name", "").startswith("N")
    return parts | ({"name": f"N{next(numbers)}"} if is_new else {})


def named(schema: Any) -> Any:
    """The schema with a name of its own for each of its types."""
    return _named(schema, itertools.count())


class Given(Registry):
    """These schemas, each of their types with a name of its own."""

    def __init__(self, *schemas: Any) -> None:
        super().__init__(*map(named, schemas))

    def frame(self, schema_id: int, value: Any) -> bytes:
        """A value of one of them, framed."""
        return framed(schema_id) + body(self.schemas[schema_id - 1], value)


@st.composite
def pairs_of_one_schema(draw: st.DrawFn) -> tuple[Given, list[bytes], list[bytes]]:
    """Values of both sides under one schema, some broken; drawn few and repeated, so that a batch is worth columns."""
    kind = draw(records())
    source = Given(kind.schema)
    few = draw(st.lists(st.tuples(kind.values, kind.values), min_size=1, max_size=4))
    production, shadow = ([source.frame(1, one[side]) for one in few] for side in (0, 1))
    if draw(st.booleans()):
        broken = draw(st.sampled_from(["cut", "more", "text"]))
        side = draw(st.sampled_from([production, shadow]))
        value = side[0]
        side[0] = value[:-1] if broken == "cut" else value + (b"\0" if broken == "more" else b"\xff\xff")
    times = 20 // len(few) + 1
    return source, production * times, shadow * times
