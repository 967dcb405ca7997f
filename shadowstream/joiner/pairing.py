"""Unpaired records of both sides, matched on arrival.

A record meets its partner as soon as the second of the two is read, whichever side that is; nothing is decided
here about records that wait. The stores keep arrival order, which is offset order on each side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

from shadowstream.records import Coordinate, Side


class Row(NamedTuple):
    """One record that waits or has met its partner.

    `at` is the input that it came from, where a header says so; `revision` (short) only on the shadow side.
    """

    offset: int
    time_ms: int
    value: bytes | None
    key: bytes | None
    at: Coordinate | None = None
    revision: str | None = None


class Pair(NamedTuple):
    """A production record and the shadow record with its id."""

    production: Row
    shadow: Row


ROW_BYTES = 250  # a row, its id and its place in the dict beside key and value; measured for pending_bytes_max


def row_bytes(row: Row) -> int:
    """About how much memory a waiting row takes."""
    return ROW_BYTES + len(row.value or b"") + len(row.key or b"")


class Waiting:
    """The rows of both sides that have no partner yet.

    >>> waiting = Waiting(1000)
    >>> one, two = Row(0, 5, b"a", b"k"), Row(9, 6, b"b", b"k")
    >>> waiting.match(Side.PRODUCTION, [b"k"], [one])
    ([], [])
    >>> waiting.match(Side.SHADOW, [b"k"], [two])[0] == [Pair(one, two)]
    True
    """

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self.rows: tuple[dict[Hashable, Row], dict[Hashable, Row]] = ({}, {})
        self.bytes = [0, 0]
        self._windows: Counter[int] = Counter()

    def match(self, side: Side, ids: Sequence[Hashable], rows: Iterable[Row]) -> tuple[list[Pair], list[Row]]:
        """Match new rows of one side; returns the pairs, and rows whose id already waits on the same side."""
        mine, other = self.rows[side], self.rows[1 - side]
        pairs: list[Pair] = []
        duplicates: list[Row] = []
        for id_, row in zip(ids, rows, strict=True):
            hit = other.pop(id_, None)
            if hit is not None:
                self._leave(Side(1 - side), hit)
                pairs.append(Pair(row, hit) if side is Side.PRODUCTION else Pair(hit, row))
            elif id_ in mine:
                duplicates.append(row)
            else:
                mine[id_] = row
                self.bytes[side] += row_bytes(row)
                self._windows[row.time_ms // self._window_ms] += 1
        return pairs, duplicates

    def take_while(self, side: Side, ended: Callable[[Row], bool]) -> list[Row]:
        """Remove and return the rows at the front of a side for which `ended` holds.

        Stops at the first for which it does not, so that the cost is that of the rows taken and one more.
        """
        taken = []
        for id_, row in self.rows[side].items():
            if not ended(row):
                break
            taken.append((id_, row))
        for id_, row in taken:
            del self.rows[side][id_]
            self._leave(side, row)
        return [row for _, row in taken]

    def offsets(self, side: Side) -> list[int]:
        """Offsets of the waiting rows of a side."""
        return [row.offset for row in self.rows[side].values()]

    def floor_ms(self) -> int | None:
        """Start of the lowest event-time window that holds a waiting row."""
        return min(self._windows) * self._window_ms if self._windows else None

    def __len__(self) -> int:
        return len(self.rows[0]) + len(self.rows[1])

    def _leave(self, side: Side, row: Row) -> None:
        self.bytes[side] -= row_bytes(row)
        window = row.time_ms // self._window_ms
        self._windows[window] -= 1
        if not self._windows[window]:
            del self._windows[window]
