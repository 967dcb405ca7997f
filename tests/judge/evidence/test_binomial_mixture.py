"""The prior that rejects use: against its integral, its average at the limit, and the uniform one."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from shadowstream.judge.evidence.rates import b_of, log_e_above

PRIORS = [(0.01, 400, 9), (0.01, 5000, 20), (0.001, 3000, 11), (0.05, 120, 40), (0.2, 60, 30), (0.01, 2000, 2000)]


@pytest.mark.parametrize(("p1", "n", "s"), PRIORS)
def test_the_prior_of_rejects_gives_its_integral(p1: float, n: int, s: int) -> None:
    b = b_of(p1)

    def log_ratio(p: float) -> float:
        return s * math.log(p / p1) + (n - s) * (math.log1p(-p) - math.log1p(-p1)) + (b - 1.0) * math.log1p(-p)

    top = min(max(s / (n + b), p1), 1.0 - 1e-12)
    scale = log_ratio(top)
    whole, _ = integrate.quad(lambda p: math.exp(log_ratio(p) - scale), p1, 1.0, points=[top], limit=500)
    expected = scale + math.log(whole) + math.log(b) - b * math.log1p(-p1)
    assert log_e_above(n, s, p1, b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("n", "p1"), [(200, 0.05), (1000, 0.01), (40, 0.5)])
def test_at_the_limit_the_evidence_above_is_one_on_average(n: int, p1: float) -> None:
    s = np.arange(n + 1)
    log_e = log_e_above(n, s, p1, b_of(p1))
    assert np.exp(stats.binom.logpmf(s, n, p1) + log_e).sum() == pytest.approx(1.0, abs=1e-9)
    assert np.exp(stats.binom.logpmf(s, n, p1 / 2) + log_e).sum() < 1.0


@pytest.mark.parametrize("times", [2.0, 5.0])
def test_an_excess_takes_fewer_units_than_by_the_uniform_prior(times: float) -> None:
    def units(b: float) -> int:
        return next(n for n in range(50, 20_000, 50) if log_e_above(n, round(times * n / 100), 0.01, b) >= 4.6)

    assert units(b_of(0.01)) <= 0.75 * units(1.0)
