"""Spans of offsets against plain sets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.offset_spans import Spans

offsets = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 2**62)), max_size=40)


def assert_holds(spans: Spans, expected: set[int]) -> None:
    assert list(spans) == sorted(expected)
    assert len(spans) == len(expected)
    assert spans.lowest == min(expected, default=None)
    assert (spans.begins[1:] > spans.ends[:-1]).all(), "no two of them touch"
    assert (spans.begins < spans.ends).all()


@given(offsets=offsets, asked=st.integers(0, 42))
def test_spans_hold_the_offsets_in_any_order_and_repeated(offsets: list[int], asked: int) -> None:
    for given_as in (offsets, iter(offsets), np.array(offsets, np.int64)):
        assert_holds(Spans.of(given_as), set(offsets))
    assert (asked in Spans.of(offsets)) == (asked in offsets)


@given(parts=st.lists(offsets, max_size=6))
def test_a_union_holds_the_offsets_of_all_parts(parts: list[list[int]]) -> None:
    assert_holds(Spans.union(map(Spans.of, parts)), set().union(*parts))


@given(offsets=offsets)
def test_gaps_and_lengths_give_the_offsets_back(offsets: list[int]) -> None:
    numbers, at, found = Spans.of(offsets).gaps_and_lengths().tolist(), 0, set()
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        found |= set(range(at + gap, at + gap + length)) if length < 100 else set()
        at += gap + length
    assert found == set(offsets)
