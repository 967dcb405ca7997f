import json

import pytest

from shadowstream.judge.verdict.criterion_units import measure_of
from shadowstream.judge.verdict.recent_windows import RecentWindows
from tests.judge.stats_records import config


def trailing(units: int, rate: str = "missing", **more: object) -> RecentWindows:
    """A run that must hold `units` units."""
    settings = config(criteria=[{"rate": rate, "limit": 0.01, "trailing_units": units, **more}])
    run = RecentWindows(measure_of(settings.judge.criteria[0], settings))
    run.units = units
    return run


def test_trailing_keeps_the_fewest_last_windows_that_hold_enough() -> None:
    run = trailing(100)
    for hour, (n, s) in enumerate([(500, 0), (60, 1), (30, 2), (50, 3)]):
        run.close(hour, (n, s))
    # 50 + 30 are too few, 50 + 30 + 60 enough; the 500 are forgotten.
    assert run.amount == (140, 1 + 2 + 3)
    run.close(4, (100, 0))
    assert run.amount == (100, 0)


def test_trailing_is_not_full_before_enough_units() -> None:
    run = trailing(100)
    run.close(0, (99, 0))
    assert not run.full
    run.close(1, (1, 0))
    assert run.full


def test_windows_without_units_of_the_rate_leave_trailing_unchanged() -> None:
    run = trailing(10)
    run.close(0, (10, 2))
    run.close(1, (0, 0))
    assert run.amount == (10, 2)
    assert run.snapshot() == [[0, 10, (10, 2)]]


def test_a_correction_changes_counts_and_not_the_choice_of_windows() -> None:
    run = trailing(10)
    run.close(0, (10, 0))
    run.close(1, (10, 2))
    run.correct(1, (0, -1))
    run.correct(0, (0, -1))
    assert run.amount == (10, 1)
    assert run.full


@pytest.mark.parametrize("unit", ["record", "block"])
def test_trailing_goes_on_from_its_snapshot(unit: str) -> None:
    first, second = trailing(25, unit=unit), trailing(25, unit=unit)
    for hour in range(9):
        first.close(hour, (7, hour % 2))
        second.restore(json.loads(json.dumps(first.snapshot())))
        assert (second.amount, second.full) == (first.amount, first.full)
    second.close(9, (30, 0))
    assert second.amount[0] == (30 if unit == "record" else 10)


def test_a_block_is_one_unit_whatever_it_holds() -> None:
    run = trailing(3, unit="block")
    for hour, n in enumerate((5, 5000, 1, 40)):
        run.close(hour, (n, 0))
    assert run.amount[0] == 3
    run.correct(3, (0, 20))
    assert run.measure.bad(run.amount) == pytest.approx(0.5)


def test_recent_windows_of_labels_depend_on_all_labels_so_far() -> None:
    come = [(hour, (4, hour % 2)) for hour in range(12)]
    runs = [trailing(10, rate="labels"), trailing(10, rate="labels")]
    for run, labels in zip(runs, (come, come[::-1]), strict=True):
        for hour, raw in labels:
            run.correct(hour, raw)
            run.close(hour, (0, 0), settled_ms=0)
        assert run.full
        # 4 + 4 are too few.
        assert run.amount == (12, 2)
    runs[0].close(12, (0, 0), settled_ms=11)
    assert [window[0] for window in runs[0].snapshot()] == [9, 10, 11]
    # A label that is late even for labels is worth no more than one on time.
    runs[1].correct(11, (6, 6))
    assert runs[1].amount == (10, 7)
