"""Columns of rows at numbered slots. A row never moves, because moving it would touch each of its objects in memory."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.matching.waiting_flags import Flags, WaitingFlags
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native.library import Kernel
from shadowstream.native.row_memory import RowMemory, memory_of

Numbers = npt.NDArray[np.int64]
Slots = Numbers
FREE = -1
"""The offset at a slot without a row."""
SPARE_MAX = 4
"""Slots for each row in them, above which the rows are packed."""
PACKED_AT = 8_192
"""Slots up to which they are not."""
FETCHED_ABOVE = 8_192
"""Slots above which the rows do not all fit into the processor's cache."""
_NUMBERS = 2
"""The first fields of a row are its offset and its time."""
_COLUMNS = 4
"""Numbers of a row, one to spare: a row never lies in two lines of the cache."""
_OBJECTS = len(PendingRecord._fields) - _NUMBERS
_COUNTED = np.arange(1 << 16)


class Taken(NamedTuple):
    """Rows that have left, with the numbers that were stored with them."""

    rows: PendingColumns
    offsets: Numbers
    times_ms: Numbers
    sizes: Numbers


class RowSlots:
    """The columns of rows, and the size in memory of each row. Freed slots are used again.

    >>> slots = RowSlots()
    >>> rows, sizes = PendingColumns([3, 4], [1, 2], [b"a", b"b"], [None] * 2), np.array([9, 9])
    >>> at = slots.put(rows, *map(np.array, rows.columns[:2]), sizes)
    >>> slots.take(at[::-1]).rows.columns[:3]
    ([4, 3], [2, 1], [b'b', b'a'])
    """

    def __init__(self, kernel: Kernel | None = None) -> None:
        self._memory = None if kernel is None else memory_of(kernel)
        self._numbers = np.empty((0, _COLUMNS), np.int64)
        """By slot: offset (`FREE` without a row), time, size. Side by side, a row is one access to memory."""
        self._objects: list[npt.NDArray[np.object_] | None] = [None] * _OBJECTS
        """The columns of the fields that are objects; a None stands for a column of None."""
        self._size = 0
        self._free: Slots = np.empty(0, np.int64)
        self._free_count = 0
        self._waiting = WaitingFlags()

    @property
    def offsets(self) -> Numbers:
        """The offset of the row at each slot; `FREE` where there is none."""
        return self._numbers[:, 0]

    @property
    def is_sparse(self) -> bool:
        return self._size > PACKED_AT and SPARE_MAX * (self._size - self._free_count) < self._size

    def wait(self, offsets: Numbers) -> Flags | None:
        """Return whether there is a row of each of some offsets; None if only its slot tells that."""
        return self._waiting.of(offsets)

    def put(self, rows: PendingColumns, offsets: Numbers, times_ms: Numbers, sizes: Numbers) -> Slots:
        """Store rows, whose offsets and times are given as arrays too; return their slots."""
        n = len(offsets)
        slots = self._fresh(n) if n > self._free_count else self._reused(n)
        where = _as_slice(slots)
        numbers = np.empty((n, _COLUMNS), np.int64)
        numbers[:, 0], numbers[:, 1], numbers[:, 2] = offsets, times_ms, sizes
        memory = self._fetched(slots, where)
        self._numbers[where] = numbers
        self._waiting.enter(offsets)
        if self._waiting.are_due:
            self._waiting.restart(np.sort(self.offsets[self.offsets != FREE]))
        for at, new in enumerate(rows.columns[_NUMBERS:]):
            if new is None:  # freed slots hold None
                continue
            column = self._objects[at]
            if column is None:
                column = self._objects[at] = np.full(len(self._numbers), None, np.object_)
            objects = np.fromiter(new, np.object_, n)
            if memory is None:
                column[where] = objects
            else:
                memory.exchange(slots, column, objects)
        return slots

    def _fetched(self, slots: Slots, where: slice | Slots) -> RowMemory | None:
        """Ask the memory for scattered rows together, and return the kernel's calls; None where that gains nothing."""
        if self._memory is None or isinstance(where, slice) or len(self._numbers) <= FETCHED_ABOVE:
            return None
        for column in self._objects:
            if column is not None:
                self._memory.fetch(slots, self._numbers, column)
        return self._memory

    def _fresh(self, n: int) -> Slots:
        """Return slots that were never used, with half as many to spare."""
        begin, self._size = self._size, self._size + n
        if self._size > len(self._numbers):
            self._grow(self._size * 3 // 2)
        return np.arange(begin, self._size)

    def _grow(self, size: int) -> None:
        before = len(self._numbers)
        numbers = np.empty((size, _COLUMNS), np.int64)
        numbers[:before], numbers[before:, 0] = self._numbers, FREE
        self._numbers = numbers
        for column in self._objects:
            if column is not None:
                column.resize(size, refcheck=False)  # in place: no object is touched, nothing else refers to it
                column[before:] = None

    def _reused(self, n: int) -> Slots:
        """Return the slots that were freed last."""
        self._free_count -= n
        return self._free[self._free_count : self._free_count + n].copy()

    def row(self, slot: int) -> PendingRecord:
        offset, time_ms, *_ = self._numbers[slot].tolist()
        return PendingRecord(offset, time_ms, *(None if column is None else column[slot] for column in self._objects))

    def take(self, slots: Slots) -> Taken:
        """Return rows, and free their slots."""
        where = _as_slice(slots)
        self._fetched(slots, where)
        numbers = self._numbers[where].copy() if isinstance(where, slice) else self._numbers[where]
        columns: list[Any] = [numbers[:, 0].tolist(), numbers[:, 1].tolist()]
        for column in self._objects:
            columns.append(None if column is None else self._take_objects(column, slots, where))
        self._numbers[where, 0] = FREE
        self._waiting.leave(numbers[:, 0])
        self._make_free(slots)
        return Taken(PendingColumns(*columns), *numbers.T[:3])

    def _take_objects(self, column: npt.NDArray[np.object_], slots: Slots, where: slice | Slots) -> list[Any]:
        if self._memory is not None:
            return cast("list[Any]", self._memory.take(slots, column).tolist())
        taken: list[Any] = column[where].tolist()
        column[where] = None
        return taken

    def take_row(self, slot: int) -> PendingRecord:
        """Return one row, and free its slot."""
        row = self.row(slot)
        for column in self._objects:
            if column is not None:
                column[slot] = None
        self._numbers[slot, 0] = FREE
        self._waiting.leave(row.offset)
        self._make_free(np.array([slot]))
        return row

    def _make_free(self, slots: Slots) -> None:
        before, self._free_count = self._free_count, self._free_count + len(slots)
        if self._free_count > len(self._free):
            self._free = np.concatenate([self._free[:before], np.empty(self._free_count, np.int64)])
        self._free[before : self._free_count] = slots

    def values(self, slots: Slots) -> list[bytes | None]:
        values = self._objects[0]
        return [None] * len(slots) if values is None else values[slots].tolist()

    def drop_values(self, slots: Slots) -> None:
        if (values := self._objects[0]) is not None:
            values[slots] = None

    def pack(self, slots: Slots) -> None:
        """Move the rows at all used slots to the first ones, in this order."""
        self._numbers = self._numbers[slots]
        self._objects = [None if column is None or not len(slots) else column[slots] for column in self._objects]
        self._size, self._free, self._free_count = len(slots), np.empty(0, np.int64), 0


def _as_slice(slots: Slots) -> slice | Slots:
    """Return slots that follow one another as a slice, others as they are; one slot always does."""
    n = len(slots)
    if not n or slots[-1] - slots[0] != n - 1 or n > len(_COUNTED) or not (slots - slots[0] == _COUNTED[:n]).all():
        return slots
    begin = int(slots[0])
    return slice(begin, begin + n)
