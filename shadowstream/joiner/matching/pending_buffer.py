"""Pending rows of one side by offset, kept in columns; a pending row is no object of its own.

Runs hold the offsets of rows and their slots, in which the rows stay until they are taken (`row_slots`). So no
row that waits is touched when others are taken. Both sides usually come in the same order, and then the
rows to take are a slice. A run is packed once less than half of it waits, and small neighbours are joined. Values can
be spilled. A spilled run is never joined with another one; its values return with the rows that are taken.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.matching.row_slots import RowSlots, Slots
from shadowstream.joiner.matching.spilled_values import SpilledValues, SpillStore, spilled
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord

RUN_MAX = 32_768
SPILLED_MAX = 4_000
"""Rows whose values are spilled together."""
TIDY_AT = 32  # the number of runs at which small neighbours are joined; next at twice the number that remains
_NONE = np.empty(0, np.int64)
_VALUES = 1  # the place of the values among the columns without the offsets

Offsets = npt.NDArray[np.int64]
Places = slice | npt.NDArray[np.int64]


class _Run:
    """Offsets that ascend, and their slots. Those before `begin`, or marked in `taken`, wait no more."""

    __slots__ = ("_spans", "begin", "left", "offsets", "on_disk", "slots", "taken")

    def __init__(self, offsets: Offsets, slots: Slots, on_disk: SpilledValues | None = None) -> None:
        self.offsets, self.slots, self.taken = array("q"), array("i"), bytearray()
        self.begin = self.left = 0
        self.on_disk = on_disk
        self.append(offsets, slots)

    def append(self, offsets: Offsets, slots: Slots) -> None:
        self.offsets.frombytes(offsets.tobytes())
        self.slots.frombytes(slots.tobytes())
        self.taken += bytes(len(offsets))
        self.left += len(offsets)
        self._spans: Spans | None = None

    def place(self, offset: int) -> int:
        return bisect_left(self.offsets, offset, self.begin)

    def places(self, offsets: Offsets) -> npt.NDArray[np.int64]:
        return np.frombuffer(self.offsets, np.int64).searchsorted(offsets)

    def holds(self, offsets: Offsets) -> npt.NDArray[np.bool_]:
        own, waits = np.frombuffer(self.offsets, np.int64), self._waits()
        places = np.minimum(own.searchsorted(offsets), len(own) - 1)
        found: npt.NDArray[np.bool_] = (own[places] == offsets) & waits[places]
        return found

    def spans(self) -> Spans:
        """Return the spans of the rows that wait; they are kept until a row is taken."""
        if self._spans is None:
            self._spans = Spans.of_sorted(np.frombuffer(self.offsets, np.int64)[self._waits()])
        return self._spans

    def _waits(self) -> npt.NDArray[np.bool_]:
        return ~np.frombuffer(self.taken, np.bool_)

    def take(self, places: Places) -> Slots:
        """Mark rows as taken; return their slots."""
        self._spans = None
        slots: Slots = np.frombuffer(self.slots, np.int32)[places].copy()
        np.frombuffer(self.taken, np.bool_)[places] = True
        self.left -= len(slots)
        if isinstance(places, slice) and places.start == self.begin:
            self.begin = places.stop
        return slots

    def waiting(self) -> tuple[Offsets, Slots]:
        waits = self._waits()
        return np.frombuffer(self.offsets, np.int64)[waits], np.frombuffer(self.slots, np.int32)[waits]

    def packed(self) -> _Run:
        if self.left == len(self.offsets):
            return self
        return _Run(*self.waiting(), None if self.on_disk is None else self.on_disk.at(self._waits()))


class Journal:
    """Offsets that have entered and left a buffer. A mark is a moment of it."""

    def __init__(self) -> None:
        self._entered: list[Offsets] = []
        self._left: list[Offsets] = []

    def enter(self, offsets: Offsets) -> None:
        self._entered.append(offsets)

    def leave(self, offsets: list[int]) -> None:
        self._left.append(np.array(offsets, np.int64))

    def mark(self) -> tuple[int, int]:
        return len(self._entered), len(self._left)

    def forget(self, mark: tuple[int, int]) -> None:
        """Forget all up to a mark."""
        del self._entered[: mark[0]], self._left[: mark[1]]

    def entered(self) -> Offsets:
        return np.concatenate([_NONE, *self._entered])

    def left(self) -> Offsets:
        return np.concatenate([_NONE, *self._left])


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
        """For each run an offset at or below its own, and above those of the run before."""
        self._slots = RowSlots()
        self._tidy_at = TIDY_AT
        self._back = back
        self.journal: Journal | None = None
        """While there is one, it gets the offsets of all rows that are put and taken."""

    def put(self, rows: PendingColumns) -> None:
        """Add rows at offsets above all earlier ones."""
        first, slots = rows.offsets[0], self._slots.put(rows)
        gapless = rows.offsets[-1] - first + 1 == len(rows)
        offsets = np.arange(first, first + len(rows)) if gapless else np.array(rows.offsets, np.int64)
        if self.journal is not None:
            self.journal.enter(offsets)
        last = self._runs[-1] if self._runs else None
        if last is not None and last.on_disk is None and len(last.offsets) + len(rows) <= RUN_MAX:
            last.append(offsets, slots)
            return
        self._runs.append(_Run(offsets, slots))
        self._firsts.append(first)
        if len(self._runs) > self._tidy_at:
            self._tidy()

    def take(self, offsets: list[int]) -> PendingColumns:
        """Remove pending rows and return them in the order of `offsets`."""
        index, run, begin = self._at(offsets[0])
        end = begin + len(offsets)
        # Ascending, with the right ends and number: these are the rows between.
        if end <= len(run.offsets) and run.offsets[end - 1] == offsets[-1] and sorted(offsets) == offsets:
            return self._taken(index, offsets, slice(begin, end))
        return self._gather(offsets)

    def spans(self) -> Spans:
        """Return the offsets of all rows, at the cost of the runs that have changed since the last call."""
        return Spans.union(run.spans() for run in self._runs)

    def lowest(self) -> int | None:
        if not self._runs:
            return None
        run = self._runs[0]
        return run.offsets[run.taken.find(0, run.begin)]

    def holds(self, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Return whether each of some ascending offsets is that of a row."""
        found = np.zeros(len(offsets), np.bool_)
        cuts = [*offsets.searchsorted(self._firsts).tolist(), len(offsets)]
        for run, begin, end in zip(self._runs, cuts, cuts[1:], strict=False):
            if begin < end:
                found[begin:end] = run.holds(offsets[begin:end])
        return found

    def row(self, offset: int) -> PendingRecord:
        _, run, place = self._at(offset)
        row = self._slots.row(offset, run.slots[place])
        return row if run.on_disk is None else row._replace(value=run.on_disk.at(slice(place, place + 1)).values()[0])

    def take_row(self, offset: int) -> PendingRecord:
        index, _, place = self._at(offset)
        return self._taken(index, [offset], slice(place, place + 1)).row(0)

    def spill(self, to: SpillStore) -> int | None:
        """Spill the oldest values in memory; return the bytes, 0 without values, None without room."""
        for index, run in enumerate(self._runs):
            if run.on_disk is not None:
                continue
            offsets, slots = run.waiting()
            for begin in range(0, len(offsets), SPILLED_MAX):
                some = slice(begin, begin + SPILLED_MAX)
                values = self._slots.values(slots[some])
                if not any(values):
                    continue
                on_disk = spilled(values, to)
                if on_disk is None:
                    return None
                self._slots.drop_values(slots[some])
                before, after = slice(0, begin), slice(begin + SPILLED_MAX, None)
                parts = ((before, None), (some, on_disk), (after, None))
                runs = [_Run(offsets[part], slots[part], disk) for part, disk in parts if len(offsets[part])]
                self._runs[index : index + 1] = runs
                self._firsts[index : index + 1] = [part.offsets[0] for part in runs]
                return on_disk.total()
        return 0

    def _at(self, offset: int) -> tuple[int, _Run, int]:
        """Return the run of a row, with its index, and the row's place in it."""
        index = bisect_right(self._firsts, offset) - 1
        run = self._runs[index]
        return index, run, run.place(offset)

    def _taken(self, index: int, offsets: list[int], places: slice) -> PendingColumns:
        """Remove rows that follow one another in a run."""
        if self.journal is not None:
            self.journal.leave(offsets)
        run = self._runs[index]
        columns = self._slots.take(run.take(places))
        if run.on_disk is not None:
            columns[_VALUES] = self._from_disk(run.on_disk.at(places))
        self._settle([index])
        return PendingColumns(offsets, *columns)

    def _from_disk(self, on_disk: SpilledValues) -> list[bytes | None]:
        self._back(on_disk.total())
        return on_disk.values()

    def _gather(self, offsets: list[int]) -> PendingColumns:
        """Remove rows in any order: find those of each run at once."""
        if self.journal is not None:
            self.journal.leave(offsets)
        wanted = np.array(offsets, np.int64)
        order = np.argsort(wanted)
        ascending = wanted[order]
        slots = np.empty(len(order), np.int32)
        cuts = [0, *ascending.searchsorted(self._firsts[1:]).tolist(), len(offsets)]
        touched = [index for index in range(len(self._runs)) if cuts[index] < cuts[index + 1]]
        spilled_values: list[tuple[list[int], list[bytes | None]]] = []
        for index in touched:
            run, some = self._runs[index], order[cuts[index] : cuts[index + 1]]
            places = run.places(wanted[some])
            slots[some] = run.take(places)
            if run.on_disk is not None:
                spilled_values.append((some.tolist(), self._from_disk(run.on_disk.at(places))))
        columns = self._slots.take(slots)
        if spilled_values:
            values = list(columns[_VALUES] or [None] * len(offsets))
            for at, some_values in spilled_values:
                for n, value in zip(at, some_values, strict=True):
                    values[n] = value
            columns[_VALUES] = values
        self._settle(touched)
        return PendingColumns(offsets, *columns)

    def _settle(self, touched: list[int]) -> None:
        """Drop runs that have become empty, and pack those with less than half of their rows waiting."""
        for index in reversed(touched):  # from the end, since removing a run moves the later ones
            run = self._runs[index]
            if not run.left:
                if run.on_disk is not None:
                    spill, begin, size = run.on_disk.extent
                    spill.free(begin, size)
                del self._runs[index], self._firsts[index]
            elif 2 * run.left < len(run.offsets):
                self._runs[index] = run.packed()
        if self._slots.is_sparse:
            self._pack_slots()

    def _pack_slots(self) -> None:
        self._runs = [run.packed() for run in self._runs]
        slots = [np.frombuffer(run.slots, np.int32) for run in self._runs]
        self._slots.pack(np.concatenate([np.empty(0, np.int32), *slots]))
        begin = 0
        for run in self._runs:
            run.slots = array("i", range(begin, begin + run.left))
            begin += run.left

    def _tidy(self) -> None:
        runs, firsts = self._runs, self._firsts
        self._runs, self._firsts = [], []
        for run, first in zip(runs, firsts, strict=True):
            last = self._runs[-1] if self._runs else None
            if last is not None and last.on_disk is run.on_disk is None and last.left + run.left <= RUN_MAX:
                self._runs[-1] = last.packed()
                self._runs[-1].append(*run.waiting())
            else:
                self._runs.append(run)
                self._firsts.append(first)
        self._tidy_at = max(TIDY_AT, 2 * len(self._runs))
