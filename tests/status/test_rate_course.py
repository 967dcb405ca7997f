"""Rates by window from stats records: added once, corrections included, bounded."""

from shadowstream.status.rate_course import RateCourse, WindowRate, merged
from tests.judge.stats_records import HOUR_MS, REVISION, cell, config, stats


def course(windows_max: int = 100) -> RateCourse:
    return RateCourse(config(), REVISION, windows_max)


def test_the_deltas_of_all_tasks_are_added_by_window_and_criterion() -> None:
    found = course()
    found.add(stats("scores/0", 1, cell(0, match=8, mismatch=2), cell(HOUR_MS, match=5, missing=5)))
    found.add(stats("scores/1", 1, cell(0, match=10)))
    rates = found.rates()
    assert rates["mismatch"] == [WindowRate(0, 20, 2), WindowRate(HOUR_MS, 5, 0)]
    assert rates["missing"] == [WindowRate(0, 20, 0), WindowRate(HOUR_MS, 10, 5)]


def test_a_record_counts_once_and_a_correction_in_its_window() -> None:
    found = course()
    for record in 2 * [stats("scores/0", 1, cell(0, match=8, missing=2))]:
        found.add(record)
    found.add(stats("scores/0", 2, cell(0, missing=-2, mismatch=2), cell(0, "ff" * 16, mismatch=50)))
    assert found.rates()["missing"] == [WindowRate(0, 10, 0)]
    assert found.rates()["mismatch"] == [WindowRate(0, 10, 2)]


def test_only_the_newest_windows_are_kept() -> None:
    found = course(windows_max=3)
    for hour in range(6):
        found.add(stats("scores/0", hour + 1, cell(hour * HOUR_MS, match=1)))
    found.add(stats("scores/0", 7, cell(0, match=1)))
    assert [one.start_ms // HOUR_MS for one in found.rates()["mismatch"]] == [3, 4, 5]


def test_merged_windows_keep_all_units() -> None:
    windows = [WindowRate(n, n, n // 2) for n in range(1_001)]
    for points_max in (1, 7, 400, 1_000, 1_001, 5_000):
        few = merged(windows, points_max)
        assert len(few) <= points_max
        assert (sum(one.n for one in few), sum(one.s for one in few)) == (
            sum(one.n for one in windows),
            sum(one.s for one in windows),
        )
    assert merged([], 5) == []
