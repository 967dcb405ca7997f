"""How many records are pending and how much memory they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side

ROW_BYTES = 450  # a row, its id, its places in dict and lane and in the ids seen, beside key and value; measured


def row_bytes(row: PendingRecord) -> int:
    """About how much memory a waiting row takes."""
    return ROW_BYTES + len(row.value or b"") + len(row.key or b"")


def _bytes(column: Sequence[bytes | None]) -> int:
    try:
        return sum(map(len, column))  # type: ignore[arg-type]  # see below
    except TypeError:  # some are None, in few topics
        return sum(map(len, filter(None, column)))


class Held:
    """How much waits: records and bytes by side, and the lowest event-time window among them."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self.bytes = [0, 0, 0]
        self.spilled = [0, 0, 0]
        """Bytes of values that lie outside of memory; not among `bytes`."""
        self.records = [0, 0, 0]
        self._windows: Counter[int] = Counter()

    def enter(self, side: Side, row: PendingRecord) -> None:
        """A row begins to wait."""
        self.bytes[side] += row_bytes(row)
        self.records[side] += 1
        self._windows[row.time_ms // self._window_ms] += 1

    def enter_all(self, side: Side, rows: PendingColumns) -> None:
        """Rows begin to wait."""
        self._move(side, rows, 1)

    def leave_all(self, side: Side, rows: PendingColumns) -> None:
        """Rows wait no longer."""
        self._move(side, rows, -1)

    def spill(self, side: int, size: int) -> None:
        """So many bytes of values left memory, or came back where negative."""
        self.bytes[side] -= size
        self.spilled[side] += size

    def _move(self, side: Side, rows: PendingColumns, sign: int) -> None:
        self.bytes[side] += sign * (ROW_BYTES * len(rows) + _bytes(rows.values) + _bytes(rows.keys))
        self.records[side] += sign * len(rows)
        first, last = min(rows.times_ms) // self._window_ms, max(rows.times_ms) // self._window_ms
        if first == last:
            moved = {first: len(rows)}
        else:
            moved = Counter(time_ms // self._window_ms for time_ms in rows.times_ms)
        for window, n in moved.items():
            self._windows[window] += sign * n
            if not self._windows[window]:
                del self._windows[window]

    def leave(self, side: int, row: PendingRecord) -> None:
        """A row waits no longer."""
        self.bytes[side] -= row_bytes(row)
        self.records[side] -= 1
        window = row.time_ms // self._window_ms
        self._windows[window] -= 1
        if not self._windows[window]:
            del self._windows[window]

    def floor_ms(self) -> int | None:
        """Start of the lowest event-time window that holds a waiting row."""
        return min(self._windows) * self._window_ms if self._windows else None
