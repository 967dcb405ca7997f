"""Candidates that known judges pass, rebuilt with their rules: here they are rejected, or it is said: not yet.

Kayenta (Spinnaker): its judge NetflixACAJudge-v1.0 with MannWhitneyClassifier.scala, that is the 98 % interval of the
shift by the rank-sum test (as R's wilcox.test has it: normal, corrected for ties and continuity) against a quarter of
the estimated shift. Flagger: a canary analysis with a request-success-rate of at least 99 % a minute, threshold 5,
10 iterations, as its documentation sets it up. The cases and their numbers: the end of part 7 of the design.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from scipy.optimize import bisect

from shadowstream.judge.evidence.rates import critical_n, false_promotion, log_e_below, promotion_probability
from tests.judge.stats_records import HOUR_MS, cell, config
from tests.judge.stats_records import stats as record
from tests.judge.test_step import JudgeLoop

CONFIDENCE, TOLERANCE = 0.98, 0.25
Values = Sequence[float] | npt.NDArray[np.float64]


# ---- the known judges ---------------------------------------------------------------------------------------------


def kayenta_passes(control: Values, canary: Values) -> bool:
    """Whether Kayenta's default judge calls a metric that must not increase a pass."""
    x, y = np.asarray(canary, float), np.asarray(control, float)
    estimate = _shift(x, y, 0.0, continuity=0.0)
    lower = _shift(x, y, float(stats.norm.isf((1.0 - CONFIDENCE) / 2.0)), continuity=0.5)
    return not lower > TOLERANCE * abs(estimate)


def _shift(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], z: float, continuity: float) -> float:
    """The shift of x at which its rank-sum statistic stands `z` standard deviations over the middle."""

    def over(shift: float) -> float:
        ranks = stats.rankdata(np.r_[x - shift, y])
        n, m = len(x), len(y)
        _, ties = np.unique(ranks, return_counts=True)
        above = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
        spread = math.sqrt(n * m / 12 * (n + m + 1 - (ties**3 - ties).sum() / ((n + m) * (n + m - 1))))
        return float((above - math.copysign(continuity, above) * (above != 0)) / spread - z) if spread else -z

    low, high = float(x.min() - y.max()) - 1e-6, float(x.max() - y.min()) + 1e-6
    return low if over(low) <= 0 else float(bisect(over, low, high, xtol=1e-4))


def flagger_promotes(error: float, requests: int, least_ok: float = 0.99, checks: int = 10, failed: int = 5) -> float:
    """The exact probability that Flagger promotes a canary of that error rate: fewer than `failed` of the checks of a
    minute each find less than `least_ok` of its requests ok."""
    bad_minute = stats.binom.sf(math.floor(requests * (1.0 - least_ok) + 1e-9), requests, error)
    return float(stats.binom.cdf(failed - 1, checks, bad_minute))


# ---- this one -----------------------------------------------------------------------------------------------------


def verdict(criterion: dict[str, Any], *windows: dict[str, int]) -> dict[str, Any]:
    """What this judge says of the windows, with no least duration."""
    loop = JudgeLoop(settings=config(criteria=[criterion], min_duration_ms=0))
    cells = [cell(hour * HOUR_MS) | {"outcomes": dict(outcomes)} for hour, outcomes in enumerate(windows)]
    loop.give(record("scores/0", 1, *cells, complete=True))
    return loop.evaluate()


def over(control: Values, canary: Values, limit_ms: float) -> dict[str, int]:
    """A window of pairs by their latencies, ms, as the joiner counts them."""
    left, right = np.asarray(control), np.asarray(canary)
    return {
        "match": len(right),
        "latency_pairs": len(right),
        "latency_over": int((right > limit_ms).sum()),
        "latency_slower": int((right > left).sum()),
    }


# ---- Kayenta ------------------------------------------------------------------------------------------------------


def test_the_rebuilt_rule_fails_a_plain_shift_and_passes_equals() -> None:
    draw = np.random.default_rng(1)
    control = draw.normal(100, 5, 60)
    assert kayenta_passes(control, draw.normal(100, 5, 60))
    assert not kayenta_passes(control, draw.normal(130, 5, 60))


def test_a_tenfold_spread_at_equal_median_passes_kayenta_and_is_rejected() -> None:
    quantiles = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    control, canary = 100 + 5 * quantiles, 100 + 50 * quantiles
    assert np.median(control) == pytest.approx(np.median(canary))
    assert kayenta_passes(control, canary)
    judged_verdict = verdict({"rate": "over", "limit": 0.01}, over(control, canary, 150.0))
    assert judged_verdict["criteria"][0]["s"] == 32
    assert judged_verdict["decision"] == "reject"


