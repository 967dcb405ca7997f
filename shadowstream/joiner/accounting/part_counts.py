"""Counts of the parts of a trial: by value of each dimension, and by scope of the criteria with `where`.

A value of a dimension has all figures that the judge of slices needs beside pairs and differing pairs: unmatched and
undecodable records, latencies, and the pairs that differ at the path of a `field` criterion. A scope (`where: {tenant:
eu}`) has the figures of a whole window, of its own records only.

All are sums over records, so that batches, commits and order have no effect.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import ABSENT, OTHER, UNDECODABLE, Coded, coded, least, name_of
from shadowstream.compare.redact import Redactor
from shadowstream.compare.result import PairResult, Results, Undecodable
from shadowstream.config import Config, Latency
from shadowstream.errors import RegistryError
from shadowstream.joiner.accounting import pair_metrics
from shadowstream.joiner.accounting.pair_metrics import PairMetrics
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol.outcomes import DIFFERS, PAIRS_UNREAD, Outcome, Result
from shadowstream.records import Side

Mask = npt.NDArray[np.bool_]
OF_FIELDS = ("looked:", "there:")  # figures of `field_presence`, which only the coverage of a `field` criterion needs


def fields_of(config: Config) -> list[str]:
    return list(dict.fromkeys(one.path for one in config.judge.criteria if one.rate == "field" and one.path))


def touched_of(
    paths: Sequence[str], results: Sequence[PairResult | Undecodable | Result], outcomes: Coded
) -> dict[str, Mask]:
    """Return the pairs that differ at, above or below a `field` criterion's path; an absent output has no field."""
    if not paths or not outcomes.among(DIFFERS).any():
        return {}
    found = {path: outcomes.among((Outcome.CARDINALITY,)) for path in paths}
    by_one = outcomes.among((Outcome.MISMATCH,))
    if isinstance(results, Results):
        in_columns = results.in_columns()
        by_one &= ~in_columns
        for path, touched in results.columns.touched.items():
            found[path] |= touched & in_columns
    for place in np.flatnonzero(by_one).tolist():
        for path in touched_by(results[place]):
            found[path][place] = True
    return found


def touched_by(result: object) -> frozenset[str]:
    """Return the criteria's paths at which a result differs; none if the pair was not compared."""
    return result.touched if isinstance(result, PairResult) else frozenset()


