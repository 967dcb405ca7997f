"""Records with a time ahead of the clock: their detection, and the bound on waiting for their partners.

The event time of a record is trusted for that record, not for other records. A record dated a day ahead counts in
the window of its own time, like any other: in another window, the result would depend on the reader's clock. But it
moves no watermark; otherwise a single one would close the windows of a day.

The deciding clock starts at wall time, or at the watermark from before a restart if that is later, and runs with the
wall clock. If the wall clock is set back, the deciding clock stops for a moment. If it is set forward, the deciding
clock follows, and wrong dates may pass.

Where only time ends the wait for a partner, a record dated ahead waits for a watermark: the limit at the time when the
record was read. So a date in the year 9999 does not keep it open forever.
"""

from collections.abc import Collection, Mapping, Sequence

NEVER = -(2**63)


class Ahead:
    """The limit beyond which event times move no watermark. `records` counts the records beyond it.

    >>> ahead = Ahead(1_000)
    >>> ahead.newest([5, 7_000, 9], 100), ahead.newest([2_000], 100), ahead.newest([1_090], 50)
    (9, None, 1090)
    """

    def __init__(self, ahead_max_ms: int) -> None:
        self._ahead_max_ms = ahead_max_ms
        self._clock_ms = self._wall_ms = NEVER
        self._due_ms: dict[tuple[int, int], int] = {}
        self.records = 0

    def limit_ms(self, now_ms: int) -> int:
        """Return the greatest event time that moves a watermark at wall time `now_ms`."""
        if self._wall_ms == NEVER:
            self._clock_ms = max(self._clock_ms, now_ms)
        else:
            self._clock_ms += max(0, now_ms - self._wall_ms)
        self._wall_ms = now_ms
        return self._clock_ms + self._ahead_max_ms

    def reached(self, watermark_ms: int) -> None:
        """Treat a watermark from before a restart as an earlier wall time: the wall clock may have been set back
        since."""
        self._clock_ms = max(self._clock_ms, watermark_ms)

    def newest(self, times_ms: Sequence[int], now_ms: int) -> int | None:
        """Return the greatest of these event times within the limit; None if all are beyond it."""
        limit, newest = self.limit_ms(now_ms), max(times_ms)
        if newest <= limit:
            return newest
        return max((time_ms for time_ms in times_ms if time_ms <= limit), default=None)

    def note(self, side: int, offsets: Sequence[int], times_ms: Sequence[int], old: int = 0) -> None:
        """Remember the limit for those of these records that are beyond it. The first `old` of them have been counted
        before."""
        limit = self._clock_ms + self._ahead_max_ms
        if max(times_ms) <= limit:
            return
        beyond = [i for i, time_ms in enumerate(times_ms) if time_ms > limit]
        self._due_ms |= {(side, offsets[i]): limit for i in beyond}
        self.records += sum(i >= old for i in beyond)

    def due_ms(self, side: int, offset: int, time_ms: int) -> int:
        """Return the event time that counts for a record if only time ends its wait."""
        return self._due_ms.get((side, offset), time_ms) if self._due_ms else time_ms

    def due_of_all(self, side: int, offsets: Sequence[int], times_ms: Sequence[int]) -> Sequence[int]:
        """Return `due_ms` of many records."""
        if not self._due_ms:
            return times_ms
        return [self.due_ms(side, offset, time_ms) for offset, time_ms in zip(offsets, times_ms, strict=True)]

    def snapshot(self) -> dict[str, int]:
        return {"ahead": self.records} if self.records else {}

    def restore(self, counts: Mapping[str, int]) -> None:
        self.records = counts.get("ahead", 0)

    @property
    def noted(self) -> bool:
        """Whether any record is remembered."""
        return bool(self._due_ms)

    def keep(self, side: int, offsets: Collection[int]) -> None:
        """Forget the records of a side except these."""
        waiting = set(offsets)
        self._due_ms = {name: due for name, due in self._due_ms.items() if name[0] != side or name[1] in waiting}
