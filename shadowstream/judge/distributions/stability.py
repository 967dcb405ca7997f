"""Population stability index (PSI) of two samples, its null law, and an exact test beside it.

PSI = sum_b (q_b - p_b) ln(q_b / p_b) over bins b, p and q the shares (x_b + 1/2) / (n + B/2) of the samples.
Neighbouring bins are merged until the smaller sample may expect `EXPECTED_MIN` in each. Under the null of one
distribution PSI is asymptotically (1/n + 1/m) chi2(B - 1) for two independent samples (Yurdakul & Naranjo, Journal of
Risk Model Validation 14(4), 2020).

Pairs are not independent samples. With d_b the pairs with exactly one side in bin b, and t_b the values of both
sides in it, the covariance of the differences of counts is the Laplacian of the moves between bins, which is at most
2 diag(d). So PSI is stochastically at most v (1/n + 1/n) chi2(B - 1), v = max_b 2 d_b / t_b. Sides that mostly agree
have v far under 1: there the law of independent samples is conservative. v is 2 at most, where no pair ever agrees:
there it is not.

The chi2 law is a limit, and small levels need a proof. So an alarm needs a bin, or all bins up to an edge, that shows
the difference by itself in an exact test: of pairs the sign test (under the null either side of a pair may be the one
in the bin), of independent samples the hypergeometric law of one sample among both. All of them together are tested at
one level (Bonferroni); the exact tail alone keeps the budget.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from shadowstream.judge.distributions.exact_tails import log_draw_tail, log_sign_tail

EXPECTED_MIN = 10.0
"""Least expected count of a bin in the smaller sample, so that the chi2 law holds."""


class Samples(NamedTuple):
    """Two samples by bin.

    `ordered`: so many first bins are in the order of their numbers. `same`: of pairs those with both values in the bin;
    None for independent samples. `deff`: design effect, the number of records that count as one.
    """

    first: Sequence[int]
    second: Sequence[int]
    ordered: int
    same: Sequence[int] | None = None
    deff: float = 1.0


class Stability(NamedTuple):
    """The index, its `level` quantile by chance, the log of the exact p-value, and the bin that contributes most."""

    psi: float
    by_chance: float
    log_p: float
    top: int

    def alarms(self, level: float, psi_min: float) -> bool:
        """Return whether the index is beyond chance and great enough."""
        return self.psi >= psi_min and self.psi > self.by_chance and self.log_p <= math.log(level)


def stability_of(samples: Samples, level: float) -> Stability | None:
    """Compare two samples; None if one of them is empty.

    >>> found = stability_of(Samples([400, 450, 150], [200, 450, 350], 3), 0.001)
    >>> round(found.psi, 4), round(found.by_chance, 4), found.alarms(0.001, 0.1), found.top
    (0.307, 0.0276, True, 2)
    """
    n, m = sum(samples.first), sum(samples.second)
    if n <= 0 or m <= 0:
        return None
    rows = merged(samples, EXPECTED_MIN * (n + m) / min(n, m))
    spread = 1.0 if samples.same is None else max(2.0 * row.moved / (row.first + row.second) for row in rows)
    by_chance = (1.0 / n + 1.0 / m) * samples.deff * min(spread, 2.0) * chi2_quantile(len(rows) - 1, level)
    parts = _parts(list(zip(samples.first, samples.second, strict=True)))
    held = [place for place in range(len(parts)) if samples.first[place] or samples.second[place]]
    top = max(held, key=lambda place: (parts[place], -place))
    return Stability(psi_of([(row.first, row.second) for row in rows]), by_chance, log_p_of(samples), top)


class Row(NamedTuple):
    """A merged bin: the counts of both samples, and the pairs with one side only in its bins."""

    first: int
    second: int
    moved: int


def merged(samples: Samples, least: float) -> list[Row]:
    """Merge neighbouring bins until each holds `least` values of both samples; rest and last are one."""
    same = samples.same or [0] * len(samples.first)
    rows: list[Row] = []
    held = Row(0, 0, 0)
    for one, other, both in zip(samples.first, samples.second, same, strict=True):
        held = Row(held.first + one, held.second + other, held.moved + one + other - 2 * both)
        if held.first + held.second >= least:
            rows.append(held)
            held = Row(0, 0, 0)
    if held.first + held.second > 0 or not rows:
        last = rows.pop() if rows else Row(0, 0, 0)
        rows.append(Row(*(a + b for a, b in zip(last, held, strict=True))))
    return rows


def psi_of(counts: Sequence[tuple[float, float]]) -> float:
    """Return the index of counts by bin.

    >>> round(psi_of([(400, 200), (400, 400), (200, 400)]), 4)
    0.2763
    """
    return math.fsum(_parts(counts))


def _parts(counts: Sequence[tuple[float, float]]) -> list[float]:
    half = 0.5 * len(counts)
    n, m = (sum(sample) + half for sample in zip(*counts, strict=True))
    shares = [((one + 0.5) / n, (other + 0.5) / m) for one, other in counts]
    return [(q - p) * math.log(q / p) for p, q in shares]


def log_p_of(samples: Samples) -> float:
    """Return the log of the exact p-value: of the best bin or edge, times the number of those and of directions."""
    deff = samples.deff
    n, m = sum(samples.first) / deff, sum(samples.second) / deff
    tails = []
    for first, second, moved in _sets(samples):
        if samples.same is None:
            tails.append(log_draw_tail(n + m, (first + second) / deff, m, second / deff))
        else:
            tails.append(log_sign_tail(moved / deff, abs(second - first) / deff))
    return min(0.0, min(tails) + math.log(2.0 * len(tails))) if tails else 0.0


def _sets(samples: Samples) -> list[tuple[int, int, int]]:
    """Return both counts, and the pairs that may have moved in or out, of each bin and of all bins up to an edge."""
    same = samples.same or [0] * len(samples.first)
    found = [
        (one, other, one + other - 2 * both)
        for one, other, both in zip(samples.first, samples.second, same, strict=True)
        if one + other > 0
    ]
    moved_all = sum(one[2] for one in found)
    first = second = moved = 0
    for place in range(samples.ordered - 1):
        first, second = first + samples.first[place], second + samples.second[place]
        moved += samples.first[place] + samples.second[place] - 2 * same[place]
        if place > 0 and samples.first[place] + samples.second[place] > 0:
            # A pair that crosses the edge has one record on each side of it.
            found.append((first, second, min(moved, moved_all - moved)))
    return found


@cache
def chi2_quantile(degrees: int, level: float) -> float:
    """Return the value that a chi2 variable exceeds with the probability `level`; 0 without degrees of freedom."""
    if degrees < 1:
        return 0.0
    from scipy import special  # slow to import, and few commands get here

    return float(special.chdtri(degrees, level))
