"""Production that goes back: which of its outputs may be repeats."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shadowstream.joiner.completeness import production_replays as replays_module
from shadowstream.joiner.completeness.production_replays import ProductionReplays
from shadowstream.records import InputCoordinate, Partition

IN, OTHER = Partition("in", 0), Partition("in", 1)


def at(offset: int, partition: int = 0) -> InputCoordinate:
    return InputCoordinate(0, partition, offset, 0)


def replayed() -> ProductionReplays:
    """Production is done to 10 with its outputs ending at 20, goes back to 4, and is done to 10 again at 26."""
    replays = ProductionReplays()
    for end, committed in ((20, 10), (22, 4), (24, 7), (26, 10)):
        replays.observe(end, {IN: committed})
    return replays


def test_while_production_only_goes_forward_nothing_is_a_repeat() -> None:
    replays = ProductionReplays()
    for n in range(10):
        replays.observe(2 * n, {IN: n, OTHER: 5})
    assert replays.ranges == []
    assert replays.outcome(3, at(1), ["in"]) is None


def test_repeats_are_between_the_ends_before_and_after_the_replay() -> None:
    found = {offset: replayed().outcome(offset, at(5), ["in"]) for offset in (19, 20, 25, 26)}
    assert found == {19: None, 20: "duplicate_production", 25: "duplicate_production", 26: None}


def test_only_inputs_between_the_two_offsets_are_answered_again() -> None:
    replays = replayed()
    assert [replays.outcome(21, at(n), ["in"]) for n in (3, 4, 9, 10)] == [
        None, "duplicate_production", "duplicate_production", None,
    ]  # fmt: skip
    assert replays.outcome(21, at(5, partition=1), ["in"]) is None, "another input partition"


def test_of_an_output_that_does_not_name_its_input_nobody_can_tell() -> None:
    assert replayed().outcome(21, None, ["in"]) == "unpairable_production"
    assert replayed().outcome(19, None, ["in"]) is None


def test_a_range_is_open_until_the_old_offset_is_reached_again() -> None:
    replays = ProductionReplays()
    replays.observe(20, {IN: 10})
    replays.observe(22, {IN: 4})
    assert replays.outcome(10**6, at(5), ["in"]) == "duplicate_production"


def test_moving_back_further_widens_the_same_range() -> None:
    replays = ProductionReplays()
    for end, committed in ((20, 10), (22, 6), (23, 2)):
        replays.observe(end, {IN: committed})
    assert replays.outcome(23, at(3), ["in"]) == "duplicate_production"
    assert len(replays.ranges) == 1


def test_only_the_newest_ranges_are_kept() -> None:
    replays = ProductionReplays()
    for n in range(replays_module.RANGES_MAX + 50):
        replays.observe(3 * n, {IN: 10 * n})
        replays.observe(3 * n + 1, {IN: 10 * n - 5})
        replays.observe(3 * n + 2, {IN: 10 * n})
    assert len(replays.ranges) <= replays_module.RANGES_MAX
    assert replays.ranges[-1].low == 10 * (replays_module.RANGES_MAX + 49) - 5


@given(steps=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 3)), max_size=20))
def test_ranges_come_back_from_the_state_record(steps: list[tuple[int, int, int]]) -> None:
    before, end = ProductionReplays(), 0
    for of_one, of_other, more in steps:
        end += more
        before.observe(end, {IN: of_one, OTHER: of_other})
    after = ProductionReplays()
    after.restore(json.loads(json.dumps(before.snapshot(["in"]))), ["in"])
    for replays in (before, after):
        replays.observe(end + 2, {IN: 7, OTHER: 7})
    assert (after.ranges, after.maximum) == (before.ranges, before.maximum)
