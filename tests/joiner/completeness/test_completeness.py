"""When a partner can no longer come: marks one by one, and what they prove."""

import pytest

from shadowstream.joiner.completeness import observed_offsets
from shadowstream.joiner.completeness.marks_log import DoneMark
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters
from shadowstream.records import InputCoordinate, Partition, Side
from tests.joiner.completeness.completeness_world import GRACE_MS, IN, OTHER, OUT, SECOND_MS, SHADOW, CompletenessWorld
from tests.joiner.joiner_world import REVISION


def row(offset: int = 0, time_ms: int = 0, at: int | None = None) -> PendingRecord:
    return PendingRecord(offset, time_ms, b"1", b"k", None if at is None else InputCoordinate(0, 0, at, 0))


def test_a_candidate_that_lags_is_not_missing() -> None:
    """The worked example: production at 0 s waits, the candidate is 31 s behind and honest, grace is 30 s."""
    world = CompletenessWorld()
    world.completeness.watermarks[:] = [31 * SECOND_MS, 0]
    assert max(31 * SECOND_MS, 0) >= row().time_ms + GRACE_MS, "by the maximum its partner would be given up by now"
    assert not world.shadow_is_done_with(row()), "no time at all makes a record missing"
    assert world.completeness.watermark() == 0


def test_a_production_that_lags_makes_no_extra() -> None:
    """The same seen from the other side, where without production's group only time decides."""
    world = CompletenessWorld(production={"outputs": ["out"]}, start="latest")
    world.completeness.watermarks[:] = [0, 31 * SECOND_MS]
    assert not world.production_is_done_with(row(at=3))
    world.completeness.watermarks[:] = [GRACE_MS - 1, 31 * SECOND_MS]
    assert not world.production_is_done_with(row(at=3))
    world.completeness.watermarks[:] = [GRACE_MS, 31 * SECOND_MS]
    assert world.production_is_done_with(row(at=3))


def test_a_silent_side_has_no_watermark_and_closes_nothing() -> None:
    world = CompletenessWorld(production={"outputs": ["out"]}, start="latest")
    world.completeness.watermarks[:] = [None, 99 * GRACE_MS]
    assert world.completeness.watermark() is None
    assert not world.production_is_done_with(row(at=3))


# ---------------------------------------------------------------- born


def test_missing_only_when_the_runner_is_done_with_all_inputs() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10, OTHER: 5})
    world.done(IN, 10, end=0)
    world.read(shadow=0)
    assert not world.shadow_is_done_with(row()), "the other input partition is not done"
    world.done(OTHER, 4, end=0)
    world.read(shadow=0)
    assert not world.shadow_is_done_with(row()), "one input is not done"
    world.done(OTHER, 5, end=0)
    world.read(shadow=0)
    assert world.shadow_is_done_with(row())


def test_missing_only_when_shadow_is_read_to_the_marks_ends() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10})
    world.done(IN, 10, end=7)
    world.read(shadow=6)
    assert not world.shadow_is_done_with(row())
    world.read(shadow=7)
    assert world.shadow_is_done_with(row())


def test_the_marks_prove_nothing_of_outputs_born_after_them() -> None:
    world = CompletenessWorld()
    world.answered(3)
    assert [world.shadow_is_done_with(row(offset)) for offset in (2, 3)] == [True, False]


def test_a_later_observation_of_the_same_end_requires_no_more_inputs() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10})
    world.completeness.observe_born(1, {IN: 500})
    world.done(IN, 10, end=0)
    world.read(shadow=0)
    assert world.shadow_is_done_with(row())


def test_an_input_partition_without_records_holds_nothing() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10, OTHER: 0})
    world.done(IN, 10, end=0)
    world.read(shadow=0)
    assert world.shadow_is_done_with(row())


def test_a_mark_that_does_not_name_our_partition_proves_nothing_here() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10})
    world.passed.add(DoneMark(IN, 10, {Partition(SHADOW.topic, 1): 0}, Counters()))
    world.read(shadow=0)
    assert not world.shadow_is_done_with(row())


def test_a_record_that_names_its_input_waits_for_that_input_only() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10, OTHER: 10})
    world.done(IN, 4, end=0)
    world.read(shadow=0)
    assert [world.shadow_is_done_with(row(at=at)) for at in (3, 4)] == [True, False]


def test_observations_beyond_the_bound_are_thinned_and_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed_offsets, "OBSERVATIONS_MAX", 8)
    world = CompletenessWorld()
    for n in range(1, 101):
        world.completeness.observe_born(n, {IN: n})
        world.completeness.observe_production(n, {IN: n})
    world.done(IN, 100, end=0)
    world.read(production=100, shadow=0)
    assert world.shadow_is_done_with(row(99))
    assert world.completeness.production.done == {IN: 100}


# ---------------------------------------------------------------- production's done marks


def test_extra_only_when_production_committed_the_input_and_is_fully_read() -> None:
    world = CompletenessWorld()
    world.completeness.observe_production(7, {IN: 4})
    world.read(production=6)
    assert not world.production_is_done_with(row(at=3))
    world.read(production=7)
    assert [world.production_is_done_with(row(at=at)) for at in (3, 4)] == [True, False]


