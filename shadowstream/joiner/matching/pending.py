"""Number of pending records, and the memory that they take."""

from collections import Counter
from collections.abc import Sequence

from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.records import Side

ROW_BYTES = 450  # measured: a row, its id, its entries in dictionary, lane and dedupe window; without key and value


def row_bytes(row: PendingRecord) -> int:
    headers = row.header_fields.compared_bytes if row.header_fields is not None else 0
    return ROW_BYTES + len(row.value or b"") + len(row.key or b"") + headers


def _bytes(column: Sequence[bytes | None]) -> int:
    try:
        return sum(map(len, column))  # type: ignore[arg-type]  # see below
    except TypeError:  # some are None, which is rare
        return sum(map(len, filter(None, column)))


class PendingTotals:
    """The pending records of one task: their number and bytes by side, and their event-time windows."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self.bytes = [0, 0, 0]
        self.spilled = [0, 0, 0]  # bytes of spilled values, not included in `bytes`
        self.records = [0, 0, 0]
        self._windows: Counter[int] = Counter()

    def enter(self, side: Side, row: PendingRecord) -> None:
        self.bytes[side] += row_bytes(row)
        self.records[side] += 1
        self._windows[row.time_ms // self._window_ms] += 1

    def enter_all(self, side: Side, rows: PendingColumns) -> None:
        self._move(side, rows, 1)

    def leave_all(self, side: Side, rows: PendingColumns) -> None:
        self._move(side, rows, -1)

    def spill(self, side: int, size: int) -> None:
        """Move `size` bytes of values from memory to the spill file, or back if negative."""
        self.bytes[side] -= size
        self.spilled[side] += size

    def _move(self, side: Side, rows: PendingColumns, sign: int) -> None:
        headers = sum(one.compared_bytes for one in rows.header_fields or () if one is not None)
        self.bytes[side] += sign * (ROW_BYTES * len(rows) + _bytes(rows.values) + _bytes(rows.keys) + headers)
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
        self.bytes[side] -= row_bytes(row)
        self.records[side] -= 1
        window = row.time_ms // self._window_ms
        self._windows[window] -= 1
        if not self._windows[window]:
            del self._windows[window]

    def floor_ms(self) -> int | None:
        return min(self._windows) * self._window_ms if self._windows else None
