"""Which sides may not all be held back, for others wait for one of them to be read on."""

from __future__ import annotations

import pytest

from shadowstream.joiner.completeness.completeness import STILL_OBSERVATIONS
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import IN, OTHER, Desk

PRODUCTION, SHADOW = frozenset([Side.PRODUCTION]), frozenset([Side.SHADOW])
BOTH = PRODUCTION | SHADOW
NO_GROUP = {"production": {"outputs": ["out"]}, "start": "latest"}


@pytest.mark.parametrize(
    ("read_to_ms", "awaited"),
    [((5, 9), PRODUCTION), ((9, 5), SHADOW), ((None, 9), PRODUCTION), ((9, None), SHADOW), ((9, 9), BOTH)],
)
def test_where_time_ends_what_waits_it_is_the_side_that_lags(
    read_to_ms: tuple[int | None, int | None], awaited: frozenset[Side]
) -> None:
    desk = Desk(**NO_GROUP)
    desk.read_to_ms(*read_to_ms)
    assert desk.completeness.sides_that_must_progress() == awaited


def test_an_idle_partition_is_no_longer_lagging() -> None:
    desk = Desk(**NO_GROUP)
    desk.read_to_ms(5, 9)
    desk.completeness.idle_watermarks[Side.PRODUCTION] = 12
    assert desk.completeness.sides_that_must_progress() == SHADOW


def test_where_marks_end_what_waits_no_time_matters() -> None:
    desk = Desk()
    desk.read_to_ms(5, 9)
    assert desk.completeness.sides_that_must_progress() == BOTH


def test_of_occurrences_time_decides_whatever_marks_there_are() -> None:
    desk = Desk(identity={"kind": "occurrence", "tolerance_ms": 1})
    desk.read_to_ms(5, 9)
    assert desk.completeness.sides_that_must_progress() == PRODUCTION


def test_production_is_when_the_candidate_has_answered_every_input_that_there_is() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10, OTHER: 3})
    desk.done(IN, 10, end=7)
    desk.done(OTHER, 3, end=7)
    desk.read(shadow=6)
    assert desk.completeness.sides_that_must_progress() == BOTH, "not all of its answers have been read"
    desk.read(shadow=7)
    assert desk.completeness.sides_that_must_progress() == PRODUCTION
    desk.completeness.observe_born(2, {IN: 11, OTHER: 3})
    assert desk.completeness.sides_that_must_progress() == BOTH, "a candidate that is behind has more to bring"


def test_the_candidate_is_when_production_has_answered_every_input_that_there_is() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.completeness.observe_production(4, {IN: 10})
    desk.read(production=3)
    assert desk.completeness.sides_that_must_progress() == BOTH
    desk.read(production=4)
    assert desk.completeness.sides_that_must_progress() == SHADOW


def test_a_production_without_group_has_answered_at_its_end_without_inputs() -> None:
    desk = Desk(**NO_GROUP)
    desk.read_to_ms(5, 9)
    desk.read(production=4)
    for _ in range(STILL_OBSERVATIONS):
        desk.completeness.observe_born(4, {IN: 10})
    assert desk.completeness.sides_that_must_progress() == PRODUCTION
    desk.completeness.observe_born(4, {IN: 10})
    assert desk.completeness.sides_that_must_progress() == SHADOW
    desk.completeness.observe_born(5, {IN: 10})
    assert desk.completeness.sides_that_must_progress() == PRODUCTION, "it has written more"
    desk.read(production=5)
    assert desk.completeness.sides_that_must_progress() == SHADOW
    desk.completeness.observe_born(5, {IN: 11})
    assert desk.completeness.sides_that_must_progress() == PRODUCTION, "inputs come again"


def test_none_is_when_all_have_answered_everything() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.completeness.observe_production(4, {IN: 10})
    desk.done(IN, 10, end=7)
    desk.read(production=4, shadow=7)
    assert desk.completeness.sides_that_must_progress() == frozenset()


def test_a_side_reread_after_a_restart_must_bring_all_of_it() -> None:
    desk = Desk()
    desk.completeness.observe_born(1, {IN: 10})
    desk.done(IN, 10, end=7)
    desk.read(shadow=7)
    assert desk.completeness.sides_that_must_progress([Side.SHADOW]) == BOTH


def test_inputs_beyond_a_bounded_trials_ends_get_no_answer() -> None:
    desk = Desk(started=False, bounded=True)
    desk.start(bounds=(10, 0))
    desk.completeness.observe_born(1, {IN: 5_000, OTHER: 0})
    desk.done(IN, 10, end=7, kind="end")
    desk.read(shadow=7)
    assert desk.completeness.sides_that_must_progress() == PRODUCTION


def test_of_a_twin_and_a_candidate_production_waits_for_both() -> None:
    desk = Desk(twin={"topic": "twin", "group": "prod-twin", "commits": "after_output"})
    desk.completeness.observe_born(1, {IN: 10})
    desk.done(IN, 10, end=7)
    desk.read(shadow=7)
    assert desk.completeness.sides_that_must_progress() == PRODUCTION | {Side.TWIN}, "the twin has more to bring"
    desk.completeness.observe_twin(4, {IN: 10})
    desk.read(twin=4)
    assert desk.completeness.sides_that_must_progress() == PRODUCTION


def test_before_any_input_is_known_nobody_has_answered_all() -> None:
    desk = Desk()
    desk.read(production=0, shadow=0)
    assert desk.completeness.sides_that_must_progress() == BOTH
