"""Pending rows of one side by offset, kept in columns; a pending row is no object of its own.

Rows are put and taken by their slots, in which they stay in between (`row_slots`). So no row that waits is touched when
others are taken. Runs hold the offsets of rows and their slots, to find rows by offset and to tell what waits. A run is
packed once less than half of it waits, and small neighbours are joined. Values can be spilled. A spilled run is never
joined with another one; its values return with the rows that are taken.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.matching.pending import sizes_of
from shadowstream.joiner.matching.row_slots import FREE, RowSlots, Slots, Taken
from shadowstream.joiner.matching.spilled_values import SpilledValues, SpillStore, spilled
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native.library import Kernel

RUN_MAX = 32_768
SPILLED_MAX = 4_000
"""Rows whose values are spilled together."""
TIDY_AT = 32  # the number of runs at which small neighbours are joined; next at twice the number that remains
LOOKED_AT_FIRST = 64
"""Rows of a run among which its lowest one is looked for at first."""
_ALL = slice(None)
_NONE = np.empty(0, np.int64)

Offsets = npt.NDArray[np.int64]


class _Run:
    """Offsets that ascend, and their slots. An entry waits as long as the row at its slot has its offset."""

    __slots__ = ("left", "offsets", "on_disk", "rows", "slots", "spans")

    def __init__(self, rows: RowSlots, offsets: Offsets, slots: Slots, on_disk: SpilledValues | None = None) -> None:
        self.rows, self.offsets, self.slots, self.on_disk = rows, array("q"), array("q"), on_disk
        self.left = 0
        self.append(offsets, slots)

    def append(self, offsets: Offsets, slots: Slots) -> None:
        self.offsets.frombytes(offsets.tobytes())
        self.slots.frombytes(slots.tobytes())
        self.left += len(offsets)
        self.spans: Spans | None = None

    def places(self, offsets: Offsets) -> npt.NDArray[np.int64]:
        """Return the places of offsets; any place for one that is not here."""
        own = np.frombuffer(self.offsets, np.int64)
        return np.minimum(own.searchsorted(offsets), len(own) - 1)

    def find(self, offsets: Offsets) -> Slots:
        """Return the slots of offsets, `FREE` for those that do not wait."""
        slots = np.frombuffer(self.slots, np.int64)[self.places(offsets)]
        slots[self.rows.offsets[slots] != offsets] = FREE
        return slots

    def value(self, offset: int) -> bytes | None:
        """Return the value of a row of a spilled run."""
        place = bisect_left(self.offsets, offset)
        return None if self.on_disk is None else self.on_disk.at(slice(place, place + 1)).values()[0]

    def kept_spans(self) -> Spans:
        """Return the spans of the rows that wait; they are kept until a row is taken."""
        if self.spans is None:
            self.spans = Spans.of_sorted(self.waiting()[0])
        return self.spans

    def lowest(self) -> int | None:
        """Return the first offset that waits, if any. Most of a run is not looked at."""
        if self.spans is not None:
            return self.spans.lowest
        begin, size = 0, LOOKED_AT_FIRST
        while begin < len(self.offsets):
            found = np.flatnonzero(self.waits(slice(begin, begin + size)))
            if len(found):
                return self.offsets[begin + int(found[0])]
            begin, size = begin + size, 2 * size
        return None

    def waits(self, which: slice = _ALL) -> npt.NDArray[np.bool_]:
        offsets = np.frombuffer(self.offsets, np.int64)[which]
        waits = self.rows.wait(offsets)
        return self.rows.offsets[np.frombuffer(self.slots, np.int64)[which]] == offsets if waits is None else waits

    def waiting(self) -> tuple[Offsets, Slots]:
        waits = self.waits()
        return np.frombuffer(self.offsets, np.int64)[waits], np.frombuffer(self.slots, np.int64)[waits]

    def packed(self) -> _Run:
        if self.left == len(self.offsets):
            return self
        on_disk = None if self.on_disk is None else self.on_disk.at(self.waits())
        return _Run(self.rows, *self.waiting(), on_disk)


class Entered(NamedTuple):
    """Rows that have been put: their slots, offsets, times and bytes in memory."""

    slots: Slots
    offsets: Offsets
    times_ms: Offsets
    sizes: Offsets


class Journal:
    """Offsets that have entered and left a buffer. A mark is a moment of it."""

    def __init__(self) -> None:
        self._entered: list[Offsets] = []
        self._left: list[Offsets] = []

    def enter(self, offsets: Offsets) -> None:
        self._entered.append(offsets)

    def leave(self, offsets: Offsets) -> None:
        self._left.append(offsets)

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
    """The pending rows of one side.

    `back` is called with the number of spilled bytes that return to memory; `moved` with the new slot of each old one
    (`FREE` for those without a row) and the number of slots, when rows have moved.

    >>> buffer = ColumnBuffer()
    >>> slots = buffer.put(PendingColumns([3, 4, 6], [1, 2, 3], [b"a", b"b", b"c"], [None] * 3)).slots
    >>> buffer.take(slots[1:]).rows.values, buffer.row(slots[0]).value
    ([b'b', b'c'], b'a')
    """

    def __init__(
        self,
        back: Callable[[int], None] = lambda size: None,
        moved: Callable[[Slots, int], None] = lambda to, count: None,
        kernel: Kernel | None = None,
    ) -> None:
        self._runs: list[_Run] = []
        self._firsts: list[int] = []
        """For each run an offset at or below its own, and above those of the run before."""
        self._slots = RowSlots(kernel)
        self._tidy_at = TIDY_AT
        self._back, self._moved = back, moved
        self.journal: Journal | None = None
        """While there is one, it gets the offsets of all rows that are put and taken."""

    def put(self, rows: PendingColumns, sizes: Offsets | None = None) -> Entered:
        """Add rows at offsets above all earlier ones; `sizes`: their bytes in memory, if they are known."""
        first, n = rows.offsets[0], len(rows)
        gapless = rows.offsets[-1] - first + 1 == n
        offsets = np.arange(first, first + n) if gapless else np.fromiter(rows.offsets, np.int64, n)
        times, sizes = np.fromiter(rows.times_ms, np.int64, n), sizes_of(rows) if sizes is None else sizes
        slots = self._slots.put(rows, offsets, times, sizes)
        if self.journal is not None:
            self.journal.enter(offsets)
        last = self._runs[-1] if self._runs else None
        if last is not None and last.on_disk is None and len(last.offsets) + n <= RUN_MAX:
            last.append(offsets, slots)
        else:
            self._runs.append(_Run(self._slots, offsets, slots))
            self._firsts.append(first)
            if len(self._runs) > self._tidy_at:
                self._tidy()
        return Entered(slots, offsets, times, sizes)

    def take(self, slots: Slots) -> Taken:
        """Remove the rows at these slots and return them in this order."""
        taken = self._slots.take(slots)
        offsets = taken.offsets
        if self.journal is not None:
            self.journal.leave(offsets)
        if len(self._runs) == 1:
            of_run, counts = np.zeros(len(slots), np.int64), np.array([len(slots)])
        else:
            of_run = np.searchsorted(self._firsts, offsets, "right") - 1
            counts = np.bincount(of_run)
        touched = counts.nonzero()[0].tolist()
        on_disk = [(of_run == n, run) for n in touched if (run := self._runs[n]).on_disk is not None]
        found = [(at, run.on_disk.at(run.places(offsets[at]))) for at, run in on_disk if run.on_disk is not None]
        if found:
            taken = taken._replace(rows=taken.rows.with_values(self._with_spilled(taken.rows, found)))
        for n in touched:
            self._runs[n].left -= int(counts[n])
            self._runs[n].spans = None
        self._settle(touched)
        return taken

    def _with_spilled(
        self, rows: PendingColumns, found: Iterable[tuple[npt.NDArray[np.bool_], SpilledValues]]
    ) -> list[bytes | None]:
        values = list(rows.values or [None] * len(rows))
        for at, spilled_values in found:
            self._back(spilled_values.total())
            for n, value in zip(at.nonzero()[0].tolist(), spilled_values.values(), strict=True):
                values[n] = value
        return values

    def spans(self) -> Spans:
        """Return the offsets of all rows, at the cost of the runs that have changed since the last call."""
        return Spans.union(run.kept_spans() for run in self._runs)

    def lowest(self) -> int | None:
        return self._runs[0].lowest() if self._runs else None

    def slots_of(self, offsets: Offsets) -> Slots:
        """Return the slot of each offset, in any order; `FREE` for those that do not wait."""
        slots = np.full(len(offsets), FREE, np.int64)
        if len(self._runs) == 1:
            return self._runs[0].find(offsets)
        if not self._runs:
            return slots
        of_run = np.searchsorted(self._firsts, offsets, "right") - 1
        for n in np.bincount(of_run + 1)[1:].nonzero()[0].tolist():
            at = of_run == n
            slots[at] = self._runs[n].find(offsets[at])
        return slots

    def slot_of(self, offset: int) -> int:
        """Do as `slots_of` for one offset."""
        run = self._runs[self._run_of(offset)] if self._runs else None
        place = -1 if run is None else bisect_left(run.offsets, offset)
        if run is None or place == len(run.offsets):
            return FREE
        slot = run.slots[place]
        return slot if self._slots.offsets[slot] == offset else FREE

    def offsets_at(self, slots: Slots) -> list[int]:
        offsets: list[int] = self._slots.offsets[slots].tolist()
        return offsets

    def _run_of(self, offset: int) -> int:
        return max(0, bisect_right(self._firsts, offset) - 1)

    def holds(self, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Return whether each of some offsets is that of a row."""
        found = self._slots.wait(offsets)
        return self.slots_of(offsets) != FREE if found is None else found

    def row(self, slot: int) -> PendingRecord:
        row = self._slots.row(slot)
        run = self._runs[self._run_of(row.offset)]
        return row if run.on_disk is None else row._replace(value=run.value(row.offset))

    def take_row(self, slot: int) -> PendingRecord:
        """Remove one row."""
        row = self._slots.take_row(slot)
        if self.journal is not None:
            self.journal.leave(np.array([row.offset]))
        index = self._run_of(row.offset)
        run = self._runs[index]
        if run.on_disk is not None:
            row = row._replace(value=run.value(row.offset))
            self._back(len(row.value or b""))
        run.left -= 1
        run.spans = None
        self._settle([index])
        return row

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
                made = [(offsets[part], slots[part], disk) for part, disk in parts if len(offsets[part])]
                runs = [_Run(self._slots, *one) for one in made]
                self._runs[index : index + 1] = runs
                self._firsts[index : index + 1] = [part.offsets[0] for part in runs]
                return on_disk.total()
        return 0

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
        slots = np.concatenate([_NONE, *(np.frombuffer(run.slots, np.int64) for run in self._runs)])
        to = np.full(len(self._slots.offsets), FREE, np.int64)
        to[slots] = np.arange(len(slots))
        self._slots.pack(slots)
        begin = 0
        for run in self._runs:
            run.slots = array("q", range(begin, begin + run.left))
            begin += run.left
        self._moved(to, len(slots))

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
