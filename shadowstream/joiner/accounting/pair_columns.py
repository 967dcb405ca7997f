"""Compared pairs as columns, for all that counts them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import ABSENT, UNDECODABLE, Coded, Ints, coded
from shadowstream.compare.redact import Redactor
from shadowstream.config import Config
from shadowstream.joiner.accounting.pair_metrics import MetricReader, PairMetrics
from shadowstream.joiner.accounting.part_counts import Mask
from shadowstream.joiner.pending_record import PendingColumns
from shadowstream.records import Side


class PairColumns(NamedTuple):
    """Compared pairs as columns: production's times (ms) and keys, revisions, outcomes, and one column a dimension."""

    times_ms: Ints
    keys: Sequence[bytes | None]
    revisions: Coded
    outcomes: Coded
    dimensions: Sequence[Coded] = ()
    measured: PairMetrics = PairMetrics()
    touched: Mapping[str, Mask] = {}
    """The pairs that differ at the path of a `field` criterion, by path (`part_counts.touched_of`)."""

    def part(self, begin: int, end: int) -> "PairColumns":
        """Return the pairs from `begin` up to `end`."""
        rows = slice(begin, end)
        return PairColumns(
            self.times_ms[rows],
            self.keys[rows],
            self.revisions.at(rows).by_appearance(),
            self.outcomes.at(rows).by_appearance(),
            [column.part(begin, end) for column in self.dimensions],
            self.measured.part(rows),
            {path: mask[rows] for path, mask in self.touched.items()},
        )


PairPlace = tuple[PairColumns, int]
"""One of the pairs of columns."""


class ColumnReader:
    """Reader of compared pairs as columns."""

    def __init__(self, config: Config) -> None:
        self._dimensions, self._redactor = config.compare.dimensions, Redactor.of(config)
        self._metrics = MetricReader(config)

    def read(
        self, production: PendingColumns, shadow: PendingColumns, compare: Comparing, outcomes: Coded, revisions: Coded
    ) -> PairColumns:
        """Return the columns of pairs. Raises as `compare` does: call it before counting."""
        fields, header_places = iter(_of_fields(compare, production, shadow)), count()
        infos = shadow.header_fields or [None] * len(shadow)
        columns = []
        for one in self._dimensions:
            if one.header is None:
                columns.append(next(fields))
            else:
                place = next(header_places)
                values = coded(ABSENT if info is None else info.values[place] for info in infos)
                columns.append(self._redactor.by_header(one.header, values))
        infos_of_both = production.header_fields or [None] * len(production), infos
        times_ms = production.times_ms
        measured = self._metrics.of(compare, (production.values, shadow.values), times_ms, infos_of_both)
        times = np.fromiter(times_ms, np.int64, len(times_ms))
        return PairColumns(times, production.keys, revisions, outcomes, columns, measured)


def _of_fields(compare: Comparing, production: PendingColumns, shadow: PendingColumns) -> Iterable[Coded]:
    """Yield the columns of dimensions in fields: production's values, or the candidate's for undecodable ones."""
    columns = compare.dimensions(production.values)
    for place, column in enumerate(columns):
        if UNDECODABLE not in column.values:
            yield column
            continue
        instead = compare.dimensions(shadow.values, Side.SHADOW)[place]
        texts = (column.values[code] for code in column.codes.tolist())
        others = (instead.values[code] for code in instead.codes.tolist())
        yield coded(other if text == UNDECODABLE else text for text, other in zip(texts, others, strict=True))
