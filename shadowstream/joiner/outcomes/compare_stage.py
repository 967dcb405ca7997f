"""Comparison stage of a task: gathers pairs and turns them into outcomes, column by column.

Everything that needs a schema is worked out before anything is counted. A schema that the registry cannot give now
raises a `RegistryError`, and the pairs must not be lost: they are deferred (`awaited_schemas`) and tried again at each
`compare_gathered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.result import Results
from shadowstream.config import Config
from shadowstream.errors import RegistryError
from shadowstream.joiner.accounting.outcome_counts import Compared, OutcomeCounts
from shadowstream.joiner.accounting.part_counts import fields_of, touched_of
from shadowstream.joiner.accounting.path_sightings import Occurring
from shadowstream.joiner.accounting.slice_counts import Columns, columns_of
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.matching.matches import Decision, Pair, PairBatch
from shadowstream.joiner.matching.same_millisecond import untied
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.pending_record import PendingColumns, PendingRecord
from shadowstream.protocol.outcomes import PLAIN, Outcome, Result
from shadowstream.records import Write

COMPARE_AT = 8_192
WARM_UP = Result(Outcome.WARM_UP)


class CompareStage:
    """The gathered pairs of one task, and their comparison. `awaiting` holds pairs that need an unavailable schema."""

    def __init__(
        self,
        config: Config,
        comparer: Comparing,
        completeness: Completeness,
        counts: OutcomeCounts,
        paths: Occurring,
        scoring: LabelledPairs,
        awaiting: AwaitedSchemas,
    ) -> None:
        self._config, self._comparer, self._completeness = config, comparer, completeness
        self._counts, self._paths, self._scoring = counts, paths, scoring
        self.awaiting = awaiting
        self._fields = fields_of(config)
        comparer.watch(self._fields)
        self._pairs: list[Pair] = []
        self._batches: list[PairBatch] = []

    def gather(self, pairs: Iterable[Pair]) -> None:
        """Keep pairs until it is worth comparing them."""
        self._pairs += pairs

    def gather_batch(self, batch: PairBatch) -> None:
        """Keep pairs that came as columns."""
        self._batches.append(batch)

    def records_to_compare(self) -> int:
        """Count the records of the gathered pairs."""
        return 2 * (len(self._pairs) + sum(len(batch.ids) for batch in self._batches))

    def compare_if_full(self) -> None:
        """Compare the gathered pairs once there are enough of them."""
        if self.records_to_compare() >= 2 * COMPARE_AT:
            self.compare_gathered()

    def compare_gathered(self) -> None:
        """Compare the gathered pairs and count their outcomes."""
        if self._batches:
            try:
                self._compare_batches(self._batches)
            except RegistryError:
                self._pairs += [batch.pair(i) for batch in self._batches for i in range(len(batch.ids))]
            self._batches = []
        if self._pairs:
            try:
                self._compare_each()
            except RegistryError:
                self._defer_unavailable()
                if self._pairs:
                    self._compare_each()

    # ---------------------------------------------------------------- for other stages

    def results(self, pairs: Sequence[Pair]) -> Results:
        """Compare the values of pairs; raises a `RegistryError` where a schema cannot be had now."""
        production = [pair.production for pair in pairs]
        times_ms = [row.time_ms for row in production]
        return self._comparer([row.value for row in production], [pair.shadow.value for pair in pairs], times_ms)

    def result_of_twin(self, production: PendingRecord, twin: PendingRecord) -> Compared:
        """Compare the twin's record with production's; raises a `RegistryError` as `results` does."""
        (result,) = self._comparer.twin([production.value], [twin.value])
        return result

    def columns(
        self, pairs: Sequence[Pair], results: Results | Sequence[Compared], revision: str | None = None
    ) -> Columns:
        """Return compared pairs as columns; `revision` where it is not that of the shadow's record."""
        outcomes = results.outcomes if isinstance(results, Results) else [result.outcome for result in results]
        revisions = [revision or self._counts.revision_of(pair.shadow) for pair in pairs]
        production, shadow = (
            PendingColumns.of([pair.production for pair in pairs]),
            PendingColumns.of([pair.shadow for pair in pairs]),
        )
        columns = columns_of(self._config, production, shadow, self._comparer, outcomes, revisions)
        return columns._replace(touched=touched_of(self._fields, results, outcomes))

    def scored(self, pair: Pair, columns: Columns) -> list[Write]:
        """Return the record of one compared pair for the labels role, where the config names labels."""
        return self._scoring.scored([pair], columns)

    def in_warm_up(self, shadow: PendingRecord) -> bool:
        """Whether the pair of this shadow record belongs to the warm-up."""
        return shadow.warm or (shadow.at is not None and self._completeness.input_is_warm_up(shadow.at))

    def agree(self, production: Sequence[PendingRecord], shadow: Sequence[PendingRecord]) -> list[bool]:
        """Compare records one with one: whether each two agree without a declared change."""
        results = self._comparer([row.value for row in production], [row.value for row in shadow])
        return [outcome in PLAIN for outcome in results.outcomes]

    def untied(self, matches: list[Decision]) -> list[Decision]:
        """Pair records of one event time with those that they agree with (`same_millisecond`), by event time only.

        While a schema is missing nobody can know what agrees: then the order of the log stays.
        """
        if self._config.identity.kind == "occurrence":
            with suppress(RegistryError):
                return untied(matches, self.agree)
        return matches

    # ---------------------------------------------------------------- comparing

    def _compare_batches(self, parts: Sequence[PairBatch]) -> None:
        """Compare and count pairs that came as columns; those that may be warm-up are left to `_compare_each`."""
        production, shadow = (
            PendingColumns.joined([part.production for part in parts]),
            PendingColumns.joined([p.shadow for p in parts]),
        )
        batch = PairBatch(production, shadow, [id_ for part in parts for id_ in part.ids])
        if self._completeness.may_be_warm_up(shadow):
            self._pairs += map(batch.pair, range(len(batch.ids)))
            return
        # Compared before anything is counted: it may raise.
        results, counts = self._comparer(production.values, shadow.values, production.times_ms), self._counts
        outcomes, revisions = results.outcomes, counts.revisions_of(shadow)
        columns = columns_of(self._config, production, shadow, self._comparer, outcomes, revisions)
        columns = columns._replace(touched=touched_of(self._fields, results, outcomes))
        pairs = [batch.pair(i) for i in range(len(batch.ids))] if self._config.labels else []
        scored = self._scoring.scored(pairs, columns) if pairs else []
        self._paths.look(self._comparer, production.offsets, production.values, shadow.values)
        counts.pair_batch(batch, results, columns)
        counts.changes.update(results.changed())
        counts.slices.add(columns)
        counts.writes += scored

    def _compare_each(self) -> None:
        counted: list[Pair] = []
        warm_up: list[Pair] = []
        for pair in self._pairs:
            (warm_up if self.in_warm_up(pair.shadow) else counted).append(pair)
        # Compared before anything is counted: it may raise.
        results = self.results(counted)
        columns = self.columns(counted, results)
        scored = self._scoring.scored(counted, columns)
        if self._paths.looks:
            offsets = [pair.production.offset for pair in counted]
            values = [pair.production.value for pair in counted], [pair.shadow.value for pair in counted]
            self._paths.look(self._comparer, offsets, *values)
        paired = [pair for pair in counted if pair.twin is not None]
        twin_values = [pair.twin.value for pair in paired if pair.twin]
        twins = iter(self._comparer.twin([pair.production.value for pair in paired], twin_values))
        self._pairs = []
        counts = self._counts
        for pair in warm_up:
            counts.pair(pair, WARM_UP)
        for pair, result in zip(counted, results, strict=True):
            counts.pair(pair, result, next(twins) if pair.twin is not None else None)
        counts.changes.update(results.changed())
        counts.slices.add(columns)
        counts.writes += scored

    def _defer_unavailable(self) -> None:
        """Defer those of the gathered pairs that need a schema which cannot be had now."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            if self.awaiting.can_resume(pair):
                self._pairs.append(pair)
            else:
                self.awaiting.add(pair)
