"""Records of stats and state are written by a shorter way, and come out as by the long one."""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import commit_records, own
from shadowstream.codecs.commit_records import BucketRows, SliceRows

texts = st.text(max_size=8) | st.text("aé", min_size=60, max_size=300)


def values_of(schema: Any, named: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """All values of a parsed schema; a field that has a default may be missing."""
    if isinstance(schema, str):
        return named[schema]
    if isinstance(schema, list):
        return st.none() | values_of(schema[1], named)
    if schema["type"] == "array":
        return st.lists(values_of(schema["items"], named), max_size=3)
    if schema["type"] == "map":
        return st.dictionaries(texts, values_of(schema["values"], named), max_size=3)
    fields = {field["name"]: values_of(field["type"], named) for field in schema["fields"]}
    optional = {field["name"]: fields.pop(field["name"]) for field in schema["fields"] if "default" in field}
    named[schema["name"]] = st.fixed_dictionaries(fields, optional=optional)
    return named[schema["name"]]


def records_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    longs = st.just(0) | st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 9_000)
    numbers = {"long": longs, "int": st.integers(-(2**31), 2**31 - 1), "double": st.floats(allow_nan=False)}
    return values_of(
        own.schema(name), {**numbers, "boolean": st.booleans(), "string": texts, "bytes": st.binary(max_size=200)}
    )


def odd_at_each_place(schema: Any, value: Any, *, absent: bool) -> Iterator[Any]:
    """All values that differ from a value of a parsed schema in one place: it has None, or with `absent` no field."""

    def inside(of: Any, old: Any) -> Iterator[Any]:
        return odd_at_each_place(of, old, absent=absent)

    if not absent:
        yield None
    if isinstance(schema, list):
        yield from inside(schema[1], value)
    elif isinstance(schema, dict) and schema["type"] == "array":
        yield from ([one] for one in inside(schema["items"], value[0]))
    elif isinstance(schema, dict) and schema["type"] == "map":
        yield from ({name: one} for name, old in value.items() for one in inside(schema["values"], old))
    elif isinstance(schema, dict):
        for field in schema["fields"]:
            if absent:
                yield {name: old for name, old in value.items() if name != field["name"]}
            yield from ({**value, field["name"]: one} for one in inside(field["type"], value[field["name"]]))


def whole(schema: Any, fixed: dict[str, Any]) -> Any:
    """A value of a parsed schema with each field, one element in each array and one entry in each map."""
    if isinstance(schema, str):
        return fixed[schema]
    if isinstance(schema, list):
        return whole(schema[1], fixed)
    if schema["type"] == "array":
        return [whole(schema["items"], fixed)]
    if schema["type"] == "map":
        return {"name": whole(schema["values"], fixed)}
    fixed[schema["name"]] = {field["name"]: whole(field["type"], fixed) for field in schema["fields"]}
    return fixed[schema["name"]]


def written(encode: Callable[[], bytes]) -> bytes | None:
    """The bytes of a record; None if it is refused."""
    try:
        return encode()
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError, struct.error):
        return None


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "stats": commit_records.encode_stats,
    "state": commit_records.encode_state,
    "diff": own.encode_diff,
}


@pytest.mark.parametrize(("name", "absent"), [*((name, False) for name in ENCODERS), ("stats", True), ("state", True)])
@pytest.mark.parametrize("number", [0, 7])  # whatever is false is encoded as a zero byte
def test_none_or_an_absent_field_is_refused_wherever_fastavro_refuses_it(name: str, number: int, absent: bool) -> None:
    fixed = {"long": number, "int": number, "double": 0.5, "boolean": False, "string": "t", "bytes": b"b"}
    record = whole(own.schema(name), fixed)
    assert ENCODERS[name](record) == own.encode(name, record)
    refused = 0
    for odd in odd_at_each_place(own.schema(name), record, absent=absent):
        expected = written(partial(own.encode, name, odd))
        assert written(partial(ENCODERS[name], odd)) == expected, odd
        refused += expected is None
    assert refused > 3


@pytest.mark.parametrize("number", [-(2**63) - 1, -(2**63), 2**63 - 1, 2**63, 2**64, 2**80])
def test_a_number_of_more_than_64_bits_is_refused_as_by_fastavro(number: int) -> None:
    state = {"task": "t/0", "seq": number, "counts": {}, "inputs_counted": {}, "overflow": {}}
    assert written(lambda: commit_records.encode_state(state)) == written(lambda: own.encode("state", state))


@settings(max_examples=40, deadline=None)
@given(records_of("stats"), records_of("state"))
def test_stats_and_state_are_written_as_any_other_record(stats: dict[str, Any], state: dict[str, Any]) -> None:
    assert commit_records.encode_stats(stats) == own.encode("stats", stats)
    assert commit_records.encode_state(state) == own.encode("state", state)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.sampled_from([60, 8_191, 2**40]), st.integers(0, 2**32))
def test_buckets_in_columns_are_written_as_those_in_rows(count: int, largest: int, seed: int) -> None:
    columns = np.random.default_rng(seed).integers(0, largest, (3, count), np.int64, endpoint=True)
    rows = BucketRows(*columns)
    window = {"start_ms": 0, "revision": "r", "outcomes": {}, "buckets": rows}
    stats = {"task": "t/0", "seq": 1, "revision": "r", "sources": [], "ledgers": [], "pending": 0, "watermark_ms": 0}
    listed = {**stats, "windows": [{**window, "buckets": list(rows)}]}
    assert own.encode("stats", listed) == commit_records.encode_stats({**stats, "windows": [window]})


cells = st.tuples(st.tuples(texts, texts), st.integers(0, 300), st.integers(0, 9))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.tuples(texts, texts), st.lists(cells, max_size=4)), max_size=3))
def test_slices_by_their_dimensions_are_written_as_those_in_rows(groups: list[Any]) -> None:
    rows = SliceRows([(names, *([one[n] for one in found] for n in range(3))) for names, found in groups])
    assert list(rows) == [
        {"dimensions": dimensions, "values": values, "n": n, "s": s}
        for dimensions, found in groups
        for values, n, s in found
    ]
    window = {"start_ms": 0, "revision": "r", "outcomes": {}}
    stats = {"task": "t/0", "seq": 1, "revision": "r", "sources": [], "ledgers": [], "pending": 0, "watermark_ms": 0}
    listed = {**stats, "windows": [{**window, "slices": list(rows)}]}
    in_groups = {**stats, "windows": [{**window, "slices": rows}]}
    assert own.encode("stats", listed) == commit_records.encode_stats(in_groups) == commit_records.encode_stats(listed)
