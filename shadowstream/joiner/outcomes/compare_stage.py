"""Comparison stage of a task: gathers pairs and turns them into outcomes, column by column.

All steps that need a schema precede the counting, because they may raise a `RegistryError`: the registry cannot give
the schema now. The pairs then wait (`awaited_schemas`), and `resolve` takes them up again.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.dimension_codes import Coded, coded
from shadowstream.compare.record_parts import NO_PARTS, Parts, PartsOfPairs, leave_uncompared
from shadowstream.compare.result import Results
from shadowstream.config import Config
from shadowstream.errors import RegistryError
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.pair_columns import ColumnReader, PairColumns
from shadowstream.joiner.accounting.pairs_together import count_together
from shadowstream.joiner.accounting.part_counts import fields_of, touched_of
from shadowstream.joiner.accounting.path_sightings import PathSightings
from shadowstream.joiner.accounting.row_writer import ComparisonResult
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.matching.key_order import RECORDS_MAX, Inversion, Inversions, KeyOrder, Placed
from shadowstream.joiner.matching.matches import Decision, Pair, PairBatch
from shadowstream.joiner.matching.same_millisecond import untied
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.outcomes.rechecks import Rechecks
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.paths import ORDER_PART
from shadowstream.protocol.outcomes import PLAIN, Outcome, Result
from shadowstream.records import Write

COMPARE_AT = 8_192
WARM_UP = Result(Outcome.WARM_UP)
UNKNOWN_ORDER = (
    f"UnknownOrder: production is more than {RECORDS_MAX:,} records ahead of the candidate, so the order of this "
    "pair's key is not known"
)


class ColumnPairs(NamedTuple):
    """Compared pairs of one task in columns, and the pairs that `waiting` has instead."""

    batch: PairBatch
    results: Results
    columns: PairColumns
    waiting: Sequence[Pair] = ()


class CompareStage:
    """The gathered pairs of one task, and their comparison.

    `waiting`: decisions that need an unavailable schema, and pairs that need a second answer of the candidate.
    """

    def __init__(
        self,
        config: Config,
        comparer: Comparing,
        completeness: Completeness,
        counts: OutcomeCounts,
        paths: PathSightings,
        scoring: LabelledPairs,
        waiting: tuple[AwaitedSchemas, Rechecks],
    ) -> None:
        self._config, self.comparer, self._completeness = config, comparer, completeness
        self.counts, self._paths, self.scoring = counts, paths, scoring
        self.awaiting, self.rechecks = waiting
        self._fields, self._reader = fields_of(config), ColumnReader(config)
        comparer.watch(self._fields)
        self.order: KeyOrder | None = None
        """The order of keys, where it is compared."""
        self._pairs: list[Pair] = []
        self._batches: list[PairBatch] = []

    @property
    def counts_each(self) -> bool:
        """Whether pairs may have to wait for a second answer, or for a label: each task decides that."""
        return bool(self._config.labels) or self._config.candidate.rechecks

    def revisions_of(self, batch: PairBatch) -> Coded:
        return self.counts.revisions_of(batch.shadow)

    def scored_columns(self, batch: PairBatch, columns: PairColumns) -> list[Write]:
        pairs = [batch.pair(i) for i in range(len(batch.ids))] if self._config.labels else []
        return self.scoring.scored(pairs, columns) if pairs else []

    def gather(self, pairs: Iterable[Pair]) -> None:
        self._pairs += pairs

    def gather_batch(self, batch: PairBatch) -> None:
        self._batches.append(batch)

    def records_to_compare(self) -> int:
        return 2 * (len(self._pairs) + sum(len(batch.ids) for batch in self._batches))

    def compare_gathered(self, at_least: int = 0) -> None:
        """Compare the gathered pairs, if there are at least so many, and count their outcomes."""
        if not (self._batches or self._pairs) or self.records_to_compare() < 2 * at_least:
            return
        if self._batches:
            try:
                compare_columns([self])
            except RegistryError:
                self._leave_columns()
        if self._pairs:
            try:
                self._compare_each()
            except RegistryError:
                self._defer_unavailable()
                if self._pairs:
                    self._compare_each()

    def results(self, pairs: Sequence[Pair], *, late: bool = False) -> Results:
        """Compare pairs; raise a `RegistryError` if a schema is unavailable now.

        `late`: one record of each pair had ended before.
        """
        production, shadow = [pair.production for pair in pairs], [pair.shadow for pair in pairs]
        values = _values(production), _values(shadow), [row.time_ms for row in production]
        inversions = self._inversions(_placed(pairs), late=late)
        results = self.comparer(*values, _with_order(self._parts(production, shadow), inversions))
        leave_uncompared(results, _unknown(inversions), UNKNOWN_ORDER)
        return results

    def inversions_of(self, batch: PairBatch) -> Inversions:
        """Return the pairs that come in another order of their key, or whose order is unknown."""
        return self._inversions(_placed_columns(batch)) if self.order is not None else {}

    def _inversions(self, placed: Sequence[Placed], *, late: bool = False) -> Inversions:
        if self.order is None or (late and self._completeness.copied):  # a late record has the original's offset
            return {}
        found = self.order.inverted(placed)
        return {i: one for i, one in found.items() if one is not None} if late else found

    def compared(self, pairs: Iterable[Pair], *, late: bool = False) -> None:
        """Note that pairs have been compared and counted; `late` as in `results`."""
        if self.order is not None and not (late and self._completeness.copied):
            self.order.compared(_placed(pairs))

    def result_of_twin(self, production: PendingRecord, twin: PendingRecord) -> ComparisonResult:
        """Compare the twin's record with production's; raise a `RegistryError` as `results` does."""
        (result,) = self._compare_twins([(production, twin)])
        return result

    def _compare_twins(self, pairs: Sequence[tuple[PendingRecord, PendingRecord]]) -> Results:
        production, twin = [row for row, _ in pairs], [row for _, row in pairs]
        return self.comparer.twin(_values(production), _values(twin), self._parts(production, twin))

    def _compare_rows(
        self, production: Sequence[PendingRecord], shadow: Sequence[PendingRecord], times_ms: Sequence[int] = ()
    ) -> Results:
        parts = self._parts(production, shadow)
        return self.comparer(_values(production), _values(shadow), times_ms, parts)

    def _parts(self, production: Sequence[PendingRecord], other: Sequence[PendingRecord]) -> PartsOfPairs:
        compared = self.comparer.parts
        if not compared:
            return NO_PARTS
        return compared.differing(PendingColumns.of(production).parts, PendingColumns.of(other).parts)

    def columns(
        self, pairs: Sequence[Pair], results: Results | Sequence[ComparisonResult], revision: str | None = None
    ) -> PairColumns:
        """Return compared pairs as columns; `revision`: replaces that of the shadow's record."""
        revisions = coded(revision or self.counts.revision_of(pair.shadow) for pair in pairs)
        production = PendingColumns.of([pair.production for pair in pairs])
        return self.columns_of(production, PendingColumns.of([pair.shadow for pair in pairs]), results, revisions)

    def columns_of(
        self,
        production: PendingColumns,
        shadow: PendingColumns,
        results: Results | Sequence[ComparisonResult],
        revisions: Coded,
    ) -> PairColumns:
        if isinstance(results, Results):
            outcomes = results.coded()
        else:
            outcomes = coded(result.outcome for result in results)
        columns = self._reader.read(production, shadow, self.comparer, outcomes, revisions)
        return columns._replace(touched=touched_of(self._fields, results, outcomes))

    def in_warm_up(self, shadow: PendingRecord) -> bool:
        return shadow.warm or (shadow.at is not None and self._completeness.input_is_warm_up(shadow.at))

    def agree(self, production: Sequence[PendingRecord], shadow: Sequence[PendingRecord]) -> list[bool]:
        """Compare records one with one; return for each pair whether it agrees without a declared change."""
        return [outcome in PLAIN for outcome in self._compare_rows(production, shadow).outcomes]

    def content(self, row: PendingRecord) -> Hashable:
        """Return all of a record that is compared: records with equal contents agree."""
        parts = self.comparer.parts
        return parts.content(row.value, row.key, row.header_fields.compared if row.header_fields else ())

    def untied(self, matches: list[Decision]) -> list[Decision]:
        """Exchange partners of one event time so that more pairs agree; not while a schema is unavailable."""
        if self._config.identity.kind == "occurrence":
            with suppress(RegistryError):
                return untied(matches, self.agree, self.content)
        return matches

    def take_column_pairs(self) -> PairBatch | None:
        """Return the gathered pairs that are in columns, for `compare_columns`; None if there are none. Pairs that may
        be warm-up leave the columns, since each of them is examined."""
        if not self._batches:
            return None
        batch = self._batches[0]
        if len(self._batches) > 1:
            batch = _joined(self._batches)
            self._batches = [batch]
        if self._completeness.may_be_warm_up(batch.shadow):
            self._leave_columns()
            return None
        return batch

    def _leave_columns(self) -> None:
        self._pairs += [batch.pair(i) for batch in self._batches for i in range(len(batch.ids))]
        self._batches = []

    def without_waiting(self, batch: PairBatch, results: Results, columns: PairColumns) -> ColumnPairs:
        """Leave out the pairs that must wait for a second answer. Raises a `RegistryError` before anything changes."""
        if not self._config.candidate.rechecks or Outcome.MISMATCH not in columns.outcomes.values:
            return ColumnPairs(batch, results, columns)
        places = self.rechecks.places(results.outcomes, batch.pair)
        waiting = list(map(batch.pair, places))
        left = sorted({*range(len(batch.ids))}.difference(places))
        batch = batch.at(left)
        results = self.rechecks.judged(results.where(left), batch.pair)
        if left:
            columns = self.columns_of(batch.production, batch.shadow, results, self.revisions_of(batch))
        return ColumnPairs(batch, results, columns, waiting)

    def look(self, batch: PairBatch) -> None:
        """Examine the values of pairs that are counted next."""
        self._batches = []
        if self._paths.looks:
            self._paths.look(self.comparer, batch.production.offsets, batch.production.values, batch.shadow.values)
        if self.order is not None:
            self.order.compared(_placed_columns(batch))

    def count_columns(self, pairs: ColumnPairs, scored: list[Write]) -> None:
        """Count pairs by themselves, which may wait for a second answer or for a label."""
        batch, results, columns, waiting = pairs
        self._batches = []
        self._recheck(waiting, results, batch.pair)
        if not len(batch.ids):
            return
        self.look(batch)
        count_together([(self.counts, len(batch.ids))], batch, results, columns)
        self.counts.writes += scored

    def _compare_each(self) -> None:
        counted: list[Pair] = []
        warm_up: list[Pair] = []
        for pair in self._pairs:
            (warm_up if self.in_warm_up(pair.shadow) else counted).append(pair)
        # The comparison may raise: it precedes the counting.
        results = self.results(counted)
        places = self.rechecks.places(results.outcomes, counted.__getitem__)
        waiting = [counted[i] for i in places]
        if places:
            left = sorted({*range(len(counted))}.difference(places))
            counted, results = [counted[i] for i in left], results.where(left)
        results = self.rechecks.judged(results, counted.__getitem__)
        columns = self.columns(counted, results)
        scored = self.scoring.scored(counted, columns)
        if self._paths.looks:
            offsets = [pair.production.offset for pair in counted]
            values = [pair.production.value for pair in counted], [pair.shadow.value for pair in counted]
            self._paths.look(self.comparer, offsets, *values)
        twins = iter(self._compare_twins([(pair.production, pair.twin) for pair in counted if pair.twin is not None]))
        self.compared(self._pairs)
        self._pairs = []
        counts = self.counts
        self._recheck(waiting, results, counted.__getitem__)
        for pair in warm_up:
            counts.pair(pair, WARM_UP)
        for place, (pair, result) in enumerate(zip(counted, results, strict=True)):
            counts.pair(pair, result, next(twins) if pair.twin is not None else None, (columns, place))
        counts.changes.update(results.changed())
        counts.slices.add(columns)
        counts.writes += scored

    def _recheck(self, waiting: Iterable[Pair], results: Results, pair_at: Callable[[int], Pair]) -> None:
        """Let pairs wait for a second answer, and count the rechecks of the others."""
        if self._config.candidate.rechecks:
            self.rechecks.counted(results.outcomes, pair_at)
        for pair in waiting:
            self.rechecks.hold(pair)

    def _defer_unavailable(self) -> None:
        """Let those of the gathered pairs wait that need an unavailable schema."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            if self.awaiting.can_resume(pair):
                self._pairs.append(pair)
            else:
                self.awaiting.add(pair)


def compare_columns(stages: Sequence[CompareStage]) -> None:
    """Compare the pairs in columns of tasks of one topic as one batch; each task counts its own pairs.

    Raises a `RegistryError` before anything is counted if a schema is unavailable now.
    """
    batches = [(stage, batch) for stage in stages if (batch := stage.take_column_pairs()) is not None]
    if not batches:
        return
    first, whole = batches[0][0], _joined([batch for _, batch in batches])
    production, shadow, _ = whole
    revisions = first.counts.revisions_of(shadow)  # all tasks know the revisions from the same marks
    # All that may raise precedes the counting.
    inversions, begin = dict[int, Inversion | None](), 0
    for stage, batch in batches if first.order is not None else ():
        inversions |= {begin + i: one for i, one in stage.inversions_of(batch).items()}
        begin += len(batch.ids)
    parts = compared.differing(production.parts, shadow.parts) if (compared := first.comparer.parts) else NO_PARTS
    values = production.values, shadow.values, production.times_ms
    results = first.comparer(*values, _with_order(parts, inversions))
    leave_uncompared(results, _unknown(inversions), UNKNOWN_ORDER)
    columns = first.columns_of(production, shadow, results, revisions)
    if not first.counts_each:
        for stage, batch in batches:
            stage.look(batch)
        count_together([(stage.counts, len(batch.ids)) for stage, batch in batches], whole, results, columns)
        return
    counted, end = [], 0
    for stage, batch in batches:
        begin, end = end, end + len(batch.ids)
        pairs = stage.without_waiting(batch, results.where(range(begin, end)), columns.part(begin, end))
        counted.append((stage, pairs, stage.scored_columns(pairs.batch, pairs.columns) if len(pairs.batch.ids) else []))
    for stage, pairs, scored in counted:
        stage.count_columns(pairs, scored)


def _joined(parts: Sequence[PairBatch]) -> PairBatch:
    production = PendingColumns.joined([part.production for part in parts])
    shadow = PendingColumns.joined([part.shadow for part in parts])
    return PairBatch(production, shadow, list(chain.from_iterable(part.ids for part in parts)))


def compare_together(stages: Iterable[CompareStage]) -> None:
    """Compare the few pairs of many tasks in batches of some `COMPARE_AT` records, since each comparison has a cost of
    its own. Where a schema is unavailable now, the pairs stay gathered, and each task compares its own."""
    by_comparer: dict[int, list[CompareStage]] = {}
    for stage in stages:
        by_comparer.setdefault(id(stage.comparer), []).append(stage)
    for of_topic in by_comparer.values():
        some: list[CompareStage] = []
        records = 0
        for stage in of_topic:
            some.append(stage)
            records += stage.records_to_compare()
            if records >= COMPARE_AT:
                _compare_some(some)
                some, records = [], 0
        _compare_some(some)


def _compare_some(stages: Sequence[CompareStage]) -> None:
    with suppress(RegistryError):
        compare_columns(stages)


def _placed(pairs: Iterable[Pair]) -> list[Placed]:
    return [Placed(one.production.offset, one.shadow.offset, one.production.key) for one in pairs]


def _placed_columns(batch: PairBatch) -> list[Placed]:
    return list(map(Placed, batch.production.offsets, batch.shadow.offsets, batch.production.keys))


def _with_order(parts: PartsOfPairs, inversions: Inversions) -> PartsOfPairs:
    """Return the parts of pairs with the order of those that come in another order of their key."""
    if not inversions:
        return parts
    found = dict(parts)
    for i, inversion in inversions.items():
        if inversion is not None:
            words = ("after", "before") if inversion.is_before else ("before", "after")
            one, other = ({ORDER_PART: f"{word} offset {inversion.neighbour}"} for word in words)
            before: tuple[Parts, Parts] = found.get(i, ({}, {}))
            found[i] = {**before[0], **one}, {**before[1], **other}
    return found


def _unknown(inversions: Inversions) -> list[int]:
    return [i for i, one in inversions.items() if one is None]


def _values(rows: Sequence[PendingRecord]) -> list[bytes | None]:
    return [row.value for row in rows]
