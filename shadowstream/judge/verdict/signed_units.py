"""Units of losses and signed means: how much worse the candidate is by pair, or by window, against a margin.

The evidence is about y = (d/bound + 1)/2 (`protocol.signed_means`). The sentences are about d, in units of the loss. No
detector over time reads these units: a mean near 1/2 has no "bad" ones. Drift shows in the rates.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from shadowstream.config import Config, Criterion
from shadowstream.judge.evidence.bounded_mean import GridSums, critical_grid_n
from shadowstream.judge.verdict import criterion_units
from shadowstream.judge.verdict.criterion_units import Buckets, ByMean, Measure, Numbers
from shadowstream.protocol.mean_sums import STORED_BITS, SUMS, grid_sums
from shadowstream.protocol.signed_means import difference_of

EQUAL = 0.5
"""The unit of a pair in which both sides are equally good."""
TRAILING_LIMIT = 0.505
"""Least limit that determines the length of the recent windows: a margin of a hundredth of the bound."""
SPEAKS_AGAINST = 2.0
"""Of the last units, the ln E above the margin at which they speak against the candidate: two standard deviations."""


class BySigned(ByMean):
    """Units, each a pair's signed difference, as a number in [0, 1]."""

    def __init__(self, criterion: Criterion, config: Config) -> None:
        super().__init__(criterion, config)
        self.limit = criterion.threshold
        self.judged = criterion.judged or "the candidate"
        self.bound = criterion.bound or 0.0
        self.margin = difference_of(self.limit, self.bound)

    def watched(self, figures: Mapping[str, int], buckets: Buckets) -> tuple[tuple[int, float], tuple[int, float]]:
        """Give the detectors nothing."""
        return (0, 0), (0, 0)

    def units_needed(self, amount: Numbers) -> int | None:
        """Return the units needed if further pairs are equal; if equal is not enough, if the candidate is the best."""
        further = EQUAL if self.limit > EQUAL else 0.0
        return critical_grid_n(self.limit, self.alpha, self._grid(amount), further, wide=True)

    @property
    def _trailing_least(self) -> int:
        """Twice the units that just prove an equal candidate, with a margin of a hundredth of the bound or more."""
        return 2 * critical_grid_n(max(self.limit, TRAILING_LIMIT), self.alpha, further=EQUAL, wide=True)

    def speaks_against(self, amount: Numbers) -> bool:
        """Return whether the last units speak against a mean under the margin."""
        return self.bad(amount) > amount[0] * self.limit and self.log_e(amount)[1] >= SPEAKS_AGAINST

    def further(self, amount: Numbers) -> dict[str, Any]:
        """Return the mean difference, the margin and the bound."""
        known = self.possible(amount) and amount[0] > 0
        worse_by = difference_of(self.bad(amount) / amount[0], self.bound) if known else None
        return {"difference": worse_by, "margin": self.margin, "bound": self.bound}

    def excess(self, amount: Numbers, excused: int = 0, effect: float = 1.0) -> str | None:
        """Return the sentence by which an amount shows the candidate worse by the margin, or None.

        Each excused pair may have been as bad as the bound: without them all, the rest must still be over the margin.
        """
        n, bad = amount[0], self.bad(amount)
        if not self.possible(amount) or n <= excused or bad - excused <= (n - excused) * self.limit:
            return None
        above = self.log_e(amount)[1]
        if above < self.log_reject_at:
            return None
        return (
            f"{self.id}: {self.judged} is {_worse(self.further(amount))} on average over {n} {self.units}, and is "
            f"shown to be worse by more than the margin {self.margin:.6g} (ln E {above:.4g}, needed "
            f"{self.log_reject_at:.4g})"
        )

    def passed_sentence(self, record: Mapping[str, Any]) -> str | None:
        """Return the sentence of a passed criterion with units."""
        if not record["n"]:
            return None
        return (
            f"{self.id}: {self.judged} is {_worse(record)} on average over {record['n']} {self.units}; it is shown to "
            f"be worse by less than the margin {self.margin:.6g}"
        )

    def not_shown(self, record: Mapping[str, Any]) -> str | None:
        """Return the sentence of a criterion that is not shown good, with units."""
        n = record["n"]
        if not n or record["difference"] is None:
            return None
        if record["bad"] >= n * self.limit:
            return (
                f"{self.id}: {self.judged} is {_worse(record)} on average over {n} {self.units}, at or over the margin "
                f"{self.margin:.6g}; more records alone will not show it good: look at the pairs with the greatest "
                "loss, or set another margin if this one is not meant"
            )
        return (
            f"{self.id}: {self.judged} is {_worse(record)} on average over {n} {self.units}, which does not show yet "
            f"that it is worse by less than the margin {self.margin:.6g}; if further pairs are "
            f"{'equal' if self.limit > EQUAL else 'all better by the bound'}, {record['units_needed'] - n} more are "
            "needed"
        )

    def not_lately(self, record: Mapping[str, Any]) -> str | None:
        """Return the sentence of recent windows that do not show it."""
        n = record["trailing_n"]
        if not n:
            return None
        worse_by = difference_of(record["trailing_bad"] / n, self.bound)
        return (
            f"{self.id}: in the last {n} {self.units} {self.judged} is {_worse({'difference': worse_by})} on average, "
            f"not less than the margin {self.margin:.6g} now, whatever came before"
        )


