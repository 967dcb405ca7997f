"""Evidence of one criterion up to a closing, and whether it shows an excess although bad records may cluster.

Where bad records cluster, fifty of them may be one fault. So `unit: record` rejects by n / deff units
(`design_effect`): by the larger of the effects by window (of neighbours, `varying_rate`) and by key, where they are
beyond chance. Fewer than 30 buckets of keys are one piece of evidence each. With `FEW` to 12 windows the effect by
window counts with three standard errors more. While no effect can be known, each window is one piece of evidence, as in
`unit: block`; an excess of `FAR_OVER` limits then needs no such care.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shadowstream.judge.coverage.explained_absences import EXCUSED_MAX
from shadowstream.judge.evidence.bounded_mean import GridSums
from shadowstream.judge.evidence.design_effect import BLOCKS_MIN, NO_SQUARES, Clusters, Squares, design_effect, squared
from shadowstream.judge.evidence.varying_rate import VaryingRate
from shadowstream.judge.evidence.window_dependence import WindowDependence
from shadowstream.judge.verdict.criterion_units import ByBlock, ByRecord, Measure, Numbers, added, share_sums
from shadowstream.judge.verdict.quantile_units import ByQuantile
from shadowstream.judge.verdict.slow_clusters import SlowClusters
from shadowstream.protocol.mean_sums import SUMS

FAR_OVER = 5.0
FEW = 6
UNKNOWN = 0.0
"""Design effect of units that are too few to show one."""


class RunningEvidence:
    """Sums over windows in time order."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.total: Numbers = measure.nothing
        self._squares: Squares = NO_SQUARES
        self._rates = VaryingRate(measure.limit)
        self._windows = WindowDependence()
        # Of the first windows only: later ones have a design effect.
        self._shares: Numbers = (0,) * SUMS
        self._slow = SlowClusters(measure) if isinstance(measure, ByQuantile) else None

    def add(self, raw: Numbers) -> None:
        """Add the next window by its raw numbers."""
        self.total = self.measure.added(self.total, self.measure.amount(raw))
        if self._slow is not None:
            self._slow.add(raw, self.total)
        self._squares = squared(self._squares, raw)
        self._rates.add(raw)
        if not (isinstance(self.measure, ByRecord | ByBlock) and 0 <= raw[1] <= raw[0] and raw[0]):
            return
        if isinstance(self.measure, ByBlock):
            self._windows.add(raw[1] / raw[0])
        elif self._squares[3] <= BLOCKS_MIN:
            self._shares = added(self._shares, share_sums(raw[1] / raw[0], self.measure.limit))

    def clusters(self, *, local: bool = False) -> Clusters | None:
        """Return the clusters by window; None if units are no records, or windows too few.

        `local`: of neighbouring windows, whatever the rate did over time (`varying_rate`).
        """
        if self._slow is not None:
            return self._slow.clusters(FEW if local else BLOCKS_MIN)
        if not isinstance(self.measure, ByRecord) or self._squares[3] < (FEW if local else BLOCKS_MIN):
            return None
        n, s = self.total[:2]
        effect = self._rates.local if local else self._rates.design_effect
        return Clusters(effect(design_effect(n, s, self._squares), n, s), self._squares[3], s)

    def dependence(self) -> WindowDependence | None:
        """Return the dependence of neighbouring windows; None if units are no windows, or they are too few.

        A rate that moves under its limit makes neighbours alike as well, and harms nothing.
        """
        windows = self._windows
        return windows if windows.windows >= BLOCKS_MIN and self._rates.over else None

    def effect(self, by_key: float) -> float:
        """Return the design effect by window or by key that rejects count with; `UNKNOWN` if neither is known."""
        clusters = self.clusters(local=True)
        if clusters is None or (clusters.blocks < BLOCKS_MIN and by_key != UNKNOWN):
            return by_key
        few = clusters.blocks < BLOCKS_MIN
        return max(by_key, max(1.0, clusters.deff) + clusters.error if few else clusters.counted)

    def excess(self, excused: int, effect: float) -> str | None:
        """Return the sentence by which the evidence shows the criterion bad, or None (`Measure.excess`)."""
        measure, n = self.measure, self.total[0]
        if not isinstance(measure, ByRecord | ByQuantile):
            return measure.excess(self.total, excused)
        if isinstance(measure, ByQuantile) and effect == UNKNOWN:
            return None
        bad = measure.bad(measure.without(self.total, excused))
        far_over = FAR_OVER * measure.limit
        if effect != UNKNOWN or bad >= n * far_over < n:
            return measure.excess(self.total, excused, max(1.0, effect))
        # Shares cannot be subtracted one by one, so there nothing rejects while many may be excused.
        if not measure.possible(self.total) or bad <= n * measure.limit or excused > EXCUSED_MAX * self.total[1]:
            return None
        above = GridSums(measure.limit, self._squares[3], self._shares).log_e_above
        return measure.shown_over(self.total, above) if above >= measure.log_reject_at else None

    def add_counts(self, raw: Numbers) -> None:
        """Add counts of a window that is no longer known."""
        self.total = self.measure.added(self.total, raw)

    def copy(self) -> RunningEvidence:
        """Return a copy of the sums."""
        copy = RunningEvidence(self.measure)
        copy.total, copy._squares, copy._shares = self.total, self._squares, self._shares
        copy._rates, copy._windows = self._rates.copy(), replace(self._windows)
        copy._slow = self._slow and self._slow.copy()
        return copy

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "sums": [list(self.total), list(self._squares), list(self._shares)],
            "rates": self._rates.snapshot(),
            "windows": self._windows.snapshot(),
            "slow": self._slow and self._slow.snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self.total, self._squares, self._shares = (tuple(numbers) for numbers in snapshot["sums"])
        self._rates.restore(snapshot["rates"])
        self._windows = WindowDependence.of(snapshot["windows"])
        if self._slow is not None:
            self._slow.restore(snapshot["slow"])
