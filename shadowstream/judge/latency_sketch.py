"""Latency sketch of both sides as figures: counts by bucket, so they add up, are corrected and stored as any figure.

Bucket i >= 0 ends at the edge g^i ms, bucket -1 at 0 ms (`protocol.latency_buckets`); the last bucket has no edge. The
number of pairs at or under an edge is exact: only where inside a bucket a latency lies is unknown.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from shadowstream.protocol.latency_buckets import NOTHING, edge_ms
from shadowstream.records import Side

LATENCY = "latency/"
ZERO, TOP = -1, 900
"""Bucket of latencies of 0 or less, and the last one with an edge: 18 hours."""
SHOWN = (0.5, 0.9, 0.95, 0.99)
Counts: TypeAlias = dict[int, int]
"""Pairs by bucket."""


class Sketch(NamedTuple):
    """Latencies of the same pairs on both sides."""

    production: Counts
    candidate: Counts


def latency_figures(delta: Mapping[str, Any]) -> dict[str, int]:
    """Return the latencies of one window of a stats record (schemas/stats.avsc) as figures.

    >>> latency_figures({"latencies": [{"side": "shadow", "bucket": 7, "n": 2}]})
    {'latency/shadow/7': 2}
    """
    figures: dict[str, int] = {}
    for entry in delta.get("latencies", ()):
        bucket = ZERO if entry["bucket"] == NOTHING else min(max(entry["bucket"], 0), TOP + 1)
        name = f"{LATENCY}{entry['side']}/{bucket}"
        figures[name] = figures.get(name, 0) + entry["n"]
    return figures


def sketch_of(figures: Mapping[str, int], scope: str = "") -> Sketch:
    """Return the sketch among figures, of one part of the trial with `scope`."""
    sides: list[Counts] = []
    for side in (Side.PRODUCTION, Side.SHADOW):
        head = f"{scope}{LATENCY}{side.word}/"
        sides.append({int(name.removeprefix(head)): n for name, n in figures.items() if name.startswith(head)})
    return Sketch(*sides)


def quantile_bucket(counts: Counts, quantile: float) -> int:
    """Return the bucket that holds the quantile: the first with at least that share at or under its edge."""
    need, held = quantile * sum(counts.values()), 0
    for bucket in sorted(counts):
        held += counts[bucket]
        if held >= need * (1.0 - 1e-12):
            return bucket
    return ZERO


def percentiles(figures: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the percentiles of both sides, as in schemas/verdict.avsc; empty without latencies."""
    sketch = sketch_of(figures)
    return [
        {
            "side": side,
            "n": sum(counts.values()),
            **{f"p{round(100 * share)}": edge_ms(quantile_bucket(counts, share)) for share in SHOWN},
        }
        for side, counts in (("production", sketch.production), ("candidate", sketch.candidate))
        if sum(counts.values()) > 0
    ]


def latency_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the percentiles of a verdict record as one sentence each side."""
    return [
        f"latency of {entry['side']}, ms: "
        + ", ".join(f"p{round(100 * share)} {entry[f'p{round(100 * share)}']:.4g}" for share in SHOWN)
        + f" ({entry['n']:,} pairs with both latencies; to 2 %)"
        for entry in verdict.get("latencies", ())
    ]
