"""Pairing of inputs with many outputs: the outputs of one input are one group, compared as a multiset.

A group is decided once both sides are done with the input: the shadow by its marks, production by its commits. Until
then another output may come; to decide earlier could report a wrong number of outputs.
"""

import sys
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from shadowstream.compare.lists import matching
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.wait_queue import WaitQueue
from shadowstream.joiner.matching.matches import Decision, Decisions, KeyedStore, OutputGroup, SideRows, Unmatched
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side

COMPARED_MAX = 64
"""Up to this number of outputs of one input, each is compared with each. Otherwise, equal ones pair first; if more than
this number remain, they pair in order and are ambiguous."""


class InputGroupStore(KeyedStore):
    """The pending rows of two sides by the id of their input."""

    def __init__(self, window_ms: int) -> None:
        super().__init__(window_ms)
        self._fresh: OrderedDict[Hashable, None] = OrderedDict()  # removing the first entry of a dict is slow
        self._wait_queue = WaitQueue(self._alive)

    def _alive(self, side: Side, ids: Sequence[Hashable], offsets: Sequence[int]) -> Iterator[bool]:
        for id_, offset in zip(ids, offsets, strict=True):
            group = self._rows.get(id_)
            yield group is not None and any(row.offset == offset for row in group[side])

    def match_rows(self, side: Side, ids: Sequence[Hashable], rows: Iterable[PendingRecord]) -> Sequence[Decision]:
        """Store new records; a group is decided once both sides are done with its input."""
        for id_, row in zip(ids, rows, strict=True):
            self._rows.setdefault(id_, ([], []))[side].append(row)
            self.held.enter(side, row)
            self._fresh[id_] = None
        return ()

    def take_decidable(self, rules: Completeness, limit: int = sys.maxsize) -> Decisions:
        decided: list[Decision] = []
        left = len(self._wait_queue)  # each entry is due once, though rows that still wait are entered again
        while len(decided) < limit:
            if not self._fresh:
                due = self._wait_queue.due(rules.bound, min(limit, left))
                left -= len(due)
                self._fresh.update((id_, None) for _, id_, _ in due)
                if not due:
                    break
            id_, _ = self._fresh.popitem(last=False)
            group = self._rows.get(id_)
            if group is not None and not self._waits(id_, group, rules):
                del self._rows[id_]
                decided += self._decide(id_, *group)
        return Decisions(decided, len(decided) >= limit)

    def _waits(self, id_: Hashable, group: SideRows, rules: Completeness) -> bool:
        """Return whether the group may still grow; if so, enter it into a lane."""
        # In a group of one side, further outputs of that side would be unmatched too: only the other side matters.
        for side, rows in zip(Side, group, strict=False):
            lanes = rules.lanes(side, Side(1 - side), rows[0]) if rows else ()
            for lane, threshold in lanes:
                self._wait_queue.push(lane, threshold, side, id_, rows[0].offset)
            if lanes:
                return True
        return False

    def _decide(self, id_: Hashable, production: list[PendingRecord], shadow: list[PendingRecord]) -> list[Decision]:
        rows = [(side, row) for side, rows in zip(Side, (production, shadow), strict=False) for row in rows]
        for side, row in rows:
            self.held.leave(side, row)
        if production and shadow:
            return [OutputGroup(production, shadow, id_)]
        return [Unmatched(side, row, id_) for side, row in rows]


def assign(fits: Sequence[Sequence[bool]]) -> list[int]:
    """Assign a column to each of n rows, with as many fits as possible (`compare.lists.matching`).

    The other rows take the remaining columns in order.

    >>> assign([[True, True], [True, False]])
    [1, 0]
    >>> assign([[False, False], [False, True]])
    [0, 1]
    """
    column_of = matching(fits)
    left = iter([column for column in range(len(fits)) if column not in column_of])
    return [next(left) if column is None else column for column in column_of]
