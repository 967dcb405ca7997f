"""Idle partitions and dead topics, where only event time decides."""

from shadowstream.joiner.completeness.idleness import Idleness
from shadowstream.records import Partition

QUIET, BUSY, THIRD = Partition("out", 0), Partition("out", 1), Partition("out", 2)
ELSEWHERE = Partition("shadow", 1)
IDLE_MS = 1_000
TEN_EACH = dict.fromkeys((QUIET, BUSY, THIRD, ELSEWHERE), 10)
AFTER = TEN_EACH | {BUSY: 10 + 1_901}
"""Where `observed(BUSY)` has left off."""


def observed(*active: Partition, times: dict[Partition, int] | None = None, until_ms: int = 2 * IDLE_MS) -> Idleness:
    """Ten records in each place; those of `active` get more each 100 ms. Event time is the wall's less a hundred."""
    idle = Idleness(IDLE_MS)
    for now_ms in range(1, until_ms + 1, 100):
        ends = {place: 10 + (now_ms if place in active else 0) for place in (QUIET, BUSY, THIRD, ELSEWHERE)}
        idle.observe(ends, dict.fromkeys(active, now_ms - 100) | (times or {}), now_ms)
    return idle


def test_a_partition_at_its_end_follows_its_topics_active_ones() -> None:
    assert observed(BUSY).watermark(QUIET, 10, 2_000) == 1_801
    assert observed(BUSY, THIRD, times={THIRD: 50}).watermark(QUIET, 10, 2_000) == 50, "the lowest of them"


def test_not_before_it_was_at_its_end_for_the_configured_time() -> None:
    # It was seen first at 1, and the other to go on at 101.
    idle = observed(BUSY, until_ms=1_001)
    assert idle.watermark(QUIET, 10, 1_100) is None
    assert idle.watermark(QUIET, 10, 1_101) == 901


def test_what_is_not_idle() -> None:
    assert observed(BUSY).watermark(QUIET, 9, 2_000) is None, "it is not read to its end"
    assert observed(BUSY, QUIET).watermark(QUIET, 10**6, 2_000) is None, "it goes on itself"
    assert Idleness(IDLE_MS).watermark(QUIET, 0, 10**9) is None, "nothing was observed"


def test_a_topic_of_which_nothing_goes_on_is_dead_and_closes_nothing() -> None:
    assert observed().watermark(QUIET, 10, 2_000) is None
    assert observed(ELSEWHERE).watermark(QUIET, 10, 2_000) is None, "the other side is no witness"


def test_a_topic_that_went_silent_as_a_whole_tells_no_more() -> None:
    idle = observed(BUSY)
    for now_ms in range(2_300, 3_900, 400):
        idle.observe(AFTER, {}, now_ms)
    assert idle.watermark(QUIET, 10, 3_900) == 1_801
    assert idle.watermark(QUIET, 10, 1_901 + 2 * IDLE_MS) == 1_801
    assert idle.watermark(THIRD, 10, 1_901 + 2 * IDLE_MS) is None, "nobody had asked of it while others went on"


def test_idle_time_holds_for_a_partition_read_after_the_others() -> None:
    idle = observed(BUSY)
    assert idle.watermark(QUIET, 4, 2_000) is None, "it is held back"
    for now_ms in range(2_300, 9_000, 400):
        idle.observe(AFTER, {}, now_ms)
    assert idle.watermark(QUIET, 9, 9_000) is None
    assert idle.watermark(QUIET, 10, 9_000) == 1_801
    idle.observe(AFTER | {QUIET: 11}, {}, 9_100)
    assert idle.watermark(QUIET, 11, 9_100) is None, "it goes on itself"


def test_others_of_few_records_are_witnesses_too() -> None:
    idle = observed()
    for now_ms in range(2_100, 5_000, 100):
        idle.observe(TEN_EACH | {BUSY: 11}, {BUSY: 7}, now_ms)
        assert idle.watermark(QUIET, 10, now_ms) == (7 if now_ms >= 2_100 + IDLE_MS else None), now_ms


def test_partitions_that_return_together_wait_for_one_another() -> None:
    idle = observed()
    for n, now_ms in enumerate(range(2_100, 3_600, 100)):
        idle.observe(TEN_EACH | {BUSY: 11 + n}, {BUSY: now_ms}, now_ms)
        expected = now_ms if now_ms >= 2_100 + IDLE_MS else None
        assert idle.watermark(QUIET, 10, now_ms) == expected, now_ms


def test_a_pause_in_looking_and_a_clock_set_forward_make_nothing_idle() -> None:
    idle = observed(until_ms=101)
    for n, now_ms in enumerate((200, 3_600_000, 3_600_100)):
        idle.observe(TEN_EACH | {BUSY: 11 + n}, {BUSY: now_ms}, now_ms)
    assert idle.watermark(QUIET, 10, 3_600_100) is None


def test_a_task_may_say_the_time_of_other_topics_of_its_side() -> None:
    side = (QUIET, THIRD, ELSEWHERE)
    assert observed(ELSEWHERE).stated(QUIET, 10, side, 2_000) == 1_801
    assert observed(ELSEWHERE, THIRD, times={THIRD: 50}).stated(QUIET, 10, side, 2_000) == 50
    assert observed(BUSY).stated(QUIET, 10, side, 2_000) is None, "it is not of its side"
    assert observed(ELSEWHERE).stated(QUIET, 9, side, 2_000) is None, "not read to its end"


def test_an_active_partition_without_a_time_leaves_the_question_open() -> None:
    idle = observed(BUSY)
    for now_ms, end in ((2_001, 10), (2_002, 11)):
        idle.observe({THIRD: end}, {}, now_ms)
    assert idle.watermark(QUIET, 10, 2_010) is None
