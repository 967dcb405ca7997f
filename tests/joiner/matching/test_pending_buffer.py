"""Rows in a buffer: whatever is taken in whatever order, what is left is what has not been taken."""

import random
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching import pending_buffer as pending_buffer_module
from shadowstream.joiner.matching import row_slots
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord


def taken_of(buffer: ColumnBuffer, offsets: list[int]) -> PendingColumns:
    return buffer.take(buffer.slots_of(np.array(offsets, np.int64))).rows


def made(offsets: list[int]) -> list[PendingRecord]:
    return [PendingRecord(offset, offset * 2, b"v%d" % offset, b"k%d" % offset) for offset in offsets]


@given(
    puts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    gaps=st.integers(1, 3),
    draws=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from(["run", "back", "mixed"]))),
    run_max=st.sampled_from([8, 4_096]),
)
def test_taken_rows_come_unchanged_in_the_requested_order(
    puts: list[int], gaps: int, draws: list[tuple[int, int, str]], run_max: int
) -> None:
    before, pending_buffer_module.RUN_MAX = pending_buffer_module.RUN_MAX, run_max
    try:
        buffer, waiting, next_offset = ColumnBuffer(), dict[int, PendingRecord](), 0
        for size in puts:
            rows = made([next_offset + i * gaps for i in range(size)])
            next_offset = rows[-1].offset + 1
            buffer.put(PendingColumns.of(rows))
            waiting |= {row.offset: row for row in rows}
            for at, n, how in draws[:3]:
                offsets = sorted(waiting)[at % (len(waiting) or 1) :][:n]
                if how == "back":
                    offsets.reverse()
                elif how == "mixed":
                    offsets = offsets[::2] + offsets[1::2]
                if not offsets:
                    continue
                assert buffer.row(buffer.slot_of(offsets[0])) == waiting[offsets[0]]
                one = n == 1
                taken = [buffer.take_row(buffer.slot_of(offsets[0]))] if one else taken_of(buffer, offsets).rows()
                assert taken == [waiting.pop(offset) for offset in offsets[: len(taken)]]
            draws = draws[3:]
        left = sorted(waiting)
        assert not left or taken_of(buffer, left).rows() == [waiting[offset] for offset in left]
    finally:
        pending_buffer_module.RUN_MAX = before


def test_what_is_kept_is_no_more_than_twice_what_waits() -> None:
    buffer = ColumnBuffer()
    for first in range(0, 200_000, 500):
        buffer.put(PendingColumns.of(made(list(range(first, first + 500)))))
        # One in fifty never finds its partner.
        for begin in range(first, first + 500, 50):
            taken_of(buffer, list(range(begin, begin + 49)))
    runs = buffer._runs
    assert sum(run.left for run in runs) == 4_000
    assert sum(len(run.offsets) for run in runs) <= 2 * 4_000
    assert len(runs) <= 2 * pending_buffer_module.TIDY_AT


def test_rows_taken_in_random_order_leave_few_runs_and_no_spare_slots() -> None:
    buffer, draw, waiting = ColumnBuffer(), random.Random(1), list[int]()
    for first in range(0, 200_000, 2_000):
        fresh = list(range(first, first + 2_000))
        buffer.put(PendingColumns.of(made(fresh)))
        waiting += fresh
        if first >= 50_000:
            chosen = set(draw.sample(range(len(waiting)), 2_000))
            taken = [waiting[at] for at in chosen]
            waiting = [offset for at, offset in enumerate(waiting) if at not in chosen]
            assert taken_of(buffer, taken).keys == [b"k%d" % offset for offset in taken]
    assert list(buffer.spans()) == sorted(waiting)
    assert len(buffer._runs) <= 2 * pending_buffer_module.TIDY_AT
    draw.shuffle(waiting)
    left = waiting[:3_000]
    taken_of(buffer, waiting[3_000:])
    assert buffer._slots._size <= row_slots.SPARE_MAX * len(left)
    assert taken_of(buffer, left).values == [b"v%d" % offset for offset in left]


@pytest.mark.parametrize("left", [0, 1, 2, 100])
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_large_buffer_that_drains_at_once_goes_on(left: int, *, shuffled: bool) -> None:
    buffer, n = ColumnBuffer(), 2 * row_slots.PACKED_AT
    offsets = list(range(n))
    buffer.put(PendingColumns.of(made(offsets)))
    if shuffled:
        random.Random(1).shuffle(offsets)
    assert len(taken_of(buffer, offsets[left:])) == n - left
    assert buffer._slots._size == left
    more = made(list(range(n, n + 10)))
    buffer.put(PendingColumns.of(more))
    rest = [*sorted(offsets[:left]), *range(n, n + 10)]
    assert taken_of(buffer, rest).rows() == made(rest)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.randoms(use_true_random=False)), max_size=12))
def test_the_lowest_offset_is_found_without_all_others(steps: list[Any]) -> None:
    buffer, slot_of, end = ColumnBuffer(), dict[int, int](), 0
    for n, taken, draw in steps:
        fresh = list(range(end, end + n))
        end += n
        slots = buffer.put(PendingColumns(fresh, [0] * n, [b"v"] * n, [None] * n)).slots
        slot_of |= dict(zip(fresh, slots.tolist(), strict=True))
        chosen = sorted(slot_of)[:taken] if draw.random() < 0.5 else draw.sample(sorted(slot_of), min(taken, n))
        if chosen:
            buffer.take(np.array([slot_of.pop(offset) for offset in chosen]))
        with patch.object(pending_buffer_module, "LOOKED_AT_FIRST", 2):
            assert buffer.lowest() == min(slot_of, default=None)
