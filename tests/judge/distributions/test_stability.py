"""The index, its null law and the exact tails, each against a reference computed apart."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from shadowstream.judge.distributions.exact_tails import log_draw_tail, log_sign_tail
from shadowstream.judge.distributions.stability import (
    Samples,
    chi2_quantile,
    log_p_of,
    merged,
    psi_of,
    stability_of,
)
from tests.judge.calibration_of_distributions import Law, of_the_law

counts = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), min_size=2, max_size=50)


def reference(counts_by_bin: list[tuple[int, int]]) -> float:
    """Jeffreys divergence of the two smoothed laws, as two Kullback-Leibler divergences."""
    both = np.array(counts_by_bin, np.float64) + 0.5
    p, q = both[:, 0] / both[:, 0].sum(), both[:, 1] / both[:, 1].sum()
    return float(np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p)))


@given(counts)
def test_the_index_is_the_sum_of_both_divergences(found: list[tuple[int, int]]) -> None:
    assert psi_of(found) == pytest.approx(reference(found), rel=1e-9, abs=1e-12)


@given(counts)
def test_merged_bins_lose_no_value_and_expect_enough(found: list[tuple[int, int]]) -> None:
    first, second = ([one[side] for one in found] for side in (0, 1))
    rows = merged(Samples(first, second, 0), 40)
    assert (sum(row.first for row in rows), sum(row.second for row in rows)) == (sum(first), sum(second))
    assert len(rows) == 1 or all(row.first + row.second >= 40 for row in rows)


@pytest.mark.parametrize(("bins", "n", "m"), [(10, 2_000, 2_000), (4, 20_000, 1_000), (50, 5_000, 5_000)])
def test_the_null_law_is_that_of_simulated_samples(bins: int, n: int, m: int) -> None:
    """Monte Carlo of two multinomial samples: mean and quantiles of the index beside (1/n + 1/m) chi2(B - 1)."""
    dice = np.random.default_rng(5)
    shares = dice.dirichlet(np.full(bins, 20.0))
    p, q = ((dice.multinomial(size, shares, 10_000) + 0.5) / (size + bins / 2) for size in (n, m))
    drawn = ((q - p) * np.log(q / p)).sum(axis=1) / (1.0 / n + 1.0 / m)
    for level in (0.5, 0.1, 0.01):
        beyond = float((drawn > chi2_quantile(bins - 1, level)).mean())
        assert beyond == pytest.approx(level, abs=4.0 * math.sqrt(level / 10_000) + 0.03 * level)
    found = stability_of(Samples([n // bins] * bins, [m // bins] * bins, bins), 0.01)
    assert found is not None
    assert found.by_chance == pytest.approx((1 / n + 1 / m) * chi2.isf(0.01, bins - 1), rel=1e-9)


@given(st.integers(1, 600), st.data())
def test_the_sign_tail_bounds_the_binomial_closely(tosses: int, data: st.DataObject) -> None:
    heads = data.draw(st.integers(tosses // 2 + 1, tosses))
    exact = math.log(sum(math.comb(tosses, k) for k in range(heads, tosses + 1))) - tosses * math.log(2)
    bound = log_sign_tail(tosses, 2 * heads - tosses)
    assert exact - 1e-6 <= bound
    # Far from the mean the first term is nearly all of the tail.
    assert 2 * heads - tosses < 4 * math.sqrt(tosses) or bound <= exact + 0.1


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200), st.data())
def test_the_draw_tail_bounds_the_hypergeometric(marked: int, rest: int, drawn: int, data: st.DataObject) -> None:
    total = marked + rest
    drawn = min(drawn, total)
    hits = data.draw(st.integers(max(0, drawn - rest), min(marked, drawn)))
    least, greatest = max(0, drawn - rest), min(marked, drawn)
    tail = range(hits, greatest + 1) if hits * total >= marked * drawn else range(least, hits + 1)
    ways = sum(math.comb(marked, k) * math.comb(rest, drawn - k) for k in tail)
    exact = math.log(ways) - math.log(math.comb(total, drawn))
    assert exact - 1e-6 <= log_draw_tail(total, marked, drawn, hits) <= 0.0


def test_fewer_tosses_than_counted_make_no_excess_likelier() -> None:
    """Pairs inside a merged bin are counted as moved, so the number of tosses is an upper bound."""
    for tosses in range(1, 30):
        for excess in range(1, tosses + 1):
            exact = float(binom.sf(math.ceil((tosses + excess) / 2) - 1, tosses, 0.5))
            assert all(math.exp(log_sign_tail(more, excess)) >= exact * (1 - 1e-9) for more in range(tosses, 31))


def test_pairs_that_agree_have_a_narrower_law_and_opposed_ones_a_wider() -> None:
    agreeing, opposed = (stability_of(Samples([250, 250], [250, 250], 2, same), 0.01) for same in ([225, 225], [0, 0]))
    independent = stability_of(Samples([250, 250], [250, 250], 2), 0.01)
    assert agreeing is not None
    assert opposed is not None
    assert independent is not None
    assert agreeing.by_chance == pytest.approx(0.2 * independent.by_chance)
    assert opposed.by_chance == pytest.approx(2.0 * independent.by_chance)


def test_the_law_of_independent_samples_fails_where_pairs_are_opposed() -> None:
    """The counter-example to one law for all: two bins, and the candidate always in the other one."""
    dice = np.random.default_rng(2)
    law = Law((0.5, 0.5), 500, 500, pairs=-1.0, runs=1_500)
    beyond = {"independent": 0, "pairs": 0}
    for samples in (law.drawn(dice) for _ in range(law.runs)):
        for name, given_ in (("pairs", samples), ("independent", samples._replace(same=None))):
            found = stability_of(given_, 0.01)
            beyond[name] += found is not None and found.psi > found.by_chance
    assert beyond["independent"] > 0.04 * law.runs
    assert beyond["pairs"] < 0.02 * law.runs


def test_rare_bins_and_clusters_weigh_less() -> None:
    rare = stability_of(Samples([500, 0, 500], [497, 5, 498], 3), 0.01)
    assert rare is not None
    assert rare.psi < 0.001 < psi_of([(500, 497), (0, 5), (500, 498)])  # a bin of five values is merged
    plain = Samples([300, 200], [200, 300], 2)
    assert log_p_of(plain._replace(deff=10.0)) > log_p_of(plain) / 5
    found = [stability_of(one, 0.01) for one in (plain, plain._replace(deff=10.0))]
    assert [one and round(one.by_chance / (2 / 500 * chi2.isf(0.01, 1)), 6) for one in found] == [1.0, 10.0]


@pytest.mark.parametrize(
    "law",
    [Law((0.1,) * 10, 500, 500, runs=600), Law((0.6, 0.3, 0.1), 3_000, 300, runs=600)],
    ids=["equal sizes", "a small sample"],
)
def test_equal_distributions_alarm_as_rarely_as_the_level(law: Law) -> None:
    assert [line for line, holds in of_the_law(law, seed=4) if not holds] == []
