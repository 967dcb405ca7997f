"""Records dated ahead of the clock: which they are, and how long one of them is waited for.

Event time is believed for what it says of the record, and not for what it says of the others. A record dated a day
ahead counts in the window of its own time, like any other: were it moved to another window, the window would depend on
the clock of whoever reads it. But it moves no watermark, or a single one of them would close the windows of a day.

The clock that decides begins with the wall's, or with the watermark of before a restart if that is later, and goes on
as the wall's does. Where that is set back it stands still for a moment. Where it is set forward it follows, so that a
wrong date may pass.

Where nothing but time ends what waits, a record dated ahead is waited for until the watermark reaches the limit as it
was when the record was read. So a date of the year 9999 does not keep it open for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

NEVER = -(2**63)


class Ahead:
    """The limit beyond which event times move nothing. `records` counts the records beyond it.

    >>> ahead = Ahead(1_000)
    >>> ahead.newest([5, 7_000, 9], 100), ahead.newest([2_000], 100), ahead.newest([1_090], 50)
    (9, None, 1090)
    """

    def __init__(self, most_ms: int) -> None:
        self._most_ms = most_ms
        self._clock_ms = self._wall_ms = NEVER
        self._due_ms: dict[tuple[int, int], int] = {}
        self.records = 0

    def limit_ms(self, now_ms: int) -> int:
        """The greatest event time that moves a watermark at wall time `now_ms`."""
        if self._wall_ms == NEVER:
            self._clock_ms = max(self._clock_ms, now_ms)
        else:
            self._clock_ms += max(0, now_ms - self._wall_ms)
        self._wall_ms = now_ms
        return self._clock_ms + self._most_ms

    def reached(self, watermark_ms: int) -> None:
        """Take a watermark of before a restart for a wall time that has been: the clock may be set back since."""
        self._clock_ms = max(self._clock_ms, watermark_ms)

    def newest(self, times_ms: Sequence[int], now_ms: int) -> int | None:
        """The greatest of these event times that is not too far ahead; None where all are."""
        limit, newest = self.limit_ms(now_ms), max(times_ms)
        if newest <= limit:
            return newest
        return max((time_ms for time_ms in times_ms if time_ms <= limit), default=None)

    def note(self, side: int, offsets: Sequence[int], times_ms: Sequence[int], old: int = 0) -> None:
        """Remember until when those of these records are waited for that are dated beyond the limit. The first `old` of
        them have been counted before."""
        limit = self._clock_ms + self._most_ms
        if max(times_ms) <= limit:
            return
        beyond = [i for i, time_ms in enumerate(times_ms) if time_ms > limit]
        self._due_ms |= {(side, offsets[i]): limit for i in beyond}
        self.records += sum(i >= old for i in beyond)

    def due_ms(self, side: int, offset: int, time_ms: int) -> int:
        """The event time that stands for a record where only time ends its wait."""
        return self._due_ms.get((side, offset), time_ms) if self._due_ms else time_ms

    def due_of_all(self, side: int, offsets: Sequence[int], times_ms: Sequence[int]) -> Sequence[int]:
        """As `due_ms`, of many."""
        if not self._due_ms:
            return times_ms
        return [self.due_ms(side, offset, time_ms) for offset, time_ms in zip(offsets, times_ms, strict=True)]

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record."""
        return {"ahead": self.records} if self.records else {}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        self.records = counts.get("ahead", 0)

    @property
    def noted(self) -> bool:
        """Whether any record is remembered."""
        return bool(self._due_ms)

    def keep(self, side: int, offsets: Collection[int]) -> None:
        """Forget the records of a side but these."""
        waiting = set(offsets)
        self._due_ms = {name: due for name, due in self._due_ms.items() if name[0] != side or name[1] in waiting}
