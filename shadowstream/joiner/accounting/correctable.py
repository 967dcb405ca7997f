"""What was said missing or extra and may still turn out otherwise.

An arrival too late for its pair is no second outcome: it corrects the first. So what was said is kept by id until
event time has gone on by `correctable_ms`, at most `corrections_max` of them (the oldest give way and are counted).
Values are not kept: the corrected record is read again from its topic. After a restart the store is filled again from
the diff topic, from `floor` on: the topic's end as it was observed before the row was written.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

from shadowstream.joiner.intake.equal_ids import equal_form
from shadowstream.protocol.outcomes import CORRECTABLE
from shadowstream.protocol.reasons import PARTNER_UNREAD, WHOSE, WHY_UNREAD
from shadowstream.records import InputCoordinate, Partition, Side

MAY_BE_GONE = "its partner may have been deleted before it was read"
"""Why a record is `evicted` whose partner comes after all now and then: it had not been deleted, it was late."""


MAY_BE_UNREAD = frozenset(PARTNER_UNREAD.format(whose, why) for whose in WHOSE for why in WHY_UNREAD)
"""Why a record is `evicted` whose partner is among those that nobody could read (`unread`), if it is not late."""


def is_correctable(outcome: str, reason: str | None) -> bool:
    """Whether a late partner takes this back."""
    return outcome in CORRECTABLE or reason == MAY_BE_GONE or reason in MAY_BE_UNREAD


class CorrectableRow(NamedTuple):
    """A correctable `outcome`: the record, at its own place, and where its row stands."""

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
    unread: bool = False
    """Whether a record that could not be read explains the outcome."""


_Entry = tuple[int, int, CorrectableRow]
"""Event time, running number, row."""


class CorrectableRows:
    """What one task has said and may have to correct."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._by_id: dict[tuple[Side, Hashable], list[_Entry]] = {}
        self._by_meaning: dict[tuple[Side, Hashable], dict[Hashable, None]] = {}
        """Ids that mean the same (`meaning`), in order; only of ids that mean more than their bytes."""
        self._order: deque[_Entry] = deque()
        self._live: set[int] = set()
        self._number = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._live)

    def add(self, row: CorrectableRow) -> None:
        """Keep a row; beyond the bound the oldest is forgotten."""
        self._number += 1
        entry = (row.time_ms, self._number, row)
        self._live.add(self._number)
        insort(self._by_id.setdefault((row.side, row.id), []), entry)
        if (meaning := equal_form(row.id)) is not None:
            self._by_meaning.setdefault((row.side, meaning), {})[row.id] = None
        self._order.append(entry)
        while len(self._live) > self._maximum:
            self.dropped += self._forget(self._order.popleft())

    def take(self, side: Side, id_: Hashable, time_ms: int, tolerance_ms: int | None) -> CorrectableRow | None:
        """The row of `side` that a late partner with this id corrects, no longer kept.

        Of several the nearest in event time within the tolerance; without one (None) the earliest.
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
        """The row of `side` whose id means the same as that of a late partner, in other bytes; no longer kept."""
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
        """Forget rows with event times below; they are asked in the order in which they were said."""
        while self._order and (self._order[0][0] < before_ms or self._order[0][1] not in self._live):
            self._forget(self._order.popleft())

    def correctable_floor(self) -> int | None:
        """Offset of the diff partition from which on every kept row stands; None where nothing is kept."""
        while self._order and self._order[0][1] not in self._live:
            self._order.popleft()
        return self._order[0][2].floor if self._order else None  # floors never fall: each is a later look at the end
