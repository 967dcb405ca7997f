"""Extent of a change: its begin, and the units and bad units of the last windows since then."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Row = tuple[int, float, float]
"""A window as (start, units, bad units)."""


class Extent(NamedTuple):
    """Begin of a change, and the units and bad units of the last merged windows since then."""

    since_ms: int
    n: float
    bad: float


def over_limit_since(rows: Sequence[Row], limit: float) -> int:
    """Return the start of the first window over the limit; else of the last one. A detector that finds no begin of a
    change, such as Shiryaev-Roberts, takes this one.

    >>> over_limit_since([(0, 200, 1), (60, 200, 9), (120, 200, 2)], 0.01), over_limit_since([(0, 200, 1)], 0.01)
    (60, 0)
    """
    return next((start_ms for start_ms, n, s in rows if s > n * limit), rows[-1][0] if rows else 0)


def counted_since(rows: Iterable[Row], since_ms: int) -> Extent:
    """Return the counts of the windows that start at a time or later.

    >>> counted_since([(0, 200, 1), (60, 200, 9), (120, 200, 2)], 60)
    Extent(since_ms=60, n=400, bad=11)
    """
    counted = [row for row in rows if row[0] >= since_ms]
    return Extent(since_ms, sum(n for _, n, _ in counted), sum(s for _, _, s in counted))
