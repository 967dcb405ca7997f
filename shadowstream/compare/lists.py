"""Matching of the elements of two lists: in any order, by a key, or as sets.

A maximum matching is sought: as many pairs as possible, each of two elements that agree under the rules below the
list (an assignment, `scipy.optimize.linear_sum_assignment`). Counter-example for taking the first element that
agrees, with a tolerance of 1: in production's [1, 2] against [1, 0], 1 would take 1, and 2 and 0 would be left over.
Yet 1 agrees with 0, and 2 with 1.
"""

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
"""Maximum pairs of elements to compare for one field of a pair of values, nested lists included."""
PASSES = 32
"""Additional comparisons for each element."""
EXACT_CELLS = 4_096
"""Lists with at most this many pairs of elements are matched exactly at once: as few elements as possible are left
over."""
NEAR = 4


class Plan(NamedTuple):
    """Pairs of indexes, and the indexes left over. `moved`: the order differs."""

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]
    moved: bool


class Work:
    """The remaining budget of element comparisons, for one field of one pair of values."""

    __slots__ = ("left", "reached")

    def __init__(self, pairs_max: int) -> None:
        self.left = pairs_max
        self.reached = False
        """Whether a matching was given up that might have been there."""

    def take(self, pairs: int) -> bool:
        """Take `pairs` comparisons from the budget; return whether it had enough left."""
        if pairs > self.left:
            return False
        self.left -= pairs
        return True


