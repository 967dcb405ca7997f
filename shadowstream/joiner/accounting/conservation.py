"""Conservation ledgers: two counts by independent paths that must be equal. Offsets have gaps and do not count.

1. Inputs read = with output + silent + absent, by the runner's counters in its marks.
2. Candidate outputs written = read, by route from an input partition to this task's output partition. The counter of a
   mark is compared with the records read whose packed header names an input below the mark.
3. Records read of a side = ended by outcomes + pending.

A ledger line is (ledger, place, expected, counted). Any difference is a remainder, and the verdict is not yet.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shadowstream.joiner.completeness.marks_log import DoneMark, of_kind
from shadowstream.protocol.headers import PackedHeader
from shadowstream.records import Partition

_TAIL_MAX = 1_000_000


class RouteLedger:
    """The second ledger of one task: candidate outputs read by input partition. `once`: delivery is exactly once."""

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
        for at in (one.coordinate for one in packed if one is not None):
            place = f"{self._inputs[at.topic]}/{at.partition}"
            self.read[place] += 1
            self.last[place] = max(self.last.get(place, -1), at.offset)
            tail = self._tail.setdefault(place, deque(maxlen=_TAIL_MAX))
            if len(tail) == _TAIL_MAX:
                self._tail_from[place] = tail[0] + 1
            tail.append(at.offset)

    def check(self, done: DoneMark) -> None:
        """Compare the counts with a mark that the shadow position has passed.

        The tail holds records of inputs at or beyond the mark, which may have been read already. It is empty after a
        restart: then marks below the inputs read before are skipped, and a later mark decides.
        """
        place = str(done.input)
        if done.offset <= self._tail_from.get(place, 0):
            return
        tail = self._tail.get(place, deque())
        while tail and tail[0] < done.offset:
            tail.popleft()
        self._tail_from[place] = done.offset
        if done.counters is None:  # an external candidate has no counters, so it has no second ledger
            return
        written, read = done.counters.written.get(self._output, 0), self.read[place] - len(tail)
        # Without transactions a crash may leave more outputs than the mark counts, never fewer.
        self.lines[place] = (written, read if self._once else min(read, written))

    def snapshot(self) -> dict[str, int]:
        counts = {f"route:{place}": n for place, n in self.read.items()}
        counts |= {f"route_last:{place}": offset for place, offset in self.last.items()}
        for place, (expected, counted) in self.lines.items():
            counts |= {f"route_expected:{place}": expected, f"route_counted:{place}": counted}
        return counts

    def restore(self, counts: Mapping[str, int]) -> None:
        """Restore the counts of a state record; skip marks below the inputs read before."""
        self.read = Counter(of_kind(counts, "route"))
        self.last = of_kind(counts, "route_last")
        self._tail_from = dict(self.last)
        counted = of_kind(counts, "route_counted")
        self.lines = {place: (n, counted[place]) for place, n in of_kind(counts, "route_expected").items()}


def line(ledger: int, place: str, expected: int, counted: int) -> dict[str, Any]:
    return {"ledger": ledger, "place": place, "expected": expected, "counted": counted}


def inputs_lines(place: str, read: int, ended: int, by_window: int) -> list[dict[str, Any]]:
    """Return the first ledger of an input partition: by the runner's classes, and by the windows of its marks."""
    return [line(1, place, read, ended), line(1, f"{place} by window", read, by_window)]


def routes_lines(routes: RouteLedger, output: str) -> list[dict[str, Any]]:
    return [line(2, f"{place} -> {output}", *both) for place, both in sorted(routes.lines.items())]


def records_lines(places: Sequence[str], read: list[int], ended: list[int], pending: list[int]) -> list[dict[str, Any]]:
    return [line(3, place, read[n], ended[n] + pending[n]) for n, place in enumerate(places)]


def lost_lines(places: Sequence[str], lost: Sequence[int]) -> list[dict[str, Any]]:
    """Return lines for offsets that retention deleted before they were read: no outcome can end them."""
    return [line(3, f"{place} deleted before it was read", n, 0) for place, n in zip(places, lost, strict=True) if n]
