"""Rows of diff are written by a shorter way, and come out as by the long one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.codecs import own

texts = st.text(max_size=8) | st.text("aé", min_size=60, max_size=300)
places = st.fixed_dictionaries({"topic": texts, "partition": st.integers(0, 9), "offset": st.integers(0, 2**62)})
differences = st.fixed_dictionaries(
    {
        "path": texts,
        "kind": texts,
        "production": st.none() | texts,
        "shadow": st.none() | texts,
        "delta": st.none() | st.floats(allow_nan=False),
    }
)
rows = st.fixed_dictionaries(
    {
        **dict.fromkeys(("pair_id", "task", "outcome", "revision", "identity"), texts),
        **dict.fromkeys(("input", "reason", "correction_of"), st.none() | texts),
        **dict.fromkeys(("key", "id"), st.none() | st.binary(max_size=200)),
        **dict.fromkeys(("production", "shadow", "twin"), st.none() | places),
        **dict.fromkeys(("late", "ambiguous"), st.booleans()),
        "time_ms": st.integers(-(2**63), 2**63 - 1),
        "differences": st.lists(differences, max_size=3),
        "dimensions": st.dictionaries(st.sampled_from(("carrier", "origin")), st.text(max_size=4)),
    }
)


@given(rows)
def test_a_row_of_diff_is_written_as_any_other_record(row: dict[str, Any]) -> None:
    assert own.encode_diff(row) == own.encode("diff", row)
    assert own.decode(own.encode_diff(row)) == ("diff", row)
