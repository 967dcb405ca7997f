"""Correctable outcomes: records reported missing or extra whose partner may still arrive.

A late partner does not get a second outcome: it corrects the first. The rows are kept by id until event time has
advanced by `correctable_ms`. There are at most `corrections_max` rows; beyond that the oldest are dropped and counted.
Values are not kept: the joiner reads the corrected record again from its topic. After a restart the joiner restores the
rows from the diff topic, from `floor` on: the end of the topic as observed before the row was written.
"""

from bisect import bisect, insort
from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

from shadowstream.joiner.intake.equivalent_ids import equal_form
from shadowstream.protocol.outcomes import CORRECTABLE
from shadowstream.protocol.reasons import PARTNER_UNREAD, WHOSE, WHY_UNREAD
from shadowstream.records import InputCoordinate, Partition, Side

MAY_BE_GONE = "its partner may have been deleted before it was read"
"""Reason of an `evicted` record whose partner may be deleted, or merely late."""
MAY_BE_UNREAD = frozenset(PARTNER_UNREAD.format(whose, why) for whose in WHOSE for why in WHY_UNREAD)
"""Reasons of an `evicted` record whose partner may be unreadable (`intake.unread_records`), or merely late."""


def is_correctable(outcome: str, reason: str | None) -> bool:
    return outcome in CORRECTABLE or reason == MAY_BE_GONE or reason in MAY_BE_UNREAD


class CorrectableRow(NamedTuple):
    """A correctable outcome of one record. `place`, `offset`: in its producer's topic. `floor`: see the module."""

    side: Side
    id: Hashable
    place: Partition
    offset: int
    time_ms: int
    key: bytes | None
    at: InputCoordinate | None
    revision: str
    pair_id: str
    floor: int
    outcome: str
    unread: bool = False  # whether an unreadable record explains the outcome


_Entry = tuple[int, int, CorrectableRow]  # event time, running number, row


class CorrectableRows:
    """The correctable rows of one task, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_id: dict[tuple[Side, Hashable], list[_Entry]] = {}
        self._by_meaning: dict[tuple[Side, Hashable], dict[Hashable, None]] = {}
        """Ids of the same meaning (`intake.equal_ids`), in order of arrival; only ids that have a meaning."""
        self._order: deque[_Entry] = deque()
        self._live: set[int] = set()
        self._number = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._live)

    def add(self, row: CorrectableRow) -> None:
        self._number += 1
        entry = (row.time_ms, self._number, row)
        self._live.add(self._number)
        insort(self._by_id.setdefault((row.side, row.id), []), entry)
        if (meaning := equal_form(row.id)) is not None:
            self._by_meaning.setdefault((row.side, meaning), {})[row.id] = None
        self._order.append(entry)
        while len(self._live) > self._limit:
            self.dropped += self._forget(self._order.popleft())

    def take(self, side: Side, id_: Hashable, time_ms: int, tolerance_ms: int | None) -> CorrectableRow | None:
        """Remove and return the row of `side` that a late partner with this id corrects; None if there is none.

        Several rows: the nearest in event time within the tolerance, or the earliest if that is None.
        """
        entries = self._by_id.get((side, id_))
        if not entries:
            return None
        entry = entries[0]
        if tolerance_ms is not None:
            at = bisect(entries, (time_ms,))
            entry = min(entries[max(0, at - 1) : at + 1], key=lambda one: abs(one[0] - time_ms))
            if abs(entry[0] - time_ms) > tolerance_ms:
                return None
        self._forget(entry)
        return entry[2]

    def take_alike(self, side: Side, id_: Hashable, time_ms: int) -> CorrectableRow | None:
        """Remove and return the row of `side` whose id differs from a late partner's in bytes, not in meaning."""
        meaning = equal_form(id_)
        alike = None if meaning is None else self._by_meaning.get((side, meaning))
        return self.take(side, next(iter(alike)), time_ms, None) if alike else None

    def _forget(self, entry: _Entry) -> bool:
        _, number, row = entry
        if number not in self._live:
            return False
        self._live.discard(number)
        entries = self._by_id[row.side, row.id]
        del entries[bisect(entries, entry[:2])]  # numbers are unique, so rows are never compared
        if not entries:
            del self._by_id[row.side, row.id]
            if (meaning := equal_form(row.id)) is not None:
                alike = self._by_meaning[row.side, meaning]
                del alike[row.id]
                if not alike:
                    del self._by_meaning[row.side, meaning]
        return True

    def expire(self, before_ms: int) -> None:
        """Drop rows with event times below the limit, in the order in which they were added."""
        while self._order and (self._order[0][0] < before_ms or self._order[0][1] not in self._live):
            self._forget(self._order.popleft())

    def correctable_floor(self) -> int | None:
        """Return the diff offset from which every kept row is stored; None if there is no row."""
        while self._order and self._order[0][1] not in self._live:
            self._order.popleft()
        return self._order[0][2].floor if self._order else None  # floors never decrease
