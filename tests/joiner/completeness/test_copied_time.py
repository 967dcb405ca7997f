"""The event time of a side that is read as a copy is that of the original furthest behind."""

import pytest

from shadowstream.joiner.completeness import copied_time as copied_module
from shadowstream.joiner.completeness.copied_time import CopiedTime, CopyPosition, Originals
from shadowstream.joiner.step import JoinerStep
from shadowstream.records import Batch, Partition, Side
from tests.joiner.joiner_world import NOW_MS, REVISION, World, config

BEGAN_MS, IDLE_MS = 1, 10_000
A, B = Partition("out", 0), Partition("out", 1)


def originals(ends: dict[Partition, int], times: dict[Partition, int]) -> Originals:
    found = Originals(IDLE_MS)
    found.observe(ends, times, BEGAN_MS)
    return found


def test_a_partition_that_is_copied_later_holds_the_watermark() -> None:
    known = originals({A: 8, B: 8}, {A: 17, B: 17})
    assert known.low_ms({A: CopyPosition(8, 17), B: CopyPosition(0, None)}, 1) is None, "nothing of it is known yet"
    assert known.low_ms({A: CopyPosition(8, 17), B: CopyPosition(1, 9)}, 1) == 9
    assert known.low_ms({A: CopyPosition(8, 17), B: CopyPosition(8, 17)}, 1) == 17


def test_a_partition_with_nothing_more_to_copy_does_not_hold_the_others() -> None:
    known = originals({A: 8, B: 2}, {A: 17, B: 9})
    copied, at_ms = {A: CopyPosition(9, 18), B: CopyPosition(2, 9)}, BEGAN_MS
    for end in (9, 10, 11):
        assert known.low_ms(copied, at_ms) == 9, "it may only be slow"
        at_ms += IDLE_MS // 2
        known.observe({A: end, B: 2}, {A: 18, B: 9}, at_ms)
    assert known.low_ms(copied, at_ms) == 18
    assert known.low_ms(copied | {B: CopyPosition(1, 8)}, at_ms) == 8, "it has not been copied to its end"
    for _ in range(4):
        at_ms += IDLE_MS // 2
        known.observe({A: 11, B: 2}, {A: 18, B: 9}, at_ms)
    assert known.low_ms(copied, at_ms) == 18, "what was told holds until it goes on"
    known.observe({A: 11, B: 3}, {A: 18, B: 9}, at_ms)
    assert known.low_ms(copied, at_ms) == 9


def test_a_time_counts_once_all_copies_made_until_then_have_been_read() -> None:
    time = CopiedTime()
    time.observe(5, 9)
    time.observe(8, 9)
    time.observe(9, 17)
    assert [time.passed(position) for position in (4, 5, 8, 9, 9)] == [None, 9, None, 17, None]


def test_observations_beyond_the_bound_are_thinned_and_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_module, "OBSERVATIONS_MAX", 8)
    time = CopiedTime()
    for n in range(100):
        time.observe(n, n)
    assert time.passed(98) is not None
    assert time.passed(99) == 99


def test_the_task_uses_copied_time_not_the_copies_own_times() -> None:
    world = World(config(), outputs=1)
    step = JoinerStep(world.config, REVISION, world.compare, {"out": 1}, world.inputs, ["out"])
    task = step.assign("out", 0)
    copy = task.sources.places[Side.PRODUCTION]
    for side in task.sources.sides:
        task.restore(side, None, 0)
    step.read(Batch(copy, [0, 1], [17, 9], [b"a", b"b"], [b"1", b"1"], [None, None]), NOW_MS)
    step.observe_originals({A: 1, B: 1}, {A: 17, B: 9}, NOW_MS)
    step.observe_copied(Side.PRODUCTION, {A: CopyPosition(1, 17), B: CopyPosition(1, 9)}, {copy: 2}, NOW_MS)
    task.decide()
    assert task.completeness.watermarks == [9, None]
    step.observe_copied(Side.PRODUCTION, {A: CopyPosition(1, 10**15), B: CopyPosition(1, 10**15)}, {copy: 2}, NOW_MS)
    task.decide()
    assert task.completeness.watermarks == [9, None], "as any time too far ahead"
