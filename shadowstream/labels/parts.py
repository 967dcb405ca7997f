"""Scored pairs by value of each declared dimension: those whose wait has ended, and the unlabelled ones of these."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from shadowstream.compare.dimension_codes import OTHER, least
from shadowstream.config import Config
from shadowstream.labels.correctness import UNLABELLED
from shadowstream.protocol.count_names import LABEL_PAIRS

At = tuple[str, int, str]  # task, start of a window (ms), revision


class LabelledParts:
    """Counts since the last commit, with at most `compare.values_max` exact values of a dimension in one window."""

    def __init__(self, config: Config) -> None:
        self._names = [dimension.name for dimension in config.compare.dimensions]
        self._values_max = config.compare.values_max
        self._cells: dict[At, dict[tuple[str, str], Counter[str]]] = {}

    def add(self, window: At, values: Sequence[str], *, labelled: bool) -> None:
        """Count a pair whose wait has ended. A pair scored by an older joiner has no values."""
        cell = self._cells.setdefault(window, {})
        # Dimensions belong to the revision: a pair of another revision may have others.
        for part in zip(self._names, values, strict=False) if len(values) == len(self._names) else ():
            counts = cell.setdefault(part, Counter())
            counts[LABEL_PAIRS] += 1
            counts[UNLABELLED] += not labelled

    def of(self, window: At) -> list[dict[str, Any]]:
        cell = self._cells.get(window, {})
        exact = {one: least((value for name, value in cell if name == one), self._values_max) for one in self._names}
        sums: dict[tuple[str, str], Counter[str]] = {}
        for (name, value), counts in cell.items():
            sums.setdefault((name, value if value in exact[name] else OTHER), Counter()).update(counts)
        return [
            {"dimension": name, "value": value, "figures": {figure: n for figure, n in sorted(counts.items()) if n}}
            for (name, value), counts in sorted(sums.items())
        ]

    def clear(self) -> None:
        self._cells.clear()
