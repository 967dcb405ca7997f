"""How a criterion's units are counted, and what they prove: one measure per criterion.

====================  =================  ============================================  ==========================
unit                  raw, per window    amount, over windows                          evidence
====================  =================  ============================================  ==========================
record                n, s               n, s                                          mixture (`evidence`)
block                 n, s               windows, sums of their shares s/n             grid against m = limit
key                   buckets of keys    buckets with pairs, sums of their shares      grid against m = limit
record, of a mean     pairs, their sums  the same                                      grid against m = limit
====================  =================  ============================================  ==========================

*Raw* is what corrections are added to, *amount* what windows add up to; both are tuples of integers, so that no order
and no split changes a bit. A share cannot be corrected once its window is folded into an amount: `levels` keeps raw
numbers for as long as corrections may come.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from shadowstream.config import Config, Criterion
from shadowstream.judge.criteria import Counts, rate_of
from shadowstream.judge.evidence.bounded_mean import SUMS, GridSums, critical_grid_n, grid_sums
from shadowstream.judge.evidence.rate_bounds import percent
from shadowstream.judge.evidence.rates import (
    critical_n,
    least_caught_rate,
    log_e_above,
    log_e_below,
    lower_limit,
    upper_limit,
)

Numbers: TypeAlias = tuple[int, ...]
Buckets: TypeAlias = Mapping[int, tuple[int, int]]

POWER = 0.9
# The trailing windows hold this many times the units that can just prove a candidate without a single bad one.
_TRAILING_FACTOR = 2


def added(first: Numbers, second: Numbers) -> Numbers:
    """Number by number."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


class Measure(ABC):
    """One criterion's units. `alpha` is its level; `critical_e` and `reject_e` the ln E from which it is shown."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        judge = config.judge
        self.criterion = criterion
        self.id = criterion.id
        self.limit = criterion.limit
        self.rate = rate_of(criterion, config)
        self.alpha = criterion.alpha or judge.alpha
        self.late = criterion.rate == "labels"
        """Whether all its units come as corrections, days after their windows."""
        judged = sum(not criterion.muted for criterion in judge.criteria)
        self.log_promote_at = -math.log(self.alpha)
        self.log_reject_at = math.log(max(judged, 1) / self.alpha)

    @property
    @abstractmethod
    def units(self) -> str:
        """What is counted, in the plural."""

    @property
    @abstractmethod
    def nothing(self) -> Numbers:
        """The amount of no window."""

    @property
    def untouched(self) -> Numbers:
        """The raw numbers of a window that holds nothing."""
        return self.nothing

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """What a window or a correction of it holds."""
        return self.counts(figures)

    def amount(self, raw: Numbers) -> Numbers:
        """What one window adds to the evidence."""
        return raw

    def counts(self, figures: Mapping[str, int]) -> Counts:
        """Units and bad ones by record, whatever the unit."""
        return self.rate.counts(figures)

    def excused(self, lost: Mapping[str, int]) -> int:
        """Bad records that need not be the candidate's fault, given outcomes (`criteria.Rate.excused`)."""
        return sum(max(0, lost.get(name, 0)) for name in self.rate.excused)

    def watched(self, figures: Mapping[str, int], buckets: Buckets) -> tuple[tuple[int, float], tuple[int, float]]:
        """Records and bad ones of a window, and the same as units, as detectors take them; none if impossible.

        What the window itself excuses is no change of the candidate.
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

    @abstractmethod
    def possible(self, amount: Numbers) -> bool:
        """Whether a trial can hold such numbers; anything else is a writer's error and carries no evidence."""

    @abstractmethod
    def bad(self, amount: Numbers) -> float:
        """Bad units: a count, or a sum of shares."""

    @abstractmethod
    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """ln E below and above the limit."""

    def limits(self, amount: Numbers) -> tuple[float, float] | None:
        """Lower and upper limit of the rate at `alpha`; None where the evidence is about the limit alone."""
        return None

    @abstractmethod
    def units_needed(self, amount: Numbers) -> int | None:
        """Least number of units that shows the rate under the limit, if no further bad one comes."""

    def least_caught(self, n: int) -> float | None:
        """Least rate that would have been shown bad with probability `POWER` at n units; None where it is not known."""
        return None

    @property
    def trailing_units(self) -> int:
        """Units that the trailing windows must hold."""
        return max(self.criterion.trailing_units, self._trailing_least)

    @property
    @abstractmethod
    def _trailing_least(self) -> int:
        """The least that can be asked for."""

    def without(self, amount: Numbers, excused: int) -> Numbers:
        """The amount without so many bad records that are excused; as it is where units are no records."""
        return amount

    def excess(self, amount: Numbers, excused: int = 0) -> str | None:
        """Why an amount shows the criterion bad, as a sentence; None where it does not. `excused`: bad records that
        need not be the candidate's fault."""
        amount = self.without(amount, excused)
        n = amount[0]
        # At or under the limit no evidence can speak for more than the limit.
        if not self.possible(amount) or n == 0 or self.bad(amount) <= n * self.limit:
            return None
        above = self.log_e(amount)[1]
        if above < self.log_reject_at:
            return None
        return (
            f"{self.id}: {self.bad(amount):.12g} of {n} {self.units} ({percent(self.bad(amount) / n)}) are shown to "
            f"be over the limit {percent(self.limit)} (ln E {above:.4g}, needed {self.log_reject_at:.4g})"
        )


