"""Pairing under a unique id: records match on arrival.

A group is matched once its last record is read, on whichever side. A record that waits enters lanes of `completeness`
(`wait_queue`) and is decided once its partner can no longer come. Each side keeps arrival order, which is offset order.
An id that occurs again beyond the dedupe span is a record of its own; records of one id match in the order of their
partitions.
"""

import sys
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from itertools import compress, repeat
from typing import cast

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.wait_queue import WaitQueue
from shadowstream.joiner.matching.id_tables import NONE, DictTable, IdTable, KernelTable
from shadowstream.joiner.matching.matches import Decision, Decisions, Pair, PairBatch, ShedRule, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals, sizes_of
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer, Entered
from shadowstream.joiner.matching.row_slots import Slots
from shadowstream.joiner.matching.spilled_values import SpillStore
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native.library import Kernel
from shadowstream.records import Side

_KEYS, _OTHERS = 3, 4
"""The places of the keys among the columns of rows, and of those behind it."""
_NO_KEY = object()
"""Represents a key of None in the buffer, where None represents a key that is the id: the table has that."""


class UniqueIdStore:
    """The pending rows of two or three sides under a unique id.

    >>> store = UniqueIdStore(1000)
    >>> one, two = PendingRecord(0, 5, b"a", b"k"), PendingRecord(9, 6, b"b", b"k")
    >>> store.match_rows(Side.PRODUCTION, [b"k"], [one])
    []
    >>> store.match_rows(Side.SHADOW, [b"k"], [two]) == [Pair(one, two, id=b"k")]
    True
    """

    def __init__(self, window_ms: int, sides: int = 2, kernel: Kernel | None = None) -> None:
        self.held = PendingTotals(window_ms)
        by_kernel = kernel if sides == 2 else None  # with a twin, ids are looked up one by one
        self._tables: tuple[IdTable, ...] = tuple(
            DictTable() if by_kernel is None else KernelTable(by_kernel) for _ in range(sides)
        )
        """The slot of each pending id's row; of the earliest one, if there are several."""
        self._buffers = tuple(
            ColumnBuffer(partial(self._back, n), self._tables[n].move, by_kernel) for n in range(sides)
        )
        self._later: tuple[dict[Hashable, deque[int]], ...] = tuple({} for _ in range(sides))
        """The offsets of the further rows of each pending id."""
        self._queued: tuple[set[int], ...] = tuple(set() for _ in range(sides))
        """The same offsets, of all ids."""
        self._fresh: deque[tuple[Side, int]] = deque()
        """The offsets of rows that no lane has yet."""
        self._fresh_runs: list[tuple[Side, PendingColumns]] = []
        """The same in columns, with offsets and times as arrays and without keys and values."""
        self._wait_queue = WaitQueue(self._still)

    def _back(self, side: int, size: int) -> None:
        self.held.spill(side, -size)

    def spill(self, to: SpillStore, down_to: int) -> int:
        """Spill the oldest values of the side with the most bytes in memory; return the bytes spilled.

        Stop once `down_to` bytes are left in memory, no values are left, or the spill file is full.
        """
        done = 0
        empty: set[int] = set()
        while sum(self.held.bytes) > down_to and len(empty) < len(self._buffers):
            side = max((n for n in range(len(self._buffers)) if n not in empty), key=self.held.bytes.__getitem__)
            size = self._buffers[side].spill(to)
            if size is None:
                break
            if not size:
                empty.add(side)
            self.held.spill(side, size)
            done += size
        return done

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Pair]:
        """Store new records of one side; match those that all sides have."""
        columns = PendingColumns.of(list(rows))
        return self._match_each(side, ids, columns) if len(columns) else []

    def _match_each(self, side: Side, ids: Sequence[Hashable], rows: PendingColumns) -> Sequence[Pair]:
        entered = self._wait(side, ids, rows, None)[0]
        self._fresh.extend(zip(repeat(side), entered.offsets.tolist()))
        matched: list[Hashable] = []
        slots: list[list[int]] = [[] for _ in self._tables]
        for id_ in ids:
            found = [table.slot_of(id_) for table in self._tables]
            if NONE in found:
                continue
            matched.append(id_)
            for n, slot in enumerate(found):
                slots[n].append(slot)
                self._tables[n].drop(slot)
                self._next(Side(n), id_)
        if not matched:
            return []
        taken = [self._take_all(Side(n), np.array(some), matched).rows() for n, some in enumerate(slots)]
        twins = taken[2] if len(taken) > 2 else repeat(None)
        return list(map(Pair, *taken[:2], twins, repeat(False), matched))

    def match_columns(self, side: Side, ids: Sequence[Hashable], rows: PendingColumns) -> Sequence[Pair | PairBatch]:
        """Do as `match_rows` with columns, which move as a whole."""
        if len(self._tables) > 2:
            return self._match_each(side, ids, rows)
        other = Side(1 - side)
        slots = self._tables[other].take(ids, rows.hashed)
        if self._later[other]:
            self._take_later(other, ids, slots)
        unmatched = slots == NONE
        count = int(np.count_nonzero(unmatched))
        if count:
            entered, stored = self._wait(side, ids, rows, unmatched if count < len(ids) else None)
            bare = PendingColumns(entered.offsets, entered.times_ms, None, None, *stored.columns[_OTHERS:])
            self._fresh_runs.append((side, bare))
        if count == len(ids):
            return ()
        if count:
            found = ~unmatched
            slots, ids, rows = slots[found], list(compress(ids, found)), rows.where(found)
        partners = self._take_all(other, slots, ids)
        return (PairBatch(rows, partners, ids) if side is Side.PRODUCTION else PairBatch(partners, rows, ids),)

    def _take_later(self, side: Side, ids: Sequence[Hashable], slots: Slots) -> None:
        """Let the next row of each id that was taken take its place, and take it too if the id comes once more."""
        later, again = self._later[side], set()
        for n, id_ in enumerate(ids):
            if slots[n] == NONE and id_ in again:
                slots[n] = self._tables[side].take([id_], None)[0]
            if slots[n] != NONE and id_ in later:
                again.add(id_)
                self._next(side, id_)

    def _take_all(self, side: Side, slots: Slots, ids: Sequence[Hashable]) -> PendingColumns:
        """Remove the rows of these ids, which are out of the table, from the buffer."""
        rows, _, times_ms, sizes = self._buffers[side].take(slots)
        self.held.leave_all(side, times_ms, sizes)
        return rows.with_keys(_keys_of(rows, ids))

    def _wait(
        self, side: Side, ids: Sequence[Hashable], rows: PendingColumns, which: npt.NDArray[np.bool_] | None
    ) -> tuple[Entered, PendingColumns]:
        """Store rows, all or some, until their partners come; return them as they are stored."""
        hashed, has_key_ids = rows.hashed, rows.keys == ids
        sizes = sizes_of(rows, hashed.texts if hashed is not None and has_key_ids else None)
        stored = rows.with_keys(None if has_key_ids else _stored_keys(rows, ids))
        if which is not None:
            stored, sizes = stored.where(which), sizes[which]
        entered = self._buffers[side].put(stored, sizes)
        self.held.enter_all(side, entered.times_ms, sizes)
        slots = entered.slots
        if which is not None:
            slots = np.full(len(ids), NONE, np.int64)
            slots[which] = entered.slots
        firsts = self._tables[side].enter(ids, hashed, slots)
        if (later := firsts != slots).any():
            offsets = self._buffers[side].offsets_at(slots[later])
            for id_, offset in zip(compress(ids, later), offsets, strict=True):
                self._later[side].setdefault(id_, deque()).append(offset)
            self._queued[side].update(offsets)
        return entered, stored

    def _next(self, side: Side, id_: Hashable) -> None:
        """Let the next row of an id, if any, take the place of the removed one."""
        queue = self._later[side].get(id_)
        if queue:
            offset = queue.popleft()
            self._queued[side].remove(offset)
            self._tables[side].enter([id_], None, np.array([self._buffers[side].slot_of(offset)]))
            self._fresh.append((side, offset))
            if not queue:
                del self._later[side][id_]

    def _take(self, side: Side, slot: int) -> PendingRecord:
        """Remove the row at a slot, the first one of its id."""
        id_ = self._tables[side].id_of(slot)
        self._tables[side].drop(slot)
        row = _whole(self._buffers[side].take_row(slot), id_)
        self.held.leave(side, row)
        self._next(side, id_)
        return row

    def _still(self, side: Side, ids: Sequence[Hashable], offsets: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Return whether each of these rows waits and is the first of its id. In the wait queue offsets are the ids."""
        found = self._buffers[side].holds(np.asarray(offsets, np.int64))
        if queued := self._queued[side]:
            found &= [offset not in queued for offset in offsets]
        return found

    def take_decidable(self, rules: Completeness, limit: int = sys.maxsize) -> Decisions:
        """Decide the records that can no longer find a partner, at the cost of the new and the due records."""
        decided: list[Decision] = []
        self._enter_runs(rules)
        left = len(self._wait_queue)  # each entry is due once, though rows that still wait are entered again
        while len(decided) < limit:
            if not self._fresh:
                due = self._wait_queue.due(rules.bound, min(limit, left))
                left -= len(due)
                self._fresh.extend((side, offset) for side, _, offset in due)
                if not due:
                    break
            side, offset = self._fresh.popleft()
            slot = self._buffers[side].slot_of(offset)
            if slot != NONE and offset not in self._queued[side]:
                decision = self._decide(side, slot, rules)
                if decision is not None:
                    decided.append(decision)
        return Decisions(decided, len(decided) >= limit)

    def _enter_runs(self, rules: Completeness) -> None:
        """Enter rows that came in columns into their lanes: together, or one by one if their lanes differ."""
        runs, self._fresh_runs = self._fresh_runs, []
        for side, rows in runs:
            still = self._still(side, (), rows.offsets)
            waiting = int(np.count_nonzero(still))
            if not waiting:
                continue
            if waiting < len(still):
                rows = rows.where(still)
            lanes = rules.lanes_of_all(side, Side(1 - side), rows)
            for lane, thresholds in lanes:
                self._wait_queue.push_all(lane, thresholds, side, rows.offsets)
            if not lanes:
                self._fresh.extend(zip(repeat(side), np.asarray(rows.offsets).tolist()))

    def _decide(self, side: Side, slot: int, rules: Completeness) -> Decision | None:
        id_ = self._tables[side].id_of(slot)
        row = _whole(self._buffers[side].row(slot), id_)
        if len(self._tables) > 2:
            return self._decide_three(side, id_, row, rules)
        if self._waits(side, Side(1 - side), row, rules):
            return None
        self._take(side, slot)
        return Unmatched(side, row, id_)

    def _decide_three(self, side: Side, id_: Hashable, row: PendingRecord, rules: Completeness) -> Decision | None:
        slots = [table.slot_of(id_) for table in self._tables]
        if side is not Side.PRODUCTION:
            if slots[Side.PRODUCTION] != NONE or self._waits(side, Side.PRODUCTION, row, rules):
                return None  # production's record waits as well, and its lanes decide
            return Unmatched(side, self._take(side, slots[side]), id_)
        for awaited in (Side.SHADOW, Side.TWIN):
            if slots[awaited] == NONE and self._waits(side, awaited, row, rules):
                return None
        self._take(side, slots[side])
        shadow, twin = (
            None if (slot := slots[one]) == NONE else self._take(one, slot) for one in (Side.SHADOW, Side.TWIN)
        )
        return Unmatched(side, row, id_, twin) if shadow is None else Pair(row, shadow, twin, False, id_)

    def _waits(self, side: Side, awaited: Side, row: PendingRecord, rules: Completeness) -> bool:
        lanes = rules.lanes(side, awaited, row)
        for lane, threshold in lanes:
            self._wait_queue.push(lane, threshold, side, row.offset, row.offset)
        return bool(lanes)

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        found: list[Unmatched] = []
        for side, table in zip(Side, self._tables, strict=False):
            for id_ in filter(sheds, table.ids()):
                while (slot := table.slot_of(id_)) != NONE:  # the next row of the same id takes the place
                    found.append(Unmatched(side, self._take(side, slot), id_))
        return found

    def buffer(self, side: Side) -> ColumnBuffer:
        return self._buffers[side]

    def offsets(self, side: Side) -> Spans:
        return self._buffers[side].spans()


def _stored_keys(rows: PendingColumns, ids: Sequence[Hashable]) -> list[object]:
    """Return the keys as the buffer has them: None for one that is the id, `_NO_KEY` for one that is None."""
    return [_NO_KEY if key is None else None if key == id_ else key for key, id_ in zip(rows.keys, ids, strict=True)]


def _keys_of(rows: PendingColumns, ids: Sequence[Hashable]) -> Sequence[bytes | None]:
    """Return the keys of rows from the buffer."""
    if rows.columns[_KEYS] is None:
        return cast("Sequence[bytes | None]", ids)
    return list(map(_key_of, rows.keys, ids))


def _whole(row: PendingRecord, id_: Hashable) -> PendingRecord:
    """Return a row from the buffer with its key."""
    return row._replace(key=_key_of(row.key, id_))


def _key_of(stored: object, id_: Hashable) -> bytes | None:
    return cast("bytes | None", id_ if stored is None else None if stored is _NO_KEY else stored)
