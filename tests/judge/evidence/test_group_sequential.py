"""The group-sequential test against a computation of its own: unit by unit, in fractions."""

import math
from fractions import Fraction

import pytest
from scipy.stats import binom, norm

from shadowstream.judge.evidence.group_sequential import (
    NONE,
    Look,
    Spending,
    binomial_law,
    boundaries,
    least_units,
    planned_looks,
    promotion_probability,
    spent_by,
)
from shadowstream.judge.evidence.rates import promotion_probability as always_valid

SPENDINGS: tuple[Spending, ...] = ("obrien_fleming", "pocock")


def by_hand(looks: tuple[Look, ...], limit: Fraction, alpha: float, spending: Spending) -> tuple[list[int], Fraction]:
    """Bounds and false promotion: one unit at a time, each bound by trying one bad unit more."""
    alive, n, spent, bounds = {0: Fraction(1)}, 0, Fraction(0), list[int]()
    bound = NONE
    for look in looks:
        for _ in range(look.n - n):
            longer: dict[int, Fraction] = {}
            for bad, chance in alive.items():
                longer[bad] = longer.get(bad, Fraction(0)) + chance * (1 - limit)
                longer[bad + 1] = longer.get(bad + 1, Fraction(0)) + chance * limit
            alive = longer
        n = look.n
        z = norm.isf(alpha / 2)
        part = 2 * norm.sf(z / math.sqrt(look.share))
        if spending == "pocock":
            part = alpha * math.log(1 + (math.e - 1) * look.share)
        for bad in sorted(alive):
            if spent + alive[bad] > Fraction(part):
                break
            spent, bound = spent + alive.pop(bad), bad
        bounds.append(bound)
    return bounds, spent


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize(
    "looks", [(Look(40, 1.0),), planned_looks(60, 3), (Look(13, 0.2), Look(31, 0.5), Look(47, 1.0))]
)
def test_bounds_and_false_promotion_agree_with_fractions(looks: tuple[Look, ...], spending: Spending) -> None:
    limit, alpha = Fraction(1, 8), 0.08
    bounds, spent = by_hand(looks, limit, alpha, spending)
    found = boundaries(looks, float(limit), alpha, spending)
    assert list(found) == bounds
    exact = promotion_probability([look.n for look in looks], found, float(limit))
    assert exact == pytest.approx(float(spent), rel=1e-12)
    assert exact <= alpha


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize(("limit", "alpha"), [(0.01, 0.05), (0.001, 0.01), (0.5, 0.05), (0.05, 0.2)])
def test_at_the_limit_or_over_it_alpha_bounds_each_promote(limit: float, alpha: float, spending: Spending) -> None:
    for number in (1, 2, 5, 20):
        looks = planned_looks(9 * least_units(limit, alpha) + 7, number)
        bounds, units = boundaries(looks, limit, alpha, spending), [look.n for look in looks]
        chances = [promotion_probability(units, bounds, limit * factor) for factor in (0.5, 1.0, 1.1, 1.5)]
        assert chances == sorted(chances, reverse=True)
        assert chances[1] <= alpha
        assert list(bounds) == sorted(bounds)


def test_one_look_is_the_exact_binomial_test() -> None:
    for units in (298, 299, 5000):
        (bound,) = boundaries((Look(units, 1.0),), 0.01, 0.05, "pocock")
        assert binom.cdf(bound, units, 0.01) <= 0.05 < binom.cdf(bound + 1, units, 0.01)
    assert least_units(0.01, 0.05) == 299


def test_looks_that_come_otherwise_than_planned_spend_no_more() -> None:
    """Traffic moves the looks; the end may come before or after the planned one."""
    for units, shares in (((700, 2500, 2600, 4100), (0.14, 0.5, 0.52, 1.0)), ((4000, 9000), (0.8, 1.0))):
        looks = tuple(Look(n, share) for n, share in zip(units, shares, strict=True))
        for spending in SPENDINGS:
            bounds = boundaries(looks, 0.01, 0.05, spending)
            assert 0.03 < promotion_probability(units, bounds, 0.01) <= 0.05


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (500, 0.01), (5000, 0.5), (2_000_000, 0.001), (40, 0.98)])
def test_the_binomial_law_agrees_with_scipy(n: int, p: float) -> None:
    law = binomial_law(n, p)
    bad = law.first + range(len(law.chances))[-1]
    assert binom.cdf(law.first - 1, n, p) + binom.sf(bad, n, p) < 1e-15
    exact = binom.pmf(range(law.first, bad + 1), n, p)
    assert law.chances == pytest.approx(exact, rel=1e-7, abs=1e-30)


def test_spending_ends_at_alpha_and_never_falls() -> None:
    for spending in SPENDINGS:
        parts = [spent_by(step / 50, 0.05, spending) for step in range(60)]
        assert parts == sorted(parts)
        assert (parts[0], parts[50], parts[-1]) == (0.0, 0.05, 0.05)


def test_fewer_units_than_evidence_that_is_always_valid() -> None:
    """Units with which .9 of the candidates at half the limit are promoted (docs/judging.md)."""

    def promoted(units: int, looks: int, spending: Spending) -> float:
        plan = planned_looks(units, looks)
        return promotion_probability([look.n for look in plan], boundaries(plan, 0.01, 0.05, spending), 0.005)

    assert promoted(2_700, 5, "obrien_fleming") >= 0.9
    assert promoted(3_100, 5, "pocock") >= 0.9
    assert always_valid(0.005, 0.01, 0.05, 4_300) < 0.9 <= always_valid(0.005, 0.01, 0.05, 4_500)
    for spending, units in ((SPENDINGS[0], 2_700), (SPENDINGS[1], 3_100)):
        print(f"{units} units, 5 looks, {spending}: {promoted(units, 5, spending):.4f}")
