import pytest

from shadowstream.judge.coverage.coverage import coverage
from shadowstream.judge.criteria import KNOWN, RATES, Counts
from shadowstream.protocol.count_names import (
    LABEL_DIFFER,
    LABEL_DIFFER_UNLABELLED,
    LABEL_RANKED,
    LABELS,
    LATENCIES,
    RECHECKS,
)
from shadowstream.protocol.outcomes import IN_RATES, PAIRS

OF_PAIRS = {"mismatch", "missing", "extra", "unstable"}

# The design's closed table, row by row: outcome -> rates where it counts in n, rates where it counts in s.
TABLE = [
    *((name, OF_PAIRS, set()) for name in ("match", "tolerated", "ignored", "expected")),
    ("mismatch", OF_PAIRS, {"mismatch"}),
    ("unstable", OF_PAIRS, {"unstable"}),
    ("cardinality", OF_PAIRS, {"mismatch"}),
    ("missing", {"missing"}, {"missing"}),
    ("candidate_error", {"missing"}, {"missing"}),
    ("timeout", {"missing"}, {"missing"}),
    ("crashed", {"missing"}, {"missing"}),
    ("undecodable_input", set(), set()),
    ("uncompared", set(), set()),
    ("both_failed", {"missing"}, set()),
    ("extra", {"extra"}, {"extra"}),
    ("undecodable_shadow", {"error"}, {"error"}),
    ("undecodable_production", set(), set()),
    ("duplicate_production", set(), set()),
    ("duplicate_shadow", set(), set()),
    *((f"repeated_{side}", set(), set()) for side in ("production", "shadow", "twin")),
    ("unpairable_production", set(), set()),
    ("unpairable_shadow", set(), set()),
    ("duplicate_twin", set(), set()),
    ("unpairable_twin", set(), set()),
    ("undecodable_twin", set(), set()),
    ("twin_extra", set(), set()),
    ("warm_up", set(), set()),
    ("sampled_out", set(), set()),
    ("filtered", set(), set()),
    ("evicted", set(), set()),
    *((name, set(), set()) for name in (*LATENCIES, *LABELS, LABEL_DIFFER, LABEL_DIFFER_UNLABELLED, LABEL_RANKED)),
    *((name, set(), set()) for name in RECHECKS),
    ("input", {"error"}, set()),
    ("input_failed", set(), {"error"}),
    ("input_undecodable", set(), set()),
]


@pytest.mark.parametrize(("outcome", "units", "bad"), TABLE, ids=[row[0] for row in TABLE])
def test_each_outcome_counts_in_the_rates_of_the_closed_table(outcome: str, units: set[str], bad: set[str]) -> None:
    assert {rate for rate in RATES if RATES[rate].counts({outcome: 5}).n == 5} == units
    assert {rate for rate in RATES if RATES[rate].counts({outcome: 5}).s == 5} == bad


def test_the_table_here_names_every_known_outcome_once() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(KNOWN)
    assert set(PAIRS) < set(IN_RATES) < KNOWN


def test_the_rates_of_a_mixed_trial() -> None:
    outcomes = {
        "match": 900, "tolerated": 20, "ignored": 20, "mismatch": 7, "cardinality": 3, "missing": 40, "extra": 5,
        "candidate_error": 10, "undecodable_shadow": 2, "undecodable_production": 1, "input": 1000, "input_failed": 12,
    }  # fmt: skip
    assert RATES["mismatch"].counts(outcomes) == Counts(950, 10)
    assert RATES["missing"].counts(outcomes) == Counts(1000, 50)
    assert RATES["extra"].counts(outcomes) == Counts(955, 5)
    assert RATES["error"].counts(outcomes) == Counts(1002, 14)
    assert coverage(outcomes) == pytest.approx(1000 / 1001)


def test_no_record_of_production_has_no_coverage() -> None:
    assert coverage({}) is None
    assert coverage({"extra": 3, "input": 9}) is None
    assert [coverage({name: 9}) for name in ("warm_up", "sampled_out", "filtered")] == [None] * 3
    assert coverage({"match": 3, "undecodable_input": 1, "input_undecodable": 5}) == 0.75


@pytest.mark.parametrize("kind", ["duplicate", "repeated"])
@pytest.mark.parametrize("side", ["production"])
def test_what_came_again_and_was_not_compared_lowers_coverage(kind: str, side: str) -> None:
    assert coverage({"match": 1_020, f"{kind}_{side}": 2_980}) == pytest.approx(0.255)


def test_a_failure_of_both_sides_is_taken_from_the_failed_inputs() -> None:
    assert RATES["error"].counts({"input": 100, "input_failed": 12, "both_failed": 10}) == Counts(100, 2)


def test_counts_that_no_trial_can_have_are_reported() -> None:
    assert RATES["mismatch"].counts({"match": 1, "mismatch": 1}).possible
    assert not RATES["error"].counts({"input": 1, "input_failed": 2}).possible
    assert not RATES["missing"].counts({"missing": -1}).possible
