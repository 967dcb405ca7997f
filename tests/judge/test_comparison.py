"""`make judge-compare` in short: the orderings that matter, and the peers' rules against counts worked by hand."""

import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu

from tests.judge.calibration_at_the_limit import judge_of
from tests.judge.claims import DOUBT, rate_max
from tests.judge.comparison.__main__ import RULE_TEXTS, page, plot
from tests.judge.comparison.peers import (
    ALPHA,
    LIMIT,
    PRODUCTION,
    RULES,
    Counts,
    flagger,
    kayenta_fails,
    nannyml,
    point_threshold,
)
from tests.judge.comparison.runs import AT_ONCE, BY_DEFAULT, CELLS, JUDGES, UNITS, Cell, Sizes, judged, table

AT_THE_LIMIT = [Cell(units, LIMIT) for units in UNITS]


@pytest.mark.parametrize("runs", [6, pytest.param(16, marks=pytest.mark.long)])
def test_only_shadowstream_holds_the_limit_at_every_traffic(runs: int) -> None:
    """`runs`: of shadowstream exactly at its limit."""
    sizes = Sizes(peers=1_500, kayenta=60, limit=runs, elsewhere=2)
    shares = table(sizes, CELLS)
    assert set(shares) == {(judge, at) for judge in JUDGES for at in CELLS}
    for judge in JUDGES:
        found = [shares[judge, at] for at in AT_THE_LIMIT]
        if judge in (AT_ONCE, BY_DEFAULT):
            assert [share for share in found if rate_max(share.promoted, share.runs, ALPHA) < DOUBT] == []
        else:
            assert max(share.interval[0] for share in found) > ALPHA, judge
    # Silence passes for good: at 50 records a window twice the limit is promoted.
    quiet = Cell(50, 2 * LIMIT)
    for judge in ("LaunchDarkly-like", "Flagger-like", "Kayenta-like, once at 50 points"):
        assert shares[judge, quiet].interval[0] > ALPHA
    assert shares[AT_ONCE, quiet].promoted == 0
    good = shares[AT_ONCE, Cell(500, PRODUCTION)]
    assert good.promoted == good.runs
    text = page(shares, sizes)
    assert all(judge in text for judge in JUDGES)
    assert len(plot(shares).axes) == 2


def test_chances_of_peers_with_a_known_law() -> None:
    dice = np.random.default_rng(3)
    counts = Counts(500, dice.binomial(500, LIMIT, (20_000, 24)), dice.binomial(500, PRODUCTION, (20_000, 24)))
    passes = binom.cdf(5, 500, LIMIT)
    exact = {point_threshold: passes, flagger: binom.cdf(4, 10, 1 - passes), nannyml: binom.cdf(7, 500, LIMIT) ** 24}
    for rule, probability in exact.items():
        promoted = int((rule(counts).promoted > 0).sum())
        assert binom.cdf(promoted, 20_000, probability) > DOUBT
        assert binom.sf(promoted - 1, 20_000, probability) > DOUBT


@pytest.mark.parametrize("points", [10, 30])
def test_the_mann_whitney_interval_agrees_with_its_test(points: int) -> None:
    """The lower limit lies above a shift where the one-sided test at 1 % rejects that shift."""
    dice = np.random.default_rng(4)
    candidate, production = dice.poisson(60, (150, points)), dice.poisson(50, (150, points))
    failed = kayenta_fails(candidate, production)
    for row in range(150):
        estimate = float(np.median(candidate[row][:, None] - production[row][None, :]))
        # A hair above the tolerance, where no shifted value ties with another.
        shift = 0.25 * abs(estimate) + 1e-6
        test = mannwhitneyu(candidate[row] - shift, production[row], alternative="greater", method="asymptotic")
        assert failed[row] == (test.pvalue < 0.01) or abs(test.pvalue - 0.01) < 0.002


def test_known_failures_of_a_canary_pass_again() -> None:
    spread = np.array([[1, 99, 1, 99, 50, 50, 1, 99, 1, 99]]), np.array([[50] * 10])
    sparse = np.array([[0, 1, 2, 1, 0, 0]]), np.zeros((1, 6), dtype=int)
    assert [bool(kayenta_fails(*pair)[0]) for pair in (spread, sparse)] == [False, False]


def test_a_promote_is_that_of_the_verdict_after_each_window() -> None:
    assert judged(500, [0] * 40) == (1, 24, 0)
    assert judged(500, [40] * 40)[2] > 0
    assert judge_of(LIMIT).judge.min_duration_ms == 24 * 3_600_000
    assert set(RULE_TEXTS) == set(JUDGES) == {AT_ONCE, BY_DEFAULT, *RULES}