def test_extra_by_an_end_of_its_own_side() -> None:
    """A record that names no input: at 12:00 the shadow side ends at 1, then the inputs at 10. Once production has
    committed all ten, and all that it had written then has been read, nothing of theirs can come any more."""
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10, OTHER: 0}, Side.SHADOW)
    world.completeness.observe_production(7, {IN: 9})
    world.read(production=7)
    world.read_to_ms(99 * GRACE_MS, 99 * GRACE_MS)
    assert not world.production_is_done_with(row()), "one input is not done, whatever the time"
    world.completeness.observe_production(8, {IN: 10})
    world.read(production=7)
    assert not world.production_is_done_with(row()), "its output has not been read"
    world.read(production=8)
    assert [world.production_is_done_with(row(offset)) for offset in (0, 1)] == [True, False]


def test_where_production_may_commit_before_it_writes_the_grace_is_added() -> None:
    world = CompletenessWorld(production={"outputs": ["out"], "group": "prod"})
    world.completeness.observe_production(7, {IN: 4})
    world.read(production=7)
    for mark_ms, ended in ((None, False), (GRACE_MS - 1, False), (GRACE_MS, True)):
        world.completeness.watermarks[Side.PRODUCTION] = mark_ms
        assert world.production_is_done_with(row(at=3)) is ended


def test_inputs_have_ended_only_when_every_output_below_their_mark_has() -> None:
    world = CompletenessWorld()
    world.completeness.observe_production(7, {IN: 4})
    world.completeness.observe_production(9, {IN: 6})
    assert world.completeness.production.end_below(low=9) == {}, "nothing has been read"
    world.read(production=9)
    assert world.completeness.production.end_below(low=6) == {}, "an output at 6 still waits"
    assert world.completeness.production.end_below(low=7) == {IN: 4}
    assert world.completeness.production.end_below(low=9) == {IN: 6}


# ---------------------------------------------------------------- warm-up


def test_without_a_start_mark_nobody_can_tell_what_is_warm_up() -> None:
    assert CompletenessWorld(started=False).completeness.is_warm_up(row()) is None


def test_unpaired_outputs_below_the_pinned_ends_are_warm_up() -> None:
    world = CompletenessWorld(started=False)
    world.start(warm_below=5)
    assert world.completeness.is_warm_up(row(2)) is None
    world.progress.add(marks.mark("warm", REVISION, ends=marks.ends_field({OUT: 3})))
    assert [world.completeness.is_warm_up(row(offset)) for offset in (2, 3)] == [True, False]


def test_without_a_group_warm_up_ends_a_grace_after_the_last_event() -> None:
    world = CompletenessWorld(started=False, production={"outputs": ["out"]}, start="latest")
    world.start(warm_below=5, floor_ms=100)
    assert [world.completeness.is_warm_up(row(time_ms=100 + GRACE_MS + more)) for more in (0, 1)] == [True, False]


def test_a_start_at_the_very_beginning_has_no_warm_up() -> None:
    world = CompletenessWorld(started=False)
    world.start()
    assert world.completeness.is_warm_up(row()) is False
    assert not world.completeness.input_is_warm_up(InputCoordinate(0, 0, 0, 0))


def test_a_pair_is_warm_up_by_its_input() -> None:
    world = CompletenessWorld(started=False)
    world.start(warm_below=5)
    assert [world.completeness.input_is_warm_up(InputCoordinate(0, 0, offset, 0)) for offset in (4, 5)] == [True, False]


# ---------------------------------------------------------------- the bounded end


def finish(world: CompletenessWorld, of: tuple[tuple[Partition, int], ...]) -> None:
    for place, offset in of:
        world.done(place, offset, end=4, kind="end")


WHOLE = ((IN, 10), (OTHER, 0))
AT_THE_END: dict[str, tuple[tuple[tuple[Partition, int], ...], int, tuple[int, int], bool]] = {
    "both sides are done and read to their ends": (WHOLE, 10, (3, 4), True),
    "production is not read to its end": (WHOLE, 10, (2, 4), False),
    "the candidate's side is not read to its end": (WHOLE, 10, (3, 3), False),
    "production has not committed the last input": (WHOLE, 9, (3, 4), False),
    "an input partition has no end mark": (((IN, 10),), 10, (3, 4), False),
    "the end mark of an earlier revision, below the bound": (((IN, 6), (OTHER, 0)), 10, (3, 4), False),
}


@pytest.mark.parametrize(("ends", "committed", "read", "finished"), AT_THE_END.values(), ids=AT_THE_END)
def test_a_bounded_run_is_finished_when_everything_is_done_and_read(
    ends: tuple[tuple[Partition, int], ...], committed: int, read: tuple[int, int], finished: bool
) -> None:
    world = CompletenessWorld(started=False, bounded=True)
    world.start(bounds=(10, 0))
    finish(world, ends)
    world.completeness.observe_production(3, {IN: committed})
    world.read(*read)
    assert world.completeness.finished is finished


def test_an_unbounded_run_never_finishes() -> None:
    world = CompletenessWorld()
    finish(world, WHOLE)
    world.completeness.observe_production(3, {IN: 10})
    world.read(3, 4)
    assert not world.completeness.finished
