"""Fields of production's output whose values separate the pairs that differ from those that agree.

Each field with few values is tested by Pearson's chi-square on the counts of its values among differing and agreeing
pairs. Values that are rare are one value, so that each expected count is large enough. The level is divided by the
number of fields tested (Bonferroni). A significant field is proposed only if it separates strongly (Cramér's V), for
with many pairs any field is significant.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from shadowstream.codecs.typed import bare
from shadowstream.paths import join_path, leaves

VALUES_MAX = 64
EXPECTED_MIN = 5.0
LEVEL = 0.001
STRONG = 0.3
"""The least Cramér's V of a proposal: 1 if a field tells which pairs differ, 0 if it tells nothing."""
FIELDS_MAX = 200
DEPTH_MAX = 4
_REST = object()


class Separation(NamedTuple):
    """A field that separates. `value`: the value with the greatest share of differing pairs, `differ` of `pairs`."""

    path: str
    v: float
    p: float
    value: Any
    pairs: int
    differ: int


def separating(differing: Sequence[Any], agreeing: Sequence[Any], known: Sequence[str]) -> list[Separation]:
    """Return the fields that separate, the strongest first. `known`: paths of dimensions that are there already.

    The arguments are production's values of pairs that differ and of pairs that agree, each a uniform sample.
    """
    columns = _columns(differing, agreeing)
    tested = {path: counts for path, counts in columns.items() if path not in known and _is_testable(counts)}
    found = []
    for path, counts in tested.items():
        separation = _tested(path, counts)
        if separation is not None and separation.p * len(tested) < LEVEL and separation.v >= STRONG:
            found.append(separation)
    return sorted(found, key=lambda one: (-one.v, one.path))


_Counts = tuple[Counter[Any], Counter[Any]]


def _columns(differing: Sequence[Any], agreeing: Sequence[Any]) -> dict[str, _Counts]:
    columns: dict[str, _Counts] = {}
    for side, values in enumerate((differing, agreeing)):
        for value in values:
            scalars = (one for one in leaves(bare(value), DEPTH_MAX) if isinstance(one[1], str | bool | int | None))
            for path, leaf in ((join_path(names), leaf) for names, leaf in scalars):
                if path in columns or len(columns) < FIELDS_MAX:
                    columns.setdefault(path, (Counter(), Counter()))[side][type(leaf), leaf] += 1
    totals = len(differing), len(agreeing)
    for counted in columns.values():
        for column, total in zip(counted, totals, strict=True):
            column[type(None), None] += total - column.total()
    return columns


def _is_testable(counts: _Counts) -> bool:
    values = {value for side in counts for value, n in side.items() if n}
    return 1 < len(values) <= VALUES_MAX


def _tested(path: str, counts: _Counts) -> Separation | None:
    from scipy.special import chdtrc  # only this command needs it

    differ, agree = counts
    sums = differ.total(), agree.total()
    total = sum(sums)
    if not all(sums):
        return None
    least = EXPECTED_MIN * total / min(sums)
    cells: dict[Any, list[int]] = {}
    for value in {*differ, *agree}:
        n = differ[value] + agree[value]
        cell = cells.setdefault(value if n >= least else _REST, [0, 0])
        cell[0], cell[1] = cell[0] + differ[value], cell[1] + agree[value]
    cells = {value: cell for value, cell in cells.items() if sum(cell)}
    if len(cells) < 2:
        return None
    squares = sum(
        (cell[side] - expected) ** 2 / expected
        for cell in cells.values()
        for side in (0, 1)
        if (expected := sum(cell) * sums[side] / total)
    )
    named = {value: cell for value, cell in cells.items() if value is not _REST}
    if not named:
        return None
    worst = max(named, key=lambda value: (named[value][0] / sum(named[value]), sum(named[value]), str(value)))
    p, v = float(chdtrc(len(cells) - 1, squares)), math.sqrt(squares / total)
    return Separation(path, v, p, worst[1], sum(named[worst]), named[worst][0])
