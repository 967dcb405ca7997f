"""Units of criteria: how they are counted and which evidence they give, as one measure per criterion.

====================  =================  ============================================  ==========================
unit                  raw, per window    amount, over windows                          evidence
====================  =================  ============================================  ==========================
record                n, s               n, s                                          mixture (`rates`)
block                 n, s               windows, sums of their shares s/n             grid against m = limit
key                   buckets due        buckets once a season, sums of their shares   grid against m = limit
record, of a mean     pairs, their sums  the same                                      grid against m = limit
====================  =================  ============================================  ==========================

Corrections are added to *raw* numbers; windows add up to an *amount*. Both are tuples of integers, so that no order and
no split changes a bit. A share cannot be corrected once its window is part of an amount, so `reject_latch` keeps raw
numbers for as long as corrections may come.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import Counts, by_key_of, rate_of
from shadowstream.judge.evidence.binomial_mixture import log_e
from shadowstream.judge.evidence.bounded_mean import GridSums, critical_grid_n
from shadowstream.judge.evidence.rate_bounds import percent, rate_in_words
from shadowstream.judge.evidence.rates import (
    b_of,
    critical_n,
    least_caught_rate,
    log_e_below,
    lower_limit,
    upper_limit,
)
from shadowstream.judge.verdict.overwhelming_evidence import speaks_against
from shadowstream.protocol.mean_sums import SUMS, grid_sums
from shadowstream.protocol.sub_windows import is_counted

Numbers: TypeAlias = tuple[int, ...]
Buckets: TypeAlias = Mapping[int, tuple[int, int]]

POWER = 0.9
# The recent windows hold this many times the units that just prove a candidate without a bad one, and at least so many:
# with 60 units at half the share of a limit of 0.6 or more, the estimate is under the limit nine times in ten.
_TRAILING_FACTOR = 2
_TRAILING_MIN = 60


def added(first: Numbers, second: Numbers) -> Numbers:
    """Add two tuples element by element."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


