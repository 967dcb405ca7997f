"""Number of pending records, and the memory that they take."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.native.library import Measured, Values
from shadowstream.records import Side

Numbers = npt.NDArray[np.int64]
ROW_BYTES = 450  # measured: a row, its id, its entries in dictionary, lane and dedupe window; without key and value


def row_bytes(row: PendingRecord) -> int:
    headers = row.header_fields.compared_bytes if row.header_fields is not None else 0
    return ROW_BYTES + len(row.value or b"") + len(row.key or b"") + headers


def sizes_of(rows: PendingColumns, keys: Values | None = None) -> Numbers:
    """Return `row_bytes` of each row; `keys`: the keys in one buffer, if there is one."""
    sizes = _lengths(rows.values, rows.measured, len(rows))
    sizes += _lengths(rows.keys, keys, len(rows))
    sizes += ROW_BYTES
    if rows.header_fields is not None:
        headers = (0 if one is None else one.compared_bytes for one in rows.header_fields)
        sizes += np.fromiter(headers, np.int64, len(rows))
    return sizes


def _lengths(column: Sequence[bytes | None] | None, measured: Measured | Values | None, n: int) -> Numbers:
    if measured is not None:
        return np.diff(measured.offsets)
    if column is None:
        return np.zeros(n, np.int64)
    try:
        return np.fromiter(map(len, column), np.int64, n)  # type: ignore[arg-type]  # see below
    except TypeError:  # some are None, which is rare
        return np.fromiter((len(one or b"") for one in column), np.int64, n)


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

    def enter_all(self, side: int, times_ms: Numbers, sizes: Numbers) -> None:
        self._move(side, times_ms, sizes, 1)

    def leave_all(self, side: int, times_ms: Numbers, sizes: Numbers) -> None:
        self._move(side, times_ms, sizes, -1)

    def spill(self, side: int, size: int) -> None:
        """Move `size` bytes of values from memory to the spill file, or back if negative."""
        self.bytes[side] -= size
        self.spilled[side] += size

    def _move(self, side: int, times_ms: Numbers, sizes: Numbers, sign: int) -> None:
        self.bytes[side] += sign * int(sizes.sum())
        self.records[side] += sign * len(sizes)
        first, last = int(times_ms.min()) // self._window_ms, int(times_ms.max()) // self._window_ms
        if first == last:
            moved = {first: len(times_ms)}
        elif last - first > len(times_ms):
            moved = Counter((times_ms // self._window_ms).tolist())
        else:
            counts = np.bincount(times_ms // self._window_ms - first).tolist()
            moved = {first + n: count for n, count in enumerate(counts) if count}
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
