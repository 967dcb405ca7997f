"""The evidence against the design's reference values, against other ways to compute it, and against its promise."""

import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from shadowstream.judge.evidence.rates import (
    GridSums,
    alpha_of_attempt,
    critical_n,
    false_promotion,
    grid_sums,
    least_caught_rate,
    log_e_above,
    log_e_below,
    log_e_grid,
    log_e_mcnemar,
    lower_limit,
    planned_n,
    promotion_probability,
    upper_limit,
)

# p0, n, s, ln E_below, ln E_above: the design's table, to its printed digits.
TABLE = [
    (0.01, 100, 0, "0.545082988696", "-4.61512051684"),
    (0.01, 1000, 3, "2.59355790037", "-6.596810844"),
    (0.01, 2000, 10, "2.16304094361", "-6.98121459764"),
    (0.001, 5000, 0, "3.3861267417", "-8.51739317142"),
    (0.001, 10000, 20, "-2.46458642229", "-2.92310162947"),
    (0.5, 40, 10, "4.14674603478", "-3.08152878661"),
    (0.05, 200, 2, "3.9392469979", "-5.1043716736"),
]
BOUNDED = np.tile([0, 0.02, 0, 0, 0.01, 0, 0.05, 0, 0, 0], 40)

rates = st.floats(1e-6, 1.0 - 1e-6)
units = st.integers(0, 1_000_000)


def to_digits_of(printed: str, value: float) -> str:
    return f"{value:.{len(printed.partition('.')[2])}f}"


def counts(draw: st.DataObject) -> tuple[int, int]:
    n = draw.draw(units)
    return n, draw.draw(st.integers(0, n) | st.integers(0, min(n, 30)))


def by_quadrature(n: int, s: int, p0: float) -> float:
    """ln E_below from its definition, scaled by the integrand's greatest value so that nothing over- or underflows."""

    def log_ratio(p: float) -> float:
        bad = s * math.log(p / p0) if s else 0.0
        return bad + (n - s) * (math.log1p(-p) - math.log1p(-p0))

    peak = min(s / n, p0)
    top = log_ratio(peak) if peak > 0 else -n * math.log1p(-p0)
    slope = abs(s / p0 - (n - s) / (1.0 - p0))
    widths = (math.sqrt(max(s, 1)) / n, 1.0 / slope if slope else 1.0)
    inner = {peak + k * width for width in widths for k in (-30, -8, -3, -1, 1, 3, 8, 30)}
    edges = sorted({0.0, p0, *(x for x in inner if 0.0 < x < p0)})
    parts = [
        integrate.quad(
            lambda p: math.exp(log_ratio(p) - top) if p > 0 else float(s == 0),
            a,
            b,
            epsabs=1e-11 * min(widths),
            epsrel=1e-10,
        )
        for a, b in itertools.pairwise(edges)
    ]
    return top + math.log(math.fsum(part for part, _ in parts) / p0)


@pytest.mark.parametrize(("p0", "n", "s", "below", "above"), TABLE)
def test_evidence_has_the_values_of_the_design(p0: float, n: int, s: int, below: str, above: str) -> None:
    assert to_digits_of(below, log_e_below(n, s, p0)) == below
    assert to_digits_of(above, log_e_above(n, s, p0)) == above


@pytest.mark.parametrize(
    ("limit", "n", "s", "printed"),
    [
        (upper_limit, 1000, 0, ".004502093744"),
        (upper_limit, 1000, 3, ".01064274696"),
        (lower_limit, 1000, 3, ".0000685328135"),
        (upper_limit, 50, 15, ".5005680173"),
        (lower_limit, 50, 15, ".1333982488"),
    ],
)
def test_limits_have_the_values_of_the_design(
    limit: Callable[[int, int, float], float], n: int, s: int, printed: str
) -> None:
    assert to_digits_of(printed, limit(n, s, 0.05)) == "0" + printed


