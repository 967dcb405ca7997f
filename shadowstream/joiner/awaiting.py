"""Decisions whose comparison needs a schema that the registry cannot tell now. All others go on meanwhile.

What waits here counts as unpaired still, in numbers, bytes and windows: it is pending in every commit, so that a
restart reads it again, and it holds windows open and its side back like anything that waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shadowstream.joiner.comparing import Comparing
from shadowstream.joiner.pairing import Alone, Decision, Held, Many, Pair, Row, Sheds
from shadowstream.joiner.said import SaidRow
from shadowstream.records import Place, Side

Corrected = tuple[SaidRow, Pair]
"""A correction; its rows are pending as such already."""


def rows_of(decision: Decision) -> Iterator[tuple[Side, Row]]:
    """The records of a decision."""
    if isinstance(decision, Many):
        yield from ((Side.PRODUCTION, row) for row in decision.production)
        yield from ((Side.SHADOW, row) for row in decision.shadow)
        return
    if isinstance(decision, Alone):
        yield decision.side, decision.row
    else:
        yield Side.PRODUCTION, decision.production
        yield Side.SHADOW, decision.shadow
    if decision.twin is not None:
        yield Side.TWIN, decision.twin


class Awaiting:
    """What waits of one task, in the order in which it came."""

    def __init__(self, held: Held, compare: Comparing) -> None:
        self._held, self._compare = held, compare
        self._decisions: list[Decision] = []
        self._corrected: list[Corrected] = []

    def __len__(self) -> int:
        return len(self._decisions) + len(self._corrected)

    def add(self, decision: Decision) -> None:
        """It waits from now on."""
        self._decisions.append(decision)
        for side, row in rows_of(decision):
            self._held.enter(side, row)

    def add_corrected(self, corrected: Corrected) -> None:
        """A correction whose values have been read again."""
        self._corrected.append(corrected)

    def can_go_on(self, decision: Decision) -> bool:
        """Whether all values of a decision can be decoded now, or never."""
        return all(all(self._compare.available(side, [row.value])) for side, row in rows_of(decision))

    def take(self) -> tuple[list[Decision], list[Corrected]]:
        """What can go on; nothing while the first of each kind cannot, so that a registry is asked about few."""
        decisions: list[Decision] = []
        corrected: list[Corrected] = []
        if self._decisions and self.can_go_on(self._decisions[0]):
            waiting, self._decisions = self._decisions, []
            for one in waiting:
                if self.can_go_on(one):
                    decisions.append(one)
                    for side, row in rows_of(one):
                        self._held.leave(side, row)
                else:
                    self._decisions.append(one)
        if self._corrected and self.can_go_on(self._corrected[0][1]):
            waits = [not self.can_go_on(pair) for _, pair in self._corrected]
            corrected = [one for one, wait in zip(self._corrected, waits, strict=True) if not wait]
            self._corrected = [one for one, wait in zip(self._corrected, waits, strict=True) if wait]
        return decisions, corrected

    def shed(self, sheds: Sheds, corrected: Collection[tuple[Place, int]]) -> list[Alone]:
        """Remove all rows with such ids, each alone, and the corrections of these records."""
        found: list[Alone] = []
        waiting, self._decisions = self._decisions, []
        for decision in waiting:
            if not sheds(decision.id):
                self._decisions.append(decision)
                continue
            for side, row in rows_of(decision):
                self._held.leave(side, row)
                found.append(Alone(side, row, decision.id))
        self._corrected = [one for one in self._corrected if (one[0].place, one[0].offset) not in corrected]
        return found

    def offsets(self, side: Side) -> Iterator[int]:
        """Offsets of the rows of a side that wait here."""
        for decision in self._decisions:
            for one, row in rows_of(decision):
                if one is side:
                    yield row.offset
