"""Rules of other judges, vectorised over runs: the same bad units in, the window of promote and of reject out.

Each rule follows the documented behaviour of its namesake, with one metric: the rate of bad units per window. They are
likenesses, not the products.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

LIMIT = 0.01
ALPHA = 0.05
PRODUCTION = 0.005
"""Rate at which production, or its second run, is bad."""
ONE_SIDED_Z = 1.6448536269514722
ASYMPTOTIC_LEAST = 1_000
"""Records before an asymptotic sequence is looked at."""
ROLLOUT_WINDOWS = 24
FLAGGER_STEPS, FLAGGER_FAILURES = 10, 5
KAYENTA_FIRST, KAYENTA_POINTS = 10, 50
KAYENTA_Z, KAYENTA_TOLERANCE = 2.3263478740408408, 0.25  # confidence .98 on two sides
_ROWS_AT_ONCE = 200


class Counts(NamedTuple):
    """Bad units by run and window, each window of `units` units on either side."""

    units: int
    candidate: Array
    production: Array


class Decisions(NamedTuple):
    """Window of the first promote and of the first reject of each run, counted from 1; 0 if there is none."""

    promoted: Array
    rejected: Array


Rule: TypeAlias = Callable[[Counts], Decisions]


def drawn(rate: float, units: int, windows: int, runs: int, seed: int) -> Counts:
    """Draw the runs of one true rate; the first rows are the same for any number of runs."""
    dice = np.random.default_rng([seed, units, round(rate * 1e6)])
    bad = dice.binomial(units, np.array([rate, PRODUCTION]), size=(runs, windows, 2))
    return Counts(units, bad[..., 0], bad[..., 1])


def first(happened: Array) -> Array:
    """Return the first window in which it happened, counted from 1; 0 if it never did."""
    return np.where(happened.any(axis=1), happened.argmax(axis=1) + 1, 0)


def first_of(good: Array, bad: Array) -> Decisions:
    """Return what came first: a promote ends a run, and so does a reject."""
    promoted, rejected = first(good), first(bad)
    late = (rejected > 0) & (promoted > rejected)
    early = (promoted > 0) & (rejected >= promoted)
    return Decisions(np.where(late, 0, promoted), np.where(early, 0, rejected))


def _cumulated(bad: Array, units: int) -> tuple[Array, Array]:
    """Return units and mean rate after each window."""
    n = units * np.arange(1, bad.shape[1] + 1)
    return n, bad.cumsum(axis=1) / n


def z_test(counts: Counts) -> Decisions:
    """Test all records so far at 5 % on each side, after every window."""
    n, mean = _cumulated(counts.candidate, counts.units)
    z = (mean - LIMIT) / np.sqrt(LIMIT * (1 - LIMIT) / n)
    return first_of(z < -ONE_SIDED_Z, z > ONE_SIDED_Z)


def _asymptotic_width(n: Array, variance: Array, level: float) -> Array:
    """Return the width of one side of the asymptotic confidence sequence (Waudby-Smith et al., arXiv 2103.06476)."""
    rho2 = (-2 * math.log(2 * level) + math.log(-2 * math.log(2 * level)) + 1) / ASYMPTOTIC_LEAST
    grown = n * rho2 + 1
    return np.sqrt(variance * 2 * grown / (n**2 * rho2) * np.log(1 + np.sqrt(grown) / (2 * level)))


def asymptotic_sequence(counts: Counts) -> Decisions:
    """Hold the asymptotic confidence sequence of the rate against the limit, from 1,000 records on."""
    n, mean = _cumulated(counts.candidate, counts.units)
    width, enough = _asymptotic_width(n, mean * (1 - mean), ALPHA), n >= ASYMPTOTIC_LEAST
    return first_of((mean + width < LIMIT) & enough, (mean - width > LIMIT) & enough)


def launchdarkly(counts: Counts) -> Decisions:
    """Promote after 24 windows unless a sequential test, of 5 % on two sides, shows a regression from production."""
    n, mean = _cumulated(counts.candidate, counts.units)
    _, reference = _cumulated(counts.production, counts.units)
    width = _asymptotic_width(n, mean * (1 - mean) + reference * (1 - reference), ALPHA / 2)
    worse = (mean - reference - width > 0) & (n >= ASYMPTOTIC_LEAST)
    return _unless(worse[:, :ROLLOUT_WINDOWS])


def _unless(failed: Array) -> Decisions:
    """Return a reject at the first failure, and a promote at the end of the windows without one."""
    rejected = first(failed)
    return Decisions(np.where(rejected == 0, failed.shape[1], 0), rejected)


def point_threshold(counts: Counts) -> Decisions:
    """Hold the rate of the first window against the limit, as a check without an interval does."""
    return _unless(counts.candidate[:, :1] > counts.units * LIMIT)


def nannyml(counts: Counts) -> Decisions:
    """Promote after 24 chunks under the reference's mean and three of its standard deviations."""
    sd = math.sqrt(PRODUCTION * (1 - PRODUCTION) / counts.units)
    return _unless(counts.candidate[:, :ROLLOUT_WINDOWS] / counts.units > PRODUCTION + 3 * sd)