class ByRecord(Measure):
    """Each record or pair is a unit."""

    @property
    def units(self) -> str:
        """As the row of the rate says."""
        return self.rate.units

    @property
    def nothing(self) -> Numbers:
        """No unit, none bad."""
        return (0, 0)

    def without(self, amount: Numbers, excused: int) -> Numbers:
        """As many bad ones fewer, of as many units."""
        return (amount[0], max(0, amount[1] - excused)) if excused and amount[1] > 0 else amount

    def possible(self, amount: Numbers) -> bool:
        """0 <= s <= n."""
        return 0 <= amount[1] <= amount[0]

    def bad(self, amount: Numbers) -> float:
        """A whole number."""
        return amount[1]

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """The mixture's."""
        n, s = amount
        return log_e_below(n, s, self.limit), log_e_above(n, s, self.limit)

    def limits(self, amount: Numbers) -> tuple[float, float] | None:
        """The mixture's."""
        n, s = amount
        return lower_limit(n, s, self.alpha), upper_limit(n, s, self.alpha)

    def units_needed(self, amount: Numbers) -> int | None:
        """`critical_n` at the present number of bad ones."""
        return critical_n(amount[1], self.limit, self.alpha)

    def least_caught(self, n: int) -> float | None:
        """Looking once, at n."""
        caught = least_caught_rate(n, self.limit, math.exp(-self.log_reject_at), POWER)
        return None if math.isnan(caught) else caught

    @property
    def _trailing_least(self) -> int:
        """Twice `critical_n(0)`."""
        return _TRAILING_FACTOR * critical_n(0, self.limit, self.alpha)


class _ByShare(Measure):
    """Each unit is a number in [0, 1], and its mean is judged."""

    @property
    def nothing(self) -> Numbers:
        """No unit, and the sums of none."""
        return (0,) * (1 + SUMS)

    def possible(self, amount: Numbers) -> bool:
        """As many units as there may be shares."""
        return amount[0] >= 0 and -1e-6 <= self.bad(amount) <= amount[0] + 1e-6

    def bad(self, amount: Numbers) -> float:
        """The sum of the shares."""
        return self._grid(amount).total

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """The grid's."""
        grid = self._grid(amount)
        return grid.log_e_below, grid.log_e_above

    def units_needed(self, amount: Numbers) -> int | None:
        """As many more as would do at no share at all."""
        return critical_grid_n(self.limit, self.alpha, self._grid(amount))

    @property
    def _trailing_least(self) -> int:
        """Twice what can just prove a candidate without a single bad share."""
        return _TRAILING_FACTOR * critical_grid_n(self.limit, self.alpha)

    def _grid(self, amount: Numbers) -> GridSums:
        return GridSums(self.limit, amount[0], amount[1:])

    def _of_shares(self, shares: list[float]) -> Numbers:
        return (len(shares), *grid_sums(np.array(shares), self.limit))


class ByMean(_ByShare):
    """Each pair's bounded difference is a unit; the joiner has added up its sums."""

    @property
    def units(self) -> str:
        """Pairs of which both sides have a number at the path."""
        return self.rate.units

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """The sums of the window as they came."""
        name = self.rate.n[0]
        return (figures.get(name, 0), *(figures.get(f"{name}/{index}", 0) for index in range(SUMS)))


class ByBlock(_ByShare):
    """The share of bad records of each window is a unit."""

    @property
    def units(self) -> str:
        """Windows with records of the rate."""
        return f"windows with {self.rate.units}"

    @property
    def untouched(self) -> Numbers:
        """No record."""
        return (0, 0)

    def amount(self, raw: Numbers) -> Numbers:
        """One unit, if the window holds a record."""
        n, s = raw[:2]
        return self._of_shares([s / n] if 0 <= s <= n and n else [])


class ByKey(_ByShare):
    """The share of bad pairs of each bucket of keys in each window is a unit.

    Pairs that come late are units of their own, of the window in which they were said: only records said missing or
    extra come late, they were in no bucket before, and so no share that stands is ever changed.
    """

    @property
    def units(self) -> str:
        """Buckets, once per window."""
        return "buckets of keys and windows"

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """A unit per bucket that holds a pair; buckets in order, though no order matters."""
        return self._of_shares([s / n for n, s in buckets.values() if 0 <= s <= n and n])


def measure_of(criterion: Criterion, config: Config) -> Measure:
    """The measure of a criterion."""
    if criterion.rate == "mean":
        return ByMean(criterion, config)
    units: dict[str, type[ByRecord | ByBlock | ByKey]] = {"record": ByRecord, "block": ByBlock, "key": ByKey}
    return units[criterion.unit](criterion, config)
