"""Slow clusters: whether the slow latencies of either side come together within windows.

Slow is beyond an edge that the first windows fix: the quantile of each side once `FIRST_SLOW` slow pairs have come. So
the edge never depends on the pairs that are counted against it. Of the two sides the one that clusters more counts. A
latency with a season differs between distant windows only, so neighbouring windows decide (`varying_rate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shadowstream.judge.evidence.design_effect import NO_SQUARES, Clusters, Squares, design_effect, squared
from shadowstream.judge.evidence.varying_rate import VaryingRate
from shadowstream.judge.latency_sketch import Counts, quantile_bucket
from shadowstream.judge.verdict.criterion_units import Numbers
from shadowstream.judge.verdict.quantile_units import ByQuantile, sketch_in

FIRST_SLOW = 10


@dataclass(slots=True)
class _Side:
    """Sums of one side beyond its edge."""

    limit: float
    edge: int | None = None
    counts: tuple[int, int] = (0, 0)
    squares: Squares = NO_SQUARES
    rates: VaryingRate = field(init=False)

    def __post_init__(self) -> None:
        self.rates = VaryingRate(self.limit)

    def add(self, latencies: Counts) -> None:
        n, s = sum(latencies.values()), sum(k for bucket, k in latencies.items() if bucket > (self.edge or 0))
        self.counts = self.counts[0] + n, self.counts[1] + s
        self.squares = squared(self.squares, (n, s))
        self.rates.add((n, s))

    @property
    def clusters(self) -> Clusters:
        n, s = self.counts
        return Clusters(self.rates.local(design_effect(n, s, self.squares), n, s), self.squares[3], s)


class SlowClusters:
    """Sums over windows in time order."""

    def __init__(self, measure: ByQuantile) -> None:
        self._measure = measure
        self._sides = [_Side(measure.limit), _Side(measure.limit)]

    def add(self, raw: Numbers, total: Numbers) -> None:
        """Add the next window; `total`: all so far with this window."""
        if not (raw[0] and self._measure.possible(raw)):
            return
        if self._sides[0].edge is not None:
            for side, latencies in zip(self._sides, sketch_in(raw), strict=True):
                side.add(latencies)
        elif total[0] * self._measure.limit >= FIRST_SLOW:
            for side, latencies in zip(self._sides, sketch_in(total), strict=True):
                side.edge = quantile_bucket(latencies, self._measure.quantile)

    def clusters(self, blocks_min: int) -> Clusters | None:
        """Return the clusters of the side that clusters more; None with fewer windows than `blocks_min`."""
        known = (side.clusters for side in self._sides if side.squares[3] >= blocks_min)
        return max(known, default=None, key=_beyond)

    def copy(self) -> SlowClusters:
        """Return a copy of the sums."""
        copy = SlowClusters(self._measure)
        copy.restore(self.snapshot())
        return copy

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [[side.edge, list(side.counts), list(side.squares), side.rates.snapshot()] for side in self._sides]

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Restore the state from a snapshot."""
        for side, (edge, (n, s), squares, rates) in zip(self._sides, snapshot, strict=True):
            side.edge, side.counts, side.squares = edge, (n, s), tuple(squares)
            side.rates.restore({**rates, "stretches": [list(one) for one in rates["stretches"]]})


def _beyond(clusters: Clusters) -> float:
    return clusters.deff / clusters.by_chance
