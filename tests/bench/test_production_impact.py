"""`make impact` in short, and the interval that it prints."""

from pathlib import Path

import pytest
from scipy import stats

from bench import production_impact
from bench.production_impact import Period, difference, lines


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    without, with_trial = [10.0, 12.0, 11.0, 15.0], [11.0, 15.0, 11.5, 15.5]
    found = difference(without, with_trial)
    reference = stats.ttest_rel(with_trial, without).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.low < found.mean == 1.25 < found.high


def test_each_period_and_both_differences_are_printed() -> None:
    periods = [Period(which, [float(n + which) for n in range(1, 101)], [2, 4]) for which in (False, True) * 2]
    text = lines(periods)
    assert [line.split()[0] for line in text] == ["trial", *["without", "with"] * 2, "p99", "lag:"]
    assert "difference +1.0 [+1.0, +1.0]" in text[-2]
    assert "lag: 3.0 records without, 3.0 with; difference +0.0" in text[-1]


@pytest.mark.long
def test_both_kinds_of_period_are_measured_on_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--pairs", "2", "--seconds", "5", "--backlog", "20000"]
    assert production_impact.main(words) == 0
    printed = capsys.readouterr().out
    assert printed.count("\nwith ") == printed.count("\nwithout ") == 2
    assert "p99 latency: " in printed
