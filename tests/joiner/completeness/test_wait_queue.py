"""What waits is never scanned: the cost is that of what is new and of what is due."""

from collections import Counter
from collections.abc import Hashable, Sequence

import pytest

from shadowstream.joiner.completeness import wait_queue as deadlines_module
from shadowstream.joiner.completeness.wait_queue import WaitCondition, WaitQueue, Waits
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import IN, CompletenessWorld

LANE = WaitCondition("time")


class Counted:
    """Entries by offset that are asked about, each time counted."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.gone: set[int] = set()

    def alive(self, side: Side, ids: Sequence[Hashable], offsets: Sequence[int]) -> list[bool]:
        self.asked["alive"] += len(offsets)
        return [offset not in self.gone for offset in offsets]

    def bound(self, lane: WaitCondition) -> float:
        self.asked["bound"] += 1
        return self.limit

    limit: float = 0


def test_what_is_due_comes_once_in_the_order_of_its_threshold() -> None:
    counted = Counted()
    deadlines = WaitQueue(counted.alive)
    for offset, threshold in enumerate((30, 10, 20)):
        deadlines.push(LANE, threshold, Side.SHADOW, b"k", offset)
    counted.limit = 20
    assert [offset for _, _, offset in deadlines.due(counted.bound)] == [1], "a threshold at the bound is not due"
    counted.limit = 31
    assert [offset for _, _, offset in deadlines.due(counted.bound)] == [2, 0]
    assert list(deadlines.due(counted.bound)) == []


def test_due_records_cost_one_query_a_lane_however_many_wait() -> None:
    counted = Counted()
    deadlines = WaitQueue(counted.alive)
    lanes = [WaitCondition("done", Side.SHADOW, IN), LANE]
    for offset in range(5_000):
        for lane in lanes:
            deadlines.push(lane, offset, Side.PRODUCTION, b"%d" % offset, offset)
    came_up = 0
    for limit in range(1_000):
        counted.limit = limit
        came_up += len(list(deadlines.due(counted.bound)))
    assert came_up == 2 * 999
    assert counted.asked == {"bound": 1_000 * len(lanes), "alive": came_up}, "no row was asked about before it was due"


def test_due_records_come_in_the_requested_number_and_the_rest_later() -> None:
    counted = Counted()
    deadlines = WaitQueue(counted.alive)
    deadlines.push_all(LANE, range(10), Side.SHADOW, range(10))
    for offset in range(10, 20):
        deadlines.push(LANE, 5, Side.SHADOW, b"k", offset)
    counted.gone = {0, 1, 12}
    counted.limit = 8
    due = [[offset for _, _, offset in deadlines.due(counted.bound, 4)] for _ in range(5)]
    assert due == [[10, 11, 13, 14], [15, 16, 17, 18], [19, 2, 3, 4], [5, 6, 7], []]
    counted.limit = 100
    assert [offset for _, _, offset in deadlines.due(counted.bound, 4)] == [8, 9]


def test_stale_entries_are_dropped_once_they_outnumber_the_living(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines_module, "SWEEP_AT", 100)
    counted = Counted()
    deadlines = WaitQueue(counted.alive)
    for offset in range(10_000):
        deadlines.push(LANE, 10, Side.SHADOW, b"k", offset)
        if offset >= 5:
            counted.gone.add(offset - 5)
    assert counted.asked["alive"] <= 2 * 10_000, "sweeping is paid for by what was pushed"
    counted.limit = 11
    left = [offset for _, _, offset in deadlines.due(counted.bound)]
    assert len(left) <= 101
    assert set(range(9_995, 10_000)) <= set(left), "what still waits is never dropped"


def test_pending_rows_are_asked_for_on_arrival_and_when_due_only() -> None:
    world, waiting = CompletenessWorld(), UniqueIdStore(1_000)
    asked: Counter[int] = Counter()

    class Asks:
        """The clocks, each question counted."""

        def lanes(self, side: Side, awaited: Side, row: PendingRecord) -> Waits:
            asked[row.offset] += 1
            return world.completeness.lanes(side, awaited, row)

        bound = world.completeness.bound
        frontier = world.completeness.frontier

    waiting.match_rows(
        Side.PRODUCTION, [b"%d" % n for n in range(2_000)], [PendingRecord(n, 0, b"v", None) for n in range(2_000)]
    )
    world.completeness.observe_born(1_000, {IN: 10})
    ended = 0
    for step in range(100):
        if step == 50:
            world.done(IN, 10, end=0)
        world.read(shadow=0)
        ended += len(waiting.take_decidable(Asks()).matches)
    assert ended == 1_000
    assert {asked[n] for n in range(1_000)} == {2}
    assert {asked[n] for n in range(1_000, 2_000)} == {1}