class FieldDifferences:
    """Counts of compared pairs, and of those that differ at a criterion's path."""

    __slots__ = ("differ", "pairs")

    def __init__(self) -> None:
        self.pairs = 0
        self.differ: Counter[str] = Counter()

    def add(self, mask: Mask, touched: Mapping[str, Mask]) -> None:
        self.pairs += int(np.count_nonzero(mask))
        for path, where in touched.items():
            if n := int(np.count_nonzero(where & mask)):
                self.differ[path] += n

    def record(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Return the counts as in schemas/stats.avsc, paths without a difference included."""
        return [{"path": path, "n": self.pairs, "s": self.differ[path]} for path in paths if self.pairs]


class Scope(NamedTuple):
    """The `where` of a criterion: its text, and the required values with the places of their dimensions."""

    name: str
    values: tuple[tuple[int, str], ...]


def scopes_of(config: Config) -> list[Scope]:
    """Return the scopes of a config, each once; redacted values under the names that slices give them."""
    redactor = Redactor.of(config)
    dimensions = {one.name: (place, one) for place, one in enumerate(config.compare.dimensions)}
    found: dict[str, Scope] = {}
    for criterion in config.judge.criteria:
        values = []
        for name, value in (criterion.where or {}).items():
            place, one = dimensions[name]
            shown = Coded(np.zeros(1, np.int64), [name_of(value)])
            if one.header is not None:
                shown = redactor.by_header(one.header, shown)
            values.append((place, redactor.name(one.path, shown.values[0])))
        if values:
            found[criterion.slice] = Scope(criterion.slice, tuple(sorted(values)))
    return list(found.values())


class CountedPairs(NamedTuple):
    """Pairs as columns, as `PartCounts` counts them. `compared`: mask; `touched`: see `touched_of`."""

    outcomes: Coded
    dimensions: Sequence[Coded]
    compared: Mask
    measured: PairMetrics
    touched: Mapping[str, Mask]


class _Scoped:
    """Counts of one scope in one window."""

    __slots__ = ("measures", "named", "outcomes")

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.named = FieldDifferences()
        self.measures = pair_metrics.MetricSums()


class PartCounts:
    """Counts of one window and revision by value of a dimension and by scope."""

    __slots__ = ("_scoped", "_scopes", "_values")

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = scopes
        self._scoped = defaultdict[str, _Scoped](_Scoped)
        self._values = defaultdict[tuple[int, str], Counter[str]](Counter)

    def add(self, pairs: CountedPairs, window: Mask, folded: Sequence[Coded], latency: Latency | None) -> None:
        """Add the pairs of `window`. `folded`: the dimensions with the exact values that slices have."""
        compared = window & pairs.compared
        for name, mask in _figures(pairs, window, compared, latency):
            for place, column in enumerate(folded):
                for value, n in _counted(column, mask):
                    self._values[place, value][name] += n
        for scope in self._scopes:
            inside = window & _inside(scope, pairs.dimensions)
            if not inside.any():
                continue
            one = self._scoped[scope.name]
            for outcome, n in _counted(pairs.outcomes, inside):
                one.outcomes[outcome] += n
            one.named.add(inside & pairs.compared, pairs.touched)
            one.measures.add(pairs.measured, inside & pairs.compared, latency)

    def unmatched(self, names: Sequence[str | None], outcome: str, n: int) -> None:
        """Add an unmatched record; `names`: its value of each dimension, None if unknown."""
        for place, value in enumerate(names):
            if value is not None:
                self._values[place, value][outcome] += n
        for scope in self._scopes:
            if all(names[place] == value for place, value in scope.values):
                self._scoped[scope.name].outcomes[outcome] += n

    def record(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "scope": name,
                "outcomes": dict(one.outcomes) | dict(one.measures.outcomes),
                "named": one.named.record(paths),
                **{part: found for part, found in one.measures.record().items() if part != "latencies"},
            }
            for name, one in sorted(self._scoped.items())
        ]

    def by_value(self, names: Sequence[str], compared: Sequence[list[str]], values_max: int) -> list[dict[str, Any]]:
        """Return the values of dimensions as in schemas/stats.avsc; at most `values_max` of each are exact."""
        exact = [
            least([*others, *(value for at, value in self._values if at == place)], values_max)
            for place, others in enumerate(compared)
        ]
        sums: dict[tuple[str, str], Counter[str]] = {}
        for (place, value), figures in self._values.items():
            sums.setdefault((names[place], value if value in exact[place] else OTHER), Counter()).update(figures)
        return [
            {"dimension": dimension, "value": value, "figures": dict(sorted(figures.items()))}
            for (dimension, value), figures in sorted(sums.items())
        ]


def _counted(column: Coded, mask: Mask) -> Iterator[tuple[str, int]]:
    counts = np.bincount(column.codes[mask], minlength=len(column.values))
    return ((column.values[code], int(counts[code])) for code in np.flatnonzero(counts).tolist())


def _inside(scope: Scope, dimensions: Sequence[Coded]) -> Mask | np.bool_:
    inside: Any = np.True_
    for place, value in scope.values:
        column = dimensions[place]
        if value not in column.values:
            return np.False_
        inside = inside & (column.codes == column.values.index(value))
    return inside  # type: ignore[no-any-return]  # a mask, or true for all


def _figures(pairs: CountedPairs, window: Mask, compared: Mask, latency: Latency | None) -> Iterator[tuple[str, Mask]]:
    """Yield the figures of slices beside pairs and differing pairs, each with the mask of its pairs."""
    for outcome in sorted(PAIRS_UNREAD.intersection(pairs.outcomes.values)):
        yield outcome, window & pairs.outcomes.among((outcome,))
    for path, where in pairs.touched.items():
        yield f"field/{path}", compared & where
    for name, where in pairs.measured.checks.items():
        if not name.startswith(OF_FIELDS):
            yield f"check/{name}", compared & where
    for path, (values, _, _) in pairs.measured.means.items():
        yield f"mean/{path}/n", compared & ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            yield f"mean/{path}/full", compared & (values >= 1.0)
    if latency is not None and pairs.measured.latencies is not None:
        production, shadow = pairs.measured.latencies
        both = compared & ~(np.isnan(production) | np.isnan(shadow))
        with np.errstate(invalid="ignore"):
            yield "latency_pairs", both
            yield "latency_slower", both & (shadow > production + latency.slower_ms)
            yield "latency_over", both & (shadow > latency.over_ms)


class DimensionReader:
    """Reader of a record's values of the dimensions, as `PartCounts.unmatched` takes them.

    Production's records lack those in headers: the runner copies them only to the candidate's outputs.
    """

    def __init__(self, config: Config, compare: Comparing) -> None:
        self._dimensions, self._compare = config.compare.dimensions, compare
        self._redactor = Redactor.of(config)

    def __call__(self, side: Side, row: PendingRecord) -> list[str | None]:
        fields = iter(self._fields(side, row))
        headers = iter(row.header_fields.values if side is Side.SHADOW and row.header_fields is not None else ())
        return [next(fields) if one.header is None else self._header(one.header, headers) for one in self._dimensions]

    def _fields(self, side: Side, row: PendingRecord) -> Iterable[str]:
        in_fields = sum(one.header is None for one in self._dimensions)
        if not in_fields:
            return ()
        try:
            return [column.values[0] for column in self._compare.dimensions([row.value], side)]
        except RegistryError:  # the record has ended nevertheless, and the window counts it
            return [UNDECODABLE] * in_fields

    def _header(self, header: str, values: Iterator[str]) -> str | None:
        value = next(values, None)
        return value if value in (None, ABSENT) else self._redactor.by_header(header, coded([value])).values[0]
