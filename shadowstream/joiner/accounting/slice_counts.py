"""Compared pairs counted by slice and by bucket of their key, column by column, window by window.

The counts of a window and revision add up, whatever the batches and commits: see `compare.dimension_codes` for
the values that have no cell of their own. The sum over the cells of one dimension is the window's n
and s of the mismatch rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import ABSENT, OTHER, UNDECODABLE, Coded, coded, folded, least
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting import pair_metrics
from shadowstream.joiner.accounting.eviction_counts import Evictions
from shadowstream.joiner.accounting.pair_metrics import Measured, Measuring
from shadowstream.joiner.accounting.part_counts import Named, Pairs, Parts, Values, fields_of, scopes_of
from shadowstream.joiner.accounting.reason_counts import ReasonCounts
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.protocol.count_names import of_part
from shadowstream.protocol.outcomes import DIFFERS, ENDS_UNMATCHED, PAIRS, PAIRS_UNREAD, Outcome
from shadowstream.records import Side

BUCKETS = 1_024
CELLS_MAX = 65_536
"""Up to so many combinations of values are counted by a table, more by sorting."""

_COMPARED = frozenset(PAIRS)
At = tuple[int, str]
"""Start of a window, ms, and revision."""
_Mask = npt.NDArray[np.bool_]


class Columns(NamedTuple):
    """Compared pairs as columns: production's times (ms) and keys, revisions, outcomes, and a column a dimension."""

    times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    revisions: Sequence[str]
    outcomes: Sequence[str]
    dimensions: Sequence[Coded] = ()
    measured: Measured = Measured()
    touched: Mapping[str, _Mask] = {}
    """By path of a `field` criterion the pairs that differ there (`parts.touched_of`)."""


def columns_of(
    config: Config,
    production: PendingColumns,
    shadow: PendingColumns,
    compare: Comparing,
    outcomes: Sequence[str],
    revisions: Sequence[str],
) -> Columns:
    """Compared pairs as columns. May raise as `compare` does: call it before anything is entered."""
    fields = iter(_of_fields(compare, production, shadow))
    header_infos = shadow.header_fields or [None] * len(shadow)
    places = {one.name: i for i, one in enumerate(d for d in config.compare.dimensions if d.header is not None)}
    redactor = Redactor(config.compare.redact)
    columns = [
        next(fields)
        if one.header is None
        else redactor.by_header(
            one.header,
            coded(
                ABSENT if header_info is None else header_info.values[places[one.name]] for header_info in header_infos
            ),
        )
        for one in config.compare.dimensions
    ]
    own = production.header_fields or [None] * len(production)
    values, times_ms = (production.values, shadow.values), production.times_ms
    measured = Measuring(config).of(compare, values, times_ms, (own, header_infos))
    return Columns(times_ms, production.keys, revisions, outcomes, columns, measured)


def _of_fields(compare: Comparing, production: PendingColumns, shadow: PendingColumns) -> Iterable[Coded]:
    """Columns of the dimensions that are fields: what production's value says, and where that cannot be decoded the
    candidate's, so that what was not compared is known by its part."""
    columns = compare.dimensions(production.values)
    for place, column in enumerate(columns):
        if UNDECODABLE not in column.values:
            yield column
            continue
        instead = compare.dimensions(shadow.values, Side.SHADOW)[place]
        texts = (column.values[code] for code in column.codes.tolist())
        others = (instead.values[code] for code in instead.codes.tolist())
        yield coded(other if text == UNDECODABLE else text for text, other in zip(texts, others, strict=True))


class _Tally:
    """Counts of one window and revision."""

    __slots__ = ("buckets", "measures", "named", "parts", "slices")

    def __init__(self, parts: Parts) -> None:
        self.named, self.parts = Named(), parts
        self.buckets = np.zeros((2, BUCKETS), np.int64)
        self.measures = pair_metrics.Tally()
        self.slices: dict[tuple[int, ...], dict[tuple[str, ...], list[int]]] = {}


