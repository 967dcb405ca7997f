"""Which elements of two lists belong together: by place of any other, by a key of their own, or as sets.

A matching is sought that pairs as many elements as possible, each with one that it agrees with under the rules below
the list (an assignment, `scipy.optimize.linear_sum_assignment`). Taking the first that agrees would not do: with a
tolerance of 1 and production's [1, 2] against [1, 0] the 1 would take the 1, and 2 and 0 be left over, though 1 with 0
and 2 with 1 agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from shadowstream.codecs.numbers import ExactFloat
from shadowstream.codecs.typed import Typed, bare
from shadowstream.compare.dimension_codes import text_of
from shadowstream.compare.rules import Spot
from shadowstream.compare.tolerances import folded
from shadowstream.paths import ABSENT, value_at

WORK_MAX = 65_536
"""So many pairs of elements may be held each against each for one field of a pair of values, lists in lists too."""
PASSES = 32
"""Beside these each element may be compared with so many."""
EXACT_CELLS = 4_096
"""Lists of so many pairs of elements are held against each other at once: as little as can be is left over."""
NEAR = 4


class Plan(NamedTuple):
    """Pairs of indices, and of those left over. `moved`: the order differs."""

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]
    moved: bool


class Work:
    """How many more pairs of elements may be compared, for one field of one pair of values."""

    __slots__ = ("left", "reached")

    def __init__(self, most: int) -> None:
        self.left = most
        self.reached = False
        """Whether a matching was given up that might have been there."""

    def take(self, pairs: int) -> bool:
        """Whether so many may be compared; if so they count."""
        if pairs > self.left:
            return False
        self.left -= pairs
        return True


def matching(fits: Sequence[Sequence[bool]], equal: Collection[tuple[int, int]] = ()) -> list[int | None]:
    """For each row a column that it fits, or None: as many as possible, and of those as many of `equal` as possible.

    >>> matching([[True, True], [True, False]]), matching([[True, True], [True, True]], [(0, 1)])
    ([1, 0], [1, 0])
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and most joiners never get here

    # One pair less must cost more than any number of pairs that are not equal.
    costs = np.where(np.array(fits, np.bool_), 1, 2 + min(len(fits), len(fits[0]))) if fits and fits[0] else None
    found: list[int | None] = [None] * len(fits)
    if costs is None:
        return found
    for at in equal:
        costs[at] = 0
    for row, column in zip(*(one.tolist() for one in linear_sum_assignment(costs)), strict=True):
        if fits[row][column] or costs[row, column] == 0:
            found[row] = column
    return found


def unordered(
    production: Sequence[Any], shadow: Sequence[Any], fits: Callable[[Any, Any], bool], work: Work, spot: Spot
) -> Plan:
    """The elements of two lists in any order; `fits` says whether two agree, `spot` is that of an element.

    Where one order lets all agree it is found, or `work` says that the bound was reached; short lists, and those that
    the bound allows, leave as few over as any order. Tried are, from cheap to dear: equal elements; those of one rank
    (`rank`), which is exact for numbers under a tolerance; near ranks; and then each with each.
    """
    pairs, ours, theirs = _equal(production, shadow)
    if ours and theirs and not work.take(len(ours) + len(theirs)):  # of many lists in a list
        work.reached = True
        pairs += zip(ours, theirs, strict=False)
    elif ours and theirs:

        def fit(one: int, other: int) -> bool:
            return fits(production[one], shadow[other])

        ranks = [{n: rank(values[n], spot) for n in range(len(values))} for values in (production, shadow)]
        pairs = _not_equal(pairs, (ours, theirs), (len(production), len(shadow)), ranks, fit, work)
    met = {one for one, _ in pairs}, {other for _, other in pairs}
    missing, extra = (
        [n for n in range(len(values)) if n not in taken]
        for values, taken in zip((production, shadow), met, strict=True)
    )
    return Plan(sorted(pairs), missing, extra, any(one != other for one, other in pairs))


_Pairs = list[tuple[int, int]]
_Fit = Callable[[int, int], bool]
_Ranks = Sequence[Mapping[int, Any]]


def _not_equal(
    equal: _Pairs, left: tuple[list[int], list[int]], sizes: tuple[int, int], ranks: _Ranks, fit: _Fit, work: Work
) -> _Pairs:
    """The pairs of two lists, given those that are strictly equal and the indices of the others."""
    ours, theirs = left
    everything = list(range(sizes[0])), list(range(sizes[1]))
    if len(ours) == len(theirs):
        for pairs, (one, other) in ((equal, left), ([], everything)):
            ranked = _of_one_rank(one, other, ranks, fit, work)
            if ranked is not None:
                return [*pairs, *ranked]
            if not equal:
                break
    cells = sizes[0] * sizes[1]
    if cells <= EXACT_CELLS and work.take(cells):
        return _best(everything, equal, fit)
    near, certain = _of_near_ranks(ours, theirs, ranks, fit, work)
    if certain:  # some element agrees with none, so no order lets all agree
        return [*equal, *near]
    if work.take(cells):
        return _best(everything, equal, fit)
    work.reached = True
    return [*equal, *near]


def _of_one_rank(ours: list[int], theirs: list[int], ranks: _Ranks, fit: _Fit, work: Work) -> _Pairs | None:
    """The elements in order of their ranks, if each agrees with that of its place."""
    if not work.take(len(ours)):
        return None
    pairs = list(zip(sorted(ours, key=ranks[0].__getitem__), sorted(theirs, key=ranks[1].__getitem__), strict=True))
    return pairs if all(fit(one, other) for one, other in pairs) else None


