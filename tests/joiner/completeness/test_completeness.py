"""When a partner can no longer come: marks one by one, and what they prove."""

from __future__ import annotations

import pytest

from shadowstream.joiner.completeness import observed_offsets
from shadowstream.joiner.completeness.marks_log import DoneMark
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol import marks
from shadowstream.protocol.marks import Counters
from shadowstream.records import InputCoordinate, Partition, Side
from tests.joiner.completeness.completeness_world import GRACE_MS, IN, OTHER, OUT, SECOND_MS, SHADOW, Desk
from tests.joiner.joiner_world import REVISION


def row(offset: int = 0, time_ms: int = 0, at: int | None = None) -> PendingRecord:
    return PendingRecord(offset, time_ms, b"1", b"k", None if at is None else InputCoordinate(0, 0, at, 0))


def test_a_candidate_that_lags_is_not_missing() -> None:
    """The worked example: production at 0 s waits, the candidate is 31 s behind and honest, grace is 30 s."""
    desk = Desk()
    desk.completeness.watermarks[:] = [31 * SECOND_MS, 0]
    assert max(31 * SECOND_MS, 0) >= row().time_ms + GRACE_MS, "by the maximum its partner would be given up by now"
    assert not desk.shadow_is_done_with(row()), "no time at all makes a record missing"
    assert desk.completeness.watermark() == 0


def test_a_production_that_lags_makes_no_extra() -> None:
    """The same seen from the other side, where without production's group only time decides."""
    desk = Desk(production={"outputs": ["out"]}, start="latest")
    desk.completeness.watermarks[:] = [0, 31 * SECOND_MS]
    assert not desk.production_is_done_with(row(at=3))
    desk.completeness.watermarks[:] = [GRACE_MS - 1, 31 * SECOND_MS]
    assert not desk.production_is_done_with(row(at=3))
    desk.completeness.watermarks[:] = [GRACE_MS, 31 * SECOND_MS]
    assert desk.production_is_done_with(row(at=3))


def test_a_silent_side_has_no_watermark_and_closes_nothing() -> None:
    desk = Desk(production={"outputs": ["out"]}, start="latest")
    desk.completeness.watermarks[:] = [None, 99 * GRACE_MS]
    assert desk.completeness.watermark() is None
    assert not desk.production_is_done_with(row(at=3))


# ---------------------------------------------------------------- born


def test_missing_only_when_the_runner_is_done_with_all_inputs() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10, OTHER: 5})
    desk.done(IN, 10, end=0)
    desk.read(shadow=0)
    assert not desk.shadow_is_done_with(row()), "the other input partition is not done"
    desk.done(OTHER, 4, end=0)
    desk.read(shadow=0)
    assert not desk.shadow_is_done_with(row()), "one input is not done"
    desk.done(OTHER, 5, end=0)
    desk.read(shadow=0)
    assert desk.shadow_is_done_with(row())


def test_missing_only_when_shadow_is_read_to_the_marks_ends() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.done(IN, 10, end=7)
    desk.read(shadow=6)
    assert not desk.shadow_is_done_with(row())
    desk.read(shadow=7)
    assert desk.shadow_is_done_with(row())


def test_the_marks_prove_nothing_of_outputs_born_after_them() -> None:
    desk = Desk()
    desk.completeness.observe_born(3, {IN: 10})
    desk.done(IN, 10, end=0)
    desk.read(shadow=0)
    assert [desk.shadow_is_done_with(row(offset)) for offset in (2, 3)] == [True, False]


def test_a_later_observation_of_the_same_end_requires_no_more_inputs() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.completeness.observe_born(1, {IN: 500})
    desk.done(IN, 10, end=0)
    desk.read(shadow=0)
    assert desk.shadow_is_done_with(row())


def test_an_input_partition_without_records_holds_nothing() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10, OTHER: 0})
    desk.done(IN, 10, end=0)
    desk.read(shadow=0)
    assert desk.shadow_is_done_with(row())


def test_a_mark_that_does_not_name_our_partition_proves_nothing_here() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.passed.add(DoneMark(IN, 10, {Partition(SHADOW.topic, 1): 0}, Counters()))
    desk.read(shadow=0)
    assert not desk.shadow_is_done_with(row())


def test_a_record_that_names_its_input_waits_for_that_input_only() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10, OTHER: 10})
    desk.done(IN, 4, end=0)
    desk.read(shadow=0)
    assert [desk.shadow_is_done_with(row(at=at)) for at in (3, 4)] == [True, False]


def test_observations_beyond_the_bound_are_thinned_and_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed_offsets, "OBSERVATIONS_MAX", 8)
    desk = Desk()
    for n in range(1, 101):
        desk.completeness.observe_born(n, {IN: n})
        desk.completeness.observe_production(n, {IN: n})
    desk.done(IN, 100, end=0)
    desk.read(production=100, shadow=0)
    assert desk.shadow_is_done_with(row(99))
    assert desk.completeness.production.done == {IN: 100}


# ---------------------------------------------------------------- production's done marks


def test_extra_only_when_production_committed_the_input_and_is_fully_read() -> None:
    desk = Desk()
    desk.completeness.observe_production(7, {IN: 4})
    desk.read(production=6)
    assert not desk.production_is_done_with(row(at=3))
    desk.read(production=7)
    assert [desk.production_is_done_with(row(at=at)) for at in (3, 4)] == [True, False]


