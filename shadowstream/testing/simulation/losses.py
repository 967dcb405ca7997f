"""Outputs that nobody can read: which of a history are, and how many others they may explain."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD
from shadowstream.joiner.outcomes.unmatched import NEITHER_READ, SOME_UNREAD
from shadowstream.records import Side
from shadowstream.testing.simulation.history import OUTPUTS, Input, Setup
from shadowstream.testing.simulation.logs import Logs
from shadowstream.testing.simulation.truth import Unit, Written

REASONS = {*MAY_BE_UNREAD, NEITHER_READ.reason, SOME_UNREAD.reason}
LACKING = {"missing", "extra", "twin_extra", "undecodable_shadow", "warm_up"}


def can_lose(setup: Setup) -> bool:
    """Whether records of this setup may be lost: not where retention, replays or a warm-up make it hard to tell."""
    return not (setup.many or setup.twin or setup.warm or setup.replays or setup.retention)


def losing(setup: Setup, inputs: Sequence[Input], draw: Random) -> tuple[Setup, list[Input]]:
    share = draw.choice((0.0, 0.0, 0.1, 0.3))
    setup = replace(setup, compacted=bool(share) and draw.random() < 0.4)
    # What our own runner writes is never lost so: the second ledger would have a remainder.
    sides = (Side.PRODUCTION, Side.SHADOW) if setup.adopted and not setup.compacted else (Side.PRODUCTION,)
    found = []
    for one in inputs:
        loses = draw.random() < share and not (one.round or one.poison or one.ambiguous)
        found.append(replace(one, lost=tuple(s for s in sides if draw.random() < 0.6)) if loses else one)
    return setup, found


def is_unread(row: Mapping[str, Any]) -> bool:
    """Whether a row says that its record's partner may be among those that nobody could read."""
    return row.get("outcome") == "evicted" and row["reason"] in REASONS


class Losses:
    """By task, how many records could not be read, and how many were said to lack a partner for that."""

    def __init__(self, setup: Setup, logs: Logs) -> None:
        self._setup, self._logs = setup, logs
        self._unread: Counter[tuple[str, Side]] = Counter()
        self._owed: Counter[tuple[str, Side]] = Counter()
        self._explained: Counter[tuple[str, Side]] = Counter()

    def unreadable(self, written: Written) -> bool:
        """Whether nobody could read the identity of a record."""
        by_path = self._setup.identity == "id by path" and written.kind == "broken"
        return by_path or self._logs.offsets[written.label] in self._logs.broken

    def look(self, units: Iterable[Unit]) -> None:
        """Count what could not be read, and single partners of it that must not be blamed."""
        for unit in units:
            for side, other in ((Side.PRODUCTION, Side.SHADOW), (Side.SHADOW, Side.PRODUCTION)):
                mine, partners = unit.written[side], unit.written[other]
                for written in mine:
                    self._unread[self._task(unit, written), side] += self.unreadable(written)
                if len(mine) == len(partners) == 1 and self.unreadable(mine[0]) and self._is_plain(unit, partners[0]):
                    self._owed[self._task(unit, partners[0]), other] += 1
        if self._setup.compacted:
            for place in self._logs.records:
                gaps = sum(one is None for one in self._logs.records[place])
                self._unread[str(place), Side.PRODUCTION] += gaps

    def explains(self, row: Mapping[str, Any]) -> None:
        side = Side.PRODUCTION if row["production"] else Side.SHADOW if row["shadow"] else Side.TWIN
        self._explained[row["task"], side] += 1

    def explains_group(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of all outputs of one input, of which one side lacks some."""
        of_production = [row for row in rows if row["production"]]
        of_shadow = [row for row in rows if not row["production"]]
        more, fewer = sorted((of_production, of_shadow), key=len, reverse=True)
        for row in more[len(fewer) :]:
            self.explains(row)

    def offences(self) -> Iterator[str]:
        """Tasks in which more records were excused than could not be read; or fewer than had to be."""
        for (task, side), n in sorted(self._explained.items()):
            unread = self._unread[task, Side.SHADOW if side is Side.PRODUCTION else Side.PRODUCTION]
            if n > unread:
                yield f"{task}: {n} of {side.word} lack a partner that could not be read, and {unread} could not be"
        for (task, side), n in sorted(self._owed.items()):
            both = self._explained[task, side] + (side is Side.PRODUCTION) * self._explained[task, Side.SHADOW]
            certain = not (self._setup.retention or self._setup.shed or self._setup.correctable("extra"))
            if both < n and certain:
                yield f"{task}: {n} of {side.word} had partners that could not be read, and {both} were excused"

    def _is_plain(self, unit: Unit, written: Written) -> bool:
        """Whether nothing but its partner decides how a record ends."""
        ordinary = not (unit.input.absence or unit.input.poison or unit.input.blind or unit.warm or unit.lost)
        ordinary = ordinary and not (written.below_e1 or unit.input.again)
        return ordinary and unit.input.round == 0 and written.kind != "tombstone" and not self.unreadable(written)

    def _task(self, unit: Unit, written: Written) -> str:
        return f"{OUTPUTS[unit.input.topic]}/{self._logs.offsets[written.label][0].partition}"