class Cells:
    """Counts since the last commit. `record` gives fields of a window as in schemas/stats.avsc."""

    def __init__(self, config: Config) -> None:
        self._window_ms = config.judge.window_ms
        self._latency = config.compare.latency
        self._values_max = config.compare.values_max
        self._names = [dimension.name for dimension in config.compare.dimensions]
        places = range(len(self._names))
        self._groups = [*((place,) for place in places), *combinations(places, 2)]
        self._paths, self._scopes = fields_of(config), scopes_of(config)
        self.values: Values | None = None
        """Reads dimensions of records that end alone; None: their slices are not counted."""
        self._tallies: dict[At, _Tally] = {}
        self.reasons, self.evictions = ReasonCounts(), Evictions()

    def add(self, pairs: Columns) -> None:
        """Count pairs; those that could not be compared count for the values of dimensions alone."""
        compared = _among(pairs.outcomes, _COMPARED)
        counted = compared | _among(pairs.outcomes, PAIRS_UNREAD) if self._names else compared
        if not counted.any():
            return
        bad, buckets = _among(pairs.outcomes, DIFFERS), _buckets(pairs.keys)
        outcomes = coded(pairs.outcomes if self._names else ())
        of_parts = Pairs(outcomes, pairs.dimensions, compared, pairs.measured, pairs.touched)
        for at, window in self._windows(pairs, counted):
            tally, mask = self._tally(at), window & compared
            tally.measures.add(pairs.measured, mask, self._latency)
            tally.named.add(mask, pairs.touched)
            held = mask & (buckets >= 0)
            tally.buckets[0] += np.bincount(buckets[held], minlength=BUCKETS)
            tally.buckets[1] += np.bincount(buckets[held & bad], minlength=BUCKETS)
            # By what this window holds, not by the batch: the exact values of a window are its own.
            dimensions = [folded(column, mask, self._values_max) for column in pairs.dimensions]
            for group in self._groups if dimensions else ():
                _count(tally.slices.setdefault(group, {}), [dimensions[place] for place in group], mask, mask & bad)
            if dimensions:
                unread = np.count_nonzero(window) > np.count_nonzero(mask)
                of_all = [folded(one, window, self._values_max) for one in pairs.dimensions] if unread else dimensions
                tally.parts.add(of_parts, window, of_all, self._latency)

    def unmatched(self, side: Side, row: PendingRecord, outcome: str, revision: str, n: int = 1) -> None:
        """Count a record that ended alone by its values of the dimensions; -1: it did not after all."""
        if not self._names or self.values is None or outcome not in ENDS_UNMATCHED:
            return
        at = (row.time_ms - row.time_ms % self._window_ms, revision)
        if outcome == Outcome.EVICTED and (
            side is Side.TWIN or row.value is None
        ):  # of no part: deleted, or no side's loss
            return
        names, parts = self.values(side, row), self._tally(at).parts
        for name in of_part(outcome, shadow=side is Side.SHADOW):
            parts.unmatched(names, name, n)

    def _tally(self, at: At) -> _Tally:
        tally = self._tallies.get(at)
        if tally is None:
            tally = self._tallies[at] = _Tally(Parts(self._scopes))
        return tally

    def _windows(self, pairs: Columns, compared: _Mask) -> Iterable[tuple[At, _Mask]]:
        revisions = coded(pairs.revisions)
        first, last = (one - one % self._window_ms for one in (min(pairs.times_ms), max(pairs.times_ms)))
        if first == last and len(revisions.values) == 1:
            yield (first, revisions.values[0]), compared
            return
        times = np.asarray(pairs.times_ms, np.int64)
        starts = times - times % self._window_ms
        for start in np.unique(starts).tolist():
            for code, revision in enumerate(revisions.values):
                mask = compared & (starts == start) & (revisions.codes == code)
                if mask.any():
                    yield (start, revision), mask

    def record(self, at: At) -> dict[str, Any]:
        """What the window holds beside outcomes and fields; only reasons where no pair was compared in it."""
        tally, reasons, evictions = self._tallies.get(at), self.reasons.of(at), self.evictions.of(at)
        plain = {name: counts for name, counts in (("reasons", reasons), ("evictions", evictions)) if counts}
        if tally is None:
            return plain
        n, s = tally.buckets.tolist()
        return {
            **plain,
            "buckets": [{"bucket": b, "n": n[b], "s": s[b]} for b in range(BUCKETS) if n[b]],
            "slices": self._slices(tally),
            "named": tally.named.record(self._paths),
            "values": self._by_value(tally),
            "scopes": tally.parts.record(self._paths),
            **tally.measures.record(),
        }

    def outcomes(self, at: At) -> dict[str, int]:
        """What the window counts beside outcomes in their map."""
        tally = self._tallies.get(at)
        return dict(tally.measures.outcomes) if tally else {}

    def _by_value(self, tally: _Tally) -> list[dict[str, Any]]:
        compared = [[value for (value,) in tally.slices.get((place,), ())] for place in range(len(self._names))]
        return tally.parts.by_value(self._names, compared, self._values_max)

    def _slices(self, tally: _Tally) -> list[dict[str, Any]]:
        exact = [
            least((value for (value,) in tally.slices.get((place,), ())), self._values_max)
            for place in range(len(self._names))
        ]
        found = []
        for group, cells in sorted(tally.slices.items(), key=lambda item: (len(item[0]), item[0])):
            sums: dict[tuple[str, ...], list[int]] = {}
            for values, (n, s) in cells.items():
                names = tuple(
                    value if value in exact[place] else OTHER for place, value in zip(group, values, strict=True)
                )
                total = sums.setdefault(names, [0, 0])
                total[0] += n
                total[1] += s
            dimensions = [self._names[place] for place in group]
            found += [
                {"dimensions": dimensions, "values": list(values), "n": n, "s": s}
                for values, (n, s) in sorted(sums.items())
            ]
        return found

    def clear(self) -> None:
        """The counts have been committed."""
        self._tallies.clear()
        self.reasons.clear()
        self.evictions.clear()


