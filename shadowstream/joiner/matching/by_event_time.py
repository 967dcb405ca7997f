"""Pairing under a key that comes again: decided in event-time order, never on arrival.

Why not on arrival: production writes P1 and P2 under one key, the candidate loses S1 and writes S2. If P1 and P2 are
read first, S2 meets P1; if S2 is read before P2, likewise, unless P1 has been given up before; only event time tells
that S2 belongs to P2 (tests/joiner/matching/test_by_event_time.py, test_a_lost_occurrence_does_not_shift_the_others).

Records of one key of both sides that lie within the tolerance of one another, next to next, are a cluster. It is
decided as a whole, once both sides have been read past its last record by the tolerance and the grace (which is the
disorder allowed for). Within it partners keep their order and differ by at most the tolerance, and as many meet as
can. Where one side has more than can meet, those are passed over first of which the next one of their side fits better.
A pair with more than one possible partner is `ambiguous`: right in number, not certain in person.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from heapq import heappop, heappush

from shadowstream.ahead import Ahead
from shadowstream.joiner.matching.matches import CompletenessRules, Decided, Decision, Pair, Sheds, Unmatched
from shadowstream.joiner.matching.pending import Held
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side

CLUSTER_MAX = 1_000
"""A longer cluster is cut in event-time order: everything up to the cut is decided, its partners may lie beyond."""

Timed = tuple[int, int, PendingRecord]
"""Event time, offset, row."""


class EventTimeStore:
    """The waiting rows of two sides by key, in event-time order."""

    def __init__(self, window_ms: int, tolerance_ms: int, ahead: Ahead | None = None) -> None:
        self.held = Held(window_ms)
        self._ahead = ahead if ahead is not None else Ahead(0)
        self._tolerance_ms = tolerance_ms
        self._keys: dict[Hashable, tuple[list[Timed], list[Timed]]] = {}
        self._due: list[tuple[int, int, Hashable]] = []
        self._pushed = 0

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records; nothing is ever decided on arrival."""
        for id_, row in zip(ids, rows, strict=True):
            lists = self._keys.get(id_)
            if lists is None:
                lists = self._keys[id_] = ([], [])
            mine = lists[side]
            first = self._first_ms(lists)
            insort(mine, (row.time_ms, row.offset, row))
            due_ms = self._first_ms(lists)
            if due_ms is not None and due_ms != first:
                self._push(due_ms, id_)
            self.held.enter(side, row)
        return ()

    def match_columns(self, side: Side, ids: Sequence[Hashable], rows: PendingColumns) -> Sequence[Decision]:
        """Do as `match_rows` with columns."""
        return self.match_rows(side, ids, rows.rows())

    def _first_ms(self, lists: tuple[list[Timed], list[Timed]]) -> int | None:
        """The time from which on the first cluster of a key may be due; None of no rows."""
        heads = [(one[0][0], side, one[0][1]) for side, one in enumerate(lists) if one]
        if not heads:
            return None
        time_ms, side, offset = min(heads)
        return self._ahead.due_ms(side, offset, time_ms)

    def _push(self, time_ms: int, id_: Hashable) -> None:
        self._pushed += 1
        heappush(self._due, (time_ms, self._pushed, id_))  # ids need not have an order

    def take_decidable(self, rules: CompletenessRules, limit: int = sys.maxsize) -> Decided:
        """Decide every cluster that nothing can join any more, until they are `limit` or, by one cluster, more."""
        frontier = rules.frontier()
        decided: list[Decision] = []
        again: list[tuple[int, Hashable]] = []
        while frontier is not None and self._due and self._due[0][0] + self._tolerance_ms <= frontier:
            if len(decided) >= limit:
                break
            time_ms, _, id_ = heappop(self._due)
            lists = self._keys.get(id_)
            # Entries may be stale: another has come before, or this one has gone with an earlier cluster.
            if lists is None or self._first_ms(lists) != time_ms:
                continue
            starts = [0, 0]
            while len(decided) < limit and (found := self._cluster(id_, lists, starts, rules, frontier)) is not None:
                decided += found
            for one, start in zip(lists, starts, strict=True):
                del one[:start]  # once a key and not once a cluster: the rest of a long list is moved
            if (due_ms := self._first_ms(lists)) is not None:
                again.append((due_ms, id_))
            else:
                del self._keys[id_]
        for time_ms, id_ in again:
            self._push(time_ms, id_)
        return Decided(decided, len(decided) >= limit)

    def _cluster(
        self,
        id_: Hashable,
        lists: tuple[list[Timed], list[Timed]],
        starts: list[int],
        rules: CompletenessRules,
        frontier: float,
    ) -> list[Decision] | None:
        """Decide the first cluster of a key from `starts` on, which move; None while it may still grow."""
        ends, last, due_ms = list(starts), None, 0
        while sum(ends) - sum(starts) < CLUSTER_MAX:
            heads = [(one[n][0], side) for side, (one, n) in enumerate(zip(lists, ends, strict=True)) if n < len(one)]
            if not heads or (last is not None and min(heads)[0] > last + self._tolerance_ms):
                break
            last, side = min(heads)
            due_ms = self._ahead.due_ms(side, lists[side][ends[side]][1], last)
            ends[side] += 1
        if last is None or due_ms + self._tolerance_ms > frontier:
            return None
        cut = sum(ends) - sum(starts) == CLUSTER_MAX
        if cut:  # partners of rows up to the cut may lie beyond it
            ends = [bisect(one, (last + self._tolerance_ms + 1,)) for one in lists]
        productions, shadows = (one[start:end] for one, start, end in zip(lists, starts, ends, strict=True))
        pairs, unmatched = match(productions, shadows, self._tolerance_ms, last if cut else None)
        # Several inputs feed a partition, and the watermark is that of the one furthest ahead: nobody is given up on
        # before the marks say that the other side is done with what this one comes from.
        if any(rules.lanes(side, Side(1 - side), row) for side, row, _ in unmatched):
            return None
        decided: list[Decision] = [pair._replace(id=id_) for pair in pairs]
        for pair in pairs:
            self.held.leave(Side.PRODUCTION, pair.production)
            self.held.leave(Side.SHADOW, pair.shadow)
        for side, row, ambiguous in unmatched:
            self.held.leave(side, row)
            decided.append(Unmatched(side, row, id_, None, ambiguous))
            starts[side] += 1
        starts[:] = (start + len(pairs) for start in starts)
        return decided

    def shed(self, sheds: Sheds) -> list[Unmatched]:
        """Remove all waiting rows with such ids, each alone."""
        found: list[Unmatched] = []
        for id_ in list(filter(sheds, self._keys)):
            for side, timed in zip(Side, self._keys.pop(id_), strict=False):
                for _, _, row in timed:
                    self.held.leave(side, row)
                    found.append(Unmatched(side, row, id_))
        return found

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the waiting rows of a side."""
        for lists in self._keys.values():
            for _, offset, _ in lists[side]:
                yield offset


def match(
    productions: Sequence[Timed], shadows: Sequence[Timed], tolerance_ms: int, cut_ms: int | None = None
) -> tuple[list[Pair], list[tuple[Side, PendingRecord, bool]]]:
    """Pairs of one cluster in order of time, and the rows left alone, each with whether it had a possible partner.

    With `cut_ms`, rows up to that time: the cluster goes on, so which side has more of them nobody can tell yet.

    >>> ours, theirs = [(0, 0, Row(0, 0, b"1", b"k")), (5, 1, Row(1, 5, b"2", b"k"))], [(6, 0, Row(0, 6, b"2", b"k"))]
    >>> [(p.production.offset, p.shadow.offset) for p in match(ours, theirs, 10)[0]]
    [(1, 0)]
    """
    left = (
        math.inf if cut_ms is not None else _maximum(productions, 0, shadows, 0, tolerance_ms)
    )  # pairs that there still are
    pairs: list[Pair] = []
    unmatched: list[tuple[Side, PendingRecord, bool]] = []
    i = j = 0
    while i < len(productions) or j < len(shadows):
        if (
            cut_ms is not None
            and min(one[n][0] for one, n in ((productions, i), (shadows, j)) if n < len(one)) > cut_ms
        ):
            break
        gap = shadows[j][0] - productions[i][0] if i < len(productions) and j < len(shadows) else None
        near = gap is not None and abs(gap) <= tolerance_ms
        production_goes = i < len(productions) if gap is None else gap > tolerance_ms
        if near and gap is not None:
            # Passing a record over must cost no pair.
            if len(productions) - i > left and abs(
                shadows[j][0] - productions[min(i + 1, len(productions) - 1)][0]
            ) < abs(gap):
                near = _maximum(productions, i + 1, shadows, j, tolerance_ms) < left
                production_goes = not near
            elif len(shadows) - j > left and abs(shadows[min(j + 1, len(shadows) - 1)][0] - productions[i][0]) < abs(
                gap
            ):
                near = _maximum(productions, i, shadows, j + 1, tolerance_ms) < left
        if near:
            possible = _possible(shadows, j, productions[i][0], tolerance_ms) + _possible(
                productions, i, shadows[j][0], tolerance_ms
            )
            pairs.append(Pair(productions[i][2], shadows[j][2], None, possible > 2))
            i, j, left = i + 1, j + 1, left - 1
        elif production_goes:
            unmatched.append(
                (Side.PRODUCTION, productions[i][2], _possible(shadows, j, productions[i][0], tolerance_ms) > 0)
            )
            i += 1
        else:
            unmatched.append((Side.SHADOW, shadows[j][2], _possible(productions, i, shadows[j][0], tolerance_ms) > 0))
            j += 1
    return pairs, unmatched


def _maximum(productions: Sequence[Timed], i: int, shadows: Sequence[Timed], j: int, tolerance_ms: int) -> int:
    """The most pairs that the rows from `i` and `j` on can make: oldest with oldest leaves none out."""
    pairs = 0
    while i < len(productions) and j < len(shadows):
        gap = shadows[j][0] - productions[i][0]
        if abs(gap) <= tolerance_ms:
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif gap > 0:
            i += 1
        else:
            j += 1
    return pairs


def _possible(rows: Sequence[Timed], at: int, time_ms: int, tolerance_ms: int) -> int:
    """How many of the rows at, before and after position `at` lie within the tolerance of a time; 3 at most."""
    return sum(abs(rows[n][0] - time_ms) <= tolerance_ms for n in range(max(0, at - 1), min(len(rows), at + 2)))