def test_critical_n_has_the_values_of_the_design() -> None:
    assert critical_n(np.arange(11), 0.01, 0.05).tolist() == [
        449, 683, 882, 1065, 1238, 1404, 1565, 1722, 1875, 2026, 2174,
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "printed"), [(10, "0.2463733396"), (100, "3.0538626530"), (400, "15.1403996184")])
def test_the_betting_grid_has_the_values_of_the_design(n: int, printed: str) -> None:
    assert to_digits_of(printed, log_e_grid(BOUNDED[:n], 0.05)) == printed


@pytest.mark.parametrize(("b", "c", "printed"), [(10, 25, "2.33594015"), (40, 60, "0.57889112")])
def test_mcnemar_has_the_values_of_the_design(b: int, c: int, printed: str) -> None:
    assert to_digits_of(printed, log_e_mcnemar(b, c)) == printed


@pytest.mark.parametrize(
    ("p0", "alpha", "n_max", "printed"), [(0.05, 0.05, 2000, "0.03810178"), (0.01, 0.01, 20000, "0.00783123")]
)
def test_the_exact_false_promotion_has_the_values_of_the_design(
    p0: float, alpha: float, n_max: int, printed: str
) -> None:
    assert to_digits_of(printed, false_promotion(p0, alpha, n_max)) == printed


@pytest.mark.parametrize(("n", "p0"), [(1, 0.3), (200, 0.05), (3000, 0.01), (500, 0.9)])
def test_at_the_limit_the_expectation_of_the_evidence_is_exactly_one(n: int, p0: float) -> None:
    s = np.arange(n + 1)
    log_chance = stats.binom.logpmf(s, n, p0)
    assert math.fsum(np.exp(log_chance + log_e_below(n, s, p0))) == pytest.approx(1.0, abs=1e-10)
    assert math.fsum(np.exp(log_chance + log_e_above(n, s, p0))) == pytest.approx(1.0, abs=1e-10)


def test_beyond_the_limit_the_expectation_is_less_than_one() -> None:
    s = np.arange(201)
    over = math.fsum(stats.binom.pmf(s, 200, 0.06) * np.exp(log_e_below(200, s, 0.05)))
    assert f"{over:.6f}" == "0.416301"
    assert math.fsum(stats.binom.pmf(s, 200, 0.04) * np.exp(log_e_above(200, s, 0.05))) < 1.0


