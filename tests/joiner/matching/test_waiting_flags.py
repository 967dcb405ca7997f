"""Flags of waiting offsets, beside a set of the same offsets."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching import waiting_flags
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.matching.waiting_flags import ROOM_MIN, SPARSE_MAX, WaitingFlags
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord

Histories = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 30), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**31)),
    max_size=30,
)


@given(Histories, st.sampled_from([0, 2, 64]), st.sampled_from([8, 1_024]))
def test_flags_are_those_of_a_set_or_there_are_none(
    history: list[tuple[int, int, int, float, int]], sparse_max: int, room_min: int
) -> None:
    sizes = {"SPARSE_MAX": sparse_max, "DENSE_MAX": sparse_max // 2, "ROOM_MIN": room_min}
    with patch.multiple(waiting_flags, **sizes):
        flags, waiting, end, peak = WaitingFlags(), set[int](), 7, 0
        for gap, count, step, share, seed in history:
            offsets = np.arange(end + gap, end + gap + count * step, step)
            flags.enter(offsets)
            waiting.update(offsets.tolist())
            peak = max(peak, len(waiting))
            end = int(offsets[-1]) + 1
            if flags.are_due:
                assert flags.of(offsets) is None
                flags.restart(np.array(sorted(waiting)))
            chosen = np.random.default_rng(seed).random(len(waiting)) < share
            leaving = [offset for offset, leaves in zip(sorted(waiting), chosen, strict=True) if leaves]
            flags.leave(np.array(leaving, np.int64))
            waiting.difference_update(leaving)
            asked = np.arange(-3, end + 3)
            found = flags.of(asked)
            assert found is None or found.tolist() == [offset in waiting for offset in asked.tolist()]
            assert flags._flags is None or len(flags._flags) <= 2 * (sparse_max * peak + room_min)


def put(buffer: ColumnBuffer, *offsets: int) -> None:
    buffer.put(PendingColumns.of([PendingRecord(offset, offset, b"v", b"k%d" % offset) for offset in offsets]))


def test_one_old_row_costs_no_flags_and_they_return_with_more_rows() -> None:
    buffer, many = ColumnBuffer(), SPARSE_MAX * 100 + ROOM_MIN
    put(buffer, 5)
    put(buffer, *range(many, many + 10))
    asked = np.array([4, 5, 6, many, many + 9, many + 10])
    assert buffer._slots.wait(asked) is None
    assert buffer.holds(asked).tolist() == [False, True, False, True, True, False]
    for begin in range(many + 10, many + 1_000, 10):
        put(buffer, *range(begin, begin + 10))
    assert buffer._slots.wait(asked) is not None
    assert buffer.holds(asked).tolist() == [False, True, False, True, True, True]
    buffer.take(buffer.slots_of(np.array([5, many + 9])))
    assert buffer.holds(asked).tolist() == [False, False, False, True, False, True]
    assert buffer.lowest() == many