class BySignedBlock(BySigned):
    """Units, each the mean of one window. All pairs together must be on the same side of the margin.

    An amount ends with the pairs and the sum of their units, since one window may hold most of the pairs.
    """

    @property
    def units(self) -> str:
        """Windows with pairs."""
        return f"windows with {self.rate.units}"

    @property
    def nothing(self) -> Numbers:
        """No window, and no pair."""
        return (0,) * (3 + SUMS)

    @property
    def untouched(self) -> Numbers:
        """No pair."""
        return (0,) * (1 + SUMS)

    def amount(self, raw: Numbers) -> Numbers:
        """Return one unit if the window has a pair."""
        n, total = raw[0], raw[-1]
        if n <= 0 or not 0 <= total <= n << STORED_BITS:
            return self.nothing
        return (1, *_sums_of(total / (n << STORED_BITS), self.limit), n, total)

    def log_e(self, amount: Numbers) -> tuple[float, float]:
        """Return the ln E of the windows; nothing on a side on which all pairs together do not lie."""
        below, above = super().log_e(amount)
        pairs, total = amount[-2:]
        lies = total - self.limit * (pairs << STORED_BITS)
        return below if lies < 0 else min(below, 0.0), above if lies > 0 else min(above, 0.0)

    def _grid(self, amount: Numbers) -> GridSums:
        return GridSums(self.limit, amount[0], amount[1 : 1 + SUMS])


class BySignedKey(BySignedBlock):
    """Units, each the mean of one bucket of keys in its first window of a season (`key_evidence`).

    The pairs of a window and the sum of their units come with its figures, those of the buckets once they are due.
    """

    @property
    def units(self) -> str:
        """Buckets, counted once a season."""
        return "buckets of keys"

    @property
    def keys_needed(self) -> int:
        """As many as prove an equal candidate with a margin of a hundredth of the bound."""
        return self._trailing_least // 2

    def of_bucket(self, pair: tuple[int, int]) -> tuple[int, int]:
        """Return the pairs in units of their sum."""
        return pair[0] << STORED_BITS, pair[1]

    @property
    def untouched(self) -> Numbers:
        """No bucket, and no pair."""
        return self.nothing

    def raw(self, figures: Mapping[str, int], buckets: Buckets) -> Numbers:
        """Return a unit for each bucket, and the pairs of the window."""
        means = [total / pairs for pairs, total in buckets.values() if 0 <= total <= pairs and pairs]
        sums = grid_sums(np.array(means), self.limit, wide=True) if means else (0,) * SUMS
        n, total = (figures.get(name, 0) for name in (self.rate.n[0], f"{self.rate.n[0]}/{SUMS - 1}"))
        return (len(means), *sums, n, total)

    def amount(self, raw: Numbers) -> Numbers:
        """Return the raw numbers."""
        return raw

    def speaks_against(self, amount: Numbers) -> bool:
        """Return whether the last units speak against a mean under the margin, whatever all pairs do."""
        grid = self._grid(amount)
        return grid.total > grid.n * self.limit and grid.log_e_above >= SPEAKS_AGAINST


@lru_cache(maxsize=8192)
def _sums_of(unit: float, m: float) -> Numbers:
    """Return the sums of one window's mean. Each verdict adds up all windows anew."""
    return grid_sums(np.array([unit]), m, wide=True)


def _worse(record: Mapping[str, Any]) -> str:
    """Return the difference in words.

    >>> _worse({"difference": -0.25}), _worse({"difference": 0.0}), _worse({"difference": 3.0})
    ('better by 0.25', 'equally good', 'worse by 3')
    """
    difference = record["difference"]
    if not difference:
        return "equally good"
    return f"{'worse' if difference > 0 else 'better'} by {abs(difference):.6g}"


def measure_of(criterion: Criterion, config: Config) -> Measure:
    """Return the measure of a criterion."""
    if not criterion.is_signed:
        return criterion_units.measure_of(criterion, config)
    units: dict[str, type[BySigned]] = {"record": BySigned, "block": BySignedBlock, "key": BySignedKey}
    return units[criterion.unit](criterion, config)