def _of_near_ranks(ours: list[int], theirs: list[int], ranks: _Ranks, fit: _Fit, work: Work) -> tuple[_Pairs, bool]:
    """Each element with the first near one that it agrees with; and whether one of those left over agrees with none
    at all, or the lengths differ."""
    free = sorted(theirs, key=ranks[1].__getitem__)
    pairs: _Pairs = []
    alone: list[int] = []
    for one in sorted(ours, key=ranks[0].__getitem__):
        at = bisect_left(free, ranks[0][one], key=ranks[1].__getitem__)
        near = sorted(range(max(0, at - NEAR), min(len(free), at + NEAR)), key=lambda place: abs(place - at))
        found = next((n for n in near if work.take(1) and fit(one, free[n])), None)
        if found is None:
            alone.append(one)
        else:
            pairs.append((one, free.pop(found)))
    if len(ranks[0]) != len(ranks[1]):
        return pairs, True
    for one in alone[:NEAR]:
        if not work.take(len(ranks[1])):
            return pairs, False
        if not any(fit(one, other) for other in ranks[1]):
            return pairs, True
    return pairs, False


def _best(everything: tuple[list[int], list[int]], equal: _Pairs, fit: _Fit) -> _Pairs:
    """As many pairs as possible, each element held against each."""
    rows, columns = everything
    known = set(equal)
    found = matching([[(r, c) in known or fit(r, c) for c in columns] for r in rows], equal)
    return [(row, column) for row, column in enumerate(found) if column is not None]


def rank(value: Any, spot: Spot) -> Any:
    """Where a value stands among others of its list: what must be equal decides first, what may differ a little then,
    and what is ignored does not."""
    if isinstance(value, Typed):
        return *rank(value.value, spot), value.kind.key or value.kind.name
    if isinstance(value, dict):
        parts = []
        for name, inner in value.items():
            below = spot.step(str(name))
            rule = below.rule
            if rule is None or not rule.ignore or below.open:
                near = rule is not None or below.open or below.own is not None
                parts.append((near, str(name), rank(inner, below)))
        return 5, tuple(sorted(parts))
    if isinstance(value, list | tuple):
        return 6, tuple(rank(inner, spot.step(str(place))) for place, inner in enumerate(value))
    if value is None or isinstance(value, bool):
        return 0, repr(value)
    if isinstance(value, int | float | Decimal):
        return (1, 0) if value != value else (2, value.exact if type(value) is ExactFloat else value)
    if isinstance(value, str):
        return 3, folded(value, spot.rule) if spot.rule is not None else value
    return 4, type(value).__name__, str(value)


def _equal(production: Sequence[Any], shadow: Sequence[Any]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs of strictly equal elements, and the indices that are left on both sides."""
    places: dict[Any, list[int]] = {}
    for place in reversed(range(len(shadow))):
        places.setdefault(canonical(shadow[place]), []).append(place)
    pairs, left = [], []
    for place, value in enumerate(production):
        same = places.get(canonical(value))
        if same:
            pairs.append((place, same.pop()))
        else:
            left.append(place)
    return pairs, left, sorted(place for rest in places.values() for place in rest)


def distinct(values: Sequence[Any]) -> list[Any]:
    """The values without those that are strictly equal to an earlier one.

    >>> distinct([1, 1.0, 1, True])
    [1, 1.0, True]
    """
    known: dict[Any, Any] = {}
    for value in values:
        known.setdefault(canonical(value), value)
    return list(known.values())


def by_key(
    production: Sequence[Any], shadow: Sequence[Any], path: Sequence[str]
) -> tuple[list[tuple[str, int | None, int | None]], bool]:
    """(name, index, index) of elements with one key, None where a side has none; and whether their order differs.

    The n-th element of a key meets the n-th; those without a key are taken as one key. A name is the key as text, the
    second of a key has `#2` behind it; an element without a key is `?`.

    >>> by_key([{"id": 7}, {"id": 8}], [{"id": 8}], ["id"])
    ([('7', 0, None), ('8', 1, 0)], False)
    """
    ours, theirs = _keyed(production, path), _keyed(shadow, path)
    places = {key: place for place, (key, _) in enumerate(theirs)}
    own = {key for key, _ in ours}
    found: list[tuple[str, int | None, int | None]] = [
        (name, place, places.get(key)) for place, (key, name) in enumerate(ours)
    ]
    order = [other for _, _, other in found if other is not None]
    found += [(name, None, place) for place, (key, name) in enumerate(theirs) if key not in own]
    return found, order != sorted(order)


def _keyed(values: Sequence[Any], path: Sequence[str]) -> list[tuple[Any, str]]:
    seen: Counter[Any] = Counter()
    keyed = []
    for value in values:
        value = value_at(bare(value), path)
        value = None if value is ABSENT else value
        key = canonical(value)
        seen[key] += 1
        name = "?" if value is None else text_of(value)
        keyed.append(((key, seen[key]), name if seen[key] == 1 else f"{name}#{seen[key]}"))
    return keyed


def canonical(value: Any) -> Any:
    """A hashable stand-in of a value: equal ones have equal stand-ins, and other types others.

    >>> canonical({"a": [1, 2]}) == canonical({"a": [1, 2]}), canonical(1) == canonical(True)
    (True, False)
    """
    if isinstance(value, Typed):
        return value.kind.key or value.kind.name, canonical(value.value)
    if isinstance(value, dict):
        return dict, frozenset((name, canonical(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(canonical, value))
    if type(value) is ExactFloat:
        return ExactFloat, value.exact
    if (isinstance(value, float) and value != value) or (isinstance(value, Decimal) and value.is_nan()):
        return type(value), "nan"
    return type(value), value