def test_sparse_errors_against_none_pass_kayenta_and_are_not_yet() -> None:
    errors = [0, 1, 2, 1, 0, 0]
    assert kayenta_passes([0] * 6, errors)
    minutes = [{"input": 100, "input_failed": failed, "match": 100 - failed} for failed in errors]
    judged_verdict = verdict({"rate": "error", "limit": 0.01}, *minutes)
    assert (judged_verdict["criteria"][0]["n"], judged_verdict["criteria"][0]["s"], judged_verdict["decision"]) == (
        600,
        4,
        "not_yet",
    )
    # And a production without any error asks for a limit that says so.
    assert verdict({"rate": "error", "limit": 0.0004}, *minutes)["decision"] == "reject"


def test_seven_of_ten_outliers_pass_kayenta_and_are_rejected() -> None:
    control, canary = [1.0] * 10, [1.0] * 3 + [100.0] * 7
    assert kayenta_passes(control, canary)
    judged_verdict = verdict({"rate": "slower", "limit": 0.1}, over(control, canary, 50.0))
    assert (judged_verdict["criteria"][0]["n"], judged_verdict["criteria"][0]["s"], judged_verdict["decision"]) == (
        10,
        7,
        "reject",
    )


@pytest.mark.parametrize(("n", "passed"), [(10, 0.98), (30, 0.92), (50, 0.79)])
def test_half_as_much_again_often_passes_kayenta_and_never_promotes(n: int, passed: float) -> None:
    runs, promoted = 200, 0
    draw = np.random.default_rng(n)
    kayenta = 0
    sigma = math.sqrt(math.log(2.0))  # log-normal with mean 1 and coefficient of variation 1
    limit = float(stats.norm.sf((math.log(2.0) + sigma**2 / 2) / sigma))  # so many of production's are over 2
    for _ in range(runs):
        control, canary = (factor * draw.lognormal(-(sigma**2) / 2, sigma, n) for factor in (1.0, 1.5))
        kayenta += kayenta_passes(control, canary)
        promoted += log_e_below(n, int((canary > 2.0).sum()), limit) >= math.log(20)
    assert stats.binomtest(kayenta, runs, passed).pvalue > 0.001
    assert promoted == 0
    judged_verdict = verdict({"rate": "over", "limit": limit}, over(control, canary, 2.0))
    assert judged_verdict["decision"] in ("not_yet", "reject")
    # With pairs enough, over hours enough to see that they do not come in one burst, it is a reject.
    hours = [over(many, many, 2.0) for many in 1.5 * draw.lognormal(-(sigma**2) / 2, sigma, (12, 200))]
    assert verdict({"rate": "over", "limit": limit}, *hours)["decision"] == "reject"


# ---- Flagger ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "requests", "promoted"), [(0.015, 100, "0.52"), (0.01, 100, "0.90"), (0.01, 10_000, "0.44")]
)
def test_flaggers_chance_to_promote_depends_on_the_traffic_and_here_is_bounded(
    error: float, requests: int, promoted: str
) -> None:
    assert f"{flagger_promotes(error, requests):.2f}" == promoted
    left = promotion_probability(error, 0.01, 0.05, 10 * requests)
    assert left <= false_promotion(0.01, 0.05, 10 * requests) <= 0.05
    assert error == 0.01 or left < 0.01


@pytest.mark.parametrize(("requests", "decision"), [(40, "not_yet"), (10_000, "reject")])
def test_half_as_much_again_as_the_limit_is_not_yet_or_rejected(requests: int, decision: str) -> None:
    minute = {"input": requests, "input_failed": round(0.015 * requests + 0.001)}
    minute["match"] = requests - minute["input_failed"]
    judged_verdict = verdict({"rate": "error", "limit": 0.01}, *[minute] * 10)
    assert judged_verdict["decision"] == decision


def test_flagger_promotes_on_ten_minutes_that_prove_nothing() -> None:
    assert flagger_promotes(0.0, 10) == 1.0
    quiet = [{"input": 10, "input_failed": 0, "match": 10}] * 10
    assert verdict({"rate": "error", "limit": 0.01}, *quiet)["decision"] == "not_yet"
    assert critical_n(0, 0.01, 0.05) > 100
