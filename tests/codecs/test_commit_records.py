"""Records of stats and state are written by a shorter way, and come out as by the long one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowstream.codecs import commit_records, own
from shadowstream.codecs.commit_records import BucketRows

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


def test_a_record_of_state_without_a_field_is_refused() -> None:
    with pytest.raises((TypeError, AttributeError)):
        commit_records.encode_state({"task": "t/0", "seq": 1, "inputs_counted": {}})


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