class Measure(ABC):
    """Units of one criterion. `alpha`: its level; `log_promote_at` and `log_reject_at`: the ln E that decide."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        judge = config.judge
        self.criterion = criterion
        self.id = criterion.id
        self.limit = criterion.limit
        self.rate = rate_of(criterion, config)
        self.by_key = by_key_of(criterion, config)
        """The rate as it is counted by bucket of keys; None if it is not."""
        self.alpha = criterion.alpha or judge.alpha
        self.late = criterion.is_labelled
        """Whether all its units come as corrections, days after their windows."""
        judged = sum(not criterion.muted for criterion in judge.criteria)
        self.log_promote_at = -math.log(self.alpha)
        self.log_reject_at = math.log(max(judged, 1) / self.alpha)

    @property
    def is_watched(self) -> bool:
        """Whether detectors watch it; of a latency quantile no window has bad units by itself."""
        return not (self.criterion.muted or self.criterion.rate == "latency")

    @property
    def has_sub_windows(self) -> bool:
        """Whether stats records count its units by sub-window."""
        return False

    @property
    def keys_needed(self) -> int:
        """Distinct buckets of keys that must come before promote; 0 if units are no keys."""
        return 0

    def of_bucket(self, pair: tuple[int, int]) -> tuple[int, int]:
        """Return units and bad units of a bucket such that their quotient is its share."""
        return pair

    @property
    def units(self) -> str:
        """Name of the units in the plural; by default as in the row of the rate."""
        return self.rate.units

    @property
    @abstractmethod
    def nothing(self) -> Numbers:
        """Amount of no window."""

    @property
    def untouched(self) -> Numbers:
        """Raw numbers of an empty window."""
        return self.nothing

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """Return the raw numbers of a window or of a correction."""
        return self.counts(figures)

    def amount(self, raw: Numbers) -> Numbers:
        """Return the evidence of one window."""
        return raw

    def added(self, first: Numbers, second: Numbers) -> Numbers:
        """Add two raw numbers or two amounts."""
        return added(first, second)

    def counts(self, figures: Mapping[str, int]) -> Counts:
        """Return records and bad records, whatever the unit."""
        return self.rate.counts(figures)

    def excused(self, lost: Mapping[str, int]) -> int:
        """Return the number of bad records that need not be the candidate's fault (`criteria.Rate.excused`)."""
        return sum(max(0, lost.get(name, 0)) for name in self.rate.excused)

    def watched(self, figures: Mapping[str, int], buckets: Buckets) -> tuple[tuple[int, float], tuple[int, float]]:
        """Return records and bad records of a window for the detectors, and the same as units; 0 if impossible.

        Bad records that the window itself excuses are no change of the candidate.
        """
        excused = self.excused(figures)
        if excused and (bad := self.counts(figures).s) > 0:
            kept = max(0, bad - excused)
            figures = {**figures, **dict.fromkeys(self.rate.s, 0), self.rate.s[0]: kept}
        amount = self.amount(self.raw(figures, buckets))
        units = (amount[0], self.bad(amount))
        counts = self.counts(figures)
        if not (counts.possible and self.possible(amount)):
            return (0, 0), (0, 0)
        return (counts if self.rate.s else units), units

    def speaks_against(self, amount: Numbers) -> bool:
        """Return whether units speak against a rate under the limit."""
        return speaks_against(amount[0], self.bad(amount), self.limit)

    def further(self, amount: Numbers) -> dict[str, Any]:
        """Return the fields of the criterion's verdict record that only signed units fill."""
        return {"difference": None, "margin": None, "bound": None}

    def passed_sentence(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence of its own for the criterion that passed; so `not_shown` and `not_lately`."""
        return None

    def not_shown(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence of its own for evidence that does not show it good."""
        return None

    def not_lately(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence of its own for recent windows that do not show it good."""
        return None

    @abstractmethod
    def possible(self, amount: Numbers) -> bool:
        """Return whether a trial can have such numbers; others are a writer's error and carry no evidence."""

    @abstractmethod
    def bad(self, amount: Numbers) -> float:
        """Return the bad units: a count, or a sum of shares."""

    @abstractmethod
    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Return ln E below and above the limit."""

    def limits(self, amount: Numbers) -> tuple[float, float] | None:
        """Return lower and upper limit of the rate at `alpha`; None if the evidence is about the limit only."""
        return None

    @abstractmethod
    def units_needed(self, amount: Numbers) -> int | None:
        """Return the least number of units that shows the rate under the limit without further bad units."""

    def least_caught(self, n: int) -> float | None:
        """Return the least rate that n units show bad with probability `POWER`; None if it is not known."""
        return None

    @property
    def trailing_units(self) -> int:
        """Number of units in the recent windows."""
        return max(self.criterion.trailing_units, self._trailing_least)

    @property
    @abstractmethod
    def _trailing_least(self) -> int:
        """Minimum of `trailing_units`."""

    @property
    def is_of_shares(self) -> bool:
        """Whether a unit is a number in [0, 1], and not a record that is good or bad."""
        return False

    def without(self, amount: Numbers, excused: int) -> Numbers:
        """Return the amount without `excused` bad records; unchanged if units are not records."""
        return amount

    def log_e_above(self, amount: Numbers, effect: float = 1.0) -> float:
        """Return ln E above the limit where `effect` units count as one (`design_effect`)."""
        return self.log_e(amount)[1]

    def excess(self, amount: Numbers, excused: int = 0, effect: float = 1.0) -> str | None:
        """Return the sentence by which an amount shows the criterion bad, or None.

        `excused`: bad records that need not be the candidate's fault. `effect`: the number of records that count as
        one because bad ones cluster.
        """
        amount = self.without(amount, excused)
        n = amount[0]
        # At or under the limit no evidence can support a rate above it.
        if not self.possible(amount) or n == 0 or self.bad(amount) <= n * self.limit:
            return None
        above = self.log_e_above(amount, effect)
        return self.shown_over(amount, above, effect) if above >= self.log_reject_at else None

    def shown_over(self, amount: Numbers, above: float, effect: float = 1.0) -> str:
        """Return the sentence of an excess. `above`: its ln E."""
        n, bad = amount[0], self.bad(amount)
        clusters = f"; {effect:.3g} count as one, as bad ones cluster" if effect > 1.0 else ""
        return (
            f"{self.id}: {rate_in_words(self.id, bad, n, self.units)}, shown to be over the limit "
            f"{percent(self.limit)} (ln E {above:.4g}, {self.log_reject_at:.4g} needed{clusters})"
        )


class ByRecord(Measure):
    """Units of which each is a record or a pair."""

    @property
    def has_sub_windows(self) -> bool:
        """Whether all its outcomes are counted so."""
        return all(map(is_counted, (*self.rate.n, *self.rate.s, *self.rate.agreed, *self.rate.no_units)))

    @property
    def nothing(self) -> Numbers:
        """No unit and no bad unit."""
        return (0, 0)

    def without(self, amount: Numbers, excused: int) -> Numbers:
        """Subtract the excused bad records; the number of units stays."""
        return (amount[0], max(0, amount[1] - excused)) if excused and amount[1] > 0 else amount

    def possible(self, amount: Numbers) -> bool:
        """Return whether 0 <= s <= n."""
        return 0 <= amount[1] <= amount[0]

    def bad(self, amount: Numbers) -> float:
        """Return the count of bad units."""
        return amount[1]

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Return the ln E of the mixture."""
        n, s = amount
        return log_e_below(n, s, self.limit), self.log_e_above(amount)

    def log_e_above(self, amount: Numbers, effect: float = 1.0) -> float:
        """Return the ln E of n / effect units, s / effect of them bad."""
        n, s, p = amount[0] / effect, amount[1] / effect, self.limit
        return log_e(n, n - s, 1.0 - p, p, b_of(p))

    def limits(self, amount: Numbers) -> tuple[float, float] | None:
        """Return the limits of the mixture."""
        n, s = amount
        return lower_limit(n, s, self.alpha), upper_limit(n, s, self.alpha)

    def units_needed(self, amount: Numbers) -> int | None:
        """Return `critical_n` at the present number of bad units."""
        return critical_n(amount[1], self.limit, self.alpha)

    def least_caught(self, n: int) -> float | None:
        """Return the rate for a single look at n units."""
        caught = least_caught_rate(n, self.limit, math.exp(-self.log_reject_at), POWER, b_of(self.limit))
        return None if math.isnan(caught) else caught

    @property
    def _trailing_least(self) -> int:
        """Twice `critical_n(0)`."""
        return max(_TRAILING_MIN, _TRAILING_FACTOR * critical_n(0, self.limit, self.alpha))


class _ByShare(Measure):
    """Units of which each is a number in [0, 1]; their mean is judged."""

    @property
    def is_of_shares(self) -> bool:
        """Always."""
        return True

    @property
    def nothing(self) -> Numbers:
        """No unit, and zero sums."""
        return (0,) * (1 + SUMS)

    def possible(self, amount: Numbers) -> bool:
        """Return whether the sum of the shares fits the number of units."""
        return amount[0] >= 0 and -1e-6 <= self.bad(amount) <= amount[0] + 1e-6

    def bad(self, amount: Numbers) -> float:
        """Return the sum of the shares."""
        return self._grid(amount).total

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Return the ln E of the grid."""
        grid = self._grid(amount)
        return grid.log_e_below, grid.log_e_above

    def units_needed(self, amount: Numbers) -> int | None:
        """Return the units needed if all further shares are 0."""
        return critical_grid_n(self.limit, self.alpha, self._grid(amount))

    @property
    def _trailing_least(self) -> int:
        """Twice the units that just prove a candidate without a bad share."""
        return _TRAILING_FACTOR * critical_grid_n(self.limit, self.alpha)

    def _grid(self, amount: Numbers) -> GridSums:
        return GridSums(self.limit, amount[0], amount[1:])

    def _of_shares(self, shares: list[float]) -> Numbers:
        return (len(shares), *grid_sums(np.array(shares), self.limit)) if shares else self.nothing


class ByMean(_ByShare):
    """Units of which each is a pair's bounded difference, summed by the joiner."""

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """Return the sums of the window unchanged."""
        name = self.rate.n[0]
        return (figures.get(name, 0), *(figures.get(f"{name}/{index}", 0) for index in range(SUMS)))


class ByBlock(_ByShare):
    """Units of which each is the share of bad records of one window."""

    @property
    def units(self) -> str:
        """Windows with records of the rate."""
        return f"windows with {self.rate.units}"

    @property
    def untouched(self) -> Numbers:
        """No record."""
        return (0, 0)

    def amount(self, raw: Numbers) -> Numbers:
        """Return one unit if the window has a record."""
        n, s = raw[:2]
        return (1, *share_sums(s / n, self.limit)) if 0 <= s <= n and n else self.nothing


class ByKey(_ByShare):
    """Units of which each is the share of bad pairs of one bucket of keys in its first window of a season.

    The caller passes the buckets that are due, and those whose share a correction takes back (`key_seasons`).
    """

    @property
    def units(self) -> str:
        """Buckets, counted once a season."""
        return "buckets of keys"

    @property
    def keys_needed(self) -> int:
        """As many as prove a candidate without a bad one."""
        return critical_grid_n(self.limit, self.alpha)

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """Return a unit for each bucket, in the order of buckets, although order does not matter."""
        came = self._of_shares([s / n for n, s in buckets.values() if 0 <= s <= n and n])
        gone = self._of_shares([s / n for n, s in buckets.values() if n <= s <= 0 and n])
        return tuple(one - other for one, other in zip(came, gone, strict=True))


@lru_cache(maxsize=8192)
def share_sums(share: float, m: float) -> Numbers:
    """Return the sums of one share against the mean m. Most windows have the same share: 0."""
    return grid_sums(np.array([share]), m)


def measure_of(criterion: Criterion, config: Config) -> Measure:
    """Return the measure of a criterion."""
    if criterion.rate == "mean":
        return ByMean(criterion, config)
    units: dict[str, type[ByRecord | ByBlock | ByKey]] = {"record": ByRecord, "block": ByBlock, "key": ByKey}
    return units[criterion.unit](criterion, config)
