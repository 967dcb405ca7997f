"""Rows at slots: whatever is stored and taken in whatever order, each row comes back as it was stored."""

import sys
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.matching import row_slots
from shadowstream.joiner.matching.row_slots import RowSlots, Slots
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native import library


def rows_of(first: int, n: int, *, named: bool) -> list[PendingRecord]:
    revision = "r" if named else None
    return [PendingRecord(o, o * 2, b"v%d" % o if o % 5 else None, b"k%d" % o, None, revision) for o in range(first, n)]


def put(slots: RowSlots, rows: PendingColumns) -> Slots:
    offsets = np.array(rows.offsets)
    return slots.put(rows, offsets, np.array(rows.times_ms), offsets + 1)


@given(
    steps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 60), st.randoms(use_true_random=False), st.booleans())),
    packs=st.booleans(),
    by_kernel=st.booleans(),
)
def test_rows_come_back_from_their_slots_however_often_these_are_reused(
    steps: list[Any], packs: bool, by_kernel: bool
) -> None:
    with patch.object(row_slots, "FETCHED_ABOVE", 0):
        reuse(RowSlots(library.state().kernel if by_kernel else None), steps, packs=packs)


def reuse(slots: RowSlots, steps: list[Any], *, packs: bool) -> None:
    stored, offset = dict[int, tuple[int, PendingRecord]](), 0
    for n_put, take, draw, named in steps:
        rows = rows_of(offset, offset + n_put, named=named)
        offset += n_put
        at = put(slots, PendingColumns.of(rows)).tolist()
        assert not set(at) & {slot for slot, _ in stored.values()}
        stored |= {row.offset: (slot, row) for slot, row in zip(at, rows, strict=True)}
        chosen = draw.sample(sorted(stored), min(take, len(stored)))
        if chosen:
            assert slots.row(stored[chosen[0]][0]) == stored[chosen[0]][1]
            taken = slots.take(np.array([stored[one][0] for one in chosen]))
            assert taken.times_ms.tolist() == taken.rows.times_ms
            assert taken.sizes.tolist() == [one + 1 for one in chosen]
            assert taken.rows.rows() == [stored.pop(one)[1] for one in chosen]
        if packs and len(stored) > 1:
            slots.pack(np.array([slot for slot, _ in stored.values()]))
            stored = {one: (n, row) for n, (one, (_, row)) in enumerate(stored.items())}


def test_a_taken_rows_values_are_dropped_at_once() -> None:
    slots, values = RowSlots(), [b"v%d" % n for n in range(100)]
    at: Slots = put(slots, PendingColumns(list(range(100)), [0] * 100, values, [None] * 100))
    held = sys.getrefcount(values[0])
    slots.take(at[::7])
    slots.take(at[1:6])
    assert [n for n in range(100) if sys.getrefcount(values[n]) < held] == sorted({*range(0, 100, 7), *range(1, 6)})


def test_slots_are_reused_and_sparse_ones_are_reported() -> None:
    slots, n = RowSlots(), row_slots.PACKED_AT + 2
    at = put(slots, PendingColumns(list(range(n)), [0] * n, [b"v"] * n, [None] * n))
    slots.take(at[1::2])
    assert not slots.is_sparse
    again = put(slots, PendingColumns(list(range(10)), [0] * 10, [b"w"] * 10, [None] * 10))
    assert set(again.tolist()) < set(at[1::2].tolist())
    slots.take(at[::2])
    assert slots.is_sparse
    slots.pack(again)
    assert slots.take(np.arange(10)).rows.values == [b"w"] * 10
