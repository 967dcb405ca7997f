"""Counts of one window: figures, pairs by slice and by bucket of keys, further outcomes by bucket, values by bin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shadowstream.judge.criteria import bound_reasons, mean_name
from shadowstream.protocol.key_buckets import BY_BUCKET

Pair: TypeAlias = tuple[int, int]
"""Units and bad units."""
Slice: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of one or two dimensions, and their values."""
Bins: TypeAlias = dict[str, dict[str, list[int]]]
"""By field and bin the pairs of production, of the candidate, and of both sides."""


@dataclass(slots=True)
class WindowCounts:
    """Sums over deltas, independent of their order. `outcome_buckets`: further outcomes by bucket, and the pairs of a
    loss with the sum of their units, as its figures name them."""

    figures: Counter[str] = field(default_factory=Counter)
    buckets: dict[int, Pair] = field(default_factory=dict)
    slices: dict[Slice, Pair] = field(default_factory=dict)
    outcome_buckets: dict[int, Counter[str]] = field(default_factory=dict)
    bins: Bins = field(default_factory=dict)

    def add(self, delta: Mapping[str, Any], figures: Mapping[str, int]) -> None:
        """Add the window of a stats record, with its figures as `criteria.figures_of` returns them."""
        self.figures.update(figures)
        bound_reasons(self.figures)
        for bucket in delta.get("buckets", ()):
            plus(self.buckets, bucket["bucket"], bucket["n"], bucket["s"])
        for one in delta.get("outcome_buckets", ()):
            if one["outcome"] in BY_BUCKET:
                self.outcome_buckets.setdefault(one["bucket"], Counter())[one["outcome"]] += one["n"]
        for mean in delta.get("means", ()):
            name = mean_name(mean["path"], mean.get("bound", 0.0), mean.get("limit", 0.0))
            for one in mean.get("buckets", ()):
                from shadowstream.protocol.mean_sums import SUMS  # loads NumPy, and light commands never get here

                counts = self.outcome_buckets.setdefault(one["bucket"], Counter())
                counts.update({name: one["n"], f"{name}/{SUMS - 1}": one["total"]})
        for entry in delta.get("slices", ()):
            plus(self.slices, (tuple(entry["dimensions"]), tuple(entry["values"])), entry["n"], entry["s"])
        for one in delta.get("distributions", ()):
            held = self.bins.setdefault(one["path"], {}).setdefault(one["bin"], [0, 0, 0])
            for place, side in enumerate(("production", "shadow", "same")):
                held[place] += one[side]

    @staticmethod
    def sum_of_slices(tallies: Iterable[WindowCounts]) -> dict[Slice, Pair]:
        """Add up the slices of several windows."""
        total: dict[Slice, Pair] = {}
        for tally in tallies:
            for name, (n, s) in tally.slices.items():
                plus(total, name, n, s)
        return total

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [
            dict(self.figures),
            [[bucket, *pair] for bucket, pair in self.buckets.items()],
            [[*name, *pair] for name, pair in self.slices.items()],
            [[bucket, dict(counts)] for bucket, counts in self.outcome_buckets.items()],
            self.bins,
        ]

    @classmethod
    def of(cls, snapshot: Iterable[Any]) -> WindowCounts:
        """Restore the counts from their snapshot."""
        figures, buckets, slices, outcome_buckets, bins = snapshot
        return cls(
            Counter(figures),
            {bucket: (n, s) for bucket, n, s in buckets},
            {(tuple(names), tuple(values)): (n, s) for names, values, n, s in slices},
            {bucket: Counter(counts) for bucket, counts in outcome_buckets},
            bins,
        )


def plus(sums: dict[Any, Pair], name: Any, n: int, s: int) -> None:
    """Add n and s to an entry."""
    former = sums.get(name, (0, 0))
    sums[name] = (former[0] + n, former[1] + s)


def without_keys(delta: Mapping[str, Any]) -> dict[str, Any]:
    """Return a delta of labels without its counts by bucket: its task has passed the window, whose units have counted.

    >>> delta = {"outcome_buckets": [{"outcome": "label_neither", "bucket": 7, "n": 1}], "means": [{"n": 1}]}
    >>> without_keys(delta)
    {'outcome_buckets': [], 'means': [{'n': 1, 'buckets': []}]}
    """
    means = [{**mean, "buckets": []} for mean in delta.get("means", ())]
    return {**delta, "outcome_buckets": [], "means": means}


def slice_name(name: Slice) -> str:
    """Format a slice.

    >>> slice_name((("carrier", "origin"), ("UA", "EWR")))
    'carrier=UA,origin=EWR'
    """
    return ",".join(f"{dimension}={value}" for dimension, value in zip(*name, strict=True))
