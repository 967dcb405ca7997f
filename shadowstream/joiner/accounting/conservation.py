"""Conservation, counted on two paths and never computed from offsets (gaps are normal there).

1. inputs read = with output + silent + absent: the runner's counters, from its marks;
2. candidate outputs written = read, per route from an input partition to this task's output partition: the mark's
   counter against the records read here whose packed header names an input below the mark;
3. records read per side = ended by outcomes + pending.

A ledger line is (ledger, place, expected, counted); any difference is a remainder and means not yet.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shadowstream.joiner.completeness.marks_log import DoneMark
from shadowstream.protocol.headers import PackedHeader
from shadowstream.records import Partition

_TAIL_MAX = 1_000_000


class Routes:
    """The second ledger of one task: candidate outputs read, by the input partition that they came from."""

    def __init__(self, inputs: Sequence[str], output: Partition, *, once: bool = True) -> None:
        self._inputs = inputs
        self._once = once
        self._output = str(output)
        self.read: Counter[str] = Counter()
        self.last: dict[str, int] = {}
        self._tail: dict[str, deque[int]] = {}
        self._tail_from: dict[str, int] = {}
        self.lines: dict[str, tuple[int, int]] = {}

    def count(self, packed: Iterable[PackedHeader | None]) -> None:
        """Count newly read shadow records."""
        for one in packed:
            if one is None:
                continue
            at = one.coordinate
            place = f"{self._inputs[at.topic]}/{at.partition}"
            self.read[place] += 1
            self.last[place] = max(self.last.get(place, -1), at.offset)
            tail = self._tail.setdefault(place, deque(maxlen=_TAIL_MAX))
            if len(tail) == _TAIL_MAX:
                self._tail_from[place] = tail[0] + 1
            tail.append(at.offset)

    def check(self, done: DoneMark) -> None:
        """Compare with a mark that the shadow position has passed.

        Records of inputs at or beyond the mark may have been read already; they stand in the tail. After a restart
        the tail is empty, so a mark below what was read before cannot be told and a later one decides.
        """
        place = str(done.input)
        if done.offset <= self._tail_from.get(place, 0):
            return
        tail = self._tail.get(place, deque())
        while tail and tail[0] < done.offset:
            tail.popleft()
        self._tail_from[place] = done.offset
        if done.counters is None:  # a candidate of its own counts nothing for us: it has no second ledger
            return
        written, read = done.counters.written.get(self._output, 0), self.read[place] - len(tail)
        # Outputs of a commit that a crash has undone may be there beside those that the mark counts, never fewer.
        self.lines[place] = (written, read if self._once else min(read, written))

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record."""
        counts = {f"route:{place}": n for place, n in self.read.items()}
        counts |= {f"route_last:{place}": offset for place, offset in self.last.items()}
        for place, (expected, counted) in self.lines.items():
            counts |= {f"route_expected:{place}": expected, f"route_counted:{place}": counted}
        return counts

    def restore(self, counts: Mapping[str, int]) -> None:
        """Counts of the state record; marks below what was read before are left to later ones."""
        for name, value in counts.items():
            kind, _, place = name.partition(":")
            if kind == "route":
                self.read[place] = value
            elif kind == "route_last":
                self.last[place] = value
                self._tail_from[place] = value
            elif kind == "route_expected":
                self.lines[place] = (value, counts[f"route_counted:{place}"])


def line(ledger: int, place: str, expected: int, counted: int) -> dict[str, Any]:
    """A ledger line as in schemas/stats.avsc."""
    return {"ledger": ledger, "place": place, "expected": expected, "counted": counted}


def inputs_lines(place: str, read: int, ended: int, by_window: int) -> list[dict[str, Any]]:
    """The first ledger of one input partition: by the runner's classes, and by the windows that marks gave us."""
    return [line(1, place, read, ended), line(1, f"{place} by window", read, by_window)]


def routes_lines(routes: Routes, output: Partition) -> list[dict[str, Any]]:
    """The second ledger of one task."""
    return [line(2, f"{place} -> {output}", *both) for place, both in sorted(routes.lines.items())]


def records_lines(
    places: Sequence[Partition], read: list[int], ended: list[int], pending: list[int]
) -> list[dict[str, Any]]:
    """The third ledger of one task, a line a side."""
    return [line(3, str(place), read[n], ended[n] + pending[n]) for n, place in enumerate(places)]


def lost_lines(places: Sequence[Partition], lost: Sequence[int]) -> list[dict[str, Any]]:
    """Of the third ledger too: offsets that retention deleted before they were read, records or not. Nobody can end
    them, so the remainder stays and the verdict is not yet."""
    return [line(3, f"{place} deleted before it was read", n, 0) for place, n in zip(places, lost, strict=True) if n]
