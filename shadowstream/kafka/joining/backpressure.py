"""Backpressure of the joiner: it pauses a side that leads, so that the side's records stay in Kafka.

Pairs match within one task only, and the client reads one partition after the other, so each task has its share of the
bound. One bound for all tasks would pause production's partition 0 while partition 1 holds the records that the
candidate waits for. The joiner pauses the leading side of a task, never the side on which it waits; otherwise nothing
would ever end. That is mostly the side with the fewest bytes in memory. It is another side if time decides pending
records (`Completeness.sides_that_must_progress`), or if the side has no further records. Example: of an order that one
side answers three times and the other once, three quarters wait on the side that lags.

Pausing discards fetched records, and the first record after resuming takes most of a second. Hence the wide gap: a side
is paused above the share and resumed below half of it. That second also keeps two sides from alternating too often.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, TopicPartition

from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Side

log = get_logger("joiner")
WARN_EVERY_S = 10.0
OVER = 4  # A task overflows once this part of its share was added although all sides but one are paused
TaskBacklog = tuple[Sequence[Partition], Sequence[int], Sequence[int], Callable[[], frozenset[Side]]]
"""A task's partitions, its pending bytes in memory and its spilled bytes, all by side; and
`Task.sides_that_must_progress`, called only if a side is to be paused."""
ALL = frozenset(Side)


def sides_to_pause(
    pending: Sequence[int], held: frozenset[Side], share: int, awaited: frozenset[Side] = ALL
) -> frozenset[Side]:
    """Return the sides of a task to be paused from now on, by the pending bytes of each, spilled or not.

    Above the share it pauses one more side, the one with most bytes, until one side is left: of the `awaited` sides the
    one with fewest bytes. It resumes a side that becomes this one. Below half the share, or if no side is awaited, it
    resumes all.

    >>> production = frozenset([Side.PRODUCTION])
    >>> sides_to_pause([9, 1], frozenset(), 9) == production == sides_to_pause([4, 1], production, 9)
    True
    >>> sides_to_pause([3, 0], production, 9)
    frozenset()
    >>> sides_to_pause([5, 6], production, 9) == sides_to_pause([6, 5], production, 9, production) == {Side.SHADOW}
    True
    """
    if sum(pending) < share // 2 or not awaited:
        return frozenset()
    by_lead = sorted(map(Side, range(len(pending))), key=lambda side: -pending[side])
    free = [side for side in by_lead if side in awaited][-1]
    kept = held - {free}
    if sum(pending) > share:
        return kept.union([side for side in by_lead if side not in kept and side is not free][:1])
    return kept


class OverflowDetector:
    """Detection of tasks that overflow although all their sides but one are paused.

    Bytes that came over the share before the pause, a batch a side at most, are added to the share. Otherwise a side
    that merely leads would overflow wherever a batch is larger than the margin. Bytes that a paused side still brings
    are added too: the loop had fetched them before.

    >>> overflow, at = OverflowDetector(), Partition("out", 0)
    >>> [overflow.of(at, waiting, 100, full=True) for waiting in (90, 150, 185, 186)]
    [False, False, False, True]
    >>> overflow.of(at, 100, 100, full=True), [overflow.of(at, waiting, 100, full=True) for waiting in (101, 126, 127)]
    (False, [False, False, True])
    >>> overflow.of(at, 226, 100, full=True, late=100), overflow.of(at, 227, 100, full=True)
    (False, True)
    """

    def __init__(self) -> None:
        self._before: dict[Partition, int] = {}
        self._full: dict[Partition, int] = {}

    def of(self, at: Partition, waiting: int, share: int, *, full: bool, late: int = 0) -> bool:
        """Return whether the task at production's partition `at` overflows, with `waiting` pending bytes.

        `full`: all sides but one are paused, or none may be; `late`: new bytes of sides that are already paused.
        """
        brought = max(0, waiting - self._before.get(at, 0))
        self._before[at] = waiting
        if waiting <= share:
            self._full.pop(at, None)
            return False
        if at not in self._full or not full:
            self._full[at] = self._full.get(at, share) + brought
            return False
        self._full[at] += late
        return waiting > self._full[at] + share // OVER


class Backpressure:
    """Pauses and resumes of the sides of assigned tasks."""

    def __init__(self, consumer: Consumer, bound: int) -> None:
        self._consumer, self._bound = consumer, bound
        self._held: dict[Partition, frozenset[Side]] = {}
        self._waited: dict[Partition, Sequence[int]] = {}
        self._paused: set[Partition] = set()
        self._overflow = OverflowDetector()
        self._held_warning, self._over_warning = Throttle(WARN_EVERY_S), Throttle(WARN_EVERY_S)
        self._logged = False

    def assigned(self) -> None:
        self._held.clear()
        self._waited.clear()
        self._overflow = OverflowDetector()
        self._paused.clear()

    def dropped(self) -> None:
        """Resume all sides: after an abort the partitions stay assigned, and paused ones would stay paused."""
        self._resume(self._paused)
        self.assigned()

    def turn(self, tasks: Sequence[TaskBacklog]) -> list[Partition]:
        """Pause and resume sides by each task's backlog; return production's partitions of overflowing tasks."""
        over, pause, resume = list[Partition](), set[Partition](), set[Partition]()
        share = self._bound // max(1, len(tasks))
        for places, pending, spilled, awaited in tasks:
            held = self._held.get(places[0], frozenset())
            # Spilled bytes count too: a side leads by them, and no more bytes wait in total than under `hold`.
            leads = [sum(both) for both in zip(pending, spilled, strict=True)]
            free = awaited() if held or sum(leads) > share else ALL
            wanted = sides_to_pause(leads, held, share, free)
            if wanted != held:
                self._held[places[0]] = wanted
                pause.update(places[side] for side in wanted - held)
                resume.update(places[side] for side in held - wanted)
            before = self._waited.get(places[0], pending)
            self._waited[places[0]] = list(pending)
            late = sum(max(0, pending[side] - before[side]) for side in held)
            full = not free or len(wanted) == len(places) - 1
            if self._overflow.of(places[0], sum(pending), share, full=full, late=late):
                over.append(places[0])
        if pause or resume:
            self._change(pause, resume, sum(sum(pending) for _, pending, *_ in tasks))
        return over

    def warn_over(self, over: Sequence[Partition], pending: int) -> None:
        if over and self._over_warning.is_due():
            places = [str(place) for place in sorted(over)]
            log.warning("pending_over_bound", places=places, pending_bytes=pending, bound=self._bound)

    def _change(self, pause: set[Partition], resume: set[Partition], pending: int) -> None:
        if pause:
            self._consumer.pause([TopicPartition(*place) for place in pause])
        self._resume(resume)
        self._paused = self._paused - resume | pause
        if self._paused and self._held_warning.is_due():
            named = [str(place) for place in sorted(self._paused)]
            log.warning("side_held_back", places=named, pending_bytes=pending, bound=self._bound)
            self._logged = True
        elif self._logged and not self._paused:
            log.info("side_resumed", pending_bytes=pending)
            self._logged = False

    def _resume(self, places: set[Partition]) -> None:
        if places:
            self._consumer.resume([TopicPartition(*place) for place in places])
