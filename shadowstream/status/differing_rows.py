"""Rows of diff for a page: the newest ones, by filter and page, and the typical delta of each field."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, NamedTuple

from shadowstream.protocol.outcomes import BAD, LOWERS_COVERAGE

ROWS_MAX = 100_000
"""Rows that are kept, at about 650 bytes each; older ones leave first."""
PATHS_MAX = 500
"""Fields of one revision that are counted by name; rows of further fields are shown and not counted."""
DELTAS_MAX = 1_000
PAGE_ROWS = 20
SHOWN = BAD | frozenset(LOWERS_COVERAGE)
"""Outcomes that the page lists: bad ones, and those that lower coverage."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of diff. `raw`: its record as written (schemas/diff.avsc). `number`: its place in the order of arrival."""

    pair_id: str
    revision: str
    outcome: str
    time_ms: int
    key: str
    paths: tuple[str, ...]
    raw: bytes
    number: int


class Filter(NamedTuple):
    """Filter of rows. None: any. `key`: a part of the key or of the pair id."""

    revision: str
    outcome: str | None = None
    path: str | None = None
    key: str = ""


class Page(NamedTuple):
    """A page of rows, newest event time first. `number` counts from 0. `found`: all rows that the filter takes."""

    rows: Sequence[Row]
    number: int
    pages: int
    found: int


class TypicalDelta(NamedTuple):
    """Median and quartiles of the newest deltas, candidate minus production, of the pairs that differ at a field."""

    n: int
    median: float
    low: float
    high: float


class DifferingRows:
    """The newest rows whose outcome is in `SHOWN`. The last row of a pair id is valid."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self._rows: dict[str, Row] = {}
        self._paths: dict[str, Counter[str]] = {}
        self._outcomes: dict[str, Counter[str]] = {}
        self._deltas: dict[tuple[str, str], deque[float]] = {}
        self._cached: tuple[int, Filter, list[Row]] | None = None
        self.taken = 0
        """Number of records so far."""
        self.dropped = 0
        """Rows that left because of the limit."""

    def take(self, record: Mapping[str, Any], raw: bytes, key: str) -> None:
        """Take a row of diff (schemas/diff.avsc), as record and as written; `key` is its key as text."""
        self.taken += 1
        if (before := self._rows.pop(record["pair_id"], None)) is not None:
            self._count(before, -1)
        if record["outcome"] not in SHOWN:
            return
        revision = record["revision"]
        paths = tuple(dict.fromkeys(difference["path"] for difference in record["differences"]))
        row = Row(record["pair_id"], revision, record["outcome"], record["time_ms"], key, paths, raw, self.taken)
        self._rows[row.pair_id] = row
        self._count(row, 1)
        for difference in record["differences"]:
            place = revision, difference["path"]
            if difference["delta"] is not None and difference["path"] in self._paths[revision]:
                self._deltas.setdefault(place, deque(maxlen=DELTAS_MAX)).append(difference["delta"])
        if len(self._rows) > self._rows_max:
            oldest = self._rows.pop(next(iter(self._rows)))
            self._count(oldest, -1)
            self.dropped += 1

    def _count(self, row: Row, by: int) -> None:
        outcomes, paths = (of.setdefault(row.revision, Counter()) for of in (self._outcomes, self._paths))
        outcomes[row.outcome] += by
        for path in row.paths:
            if path in paths or (by > 0 and len(paths) < PATHS_MAX):
                paths[path] += by

    def outcomes(self, revision: str) -> dict[str, int]:
        """Return the kept rows of a revision by outcome, the commonest first."""
        return ranked(self._outcomes.get(revision, {}))

    def paths(self, revision: str) -> dict[str, int]:
        """Return the kept rows of a revision by field that differs, the commonest first."""
        return ranked(self._paths.get(revision, {}))

    def typical(self, revision: str) -> dict[str, TypicalDelta]:
        """Return the typical delta of each field of a revision that has numbers."""
        return {path: typical_of(deltas) for (of, path), deltas in self._deltas.items() if of == revision}

    def page(self, wanted: Filter, number: int) -> Page:
        """Return a page of the rows that a filter takes; a number beyond the last page gives the last."""
        found = self._found(wanted)
        pages = max(1, -(-len(found) // PAGE_ROWS))
        number = min(max(0, number), pages - 1)
        return Page(found[number * PAGE_ROWS : (number + 1) * PAGE_ROWS], number, pages, len(found))

    def _found(self, wanted: Filter) -> list[Row]:
        if self._cached is not None and self._cached[:2] == (self.taken, wanted):
            return self._cached[2]
        text = wanted.key.casefold()
        found = [
            row
            for row in self._rows.values()
            if row.revision == wanted.revision
            and (wanted.outcome is None or row.outcome == wanted.outcome)
            and (wanted.path is None or wanted.path in row.paths)
            and (not text or text in row.key.casefold() or text in row.pair_id.casefold())
        ]
        found.sort(key=lambda row: (-row.time_ms, -row.number))
        self._cached = self.taken, wanted, found
        return found


def typical_of(deltas: Sequence[float]) -> TypicalDelta:
    """Return the typical delta among at least one.

    >>> typical_of([0.25, 0.25, 0.5, 0.125])
    TypicalDelta(n=4, median=0.25, low=0.21875, high=0.3125)
    """
    if len(deltas) == 1:
        return TypicalDelta(1, deltas[0], deltas[0], deltas[0])
    low, median, high = quantiles(deltas, method="inclusive")
    return TypicalDelta(len(deltas), median, low, high)


def ranked(counts: Mapping[Any, int]) -> dict[str, int]:
    """Return the counts above 0, the greatest first."""
    return dict(sorted(((str(name), n) for name, n in counts.items() if n > 0), key=lambda one: (-one[1], one[0])))


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows of diff by outcome, by field that differs and by reason, the commonest first; typical deltas by field."""

    outcomes: Mapping[str, int]
    fields: Mapping[str, int]
    reasons: Mapping[str, int]
    deltas: Mapping[str, TypicalDelta]


def summary_of(rows: Iterable[Mapping[str, Any]]) -> Summary:
    """Sum up rows of diff (schemas/diff.avsc). A reason counts by its part before the colon."""
    outcomes, fields, reasons = Counter[str](), Counter[str](), Counter[str]()
    deltas: dict[str, list[float]] = {}
    for row in rows:
        outcomes[row["outcome"]] += 1
        fields.update({difference["path"] for difference in row["differences"]})
        if row["reason"]:
            reasons[f"{row['outcome']}: {row['reason'].partition(':')[0]}"] += 1
        for difference in row["differences"]:
            if difference["delta"] is not None and math.isfinite(difference["delta"]):
                deltas.setdefault(difference["path"], []).append(difference["delta"])
    typical = {path: typical_of(found) for path, found in deltas.items()}
    return Summary(ranked(outcomes), ranked(fields), ranked(reasons), typical)