def test_extra_by_an_end_of_its_own_side() -> None:
    """A record that names no input: at 12:00 the shadow side ends at 1, then the inputs at 10. Once production has
    committed all ten, and all that it had written then has been read, nothing of theirs can come any more."""
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10, OTHER: 0}, Side.SHADOW)
    desk.completeness.observe_production(7, {IN: 9})
    desk.read(production=7)
    desk.read_to_ms(99 * GRACE_MS, 99 * GRACE_MS)
    assert not desk.production_is_done_with(row()), "one input is not done, whatever the time"
    desk.completeness.observe_production(8, {IN: 10})
    desk.read(production=7)
    assert not desk.production_is_done_with(row()), "its output has not been read"
    desk.read(production=8)
    assert [desk.production_is_done_with(row(offset)) for offset in (0, 1)] == [True, False]


def test_where_production_may_commit_before_it_writes_the_grace_is_added() -> None:
    desk = Desk(production={"outputs": ["out"], "group": "prod"})
    desk.completeness.observe_production(7, {IN: 4})
    desk.read(production=7)
    for mark_ms, ended in ((None, False), (GRACE_MS - 1, False), (GRACE_MS, True)):
        desk.completeness.watermarks[Side.PRODUCTION] = mark_ms
        assert desk.production_is_done_with(row(at=3)) is ended


def test_inputs_have_ended_only_when_every_output_below_their_mark_has() -> None:
    desk = Desk()
    desk.completeness.observe_production(7, {IN: 4})
    desk.completeness.observe_production(9, {IN: 6})
    assert desk.completeness.production.end_below(low=9) == {}, "nothing has been read"
    desk.read(production=9)
    assert desk.completeness.production.end_below(low=6) == {}, "an output at 6 still waits"
    assert desk.completeness.production.end_below(low=7) == {IN: 4}
    assert desk.completeness.production.end_below(low=9) == {IN: 6}


# ---------------------------------------------------------------- warm-up


def test_without_a_start_mark_nobody_can_tell_what_is_warm_up() -> None:
    assert Desk(started=False).completeness.is_warm_up(row()) is None


def test_unpaired_outputs_below_the_pinned_ends_are_warm_up() -> None:
    desk = Desk(started=False)
    desk.start(warm_below=5)
    assert desk.completeness.is_warm_up(row(2)) is None
    desk.progress.add(marks.mark("warm", REVISION, ends=marks.ends_field({OUT: 3})))
    assert [desk.completeness.is_warm_up(row(offset)) for offset in (2, 3)] == [True, False]


def test_without_a_group_warm_up_ends_a_grace_after_the_last_event() -> None:
    desk = Desk(started=False, production={"outputs": ["out"]}, start="latest")
    desk.start(warm_below=5, floor_ms=100)
    assert [desk.completeness.is_warm_up(row(time_ms=100 + GRACE_MS + more)) for more in (0, 1)] == [True, False]


def test_a_start_at_the_very_beginning_has_no_warm_up() -> None:
    desk = Desk(started=False)
    desk.start()
    assert desk.completeness.is_warm_up(row()) is False
    assert not desk.completeness.input_is_warm_up(InputCoordinate(0, 0, 0, 0))


def test_a_pair_is_warm_up_by_its_input() -> None:
    desk = Desk(started=False)
    desk.start(warm_below=5)
    assert [desk.completeness.input_is_warm_up(InputCoordinate(0, 0, offset, 0)) for offset in (4, 5)] == [True, False]


# ---------------------------------------------------------------- the bounded end


def bounded() -> Desk:
    desk = Desk(started=False, bounded=True)
    desk.start(bounds=(10, 0))
    return desk


def finish(desk: Desk, of: tuple[tuple[Partition, int], ...] = ((IN, 10), (OTHER, 0))) -> None:
    for place, offset in of:
        desk.done(place, offset, end=4, kind="end")


def test_finished_when_both_sides_are_done_and_read_to_their_ends() -> None:
    desk = bounded()
    finish(desk)
    desk.completeness.observe_production(3, {IN: 10})
    desk.read(production=3, shadow=4)
    assert desk.completeness.finished()


@pytest.mark.parametrize(("production", "shadow"), [(2, 4), (3, 3)])
def test_not_finished_while_a_side_has_not_been_read_to_its_end(production: int, shadow: int) -> None:
    desk = bounded()
    finish(desk)
    desk.completeness.observe_production(3, {IN: 10})
    desk.read(production, shadow)
    assert not desk.completeness.finished()


def test_not_finished_before_production_has_committed_the_last_input() -> None:
    desk = bounded()
    finish(desk)
    desk.completeness.observe_production(3, {IN: 9})
    desk.read(3, 4)
    assert not desk.completeness.finished()


def test_not_finished_before_every_input_partition_has_its_end_mark() -> None:
    desk = bounded()
    finish(desk, ((IN, 10),))
    desk.completeness.observe_production(3, {IN: 10})
    desk.read(3, 4)
    assert not desk.completeness.finished()


def test_an_earlier_revisions_end_mark_below_the_bound_does_not_finish() -> None:
    desk = bounded()
    finish(desk, ((IN, 6), (OTHER, 0)))
    desk.completeness.observe_production(3, {IN: 10})
    desk.read(3, 4)
    assert not desk.completeness.finished()


def test_an_unbounded_run_never_finishes() -> None:
    desk = Desk()
    finish(desk)
    desk.completeness.observe_production(3, {IN: 10})
    desk.read(3, 4)
    assert not desk.completeness.finished()