@given(st.data(), rates)
@settings(max_examples=40, deadline=None)
def test_evidence_equals_its_definition_by_quadrature(draw: st.DataObject, p0: float) -> None:
    n, s = counts(draw)
    if n:
        assert log_e_below(n, s, p0) == pytest.approx(by_quadrature(n, s, p0), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(
    ("n", "s", "p0", "exact"),
    # 40-digit arithmetic (arbitrary-precision hypergeometric series), printed to 16 digits.
    [
        pytest.param(10**9, 9_990_000, 0.01, -2.094197676616718, id="three-sd-below"),
        pytest.param(10**9, 10_000_000, 0.01, -7.838447322265504, id="at-the-limit"),
        pytest.param(10**9, 10_120_000, 0.01, -11.70599182982936, id="underflow-near"),
        pytest.param(10**9, 20_000_000, 0.01, -16.12814618381176, id="underflow-far"),
        pytest.param(10**9, 0, 1e-6, 993.0927447203512, id="no-bad-unit"),
        pytest.param(10**9, 999_999_000, 0.5, -20.72326383794442, id="nearly-all-bad"),
    ],
)
def test_evidence_is_precise_at_a_billion_units(n: int, s: int, p0: float, exact: float) -> None:
    assert log_e_below(n, s, p0) == pytest.approx(exact, rel=1e-12, abs=1e-11)


@given(st.data(), rates)
@settings(max_examples=200, deadline=None)
def test_evidence_is_always_a_number_and_its_mirror_image_agrees(draw: st.DataObject, p: float) -> None:
    n, s = counts(draw)
    below, above = log_e_below(n, s, p), log_e_above(n, s, p)
    assert math.isfinite(below)
    assert math.isfinite(above)
    # 1 - p has lost digits of p, and each unit multiplies that loss.
    assert log_e_above(n, n - s, 1.0 - p) == pytest.approx(below, rel=1e-9, abs=1e-9 + n * 1e-14)
    # Both integrals together are the whole beta function, so they cannot both be small.
    whole = np.logaddexp(below + math.log(p), above + math.log1p(-p))
    assert whole == pytest.approx(-math.log(n + 1) - stats.binom.logpmf(s, n, p), rel=1e-8, abs=1e-6)


def test_evidence_grows_with_units_and_falls_with_bad_ones() -> None:
    n, s = np.arange(1, 3000), np.arange(0, 1000)
    for p0 in (0.01, 0.5):
        assert (np.diff(log_e_below(n, 0, p0)) > 0).all()
        assert (np.diff(log_e_below(1000, s, p0)) < 0).all()
        assert (np.diff(log_e_above(1000, s, p0)) > 0).all()


@given(st.data(), st.sampled_from([0.2, 0.05, 0.001]))
@settings(max_examples=100, deadline=None)
def test_limits_are_where_the_evidence_reaches_its_threshold(draw: st.DataObject, alpha: float) -> None:
    n, s = counts(draw)
    upper, lower = upper_limit(n, s, alpha), lower_limit(n, s, alpha)
    need = math.log(1.0 / alpha)
    if n:
        assert 0.0 <= lower < s / n or lower == s == 0
        assert s / n < upper <= 1.0 or upper == s / n == 1.0
    if upper < 1.0 - 1e-9:
        assert log_e_below(n, s, upper * (1 + 1e-9)) >= need > log_e_below(n, s, upper * (1 - 1e-9))
    if lower > 0.0:
        assert log_e_above(n, s, lower * (1 - 1e-9)) >= need > log_e_above(n, s, lower * (1 + 1e-9))


def test_without_data_or_with_only_bad_units_nothing_is_excluded() -> None:
    assert (log_e_below(0, 0, 0.01), log_e_above(0, 0, 0.01)) == (0.0, 0.0)
    assert (lower_limit(0, 0, 0.05), upper_limit(0, 0, 0.05)) == (0.0, 1.0)
    assert (lower_limit(7, 0, 0.05), upper_limit(7, 7, 0.05)) == (0.0, 1.0)
    assert math.isnan(least_caught_rate(0, 0.01, 0.05))


@given(st.integers(0, 300), st.floats(1e-4, 0.9), st.sampled_from([0.05, 0.001]))
@settings(max_examples=100, deadline=None)
def test_critical_n_is_the_first_n_that_promotes(s: int, p0: float, alpha: float) -> None:
    n, need = critical_n(s, p0, alpha), math.log(1.0 / alpha)
    assert log_e_below(n, s, p0) >= need
    assert n == s + 1 or log_e_below(n - 1, s, p0) < need


def test_false_promotion_equals_the_sum_over_every_path() -> None:
    p0, alpha, n_max = 0.3, 0.2, 12
    promoted = 0.0
    for path in itertools.product((0, 1), repeat=n_max):
        bad = np.cumsum(path)
        if (np.asarray(log_e_below(np.arange(1, n_max + 1), bad, p0)) >= math.log(1 / alpha)).any():
            promoted += p0 ** int(bad[-1]) * (1 - p0) ** (n_max - int(bad[-1]))
    assert promoted > 0.01
    assert false_promotion(p0, alpha, n_max) == pytest.approx(promoted, rel=1e-12)


@pytest.mark.parametrize(("p0", "alpha"), [(0.01, 0.05), (0.05, 0.05), (0.05, 0.01), (0.3, 0.1)])
def test_false_promotion_never_exceeds_alpha_and_grows_with_time(p0: float, alpha: float) -> None:
    found = [false_promotion(p0, alpha, n_max) for n_max in (0, 100, 1000, 8000)]
    assert found[0] == 0.0
    assert found == sorted(found)
    assert 0.3 * alpha < found[-1] <= alpha


@pytest.mark.parametrize("p0", [0.001, 0.01, 0.05])
def test_a_quarter_of_the_limit_is_shown_good_within_sixteen_over_it(p0: float) -> None:
    assert promotion_probability(p0 / 4, p0, 0.05, int(16 / p0)) >= 0.92


@pytest.mark.parametrize("p", [0.001, 0.0025, 0.005])
def test_the_planned_number_of_units_is_the_middling_one(p: float) -> None:
    planned = int(planned_n(p, 0.01, 0.05))
    assert 0.5 < promotion_probability(p, 0.01, 0.05, planned) < 0.8


def test_no_number_of_units_is_planned_at_or_over_the_limit() -> None:
    assert planned_n(0.01, 0.01, 0.05) == math.inf
    assert planned_n(0.0, 0.01, 0.05) == math.ceil((math.log(20) + 0.7) / -math.log1p(-0.01))


@pytest.mark.parametrize(("n", "p1", "alpha"), [(500, 0.01, 0.05), (20_000, 0.01, 0.0125), (10**8, 0.001, 0.05)])
def test_the_least_caught_rate_is_caught_nine_times_in_ten(n: int, p1: float, alpha: float) -> None:
    caught = least_caught_rate(n, p1, alpha)
    spread = math.sqrt(n * caught)
    s = np.arange(max(0, int(n * p1 - 3 * spread)), int(n * caught + 3 * spread) + 2)
    needed = int(s[np.asarray(log_e_above(n, s, p1)) >= math.log(1 / alpha)][0])
    assert needed > s[0]
    assert stats.binom.sf(needed - 1, n, caught) == pytest.approx(0.9, abs=1e-6)
    assert stats.binom.sf(needed - 1, n, 0.99 * caught) < 0.9
    assert p1 < caught < least_caught_rate(n, p1, alpha, power=0.99)


def test_arrays_give_the_bits_that_scalars_give() -> None:
    n, s = np.array([[10, 1000], [50_000, 10**9]]), np.array([[0, 7], [500, 9_000_000]])
    for function, rate in ((log_e_below, 0.01), (log_e_above, 0.01), (upper_limit, 0.05), (lower_limit, 0.05)):
        found = function(n, s, rate)
        assert found.shape == (2, 2)
        one_by_one = [function(a, b, rate) for a, b in zip(n.ravel().tolist(), s.ravel().tolist(), strict=True)]
        assert found.ravel().tolist() == one_by_one
    assert log_e_below(1000, 3, np.array([0.01, 0.02])).tolist() == [log_e_below(1000, 3, p) for p in (0.01, 0.02)]
    assert isinstance(log_e_below(np.int64(1000), np.int64(3), 0.01), float)  # type: ignore[call-overload]  # what callers do all the same


def test_planning_takes_arrays_too() -> None:
    limits = np.array([0.01, 0.05])
    assert critical_n(np.array([0, 1]), 0.01, 0.05).tolist() == [449, 683]
    assert log_e_mcnemar(np.array([10, 40]), np.array([25, 60])).tolist() == [
        log_e_mcnemar(10, 25),
        log_e_mcnemar(40, 60),
    ]
    assert false_promotion(limits, 0.05, 500).tolist() == [false_promotion(one, 0.05, 500) for one in (0.01, 0.05)]
    assert planned_n(0.0025, limits, 0.05).tolist() == [planned_n(0.0025, one, 0.05) for one in (0.01, 0.05)]
    caught = least_caught_rate(np.array([100, 1000]), 0.01, 0.05)
    assert caught.tolist() == [least_caught_rate(n, 0.01, 0.05) for n in (100, 1000)]
    assert alpha_of_attempt(0.05, np.arange(1, 4)).tolist() == [alpha_of_attempt(0.05, k) for k in (1, 2, 3)]
    shown = promotion_probability(limits / 4, limits, 0.05, 500)
    assert shown.tolist() == [promotion_probability(p / 4, p, 0.05, 500) for p in (0.01, 0.05)]


@pytest.mark.parametrize("n_s", [(3, 4), (-1, 0), (5, -1), (5.5, 1), (5, math.nan)])
def test_impossible_counts_are_refused(n_s: tuple[float, float]) -> None:
    for function in (log_e_below, log_e_above, upper_limit, lower_limit):
        with pytest.raises(ValueError, match="counts must be whole numbers"):
            function(*n_s, 0.05)  # type: ignore[call-overload]  # what callers do all the same


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_impossible_rates_are_refused(rate: float) -> None:
    for function in (log_e_below, log_e_above, upper_limit, lower_limit):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            function(10, 1, rate)


# ---- means of bounded values --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), max_size=60), st.randoms(use_true_random=False), st.integers(0, 60))
def test_grid_sums_do_not_depend_on_order_or_split(values: list[float], draw: random.Random, cut: int) -> None:
    whole = GridSums.of(np.array(values), 0.1)
    shuffled = list(values)
    draw.shuffle(shuffled)
    assert GridSums.of(np.array(shuffled[:cut]), 0.1) + GridSums.of(np.array(shuffled[cut:]), 0.1) == whole


def test_the_grid_never_claims_more_than_exact_wealth() -> None:
    values = np.linspace(0, 0.2, 1001)
    bets = 0.999 / 0.9 * np.linspace(0.1, 1, 10)
    for n in (1, 10, 1001):
        exact = math.log(
            sum(math.exp(math.fsum(math.log1p(-bet * (y - 0.1)) for y in values[:n])) for bet in bets) / 10
        )
        assert exact - n * 2.0**-42 - 1e-12 <= log_e_grid(values[:n], 0.1) <= exact + 1e-12


def test_the_expected_wealth_of_the_grid_is_one_at_the_limit() -> None:
    m, n = 0.25, 12
    ones = np.arange(n + 1)
    wealth = [math.exp(log_e_grid(np.r_[np.ones(s), np.zeros(n - s)], m)) for s in ones]
    assert math.fsum(stats.binom.pmf(ones, n, m) * wealth) == pytest.approx(1.0, abs=1e-9)


def test_more_values_than_64_bits_would_hold_are_added_without_loss() -> None:
    chunk = GridSums.of(np.ones(120_000), 0.05)
    total = chunk
    for _ in range(13):
        total = total + total
    assert total.n == 2**13 * 120_000
    assert min(total.sums) < -(2**63)
    assert [2**13 * one for one in chunk.sums] == list(total.sums)
    assert total.log_e_below < -300_000
    assert total.log_e_above > 300_000
    assert total.total == total.n


def test_the_stored_sums_are_those_of_the_evidence_but_for_their_rounding() -> None:
    state = GridSums.stored(0.05, BOUNDED.size, grid_sums(BOUNDED, 0.05))
    assert log_e_grid(BOUNDED, 0.05) - BOUNDED.size * 2.0**-32 <= state.log_e_below <= log_e_grid(BOUNDED, 0.05)
    assert state.log_e_above == pytest.approx(log_e_grid(1 - BOUNDED, 0.95), abs=BOUNDED.size * 2.0**-31)
    assert state.total == pytest.approx(BOUNDED.sum())
    assert all(-(2**63) <= one < 2**63 for one in grid_sums(np.ones(1_000_000), 0.01))
    with pytest.raises(ValueError, match="21 sums"):
        GridSums.stored(0.05, 1, [0] * 10)


@pytest.mark.parametrize("values", [[0.5, math.nan], [1.0001], [-1e-9], [math.inf]])
def test_values_outside_the_unit_interval_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        GridSums.of(np.array(values), 0.1)


def test_sums_against_different_means_are_not_added() -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        GridSums.of(BOUNDED, 0.1) + GridSums.of(BOUNDED, 0.2)


def test_levels_over_attempts_add_up_to_alpha() -> None:
    levels = [alpha_of_attempt(0.05, attempt) for attempt in range(1, 20_001)]
    assert levels[0] == pytest.approx(0.0303963551)
    assert 0.9999 * 0.05 < math.fsum(levels) < 0.05
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_of_attempt(0.05, 0)
