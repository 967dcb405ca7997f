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
from operator import eq, is_not, not_
from typing import cast

from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.wait_queue import WaitQueue
from shadowstream.joiner.matching.matches import Decision, Decisions, Pair, PairBatch, ShedRule, Unmatched
from shadowstream.joiner.matching.pending import PendingTotals
from shadowstream.joiner.matching.pending_buffer import ColumnBuffer
from shadowstream.joiner.matching.spilled_values import SpillStore
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side


class UniqueIdStore:
    """The pending rows of two or three sides under a unique id.

    >>> store = UniqueIdStore(1000)
    >>> one, two = PendingRecord(0, 5, b"a", b"k"), PendingRecord(9, 6, b"b", b"k")
    >>> store.match_rows(Side.PRODUCTION, [b"k"], [one])
    []
    >>> store.match_rows(Side.SHADOW, [b"k"], [two]) == [Pair(one, two, id=b"k")]
    True
    """

    def __init__(self, window_ms: int, sides: int = 2) -> None:
        self.held = PendingTotals(window_ms)
        self._ids: tuple[dict[Hashable, int], ...] = tuple({} for _ in range(sides))
        """The offset of each pending id's row; the earliest one, if there are several."""
        self._buffers = tuple(ColumnBuffer(partial(self._back, side)) for side in range(sides))
        self._later: tuple[dict[Hashable, deque[int]], ...] = tuple({} for _ in range(sides))
        """The offsets of the further rows of each pending id."""
        self._fresh: deque[tuple[Side, Hashable, int]] = deque()
        self._fresh_runs: list[tuple[Side, Sequence[Hashable], PendingColumns]] = []
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
        """Match new records of one side; store those without a partner."""
        if len(self._ids) > 2:
            return self._add_to_three(side, ids, list(rows))
        other_side = Side(1 - side)
        other, later = self._ids[other_side], self._later[other_side]
        pairs: list[Pair] = []
        left: list[PendingRecord] = []
        for id_, row in zip(ids, rows, strict=True):
            if id_ not in other:
                self._wait(side, id_, row)
                left.append(row)
                continue
            hit = self._buffers[other_side].take_row(other.pop(id_))
            self.held.leave(other_side, hit)
            both = (row, hit) if side is Side.PRODUCTION else (hit, row)
            pairs.append(Pair(*both, None, False, id_))
            if later:
                self._next(other_side, id_)
        if left:
            self._buffers[side].put(PendingColumns.of(left))
        return pairs

    def match_columns(self, side: Side, ids: Sequence[Hashable], rows: PendingColumns) -> Sequence[Pair | PairBatch]:
        """Do as `match_rows` with columns, which move as a whole unless several rows of the other side share an id."""
        if len(self._ids) > 2 or self._later[1 - side]:
            return self.match_rows(side, ids, rows.rows())
        other_side = Side(1 - side)
        hits = list(map(self._ids[other_side].pop, ids, repeat(None)))
        unmatched = hits.count(None)
        if unmatched == len(hits):
            self._wait_all(side, ids, rows)
            return ()
        if unmatched:
            found = list(map(is_not, hits, repeat(None)))
            new = list(map(not_, found))
            self._wait_all(side, list(compress(ids, new)), rows.where(new))
            hits, ids, rows = list(compress(hits, found)), list(compress(ids, found)), rows.where(found)
        partners = self._buffers[other_side].take(cast("list[int]", hits))
        self.held.leave_all(other_side, partners)
        return (PairBatch(rows, partners, ids) if side is Side.PRODUCTION else PairBatch(partners, rows, ids),)

    def _wait_all(self, side: Side, ids: Sequence[Hashable], rows: PendingColumns) -> None:
        self.held.enter_all(side, rows)
        first = list(map(self._ids[side].setdefault, ids, rows.offsets))
        if first != list(rows.offsets):
            for id_, offset, earliest in zip(ids, rows.offsets, first, strict=True):
                if offset != earliest:
                    self._later[side].setdefault(id_, deque()).append(offset)
        self._buffers[side].put(rows)
        self._fresh_runs.append((side, ids, rows.bare()))

    def _add_to_three(self, side: Side, ids: Sequence[Hashable], rows: Sequence[PendingRecord]) -> list[Pair]:
        pairs = []
        self._buffers[side].put(PendingColumns.of(rows))
        for id_, row in zip(ids, rows, strict=True):
            self._wait(side, id_, row)
            if all(id_ in waiting for waiting in self._ids):
                production, shadow, twin = (self._take(one, id_) for one in Side)
                pairs.append(Pair(production, shadow, twin, False, id_))
        return pairs

    def _wait(self, side: Side, id_: Hashable, row: PendingRecord) -> None:
        """Enter a row that is in the buffer, or will be."""
        mine = self._ids[side]
        self.held.enter(side, row)
        if id_ in mine:
            self._later[side].setdefault(id_, deque()).append(row.offset)
        else:
            mine[id_] = row.offset
            self._fresh.append((side, id_, row.offset))

    def _next(self, side: Side, id_: Hashable) -> None:
        """Let the next row of an id, if any, take the place of the removed one."""
        queue = self._later[side].get(id_)
        if queue:
            offset = self._ids[side][id_] = queue.popleft()
            self._fresh.append((side, id_, offset))
            if not queue:
                del self._later[side][id_]

    def _take(self, side: Side, id_: Hashable) -> PendingRecord:
        row = self._buffers[side].take_row(self._ids[side].pop(id_))
        self.held.leave(side, row)
        self._next(side, id_)
        return row

    def _still(self, side: Side, ids: Sequence[Hashable], offsets: Sequence[int]) -> list[bool]:
        """Return whether each of these rows waits and is the first of its id."""
        return list(map(eq, map(self._ids[side].get, ids), offsets))

    def take_decidable(self, rules: Completeness, limit: int = sys.maxsize) -> Decisions:
        """Decide the records that can no longer find a partner, at the cost of the new and the due records."""
        decided: list[Decision] = []
        self._enter_runs(rules)
        left = len(self._wait_queue)  # each entry is due once, though rows that still wait are entered again
        while len(decided) < limit:
            if not self._fresh:
                due = self._wait_queue.due(rules.bound, min(limit, left))
                left -= len(due)
                self._fresh.extend(due)
                if not due:
                    break
            side, id_, offset = self._fresh.popleft()
            if self._ids[side].get(id_) == offset:
                decision = self._decide(side, id_, self._buffers[side].row(offset), rules)
                if decision is not None:
                    decided.append(decision)
        return Decisions(decided, len(decided) >= limit)

    def _enter_runs(self, rules: Completeness) -> None:
        """Enter rows that came in columns into their lanes: together, or one by one if their lanes differ."""
        runs, self._fresh_runs = self._fresh_runs, []
        for side, ids, rows in runs:
            still = self._still(side, ids, rows.offsets)
            waiting = still.count(True)
            if not waiting:
                continue
            if waiting < len(still):
                ids, rows = list(compress(ids, still)), rows.where(still)
            lanes = rules.lanes_of_all(side, Side(1 - side), rows)
            for lane, thresholds in lanes:
                self._wait_queue.push_all(lane, thresholds, side, ids, rows.offsets)
            if not lanes:
                self._fresh += [(side, id_, offset) for id_, offset in zip(ids, rows.offsets, strict=True)]

    def _decide(self, side: Side, id_: Hashable, row: PendingRecord, rules: Completeness) -> Decision | None:
        if side is not Side.PRODUCTION:
            if id_ in self._ids[Side.PRODUCTION] or self._waits(side, Side.PRODUCTION, id_, row, rules):
                return None  # production's record waits as well, and its lanes decide
            return Unmatched(side, self._take(side, id_), id_)
        others = [Side(one) for one in range(1, len(self._ids))]
        for awaited in others:
            if id_ not in self._ids[awaited] and self._waits(side, awaited, id_, row, rules):
                return None
        self._take(side, id_)
        taken = [self._take(one, id_) if id_ in self._ids[one] else None for one in others]
        shadow, twin = taken[0], taken[1] if len(taken) > 1 else None
        return Unmatched(side, row, id_, twin) if shadow is None else Pair(row, shadow, twin, False, id_)

    def _waits(self, side: Side, awaited: Side, id_: Hashable, row: PendingRecord, rules: Completeness) -> bool:
        lanes = rules.lanes(side, awaited, row)
        for lane, threshold in lanes:
            self._wait_queue.push(lane, threshold, side, id_, row.offset)
        return bool(lanes)

    def shed(self, sheds: ShedRule) -> list[Unmatched]:
        found: list[Unmatched] = []
        for side, ids in zip(Side, self._ids, strict=False):
            for id_ in list(filter(sheds, ids)):
                while id_ in ids:  # the next row of the same id takes the place
                    found.append(Unmatched(side, self._take(side, id_), id_))
        return found

    def buffer(self, side: Side) -> ColumnBuffer:
        return self._buffers[side]

    def offsets(self, side: Side) -> Spans:
        return self._buffers[side].spans()