def matching(fits: Sequence[Sequence[bool]], equal: Collection[tuple[int, int]] = ()) -> list[int | None]:
    """For each row a fitting column or None: as many as possible, and among those as many of `equal` as possible.

    >>> matching([[True, True], [True, False]]), matching([[True, True], [True, True]], [(0, 1)])
    ([1, 0], [1, 0])
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and most joiners never get here

    # One pair fewer must cost more than any number of unequal pairs.
    costs = np.where(np.array(fits, np.bool_), 1, 2 + min(len(fits), len(fits[0]))) if fits and fits[0] else None
    columns: list[int | None] = [None] * len(fits)
    if costs is None:
        return columns
    for cell in equal:
        costs[cell] = 0
    for row, column in zip(*(indexes.tolist() for indexes in linear_sum_assignment(costs)), strict=True):
        if fits[row][column] or costs[row, column] == 0:
            columns[row] = column
    return columns


def unordered(
    production: Sequence[Any], shadow: Sequence[Any], fits: Callable[[Any, Any], bool], work: Work, spot: Spot
) -> Plan:
    """Match the elements of two lists in any order. `fits` says whether two agree; `spot` is the spot of an element.

    If some order lets all elements agree, it is found, unless `work` reports that the bound was reached. Short
    lists, and lists within the bound, leave over as few elements as possible. The attempts, from cheap to expensive:

    1. Equal elements.
    2. Elements of equal rank (`rank`), which is exact for numbers under a tolerance.
    3. Elements of near ranks.
    4. All pairs.
    """
    pairs, production_left, shadow_left = _equal(production, shadow)
    if production_left and shadow_left and not work.take(len(production_left) + len(shadow_left)):
        work.reached = True  # many lists in a list
        pairs += zip(production_left, shadow_left, strict=False)
    elif production_left and shadow_left:

        def fit(index: int, shadow_index: int) -> bool:
            return fits(production[index], shadow[shadow_index])

        ranks = [{n: rank(values[n], spot) for n in range(len(values))} for values in (production, shadow)]
        pairs = _not_equal(pairs, (production_left, shadow_left), (len(production), len(shadow)), ranks, fit, work)
    matched = {index for index, _ in pairs}, {shadow_index for _, shadow_index in pairs}
    missing, extra = (
        [n for n in range(len(values)) if n not in of_side]
        for values, of_side in zip((production, shadow), matched, strict=True)
    )
    return Plan(sorted(pairs), missing, extra, any(index != shadow_index for index, shadow_index in pairs))


_Pairs = list[tuple[int, int]]
_Fit = Callable[[int, int], bool]
_Ranks = Sequence[Mapping[int, Any]]


def _not_equal(
    equal: _Pairs, left: tuple[list[int], list[int]], sizes: tuple[int, int], ranks: _Ranks, fit: _Fit, work: Work
) -> _Pairs:
    """Pairs of two lists, given the strictly equal pairs and the indexes of the other elements."""
    production, shadow = left
    everything = list(range(sizes[0])), list(range(sizes[1]))
    if len(production) == len(shadow):
        for pairs, (indexes, shadow_indexes) in ((equal, left), ([], everything)):
            ranked = _of_equal_ranks(indexes, shadow_indexes, ranks, fit, work)
            if ranked is not None:
                return [*pairs, *ranked]
            if not equal:
                break
    cells = sizes[0] * sizes[1]
    if cells <= EXACT_CELLS and work.take(cells):
        return _best(everything, equal, fit)
    near, certain = _of_near_ranks(production, shadow, ranks, fit, work)
    if certain:  # an element without any partner: no order lets all agree
        return [*equal, *near]
    if work.take(cells):
        return _best(everything, equal, fit)
    work.reached = True
    return [*equal, *near]


def _of_equal_ranks(production: list[int], shadow: list[int], ranks: _Ranks, fit: _Fit, work: Work) -> _Pairs | None:
    """The elements paired in order of rank, if each pair agrees; else None."""
    if not work.take(len(production)):
        return None
    ordered = sorted(production, key=ranks[0].__getitem__), sorted(shadow, key=ranks[1].__getitem__)
    pairs = list(zip(*ordered, strict=True))
    return pairs if all(fit(index, shadow_index) for index, shadow_index in pairs) else None


def _of_near_ranks(
    production: list[int], shadow: list[int], ranks: _Ranks, fit: _Fit, work: Work
) -> tuple[_Pairs, bool]:
    """Each element paired with the first near one that agrees; and whether the rest certainly has no complete order."""
    free = sorted(shadow, key=ranks[1].__getitem__)
    pairs: _Pairs = []
    unpaired: list[int] = []
    for index in sorted(production, key=ranks[0].__getitem__):
        position = bisect_left(free, ranks[0][index], key=ranks[1].__getitem__)
        around = range(max(0, position - NEAR), min(len(free), position + NEAR))
        near = sorted(around, key=lambda place: abs(place - position))
        partner = next((n for n in near if work.take(1) and fit(index, free[n])), None)
        if partner is None:
            unpaired.append(index)
        else:
            pairs.append((index, free.pop(partner)))
    if len(ranks[0]) != len(ranks[1]):
        return pairs, True
    for index in unpaired[:NEAR]:
        if not work.take(len(ranks[1])):
            return pairs, False
        if not any(fit(index, shadow_index) for shadow_index in ranks[1]):
            return pairs, True
    return pairs, False


def _best(everything: tuple[list[int], list[int]], equal: _Pairs, fit: _Fit) -> _Pairs:
    """As many pairs as possible, from comparing all pairs of elements."""
    rows, columns = everything
    known = set(equal)
    partners = matching([[(r, c) in known or fit(r, c) for c in columns] for r in rows], equal)
    return [(row, column) for row, column in enumerate(partners) if column is not None]


def rank(value: Any, spot: Spot) -> Any:
    """The sort key of a value among the elements of its list. Parts that must be equal come first, parts under a
    tolerance next; ignored parts do not count."""
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
    """Pairs of strictly equal elements, and the remaining indexes of both sides."""
    indexes: dict[Any, list[int]] = {}
    for index in reversed(range(len(shadow))):
        indexes.setdefault(canonical(shadow[index]), []).append(index)
    pairs, left = [], []
    for index, value in enumerate(production):
        same = indexes.get(canonical(value))
        if same:
            pairs.append((index, same.pop()))
        else:
            left.append(index)
    return pairs, left, sorted(index for rest in indexes.values() for index in rest)


def distinct(values: Sequence[Any]) -> list[Any]:
    """The values without those strictly equal to an earlier one.

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
    """Match elements by key: (name, index, index), None for an absent side; and whether their order differs.

    The n-th element of a key is matched with the n-th on the other side; elements without a key share one key. A
    name is the key as text, with `#2` appended for the second element of a key; the name of an element without a key
    is `?`.

    >>> by_key([{"id": 7}, {"id": 8}], [{"id": 8}], ["id"])
    ([('7', 0, None), ('8', 1, 0)], False)
    """
    production_keys, shadow_keys = _keyed(production, path), _keyed(shadow, path)
    shadow_indexes = {key: index for index, (key, _) in enumerate(shadow_keys)}
    own = {key for key, _ in production_keys}
    pairs: list[tuple[str, int | None, int | None]] = [
        (name, index, shadow_indexes.get(key)) for index, (key, name) in enumerate(production_keys)
    ]
    order = [index for _, _, index in pairs if index is not None]
    pairs += [(name, None, index) for index, (key, name) in enumerate(shadow_keys) if key not in own]
    return pairs, order != sorted(order)


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
    """A hashable stand-in of a value. Stand-ins are equal exactly for strictly equal values.

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
