"""Columns of rows at numbered slots. A row never moves, because moving it would touch each of its objects in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.pending_record import PendingColumns, PendingRecord

Slots = npt.NDArray[np.int32]
Column = Sequence[Any] | None
"""The values of one field; a None stands for a column of None."""
SPARE_MAX = 4
"""Slots for each row in them, above which the rows are packed."""
PACKED_AT = 8_192
"""Slots up to which they are not."""
_FIELDS = len(PendingRecord._fields) - 1  # all but the offset
_VALUES = 1
_COUNTED = np.arange(1 << 16, dtype=np.int32)


class RowSlots:
    """Columns of rows without their offsets, which are stored elsewhere. Freed slots are used again.

    >>> slots = RowSlots()
    >>> at = slots.put(PendingColumns([3, 4], [1, 2], [b"a", b"b"], [None] * 2))
    >>> slots.take(at[::-1])[:2]
    [[2, 1], [b'b', b'a']]
    """

    def __init__(self) -> None:
        self._columns: list[list[Any] | None] = [None] * _FIELDS
        self._size = 0
        self._free = array("i")

    @property
    def is_sparse(self) -> bool:
        return self._size > PACKED_AT and SPARE_MAX * (self._size - len(self._free)) < self._size

    def put(self, rows: PendingColumns) -> Slots:
        """Store rows; return their slots."""
        n, size = len(rows), self._size
        if n > len(self._free):
            slots = np.arange(size, size + n, dtype=np.int32)
            self._size += n
        else:
            slots = self._reused(n)
        where = _as_slice(slots)
        for at, new in enumerate(rows.columns[1:]):
            column = self._columns[at]
            if column is None and new is not None:
                column = self._columns[at] = [None] * size
            if column is None:
                continue
            if len(column) < self._size:
                column += repeat(None, n) if new is None else new
            elif new is not None:  # freed slots hold None
                _set(column, slots, where, new)
        return slots

    def _reused(self, n: int) -> Slots:
        """Return the slots that were freed last."""
        slots: Slots = np.frombuffer(self._free, np.int32)[-n:].copy()
        del self._free[-n:]
        return slots

    def row(self, offset: int, slot: int) -> PendingRecord:
        fields: list[Any] = [None if column is None else column[slot] for column in self._columns]
        return PendingRecord(offset, *fields)

    def take(self, slots: Slots) -> list[Column]:
        """Return the columns of rows, and free their slots."""
        where = _as_slice(slots)
        found = self._picked(slots, where)
        for column in self._columns:
            if column is not None:
                _set(column, slots, where, [None] * len(slots))
        self._free.frombytes(slots.tobytes())
        return found

    def values(self, slots: Slots) -> list[bytes | None]:
        values = self._columns[_VALUES]
        return [None] * len(slots) if values is None else [values[slot] for slot in slots.tolist()]

    def drop_values(self, slots: Slots) -> None:
        if (values := self._columns[_VALUES]) is not None:
            _set(values, slots, None, [None] * len(slots))

    def pack(self, slots: Slots) -> None:
        """Move the rows at all used slots to the first ones, in this order."""
        self._columns = self._picked(slots, _as_slice(slots)) if len(slots) else [None] * _FIELDS
        self._size, self._free = len(slots), array("i")

    def _picked(self, slots: Slots, where: slice | None) -> list[Any]:
        if where is not None:
            return [None if column is None else column[where] for column in self._columns]
        pick: Any = itemgetter(*slots.tolist())
        return [None if column is None else list(pick(column)) for column in self._columns]


def _as_slice(slots: Slots) -> slice | None:
    """Return slots that follow one another as a slice; one slot always does."""
    begin, n = int(slots[0]), len(slots)
    if slots[-1] - begin != n - 1 or n > len(_COUNTED) or not (slots - slots[0] == _COUNTED[:n]).all():
        return None
    return slice(begin, begin + n)


def _set(column: list[Any], slots: Slots, where: slice | None, new: Iterable[Any]) -> None:
    if where is not None:
        column[where] = new
        return
    for slot, one in zip(slots.tolist(), new, strict=True):
        column[slot] = one
