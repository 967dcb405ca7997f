"""Which elements of two lists belong together: by place of any other, by a key of their own, or as sets.

A matching is sought that pairs as many elements as possible, each with one that it agrees with under the rules below
the list. Taking the first that agrees would not do: with a tolerance of 1 and production's [1, 2] against [1, 0] the
1 would take the 1, and 2 and 0 be left over, though 1 with 0 and 2 with 1 agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from shadowstream.codecs.numbers import ExactFloat
from shadowstream.compare.slices import text_of

MATCHED_MAX = 64
"""Up to so many elements that have no equal are each compared with each; beyond, they meet in their order."""


class Plan(NamedTuple):
    """Pairs of indices, and of those left over. `moved`: the order differs."""

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]
    moved: bool


def matching(rows: int, columns: int, fits: Callable[[int, int], bool]) -> list[int | None]:
    """For each row a column that it fits, or None; as many as possible (augmenting paths, Kuhn 1955).

    >>> matching(2, 2, lambda row, column: (row, column) != (1, 1))
    [1, 0]
    """
    row_of: list[int | None] = [None] * columns

    def find(row: int, tried: set[int]) -> bool:
        for column in range(columns):
            if column not in tried and fits(row, column):
                tried.add(column)
                other = row_of[column]
                if other is None or find(other, tried):
                    row_of[column] = row
                    return True
        return False

    for row in range(rows):
        find(row, set())
    column_of: list[int | None] = [None] * rows
    for column, taken in enumerate(row_of):
        if taken is not None:
            column_of[taken] = column
    return column_of


def unordered(production: Sequence[Any], shadow: Sequence[Any], fits: Callable[[Any, Any], bool]) -> Plan:
    """The elements of two lists in any order; `fits` says whether two agree."""
    ours, theirs = list(range(len(production))), list(range(len(shadow)))
    pairs: list[tuple[int, int]] = []
    if max(len(ours), len(theirs)) > MATCHED_MAX:
        pairs, ours, theirs = _equal(production, shadow)
    if max(len(ours), len(theirs)) <= MATCHED_MAX:
        known: dict[tuple[int, int], bool] = {}

        def fit(row: int, column: int) -> bool:
            at = ours[row], theirs[column]
            if at not in known:
                known[at] = fits(production[at[0]], shadow[at[1]])
            return known[at]

        found = matching(len(ours), len(theirs), fit)
    else:
        found = [place if place < len(theirs) else None for place in range(len(ours))]
    pairs += [(ours[row], theirs[column]) for row, column in enumerate(found) if column is not None]
    taken = {column for column in found if column is not None}
    missing = [ours[row] for row, column in enumerate(found) if column is None]
    extra = [place for column, place in enumerate(theirs) if column not in taken]
    return Plan(sorted(pairs), missing, extra, any(one != other for one, other in pairs))


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
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
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
    if isinstance(value, dict):
        return dict, frozenset((name, canonical(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(canonical, value))
    if type(value) is ExactFloat:
        return ExactFloat, value.exact
    if (isinstance(value, float) and value != value) or (isinstance(value, Decimal) and value.is_nan()):
        return type(value), "nan"
    return type(value), value
