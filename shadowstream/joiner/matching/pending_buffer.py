"""Pending rows of one side by offset, kept in the columns that they came in; a pending row is no object of its own.

Both sides usually come in the same order, so the rows to take are usually a slice of one run of rows. Other rows are
gathered at C speed as well. A run is packed again once less than half of it waits, so at most twice the pending
rows are kept. Values of whole runs can be spilled. A spilled run is never joined with another one; its values return
with the rows that are taken.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from operator import eq, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.matching.spilled_values import SpilledValues, SpillStore, spilled
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord

RUN_MAX = 4_096
PIECES_MAX = 8
TIDY_AT = 64  # the number of runs at which small neighbours are joined; next at twice the number that remains


class _Run:
    """Rows in offset order. Those before `begin`, or in the mask, have been taken. `on_disk` are spilled values."""

    __slots__ = ("_spans", "at", "begin", "left", "offsets", "on_disk", "rows", "taken")

    def __init__(self, rows: PendingColumns, on_disk: SpilledValues | None = None) -> None:
        self.rows, self.on_disk = rows, on_disk
        self.offsets: list[int] = rows.offsets if type(rows.offsets) is list else list(rows.offsets)
        self.left = len(self.offsets)
        self.begin = 0
        self.taken: npt.NDArray[np.bool_] | None = None
        self.at: npt.NDArray[np.int64] | None = None
        self._spans: Spans | None = None

    def place(self, offset: int) -> int:
        return bisect_left(self.offsets, offset, self.begin)

    def places(self, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.searchsorted(self._array(), offsets)

    def spans(self) -> Spans:
        """Return the spans of the rows that wait; they are kept until a row is taken."""
        if self._spans is None:
            waits: slice | npt.NDArray[np.bool_] = slice(self.begin, None) if self.taken is None else ~self.taken
            self._spans = Spans.of_sorted(self._array()[waits])
        return self._spans

    def _array(self) -> npt.NDArray[np.int64]:
        if self.at is None:
            self.at = np.array(self.offsets, np.int64)
        return self.at

    def drop(self, begin: int, n: int) -> None:
        self._spans = None
        self.left -= n
        if self.taken is None and begin == self.begin:
            self.begin += n
        else:
            self._mask()[begin : begin + n] = True

    def drop_at(self, places: npt.NDArray[np.int64]) -> None:
        self._spans = None
        self.left -= len(places)
        self._mask()[places] = True

    def _mask(self) -> npt.NDArray[np.bool_]:
        if self.taken is None:
            self.taken = np.zeros(len(self.offsets), np.bool_)
            self.taken[: self.begin] = True
        return self.taken

    def waiting(self) -> PendingColumns:
        if self.taken is not None:
            return self.rows.where((~self.taken).tolist())
        return self.rows.part(self.begin, len(self.offsets)) if self.begin else self.rows

    def packed(self) -> _Run:
        if self.on_disk is None:
            return _Run(self.waiting())
        return _Run(self.waiting(), self.on_disk.at(slice(self.begin, None) if self.taken is None else ~self.taken))


class ColumnBuffer:
    """The pending rows of one side; calls `back` with the number of spilled bytes that return to memory.

    >>> buffer = ColumnBuffer()
    >>> buffer.put(PendingColumns([3, 4, 6], [1, 2, 3], [b"a", b"b", b"c"], [None] * 3))
    >>> buffer.take([4, 6]).values, buffer.row(3).value
    ([b'b', b'c'], b'a')
    """

    def __init__(self, back: Callable[[int], None] = lambda size: None) -> None:
        self._runs: list[_Run] = []
        self._firsts: list[int] = []
        self._tidy_at = TIDY_AT
        self._back = back

    def put(self, rows: PendingColumns) -> None:
        """Add rows at offsets above all earlier ones."""
        run = _Run(rows)
        # Like the carries of a binary counter: each row moves only a few times, however small the batches are.
        while self._runs and self._runs[-1].left <= 2 * run.left and self._runs[-1].left + run.left <= RUN_MAX:
            if self._runs[-1].on_disk is not None:
                break
            self._firsts.pop()
            run = _Run(PendingColumns.joined([self._runs.pop().waiting(), run.rows]))
        self._runs.append(run)
        self._firsts.append(run.offsets[0])
        if len(self._runs) > self._tidy_at:
            self._tidy()

    def take(self, offsets: list[int]) -> PendingColumns:
        """Remove pending rows and return them in the order of `offsets`."""
        pieces: list[PendingColumns] = []
        done, n = 0, len(offsets)
        while done < n and len(pieces) < PIECES_MAX:
            index = bisect_right(self._firsts, offsets[done]) - 1
            run = self._runs[index]
            begin = run.place(offsets[done])
            there = run.offsets[begin : begin + n - done]
            wanted = offsets[done : done + len(there)] if done or len(there) < n else offsets
            size = len(there) if there == wanted else list(map(eq, there, wanted)).index(False)
            pieces.append(self._whole(run, run.rows.part(begin, begin + size), slice(begin, begin + size)))
            run.drop(begin, size)
            self._settle(index)
            done += size
        if done < n:
            pieces.append(self._gather(np.array(offsets[done:], np.int64)))
        return PendingColumns.joined(pieces)

    def spans(self) -> Spans:
        """Return the offsets of all rows, at the cost of the runs that have changed since the last call."""
        return Spans.union(run.spans() for run in self._runs)

    def row(self, offset: int) -> PendingRecord:
        run = self._runs[bisect_right(self._firsts, offset) - 1]
        place = run.place(offset)
        row = run.rows.row(place)
        return row if run.on_disk is None else row._replace(value=run.on_disk.at(slice(place, place + 1)).values()[0])

    def take_row(self, offset: int) -> PendingRecord:
        index = bisect_right(self._firsts, offset) - 1
        run = self._runs[index]
        place = run.place(offset)
        row = self._whole(run, run.rows.part(place, place + 1), slice(place, place + 1)).row(0)
        run.drop(place, 1)
        self._settle(index)
        return row

    def spill(self, to: SpillStore) -> int | None:
        """Spill the values of the oldest run in memory; return the bytes, 0 without values, None without room."""
        for index, run in enumerate(self._runs):
            if run.on_disk is not None or not any(run.rows.values):
                continue
            rows = run.waiting()
            on_disk = spilled(rows.values, to)
            if on_disk is None:
                return None
            self._runs[index] = _Run(rows.without_values(), on_disk)
            self._firsts[index] = rows.offsets[0]
            return on_disk.total()
        return 0

    def _whole(self, run: _Run, rows: PendingColumns, places: slice | npt.NDArray[np.int64]) -> PendingColumns:
        if run.on_disk is None:
            return rows
        on_disk = run.on_disk.at(places)
        self._back(on_disk.total())
        return rows.with_values(on_disk.values())

    def _gather(self, offsets: npt.NDArray[np.int64]) -> PendingColumns:
        """Remove rows in any order: gather those of each run at once, then order them."""
        of_run = np.searchsorted(np.array(self._firsts, np.int64), offsets, "right") - 1
        order = np.argsort(of_run, kind="stable")
        indices, counts = np.unique(of_run, return_counts=True)
        pieces, touched = [], list(zip(indices.tolist(), np.cumsum(counts).tolist(), counts.tolist(), strict=True))
        for index, end, n in touched:
            run = self._runs[index]
            places = run.places(offsets[order[end - n : end]])
            pieces.append(self._whole(run, _picked(run.rows, places.tolist()), places))
            run.drop_at(places)
        for index, _, _ in reversed(touched):  # from the end, since removing an empty run moves the later ones
            self._settle(index)
        found = PendingColumns.joined(pieces)
        if (np.diff(of_run) >= 0).all():
            return found
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return _picked(found, back.tolist())

    def _settle(self, index: int) -> None:
        """Drop a run that has become empty, or pack it if less than half of it waits."""
        run = self._runs[index]
        if not run.left:
            if run.on_disk is not None:
                spill, begin, size = run.on_disk.extent
                spill.free(begin, size)
            del self._runs[index], self._firsts[index]
        elif 2 * run.left < len(run.offsets):
            self._runs[index] = packed = run.packed()
            self._firsts[index] = packed.offsets[0]

    def _tidy(self) -> None:
        runs, self._runs, self._firsts = self._runs, [], []
        parts: list[PendingColumns] = []
        for n, run in enumerate(runs):
            if run.on_disk is not None:
                self._runs.append(run)
                self._firsts.append(self._runs[-1].offsets[0])
                continue
            parts.append(run.waiting())
            last = n + 1 == len(runs) or runs[n + 1].on_disk is not None
            if last or sum(map(len, parts)) + runs[n + 1].left > RUN_MAX:
                self._runs.append(_Run(PendingColumns.joined(parts)))
                self._firsts.append(self._runs[-1].offsets[0])
                parts = []
        self._tidy_at = max(TIDY_AT, 2 * len(self._runs))


def _picked(rows: PendingColumns, places: list[int]) -> PendingColumns:
    if len(places) == 1:
        return rows.part(places[0], places[0] + 1)
    pick: Any = itemgetter(*places)
    return PendingColumns(*(None if column is None else list(pick(column)) for column in rows.columns))
