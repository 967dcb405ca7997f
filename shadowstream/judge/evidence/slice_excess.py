"""Slices that hold the excess: the few values of declared dimensions, or pairs of them, that explain a mismatch rate.

A cell is a value of one dimension or of a pair of dimensions, with n pairs of which s differ. Three steps make the
list:

1. E_above(n, s, limit) for each of K cells, and the e-BH list at alpha: of the cells by falling E the first k* = max{k
   : E_(k) >= K / (alpha k)} (Wang & Ramdas, "False discovery rate control with e-values", 2022; valid under any
   dependence, which overlapping cells have).
2. Order by falling lower limit of the rate: the worst certain cell comes first.
3. Drop a cell that an earlier one explains. A cell whose E against its parent's rate stays under K / alpha is no worse
   than its parent: carrier=UA,month=3 if all of carrier=UA is bad, and carrier=UA if everything is. A cell is also
   dropped if it has no excess without the pairs of an earlier cell: origin=EWR, from where UA flies.

Worked: UA's scores are wrong, and half of the departures of EWR are UA's. Step 1 lists carrier=UA (rate 1), origin=EWR
(.5) and all pairs with UA (rate 1). Step 2 puts carrier=UA first, because its n is the greatest. Step 3 drops its
pairs, and EWR, whose other pairs all agree. One line is left (test_one_bad_carrier_is_one_line).

e-BH holds for the evidence of one moment and not for running maxima, so a cell *latches* only when its own E reaches K
/ alpha at some closing.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shadowstream.compare.dimension_codes import OTHER, least
from shadowstream.judge.evidence.rates import log_e_above, lower_limit
from shadowstream.judge.windows.window_counts import Pair, Slice, plus

CELLS_MAX = 4_000
LISTED_MAX = 10


class Listed(NamedTuple):
    """Slice with an excess. `log_e`: ln E against the limit."""

    name: Slice
    n: int
    s: int
    lower: float
    log_e: float


class SliceEvidence:
    """Cells of one revision: sums over closed windows.

    It keeps at most `values_max` exact values per dimension (those with the smallest hashes, so that no order matters)
    and `CELLS_MAX` cells. `dropped` counts the pairs of cells beyond the limit; they are never restored.
    """

    def __init__(self, limit: float, alpha: float, values_max: int) -> None:
        self.limit, self.alpha = limit, alpha
        self.cells: dict[Slice, Pair] = {}
        self.latched: dict[Slice, int] = {}
        """Start of the window at whose closing the E of a cell first reached K / alpha."""
        self.dropped = 0
        self._values_max = values_max
        self._exact: dict[str, frozenset[str]] = {}

    def close(self, start_ms: int, on_time: Mapping[Slice, Pair], late: Mapping[Slice, Pair]) -> dict[Slice, Pair]:
        """Add a closed window and return its on-time single-dimension cells, with values named as they are kept."""
        if not on_time and not late:
            return {}
        self._fold([*on_time, *late])
        singles: dict[Slice, Pair] = {}
        for name, (n, s) in sorted(on_time.items()):
            kept = self._kept(name)
            self._add(kept, n, s)
            if len(kept[0]) == 1:
                plus(singles, kept, n, s)
        for name, (n, s) in sorted(late.items()):
            self._add(self._kept(name), n, s)
        need = math.log(max(len(self.cells), 1) / self.alpha)
        for name in sorted({self._kept(name) for name in (*on_time, *late)}):
            if name not in self.latched and self._log_e(name, self.limit) >= need:
                self.latched[name] = start_ms
        return dict(sorted(singles.items()))

    def _fold(self, names: Iterable[Slice]) -> None:
        seen: dict[str, set[str]] = {}
        for dimensions, named in names:
            if len(dimensions) == 1:
                seen.setdefault(dimensions[0], set()).add(named[0])
        shrunk = False
        for dimension, values in seen.items():
            before = self._exact.get(dimension, frozenset())
            after = least(before | values, self._values_max)
            shrunk |= not before <= after
            self._exact[dimension] = after
        if shrunk:
            cells, self.cells = self.cells, {}
            for name, (n, s) in cells.items():
                plus(self.cells, self._kept(name), n, s)
            self.latched = {name: start_ms for name, start_ms in self.latched.items() if name in self.cells}

    def _kept(self, name: Slice) -> Slice:
        dimensions, values = name
        exact = self._exact
        return dimensions, tuple(
            value if value in exact.get(dimension, ()) else OTHER
            for dimension, value in zip(dimensions, values, strict=True)
        )

    def _add(self, name: Slice, n: int, s: int) -> None:
        if name not in self.cells and len(self.cells) >= CELLS_MAX:
            self.dropped += n
            return
        plus(self.cells, name, n, s)

    def _log_e(self, name: Slice, rate: float) -> float:
        return _log_e(self.cells.get(name, (0, 0)), rate)

    def listing(self, everything: Pair) -> list[Listed]:
        """Return the slices that hold the excess now, worst first. `everything`: all pairs and differing pairs."""
        return listing(self.cells, everything, self.limit, self.alpha)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "cells": [[*name, *pair] for name, pair in sorted(self.cells.items())],
            "latched": [[*name, start_ms] for name, start_ms in sorted(self.latched.items())],
            "exact": {dimension: sorted(values) for dimension, values in self._exact.items()},
            "dropped": self.dropped,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot."""
        self.cells = {(tuple(names), tuple(values)): (n, s) for names, values, n, s in snapshot["cells"]}
        self.latched = {(tuple(names), tuple(values)): start_ms for names, values, start_ms in snapshot["latched"]}
        self._exact = {dimension: frozenset(values) for dimension, values in snapshot["exact"].items()}
        self.dropped = snapshot["dropped"]


