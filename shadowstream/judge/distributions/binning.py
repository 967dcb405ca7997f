"""Bins of one field: those that the config fixes, or learnt ones, from the counts of the first windows.

Learnt bins are a function of counts by fine bin (numbers) or by value (categories) of both sides together. Windows
close in event time and their counts have no order, so neither the order of records nor a restart changes the bins. Both
sides weigh the same, so the bins favour no side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from shadowstream.compare.dimension_codes import name_of
from shadowstream.config import Distribution
from shadowstream.protocol import value_bins as names

RECORDS_PER_BIN = 100
"""Pairs of the first windows for each bin to be learnt."""


class Binning(NamedTuple):
    """The bins of a field: their labels, how many of them are numbers in order, and where each counted name belongs.

    `uppers`: of learnt bins of numbers the last fine bin of each but the last one. `places`: bins by name.
    """

    labels: tuple[str, ...]
    ordered: int
    places: Mapping[str, int]
    uppers: tuple[int, ...] = ()

    def place(self, name: str) -> int:
        """Return the bin of a counted name.

        >>> bins = learnt(Distribution(path="a", bins=2), {"0": [10, 0, 0], "640": [5, 5, 0]})
        >>> [bins.labels[bins.place(name)] for name in ("-3", "640", "null", "nonsense")]
        ['below 4.55e-13', '4.55e-13 and above', 'null', '(other)']
        """
        if name in self.places:
            return self.places[name]
        fine = names.fine_of(name) if self.ordered == len(self.uppers) + 1 else None
        if fine is None:
            return self.places[names.OTHER]
        return next((place for place, upper in enumerate(self.uppers) if fine <= upper), len(self.uppers))

    def counts(self, of_field: Mapping[str, Sequence[int]]) -> list[list[int]]:
        """Return the counts of production, of the candidate and of both sides by bin."""
        sums = [[0] * len(self.labels) for _ in range(3)]
        for name, counts in of_field.items():
            place = self.place(name)
            for held, n in zip(sums, counts, strict=True):
                held[place] += n
        return sums


def fixed(field: Distribution) -> Binning | None:
    """Return the bins that the config fixes; None if they are to be learnt.

    >>> fixed(Distribution(path="a", edges=[0.0, 2.5])).labels[:3]
    ('below 0', '0 to 2.5', '2.5 and above')
    """
    if field.edges is not None:
        return _of_numbers([*map(_text, field.edges)], {str(place): place for place in range(len(field.edges) + 1)})
    if isinstance(field.categories, list):
        return _of_categories([*map(name_of, field.categories)])
    return None


def learnt(field: Distribution, counts: Mapping[str, Sequence[int]]) -> Binning:
    """Return the learnt bins of a field from its counts by name."""
    pooled = {name: sum(sides[:2]) for name, sides in counts.items() if sum(sides[:2]) > 0}
    limit = field.learnt_bins or 1
    if not field.is_numeric:
        values = sorted((name for name in pooled if name not in names.SPECIAL), key=lambda name: (-pooled[name], name))
        return _of_categories(values[:limit])
    numbers = sorted((fine, n) for name, n in pooled.items() if (fine := names.fine_of(name)) is not None)
    uppers = _quantiles(numbers, limit)
    return _of_numbers([f"{names.upper_edge(upper):.3g}" for upper in uppers], {}, tuple(uppers))


def _quantiles(numbers: Sequence[tuple[int, int]], bins: int) -> list[int]:
    """Return the fine bins at whose end a new bin begins: those nearest to the quantiles; fewer where values repeat.

    >>> _quantiles([(1, 10), (2, 10), (3, 70), (4, 10)], 4)
    [2, 3]
    """
    ends = list(accumulate(n for _, n in numbers))[:-1]
    if not ends:
        return []
    total = sum(n for _, n in numbers)
    wanted = [part * total / bins for part in range(1, bins)]
    return sorted({numbers[min(range(len(ends)), key=lambda at: abs(ends[at] - end))][0] for end in wanted})


def _of_numbers(edges: Sequence[str], places: Mapping[str, int], uppers: tuple[int, ...] = ()) -> Binning:
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    labels = [f"below {edges[0]}", *between, f"{edges[-1]} and above"] if edges else ["all numbers"]
    return _with_special(labels, len(labels), places, uppers)


def _of_categories(values: Sequence[str]) -> Binning:
    return _with_special(values, 0, {name: place for place, name in enumerate(values)})


def _with_special(
    labels: Sequence[str], ordered: int, places: Mapping[str, int], uppers: tuple[int, ...] = ()
) -> Binning:
    special = [name for name in names.SPECIAL if name not in places]
    all_places = {**places, **{name: len(labels) + place for place, name in enumerate(special)}}
    return Binning((*labels, *special), ordered, all_places, uppers)


def _text(number: float) -> str:
    return f"{number:.12g}"


def state_of(binning: Binning) -> list[Any]:
    """Return the bins as JSON.

    >>> bins = fixed(Distribution(path="a", categories=["x"]))
    >>> restored(state_of(bins)) == bins
    True
    """
    return [list(binning.labels), binning.ordered, dict(binning.places), list(binning.uppers)]


def restored(state: Sequence[Any]) -> Binning:
    labels, ordered, places, uppers = state
    return Binning(tuple(labels), ordered, places, tuple(uppers))
