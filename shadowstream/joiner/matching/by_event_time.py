"""Pairing under a key that occurs again: decided in event-time order, never on arrival.

Pairing on arrival would be wrong. Production writes P1 and P2 under one key; the candidate loses S1 and writes S2. If
P1 and P2 are read first, S2 pairs with P1. If S2 is read before P2, it does so too, unless P1 has already ended. Only
event time shows that S2 belongs to P2 (tests/joiner/matching/test_by_event_time.py,
test_a_lost_occurrence_does_not_shift_the_others).

A cluster is a chain of records of one key, from both sides, in which neighbours are at most the tolerance apart. It is
decided as a whole, once both sides have been read beyond its last record by the tolerance and the grace. (The grace
allows for disorder.) The pairing keeps order, pairs records at most `tolerance_ms` apart, and makes as many pairs as
possible. If one side has surplus records, those are skipped whose successor is closer in time to the partner. A pair
with more than one possible partner is `ambiguous`: the number of pairs is right, the choice is not certain.
"""

import math
import sys
from bisect import bisect, insort
from collections.abc import Hashable, Iterable, Sequence
from heapq import heappop, heappush
from operator import attrgetter

from shadowstream.future_dates import Ahead
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.matching.matches import Decision, Decisions, KeyedStore, Pair, SideRows, Unmatched
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side

CLUSTER_MAX = 1_000
"""A longer cluster is cut in event-time order: records up to the cut are decided, with partners beyond it or not."""

Rows = Sequence[PendingRecord]
_order = attrgetter("time_ms", "offset")


