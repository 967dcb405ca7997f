from __future__ import annotations

import pytest

from shadowstream.judge.criteria import COMPARED, KNOWN, PAIRS, RATES, Counts, Trailing, counts, coverage

# The design's closed table, row by row: outcome -> rates where it counts in n, rates where it counts in s.
TABLE = [
    ("match", {"mismatch", "missing", "extra"}, set()),
    ("tolerated", {"mismatch", "missing", "extra"}, set()),
    ("ignored", {"mismatch", "missing", "extra"}, set()),
    ("expected", {"mismatch", "missing", "extra"}, set()),
    ("mismatch", {"mismatch", "missing", "extra"}, {"mismatch"}),
    ("cardinality", {"mismatch", "missing", "extra"}, {"mismatch"}),
    ("missing", {"missing"}, {"missing"}),
    ("candidate_error", {"missing"}, {"missing"}),
    ("extra", {"extra"}, {"extra"}),
    ("undecodable_shadow", {"error"}, {"error"}),
    ("undecodable_production", set(), set()),
    ("duplicate_production", set(), set()),
    ("duplicate_shadow", set(), set()),
    ("unpairable_production", set(), set()),
    ("unpairable_shadow", set(), set()),
    ("duplicate_twin", set(), set()),
    ("unpairable_twin", set(), set()),
    ("undecodable_twin", set(), set()),
    ("warm_up", set(), set()),
    ("sampled_out", set(), set()),
    ("evicted", set(), set()),
    ("filtered", set(), set()),
    ("input", {"error"}, set()),
    ("input_failed", set(), {"error"}),
]


@pytest.mark.parametrize(("outcome", "units", "bad"), TABLE, ids=[row[0] for row in TABLE])
def test_each_outcome_counts_in_the_rates_of_the_closed_table(outcome: str, units: set[str], bad: set[str]) -> None:
    assert {rate for rate in RATES if counts(rate, {outcome: 5}).n == 5} == units
    assert {rate for rate in RATES if counts(rate, {outcome: 5}).s == 5} == bad


def test_the_table_here_names_every_known_outcome_once() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(KNOWN)
    assert set(PAIRS) < set(COMPARED) < KNOWN


def test_the_rates_of_a_mixed_trial() -> None:
    outcomes = {
        "match": 900, "tolerated": 20, "ignored": 20, "mismatch": 7, "cardinality": 3, "missing": 40, "extra": 5,
        "candidate_error": 10, "undecodable_shadow": 2, "undecodable_production": 1, "input": 1000, "input_failed": 12,
    }  # fmt: skip
    assert counts("mismatch", outcomes) == Counts(950, 10)
    assert counts("missing", outcomes) == Counts(1000, 50)
    assert counts("extra", outcomes) == Counts(955, 5)
    assert counts("error", outcomes) == Counts(1002, 14)
    assert coverage(outcomes) == pytest.approx(1000 / 1001)


def test_no_record_of_production_has_no_coverage() -> None:
    assert coverage({}) is None
    assert coverage({"extra": 3, "input": 9}) is None
    assert coverage({"warm_up": 9}) == 0


def test_counts_that_no_trial_can_have_are_told() -> None:
    assert counts("mismatch", {"match": 1, "mismatch": 1}).possible
    assert not counts("error", {"input": 1, "input_failed": 2}).possible
    assert not counts("missing", {"missing": -1}).possible


def test_trailing_keeps_the_fewest_last_windows_that_hold_enough() -> None:
    trailing = Trailing("mismatch", 100)
    for hour, pairs in enumerate([500, 60, 30, 50]):
        assert not (hour == 0 and trailing.full)
        trailing.close(hour, {"match": pairs - hour, "mismatch": hour})
    # 50 + 30 are too few, 50 + 30 + 60 enough; the 500 are forgotten.
    assert trailing.counts == Counts(140, 1 + 2 + 3)
    trailing.close(4, {"match": 100})
    assert trailing.counts == Counts(100, 0)


def test_trailing_is_not_full_before_enough_units() -> None:
    trailing = Trailing("mismatch", 100)
    trailing.close(0, {"match": 99})
    assert not trailing.full
    trailing.close(1, {"match": 1})
    assert trailing.full


def test_windows_without_units_of_the_rate_leave_trailing_alone() -> None:
    trailing = Trailing("extra", 10)
    trailing.close(0, {"extra": 2, "match": 8})
    trailing.close(1, {"missing": 50, "warm_up": 9})
    assert trailing.counts == Counts(10, 2)
    assert trailing.snapshot() == [[0, 10, 10, 2]]


def test_a_correction_changes_the_counts_of_its_window_and_not_the_choice_of_windows() -> None:
    trailing = Trailing("missing", 10)
    trailing.close(0, {"match": 10})
    trailing.close(1, {"match": 8, "missing": 2})
    trailing.correct(1, {"missing": -1, "mismatch": 1})
    trailing.correct(0, {"missing": -1, "match": 1})
    assert trailing.counts == Counts(10, 1)
    assert trailing.full


def test_trailing_goes_on_from_its_snapshot() -> None:
    first, second = Trailing("missing", 25), Trailing("missing", 25)
    for hour in range(9):
        first.close(hour, {"match": 7, "missing": hour % 2})
        second.restore(first.snapshot())
        assert (second.counts, second.full) == (first.counts, first.full)
    second.close(9, {"match": 30})
    assert second.counts == Counts(30, 0)
