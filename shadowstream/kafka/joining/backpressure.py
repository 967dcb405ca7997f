"""Back-pressure of the joiner: Kafka is the buffer, so a side that runs ahead is held there.

Pairs meet within one task only, and the client reads one partition after the other, so each task has its share of the
bound: a bound for all of them would hold production's partition 0 while partition 1 is what the candidate's waits for.
Held is the leading side of a task, never the one on which it waits, or nothing would ever end again. Mostly that is the
side with least in memory, but not where time decides (`Completeness.sides_that_must_progress`): of an order that one
side answers thrice and the other once, three quarters wait on the side that is behind. Nor where that side has no more
to bring.

Pausing throws away what was fetched already and the first record after resuming takes most of a second, hence the wide
gap between the share at which a side is held and the half of it at which it is resumed. That second is also why nothing
need keep two sides from being held by turns too often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer, TopicPartition

from shadowstream.kafka.throttle import Throttle
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Side

log = get_logger("joiner")
TELL_EVERY_S = 10.0
OVER = 4
"""A task overflows once this part of its share has come on top although all sides but one are held."""
TaskBacklog = tuple[Sequence[Partition], Sequence[int], Sequence[int], Callable[[], frozenset[Side]]]
"""A task's places, the bytes that wait there in memory and those that are spilled, all by side; and
`Task.sides_that_must_progress`, asked only where something is to be held."""
ALL = frozenset(Side)


def to_hold(
    pending: Sequence[int], held: frozenset[Side], share: int, awaited: frozenset[Side] = ALL
) -> frozenset[Side]:
    """The sides of a task to be held from now on, by the bytes of each that wait, spilled or not.

    Over the share one more side is held, the one with most waiting, until only one is left: of those that are awaited
    the one with least. A side that has become this one is let go. Under half the share all are, and where none is
    awaited.

    >>> production = frozenset([Side.PRODUCTION])
    >>> to_hold([9, 1], frozenset(), 9) == production == to_hold([4, 1], production, 9)
    True
    >>> to_hold([3, 0], production, 9)
    frozenset()
    >>> to_hold([5, 6], production, 9) == to_hold([6, 5], production, 9, production) == {Side.SHADOW}
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


class Overflow:
    """Which tasks overflow although all their sides but one are held.

    What had come over the share before they were held, a batch a side at most, is no fault of holding and is added to
    the share: a side that merely leads would else count as overflow wherever a batch is larger than the margin. So is
    what a held side still brings: the loop had fetched it before.

    >>> overflow, at = Overflow(), Place("out", 0)
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
        """Whether the task at this place of production does, of which so many bytes wait. `full`: so many sides are
        held, or none is to be; `late`: bytes that sides have brought since although they are held."""
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
    """Pauses and resumes sides of the tasks that are assigned, by their number."""

    def __init__(self, consumer: Consumer, bound: int) -> None:
        self._consumer, self._bound = consumer, bound
        self._held: dict[Partition, frozenset[Side]] = {}
        self._waited: dict[Partition, Sequence[int]] = {}
        self._paused: set[Partition] = set()
        self._overflow = Overflow()
        self._held_warning, self._over_warning = Throttle(TELL_EVERY_S), Throttle(TELL_EVERY_S)
        self._logged = False

    def assigned(self) -> None:
        """A new assignment begins with nothing paused."""
        self._held.clear()
        self._waited.clear()
        self._overflow = Overflow()
        self._paused.clear()

    def dropped(self) -> None:
        """After an abort the partitions stay ours, and paused ones would stay paused."""
        self._resume(self._paused)
        self.assigned()

    def turn(self, tasks: Sequence[TaskBacklog]) -> list[Partition]:
        """Look at what waits in each task; production's places of those where holding does not keep to the bound."""
        over: list[Partition] = []
        pause: set[Partition] = set()
        resume: set[Partition] = set()
        share = self._bound // max(1, len(tasks))
        for places, pending, spilled, awaited in tasks:
            held = self._held.get(places[0], frozenset())
            # With what is spilled, as if it were not: a side leads with it, and no more waits in all than under `hold`.
            leads = [sum(both) for both in zip(pending, spilled, strict=True)]
            free = awaited() if held or sum(leads) > share else ALL
            wanted = to_hold(leads, held, share, free)
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

    def tell_over(self, over: Sequence[Partition], pending: int) -> None:
        """Say that these tasks take more memory than their share."""
        if over and self._over_warning.is_due():
            places = [str(place) for place in sorted(over)]
            log.warning("pending_over_bound", places=places, pending_bytes=pending, bound=self._bound)

    def _change(self, pause: set[Partition], resume: set[Partition], pending: int) -> None:
        if pause:
            self._consumer.pause(_partitions(pause))
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
            self._consumer.resume(_partitions(places))


def _partitions(places: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(place.topic, place.partition) for place in places]
