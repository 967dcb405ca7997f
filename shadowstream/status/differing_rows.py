"""Rows of diff for a page: the newest ones, by filter and page, and the typical delta of each field."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, NamedTuple

from shadowstream.protocol.outcomes import BAD, LOWERS_COVERAGE

ROWS_MAX = 100_000
"""Rows that are kept, at about 650 bytes each; older ones leave first."""
PATHS_MAX = 500
"""Fields, and reasons, of one revision that are counted by name; rows of further ones are shown and not counted."""
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
        self._tallies = defaultdict[str, Tally](Tally)
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
        of_row = record["pair_id"], revision, record["outcome"], record["time_ms"]
        row = Row(*of_row, key, paths_of(record), raw, self.taken)
        self._rows[row.pair_id] = row
        self._count(row, 1)
        self._tallies[revision].learn(record["differences"])
        if len(self._rows) > self._rows_max:
            oldest = self._rows.pop(next(iter(self._rows)))
            self._count(oldest, -1)
            self.dropped += 1

    def _count(self, row: Row, by: int) -> None:
        self._tallies[row.revision].count(row.outcome, row.paths, by)

    def summary(self, revision: str) -> "Summary":
        """Return the kept rows of a revision, summed up without their reasons."""
        return self._tallies.get(revision, Tally()).summary()

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


class Tally:
    """Counts of rows by outcome, field and reason, and the newest deltas of each field; all of them bounded."""

    def __init__(self) -> None:
        self._outcomes, self._fields, self._reasons = Counter[str](), Counter[str](), Counter[str]()
        self._deltas: dict[str, deque[float]] = {}

    def count(self, outcome: str, paths: Iterable[str], by: int = 1) -> None:
        """Count a row that came, or with -1 one that left."""
        self._outcomes[outcome] += by
        for path in paths:
            _add(self._fields, path, by)

    def learn(self, differences: Iterable[Mapping[str, Any]]) -> None:
        """Take the deltas of a counted row."""
        for difference in differences:
            path, delta = difference["path"], difference["delta"]
            if path in self._fields and delta is not None and math.isfinite(delta):
                self._deltas.setdefault(path, deque(maxlen=DELTAS_MAX)).append(delta)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row of diff (schemas/diff.avsc). Its reason counts by the part before the colon."""
        self.count(row["outcome"], paths_of(row))
        self.learn(row["differences"])
        if row["reason"]:
            _add(self._reasons, f"{row['outcome']}: {row['reason'].partition(':')[0]}", 1)

    def summary(self) -> Summary:
        """Return the rows so far."""
        typical = {path: typical_of(found) for path, found in self._deltas.items()}
        return Summary(ranked(self._outcomes), ranked(self._fields), ranked(self._reasons), typical)


def paths_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths at which a row of diff differs, each once."""
    return tuple(dict.fromkeys(difference["path"] for difference in row["differences"]))


def in_slice(text: str, dimensions: Mapping[str, str]) -> bool:
    """Whether a row with these values is in a slice, which is written as verdicts and incidents write it.

    >>> row = {"carrier": "UA", "origin": "EWR"}
    >>> [in_slice(text, row) for text in ("origin=EWR", "carrier=UA,origin=EWR", "carrier=UA,origin=JFK", "carrier=U")]
    [True, True, False, False]
    """
    for name, value in dimensions.items():
        one = f"{name}={value}"
        others = {other: named for other, named in dimensions.items() if other != name}
        if text == one or (text.startswith(f"{one},") and in_slice(text[len(one) + 1 :], others)):
            return True
    return False


def slice_text(dimensions: Mapping[str, str]) -> str:
    """Return the values of a row as its narrowest slice.

    >>> slice_text({"carrier": "UA", "origin": "EWR"})
    'carrier=UA,origin=EWR'
    """
    return ",".join(f"{name}={value}" for name, value in dimensions.items())


def _add(counts: Counter[str], name: str, by: int) -> None:
    if name in counts or (by > 0 and len(counts) < PATHS_MAX):
        counts[name] += by
