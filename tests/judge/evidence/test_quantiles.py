"""Quantile evidence against a reference written apart: raw latencies, numeric integrals, all pairs of edges."""

import math

import numpy as np
import pytest
from scipy import integrate

from shadowstream.judge.evidence.quantiles import Arm, RatioEvidence
from shadowstream.judge.latency_sketch import TOP, ZERO, Counts, Sketch, quantile_bucket
from shadowstream.protocol.latency_buckets import edge_ms

GROWTH = 1.01 / 0.99


def sketched(latencies_ms: np.ndarray) -> Counts:
    """Pairs by bucket, straight from the rule: (g^(i-1), g^i] ms."""
    counts: Counts = {}
    for latency in latencies_ms.tolist():
        bucket = -1 if latency <= 0 else next(i for i in range(2000) if latency <= GROWTH**i * (1 + 1e-12))
        counts[bucket] = counts.get(bucket, 0) + 1
    return counts


def integral(n: int, s: int, low: float, high: float, b: float, null: float) -> float:
    """Evidence of a rate: the likelihood against `null`, averaged over a Beta(1, b) prior cut to (low, high)."""
    weight = integrate.quad(lambda p: (1 - p) ** (b - 1), low, high)[0]
    peak = min(max((s / n), low + 1e-9), high - 1e-9)

    def ratio(p: float) -> float:
        return math.exp(s * math.log(p / null) + (n - s) * math.log1p(-p) - (n - s) * math.log1p(-null))

    found = integrate.quad(lambda p: (1 - p) ** (b - 1) * ratio(p), low, high, points=[peak], limit=500)[0]
    return found / weight


def evidence(latencies_ms: np.ndarray, edge: float, limit: float, *, within: bool) -> float:
    """Evidence that the quantile lies within an edge, or beyond it."""
    n, s = len(latencies_ms), int((latencies_ms > edge * (1 + 1e-12)).sum())
    if within:
        return integral(n, s, 0.0, limit, 1.0, limit)
    return integral(n, s, limit, 1.0, max(1.0, 1.0 / (2.0 * limit)), limit)


def reference(production: np.ndarray, candidate: np.ndarray, quantile: float, ratio: float) -> tuple[float, float]:
    """Half of the greatest minimum over all pairs of edges, for both claims."""
    edges = [0.0, *(GROWTH**i for i in range(330))]
    limit = 1.0 - quantile
    of = {
        (side, within): [evidence(values, edge, limit, within=within) for edge in edges]
        for side, values in (("p", production), ("c", candidate))
        for within in (True, False)
    }
    below, above = 0.0, 0.0
    for i, x in enumerate(edges):
        for j, y in enumerate(edges):
            if x <= ratio * y * (1 + 1e-12):
                below = max(below, min(of["c", True][i], of["p", False][j]))
            if x >= ratio * y * (1 - 1e-12):
                above = max(above, min(of["c", False][i], of["p", True][j]))
    return below / 2, above / 2


@pytest.mark.parametrize(
    ("scale", "ratio", "quantile"),
    [(1.0, 1.0, 0.9), (1.0, 1.5, 0.9), (2.0, 1.2, 0.8), (0.5, 1.0, 0.5), (1.0, 0.7, 0.5), (0.0, 1.2, 0.9)],
)
def test_evidence_equals_the_integrals_over_all_pairs_of_edges(scale: float, ratio: float, quantile: float) -> None:
    dice = np.random.default_rng(4)
    production, candidate = (np.ceil(dice.gamma(2.0, 40.0, 150)) for _ in range(2))
    candidate = candidate * scale
    found = RatioEvidence(Sketch(sketched(production), sketched(candidate)), quantile, ratio)
    assert np.exp([found.log_e_below(), found.log_e_above()]) == pytest.approx(
        reference(production, candidate, quantile, ratio), rel=1e-6
    )


def test_evidence_is_monotone_in_the_edge_on_either_side() -> None:
    dice = np.random.default_rng(5)
    arm = Arm(sketched(dice.gamma(2.0, 40.0, 3000)), 0.99)
    within, beyond = ([log(edge) for edge in range(ZERO, TOP + 1)] for log in (arm.log_e_within, arm.log_e_beyond))
    assert within == sorted(within)
    assert beyond == sorted(beyond, reverse=True)


def test_the_order_of_latencies_changes_no_bit() -> None:
    dice = np.random.default_rng(6)
    production, candidate = dice.gamma(2.0, 40.0, 400), dice.gamma(2.0, 44.0, 400)
    whole = RatioEvidence(Sketch(sketched(production), sketched(candidate)), 0.95, 1.2)
    again = RatioEvidence(Sketch(sketched(production[::-1]), sketched(candidate[::-1])), 0.95, 1.2)
    assert (whole.log_e_below(), whole.log_e_above()) == (again.log_e_below(), again.log_e_above())


def test_limits_hold_the_true_quantile_and_are_narrower_than_the_stitched_bound() -> None:
    """Howard & Ramdas, theorem 1: 1.5 sqrt(p(1-p) l) + 0.8 l, with l = (1.4 lnln(2.1 t) + ln(10/alpha)) / t."""
    n, quantile, alpha = 20_000, 0.99, 0.05
    values = np.sort(np.random.default_rng(7).exponential(50.0, n))
    arm, need = Arm(sketched(values), quantile), math.log(2 / alpha)
    lower, upper = arm.lower(need), arm.upper(need)
    assert lower is not None
    assert upper is not None
    truth = -50.0 * math.log(0.01)
    assert edge_ms(lower) < truth < edge_ms(upper)
    level = (1.4 * math.log(math.log(2.1 * n)) + math.log(10 / alpha)) / n
    width = 1.5 * math.sqrt(quantile * (1 - quantile) * level) + 0.8 * level
    stitched = values[int(n * (quantile - width))], values[min(n - 1, math.ceil(n * (quantile + width)))]
    assert stitched[0] / GROWTH < edge_ms(lower)
    assert edge_ms(upper) < stitched[1] * GROWTH


def test_the_bucket_of_a_quantile_is_the_first_with_enough() -> None:
    assert [quantile_bucket({3: 98, 7: 1, 9: 1}, q) for q in (0.5, 0.98, 0.99, 0.999)] == [3, 3, 7, 9]
