"""Evidence about signed differences: cut, scaled and tested with wide bets, against a reference in plain Python."""

import itertools
import math

import numpy as np
import pytest

from shadowstream.judge.evidence.bounded_mean import GridSums, critical_grid_n
from shadowstream.protocol.mean_sums import bets
from shadowstream.protocol.signed_means import SignedSums, between, units_of
from tests.judge.calibration_of_losses import SHAPES
from tests.judge.claims import DOUBT, rate_max

BOUND, MARGIN = 2.0, 0.04
LIMIT = (MARGIN / BOUND + 1) / 2


def reference(differences: list[float], margin: float, bound: float) -> tuple[float, float]:
    """ln E that the candidate is worse by less than the margin, and that it is worse by more; by the formula alone."""
    m = (margin / bound + 1) / 2
    units = [(min(max(d / bound, -1.0), 1.0) + 1) / 2 for d in differences]
    evidence = []
    for values, mean in ((units, m), ([1 - y for y in units], 1 - m)):
        wealths = [
            math.prod(1 - 0.999 / (1 - mean) * 2.0**-halvings * (y - mean) for y in values) for halvings in range(10)
        ]
        evidence.append(math.log(sum(wealths) / 10))
    return evidence[0], evidence[1]


def summed(differences: np.ndarray, margin: float = MARGIN, bound: float = BOUND) -> GridSums:
    sums = SignedSums((margin / bound + 1) / 2, bound)
    sums.add(differences)
    return GridSums.stored(sums.limit, sums.n, sums.sums)


@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.04, 0.3])
@pytest.mark.parametrize("margin", [0.0, 0.04, 0.5])
def test_evidence_agrees_with_the_formula_in_plain_python(mean: float, margin: float) -> None:
    differences = np.random.default_rng(5).normal(mean, 0.9, 300)
    below, above = reference(differences.tolist(), margin, BOUND)
    state = summed(differences, margin)
    assert below - 300 * 2.0**-32 <= state.log_e_below <= below + 1e-9
    assert above - 300 * 2.0**-32 <= state.log_e_above <= above + 1e-9


def test_expected_evidence_is_one_where_the_margin_is_reached() -> None:
    worst, best = 1.0, -0.3  # shares of the bound; the chance makes the mean exactly the margin's
    chance = (MARGIN / BOUND - best) / (worst - best)
    means = [0.0, 0.0]
    for drawn in itertools.product((worst, best), repeat=8):
        weight = math.prod(chance if share == worst else 1 - chance for share in drawn)
        state = summed(BOUND * np.array(drawn))
        means = [means[0] + weight * math.exp(state.log_e_below), means[1] + weight * math.exp(state.log_e_above)]
    assert means == pytest.approx([1.0, 1.0], abs=1e-7)
    assert max(means) <= 1.0


def test_order_and_split_change_no_bit() -> None:
    differences = np.random.default_rng(6).normal(0, 1.5, 200)
    whole = summed(differences)
    shuffled = np.random.default_rng(7).permutation(differences)
    assert summed(shuffled[:77]) + summed(shuffled[77:]) == whole


def test_differences_beyond_the_bound_are_cut_and_counted() -> None:
    sums = SignedSums(LIMIT, BOUND)
    sums.add(np.array([3.0, -2.5, -9.0, 2.0, np.nan, np.inf]))
    assert (sums.n, sums.over, sums.under) == (5, 2, 2)
    assert units_of(np.array([3.0, -2.5, 2.0]), BOUND).values.tolist() == [1.0, 0.0, 1.0]


def test_candidate_without_an_answer_is_worst_and_never_gains() -> None:
    losses = np.array([0.5, np.nan, np.nan, np.inf]), np.array([np.nan, 0.5, np.nan, np.inf])
    assert between(*losses).tolist()[:2] == [math.inf, 0.0]
    assert math.isnan(between(*losses)[2])
    assert between(*losses)[3] == 0.0


def test_identical_candidate_is_shown_good_by_the_number_forecast() -> None:
    in_the_page = [critical_grid_n((1 + share) / 2, 0.05, further=0.5, wide=True) for share in (0.01, 0.001)]
    assert in_the_page == [515, 5165]
    needed = critical_grid_n(LIMIT, 0.05, further=0.5, wide=True)
    assert summed(np.zeros(needed)).log_e_below >= math.log(20) > summed(np.zeros(needed - 1)).log_e_below


def test_no_number_of_equal_pairs_shows_a_candidate_better() -> None:
    with pytest.raises(ValueError, match="never show a mean below"):
        critical_grid_n(0.5, 0.05, further=0.5, wide=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("above", "alpha"), [(False, 0.05), (True, 0.05), (False, 0.2)])
def test_at_the_margin_evidence_ever_reaches_one_over_alpha_seldom(shape: str, above: bool, alpha: float) -> None:
    """600 runs, looked at after each of 1,500 pairs."""
    margin, dice, reached = 0.02, np.random.default_rng(8), 0
    m = (margin + 1) / 2
    for _ in range(600):
        units = units_of(SHAPES[shape](dice, 1_500) + margin, 1.0).values
        values, mean = (1 - units, 1 - m) if above else (units, m)
        wealth = np.cumsum(np.log1p(-np.outer(values - mean, bets(mean, wide=True))), axis=0)
        reached += bool((np.exp(wealth).mean(axis=1) >= 1 / alpha).any())
    assert rate_max(reached, 600, alpha) >= DOUBT