def flagger(counts: Counts) -> Decisions:
    """Promote after ten checks of the rate unless five have failed."""
    failed = counts.candidate[:, :FLAGGER_STEPS] > counts.units * LIMIT
    return _unless(failed.cumsum(axis=1) >= FLAGGER_FAILURES)


def kayenta_first_pass(counts: Counts) -> Decisions:
    """Run the canary analysis after each window from the tenth on; the first pass promotes."""
    windows = range(KAYENTA_FIRST, counts.candidate.shape[1] + 1)
    promoted, rejected = (np.zeros(len(counts.candidate), dtype=int) for _ in range(2))
    for window in windows:
        waits = np.flatnonzero(promoted == 0)
        failed = kayenta_fails(counts.candidate[waits, :window], counts.production[waits, :window])
        promoted[waits[~failed]] = window
        rejected[waits[failed & (rejected[waits] == 0)]] = window
    return Decisions(promoted, rejected)


def kayenta_once(counts: Counts) -> Decisions:
    """Run the canary analysis once, at its 50 points."""
    failed = kayenta_fails(counts.candidate[:, :KAYENTA_POINTS], counts.production[:, :KAYENTA_POINTS])
    return Decisions(np.where(failed, 0, KAYENTA_POINTS), np.where(failed, KAYENTA_POINTS, 0))


def kayenta_fails(candidate: Array, production: Array) -> Array:
    """Return whether the Mann-Whitney interval (98 %) of the shift lies above a quarter of its estimate."""
    rows = range(0, len(candidate), _ROWS_AT_ONCE)
    parts = [
        _kayenta_fails(candidate[row : row + _ROWS_AT_ONCE], production[row : row + _ROWS_AT_ONCE]) for row in rows
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _kayenta_fails(candidate: Array, production: Array) -> Array:
    points = candidate.shape[1]
    pairs = points * points
    shifts = np.sort((candidate[:, :, None] - production[:, None, :]).reshape(len(candidate), pairs), axis=1)
    ties = _ties(candidate) + _ties(production)
    sd = np.sqrt(pairs / 12 * (2 * points + 1 - ties / (2 * points * (2 * points - 1))))
    # The lower limit is the shift above which just so many pairs lie as a test at this level still allows.
    above = np.minimum(np.ceil(pairs / 2 + KAYENTA_Z * sd + 0.5), pairs).astype(int)
    lower = np.take_along_axis(shifts, (pairs - above)[:, None], axis=1)[:, 0]
    estimate = (shifts[:, (pairs - 1) // 2] + shifts[:, pairs // 2]) / 2
    return lower > KAYENTA_TOLERANCE * np.abs(estimate)


def _ties(values: Array) -> Array:
    """Return the sum of t^3 - t over the groups of t equal values."""
    equal = (values[:, :, None] == values[:, None, :]).sum(axis=2)
    return (equal**2 - 1).sum(axis=1)


RULES: dict[str, Rule] = {
    "z-test at 5 % each window": z_test,
    "asymptotic confidence sequence of the rate": asymptotic_sequence,
    "LaunchDarkly-like": launchdarkly,
    "point threshold (Evidently-like)": point_threshold,
    "NannyML-like chunks": nannyml,
    "Flagger-like": flagger,
    "Kayenta-like, first pass from 10 points": kayenta_first_pass,
    "Kayenta-like, once at 50 points": kayenta_once,
}
