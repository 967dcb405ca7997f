"""Idle partitions and dead topics, where only event time decides."""

from __future__ import annotations

from shadowstream.joiner.idle import Idleness
from shadowstream.records import Place

QUIET, BUSY, THIRD = Place("out", 0), Place("out", 1), Place("out", 2)
ELSEWHERE = Place("shadow", 1)
IDLE_MS = 1_000


def observed(*going: Place, times: dict[Place, int] | None = None, until_ms: int = 2 * IDLE_MS) -> Idleness:
    """Ten records in each place; those of `going` get more each 100 ms. Event time is the wall's less a hundred."""
    idle = Idleness(IDLE_MS)
    for now_ms in range(1, until_ms + 1, 100):
        ends = {place: 10 + (now_ms if place in going else 0) for place in (QUIET, BUSY, THIRD, ELSEWHERE)}
        idle.observe(ends, dict.fromkeys(going, now_ms - 100) | (times or {}), now_ms)
    return idle


def test_a_partition_at_its_end_takes_the_time_of_those_of_its_topic_that_go_on() -> None:
    assert observed(BUSY).watermark(QUIET, 10, 2_000) == 1_801
    assert observed(BUSY, THIRD, times={THIRD: 50}).watermark(QUIET, 10, 2_000) == 50, "the lowest of them"


def test_not_before_it_has_been_at_its_end_for_as_long_as_the_config_says() -> None:
    idle = observed(BUSY, until_ms=901)
    assert idle.watermark(QUIET, 10, 1_000) is None
    assert idle.watermark(QUIET, 10, 1_001) == 801


def test_a_partition_that_has_not_been_read_to_its_end_is_not_idle() -> None:
    assert observed(BUSY).watermark(QUIET, 9, 2_000) is None


def test_a_topic_of_which_nothing_goes_on_is_dead_and_closes_nothing() -> None:
    assert observed().watermark(QUIET, 10, 2_000) is None
    assert observed(ELSEWHERE).watermark(QUIET, 10, 2_000) is None, "the other side is no witness"


def test_a_topic_that_went_silent_as_a_whole_is_dead_as_well() -> None:
    idle = observed(BUSY)
    assert idle.watermark(QUIET, 10, 2_801) == 1_801
    assert idle.watermark(QUIET, 10, 2_000 + IDLE_MS) is None


def test_a_partition_that_goes_on_itself_is_not_idle() -> None:
    assert observed(BUSY, QUIET).watermark(QUIET, 10**6, 2_000) is None


def test_a_going_partition_without_a_time_leaves_the_question_open() -> None:
    idle = observed(BUSY)
    for now_ms, end in ((2_001, 10), (2_002, 11)):
        idle.observe({THIRD: end}, {}, now_ms)
    assert idle.watermark(QUIET, 10, 2_010) is None


def test_nothing_is_idle_before_anything_was_observed() -> None:
    assert Idleness(IDLE_MS).watermark(QUIET, 0, 10**9) is None