def _among(outcomes: Sequence[str], which: frozenset[str]) -> _Mask:
    return np.fromiter(map(which.__contains__, outcomes), np.bool_, len(outcomes))


def _buckets(keys: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """The bucket of each key; a key of its own says nothing of clusters, so keyless pairs are in none (-1)."""
    known = cast("Sequence[bytes]", keys) if None not in keys else [key or b"" for key in keys]
    buckets = np.fromiter(map(zlib.crc32, known), np.int64, len(known)) % BUCKETS
    if None in keys:
        buckets[np.fromiter((key is None for key in keys), np.bool_, len(keys))] = -1
    return buckets


def _count(cells: dict[tuple[str, ...], list[int]], columns: Sequence[Coded], mask: _Mask, bad: _Mask) -> None:
    """Add the pairs of `mask`, and the bad ones, to the cells of their values."""
    joint, maximum = columns[0].codes, len(columns[0].values)
    for column in columns[1:]:
        joint, maximum = joint * len(column.values) + column.codes, maximum * len(column.values)
    if maximum <= CELLS_MAX:
        counts = np.bincount(joint[mask], minlength=maximum)
        found = np.flatnonzero(counts)
        n, s = counts[found], np.bincount(joint[bad], minlength=maximum)[found]
    else:
        found, n = np.unique(joint[mask], return_counts=True)
        s = np.bincount(np.searchsorted(found, joint[bad]), minlength=len(found))
    for code, units, bad_units in zip(found.tolist(), n.tolist(), s.tolist(), strict=True):
        values = []
        for column in reversed(columns):
            code, place = divmod(code, len(column.values))
            values.append(column.values[place])
        cell = cells.setdefault(tuple(reversed(values)), [0, 0])
        cell[0] += units
        cell[1] += bad_units