def listing(cells: Mapping[Slice, Pair], everything: Pair, limit: float, alpha: float) -> list[Listed]:
    """Return the e-BH list of cells over `limit`, worst first, without explained cells (see the steps above)."""
    log_es = {name: _log_e(pair, limit) for name, pair in cells.items()}
    rejected = e_bh(log_es, alpha)
    listed = [Listed(name, *cells[name], lower_limit(*cells[name], alpha), log_es[name]) for name in rejected]
    # Among equals the larger cell comes first, then the simpler one.
    listed.sort(key=lambda item: (-item.lower, -item.n, len(item.name[0]), item.name))
    need = math.log(max(len(cells), 1) / alpha)
    kept: list[Listed] = []
    for candidate in listed:
        if not _as_its_parent(candidate, kept, cells, everything, need) and not _explained(
            candidate, kept, cells, limit, need
        ):
            kept.append(candidate)
    return kept


def e_bh(log_es: Mapping[Slice, float], alpha: float) -> list[Slice]:
    """Return the cells that e-BH rejects at level `alpha`, by falling E.

    >>> e_bh({(("a",), ("x",)): 9.0, (("a",), ("y",)): 0.0}, 0.05)
    [(('a',), ('x',))]
    """
    ordered = sorted(log_es, key=lambda name: (-log_es[name], name))
    last = 0
    for k, name in enumerate(ordered, start=1):
        if log_es[name] >= math.log(len(ordered) / (alpha * k)):
            last = k
    return ordered[:last]


def _log_e(pair: Pair, rate: float) -> float:
    n, s = pair
    # At or under the rate no evidence supports more than it; most cells return here.
    return log_e_above(n, s, rate) if 0 < s <= n and s > n * rate and rate < 1.0 else 0.0


def _as_its_parent(
    listed: Listed, kept: Sequence[Listed], cells: Mapping[Slice, Pair], everything: Pair, need: float
) -> bool:
    dimensions, values = listed.name
    if len(dimensions) == 1:
        # The parent of a single value is everything but its worse sisters: beside one that is bad at .5, the one at .2
        # would be no worse than the whole.
        sisters = [sister for sister in kept if sister.name[0] == dimensions]
        n, s = sum(sister.n for sister in sisters), sum(sister.s for sister in sisters)
        parents = [(everything[0] - n, everything[1] - s)]
    else:
        parents = [
            cells[parent]
            for dimension, value in zip(dimensions, values, strict=True)
            if (parent := ((dimension,), (value,))) in cells
        ]
    return any(n == listed.n or _log_e((listed.n, listed.s), s / n) < need for n, s in parents if n > 0)


def _explained(listed: Listed, kept: Sequence[Listed], cells: Mapping[Slice, Pair], limit: float, need: float) -> bool:
    """Return whether a cell has no excess without earlier cells, one by one or all of one kind."""
    shared: dict[tuple[str, ...], list[int]] = {}
    for earlier in kept:
        n, s = _overlap(listed.name, earlier.name, cells)
        total = shared.setdefault(earlier.name[0], [0, 0])
        total[0], total[1] = total[0] + n, total[1] + s
        left = (listed.n - n, listed.s - s)
        if n and _log_e(left, limit) < need:
            return True
    return any(n and _log_e((listed.n - n, listed.s - s), limit) < need for n, s in shared.values())


def _overlap(first: Slice, second: Slice, cells: Mapping[Slice, Pair]) -> Pair:
    """Return the pairs that two cells share, if a cell holds exactly those."""
    first_values = dict(zip(*first, strict=True))
    second_values = dict(zip(*second, strict=True))
    if any(first_values.get(dimension, value) != value for dimension, value in second_values.items()):
        return (0, 0)
    joint = first_values | second_values
    for name in (tuple(sorted(joint)), tuple(sorted(joint, reverse=True))):
        pair = cells.get((name, tuple(joint[dimension] for dimension in name)))
        if pair is not None:
            return pair
    return (0, 0)
