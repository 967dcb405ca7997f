"""Which sides may not all be held back, for others wait for one of them to be read on."""

import pytest

from shadowstream.joiner.completeness.completeness import STILL_OBSERVATIONS
from shadowstream.records import Side
from tests.joiner.completeness.completeness_world import IN, OTHER, CompletenessWorld

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
    world = CompletenessWorld(**NO_GROUP)
    world.read_to_ms(*read_to_ms)
    assert world.completeness.sides_that_must_progress() == awaited


def test_an_idle_partition_is_no_longer_lagging() -> None:
    world = CompletenessWorld(**NO_GROUP)
    world.read_to_ms(5, 9)
    world.completeness.idle_watermarks[Side.PRODUCTION] = 12
    assert world.completeness.sides_that_must_progress() == SHADOW


def test_where_marks_end_what_waits_no_time_matters() -> None:
    world = CompletenessWorld()
    world.read_to_ms(5, 9)
    assert world.completeness.sides_that_must_progress() == BOTH


def test_of_occurrences_time_decides_whatever_marks_there_are() -> None:
    world = CompletenessWorld(identity={"kind": "occurrence", "tolerance_ms": 1})
    world.read_to_ms(5, 9)
    assert world.completeness.sides_that_must_progress() == PRODUCTION


def test_production_is_when_the_candidate_has_answered_every_input_that_there_is() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10, OTHER: 3})
    world.done(IN, 10, end=7)
    world.done(OTHER, 3, end=7)
    world.read(shadow=6)
    assert world.completeness.sides_that_must_progress() == BOTH, "not all of its answers have been read"
    world.read(shadow=7)
    assert world.completeness.sides_that_must_progress() == PRODUCTION
    world.completeness.observe_born(2, {IN: 11, OTHER: 3})
    assert world.completeness.sides_that_must_progress() == BOTH, "a candidate that is behind has more to bring"


def test_the_candidate_is_when_production_has_answered_every_input_that_there_is() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10})
    world.completeness.observe_production(4, {IN: 10})
    world.read(production=3)
    assert world.completeness.sides_that_must_progress() == BOTH
    world.read(production=4)
    assert world.completeness.sides_that_must_progress() == SHADOW


def test_a_production_without_group_has_answered_at_its_end_without_inputs() -> None:
    world = CompletenessWorld(**NO_GROUP)
    world.read_to_ms(5, 9)
    world.read(production=4)
    for _ in range(STILL_OBSERVATIONS):
        world.completeness.observe_born(4, {IN: 10})
    assert world.completeness.sides_that_must_progress() == PRODUCTION
    world.completeness.observe_born(4, {IN: 10})
    assert world.completeness.sides_that_must_progress() == SHADOW
    world.completeness.observe_born(5, {IN: 10})
    assert world.completeness.sides_that_must_progress() == PRODUCTION, "it has written more"
    world.read(production=5)
    assert world.completeness.sides_that_must_progress() == SHADOW
    world.completeness.observe_born(5, {IN: 11})
    assert world.completeness.sides_that_must_progress() == PRODUCTION, "inputs come again"


def test_none_is_when_all_have_answered_everything() -> None:
    world = CompletenessWorld()
    world.completeness.observe_born(1, {IN: 10})
    world.completeness.observe_production(4, {IN: 10})
    world.done(IN, 10, end=7)
    world.read(production=4, shadow=7)
    assert world.completeness.sides_that_must_progress() == frozenset()


def test_a_side_reread_after_a_restart_must_bring_all_of_it() -> None:
    world = CompletenessWorld()
    world.answered(1, end=7)
    assert world.completeness.sides_that_must_progress([Side.SHADOW]) == BOTH


def test_inputs_beyond_a_bounded_trials_ends_get_no_answer() -> None:
    world = CompletenessWorld(started=False, bounded=True)
    world.start(bounds=(10, 0))
    world.completeness.observe_born(1, {IN: 5_000, OTHER: 0})
    world.done(IN, 10, end=7, kind="end")
    world.read(shadow=7)
    assert world.completeness.sides_that_must_progress() == PRODUCTION


def test_of_a_twin_and_a_candidate_production_waits_for_both() -> None:
    world = CompletenessWorld(twin={"topic": "twin", "group": "prod-twin", "commits": "after_output"})
    world.answered(1, end=7)
    assert world.completeness.sides_that_must_progress() == PRODUCTION | {Side.TWIN}, "the twin has more to bring"
    world.completeness.twin.observe(4, {IN: 10})
    world.read(twin=4)
    assert world.completeness.sides_that_must_progress() == PRODUCTION


def test_before_any_input_is_known_nobody_has_answered_all() -> None:
    world = CompletenessWorld()
    world.read(production=0, shadow=0)
    assert world.completeness.sides_that_must_progress() == BOTH