class EventTimeStore(KeyedStore):
    """The pending rows of two sides by key, in event-time order."""

    def __init__(self, window_ms: int, tolerance_ms: int, ahead: Ahead | None = None) -> None:
        super().__init__(window_ms)
        self._ahead = ahead if ahead is not None else Ahead(0)
        self._tolerance_ms = tolerance_ms
        self._due: list[tuple[int, int, Hashable]] = []
        self._pushed = 0

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records; nothing is decided on arrival."""
        for id_, row in zip(ids, rows, strict=True):
            lists = self._rows.setdefault(id_, ([], []))
            first = self._first_ms(lists)
            insort(lists[side], row, key=_order)
            due_ms = self._first_ms(lists)
            if due_ms is not None and due_ms != first:
                self._push(due_ms, id_)
            self.held.enter(side, row)
        return ()

    def _first_ms(self, lists: SideRows) -> int | None:
        """Return the event time at which the first cluster of a key may be due; None without rows."""
        heads = [(one[0].time_ms, side, one[0].offset) for side, one in enumerate(lists) if one]
        if not heads:
            return None
        time_ms, side, offset = min(heads)
        return self._ahead.due_ms(side, offset, time_ms)

    def _push(self, time_ms: int, id_: Hashable) -> None:
        self._pushed += 1
        heappush(self._due, (time_ms, self._pushed, id_))  # ids need not have an order

    def take_decidable(self, rules: Completeness, limit: int = sys.maxsize) -> Decisions:
        """Decide the clusters that no record can join any more, until `limit` is reached."""
        frontier = rules.frontier()
        decided: list[Decision] = []
        again: list[tuple[int, Hashable]] = []
        while frontier is not None and self._due and self._due[0][0] + self._tolerance_ms <= frontier:
            if len(decided) >= limit:
                break
            time_ms, _, id_ = heappop(self._due)
            lists = self._rows.get(id_)
            # An entry is stale if an earlier row has come, or if its row was decided with an earlier cluster.
            if lists is None or self._first_ms(lists) != time_ms:
                continue
            starts = [0, 0]
            while len(decided) < limit and (found := self._cluster(id_, lists, starts, rules, frontier)) is not None:
                decided += found
            for one, start in zip(lists, starts, strict=True):
                del one[:start]  # once a key, not once a cluster: it moves the rest of a long list
            if (due_ms := self._first_ms(lists)) is not None:
                again.append((due_ms, id_))
            else:
                del self._rows[id_]
        for time_ms, id_ in again:
            self._push(time_ms, id_)
        return Decisions(decided, len(decided) >= limit)

    def _cluster(
        self, id_: Hashable, lists: SideRows, starts: list[int], rules: Completeness, frontier: float
    ) -> list[Decision] | None:
        """Decide the first cluster of a key from `starts` on, and advance these; None while it may still grow."""
        ends, last, due_ms = list(starts), None, 0
        while sum(ends) - sum(starts) < CLUSTER_MAX:
            heads = [(rows[n].time_ms, side) for side, rows in enumerate(lists) if (n := ends[side]) < len(rows)]
            if not heads or (last is not None and min(heads)[0] > last + self._tolerance_ms):
                break
            last, side = min(heads)
            due_ms = self._ahead.due_ms(side, lists[side][ends[side]].offset, last)
            ends[side] += 1
        if last is None or due_ms + self._tolerance_ms > frontier:
            return None
        cut = sum(ends) - sum(starts) == CLUSTER_MAX
        if cut:  # partners of rows up to the cut may lie beyond it
            ends = [bisect(one, last + self._tolerance_ms, key=attrgetter("time_ms")) for one in lists]
        productions, shadows = (one[start:end] for one, start, end in zip(lists, starts, ends, strict=True))
        pairs, unmatched = match(productions, shadows, self._tolerance_ms, last if cut else None)
        # Several inputs feed a partition, and its watermark is that of the input furthest ahead. So a record ends
        # unmatched only after the marks show that the other side is done with its input.
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


def match(
    productions: Rows, shadows: Rows, tolerance_ms: int, cut_ms: int | None = None
) -> tuple[list[Pair], list[tuple[Side, PendingRecord, bool]]]:
    """Pair one cluster in order of time; return the pairs, and the unmatched rows with whether a partner was possible.

    With `cut_ms`, only rows up to that time are decided: the cluster continues, so surplus records are still unknown.

    >>> first, second, shadow = (PendingRecord(0, time_ms, None, b"k") for time_ms in (0, 5, 6))
    >>> [(pair.production.time_ms, pair.shadow.time_ms) for pair in match([first, second], [shadow], 10)[0]]
    [(5, 6)]
    """
    # The number of pairs that the remaining rows can make.
    left = math.inf if cut_ms is not None else _pairs_max(productions, 0, shadows, 0, tolerance_ms)
    pairs: list[Pair] = []
    unmatched: list[tuple[Side, PendingRecord, bool]] = []
    i = j = 0
    while i < len(productions) or j < len(shadows):
        if cut_ms is not None and min(row.time_ms for row in (*productions[i : i + 1], *shadows[j : j + 1])) > cut_ms:
            break
        gap = shadows[j].time_ms - productions[i].time_ms if i < len(productions) and j < len(shadows) else None
        near = gap is not None and abs(gap) <= tolerance_ms
        production_first = i < len(productions) if gap is None else gap > tolerance_ms
        if near:
            # Skip a record only if that costs no pair.
            if len(productions) - i > left and _next_is_closer(productions, i, shadows[j].time_ms):
                near = _pairs_max(productions, i + 1, shadows, j, tolerance_ms) < left
                production_first = not near
            elif len(shadows) - j > left and _next_is_closer(shadows, j, productions[i].time_ms):
                near = _pairs_max(productions, i, shadows, j + 1, tolerance_ms) < left
        if near:
            possible = _possible(shadows, j, productions[i].time_ms, tolerance_ms)
            possible += _possible(productions, i, shadows[j].time_ms, tolerance_ms)
            pairs.append(Pair(productions[i], shadows[j], None, possible > 2))
            i, j, left = i + 1, j + 1, left - 1
        elif production_first:
            has_partner = _possible(shadows, j, productions[i].time_ms, tolerance_ms) > 0
            unmatched.append((Side.PRODUCTION, productions[i], has_partner))
            i += 1
        else:
            unmatched.append((Side.SHADOW, shadows[j], _possible(productions, i, shadows[j].time_ms, tolerance_ms) > 0))
            j += 1
    return pairs, unmatched


def _next_is_closer(rows: Rows, at: int, time_ms: int) -> bool:
    return at + 1 < len(rows) and abs(rows[at + 1].time_ms - time_ms) < abs(rows[at].time_ms - time_ms)


def _pairs_max(productions: Rows, i: int, shadows: Rows, j: int, tolerance_ms: int) -> int:
    """Return the maximum number of pairs of the rows from `i` and `j` on. Pairing the oldest first reaches it."""
    pairs = 0
    while i < len(productions) and j < len(shadows):
        gap = shadows[j].time_ms - productions[i].time_ms
        if abs(gap) <= tolerance_ms:
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif gap > 0:
            i += 1
        else:
            j += 1
    return pairs


def _possible(rows: Rows, at: int, time_ms: int, tolerance_ms: int) -> int:
    """Count those of the rows at, before and after index `at` that lie within the tolerance of a time."""
    return sum(abs(rows[n].time_ms - time_ms) <= tolerance_ms for n in range(max(0, at - 1), min(len(rows), at + 2)))
