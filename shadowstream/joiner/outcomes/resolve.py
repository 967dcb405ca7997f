"""Resolver of a task: turns matches into outcomes, in warm-up, absences, groups, shed records and corrections.

Pairs pass to the comparison (`compare_stage`). Decisions wait if their schema is unavailable (`awaited_schemas`) or if
they would make one commit too large (`deferred`). `resume_deferred` takes both up again.
"""

from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from shadowstream.compare.result import Results
from shadowstream.errors import RegistryError, ShadowstreamBug
from shadowstream.joiner.accounting import eviction_counts
from shadowstream.joiner.accounting.correctable import CorrectableRow
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.pair_columns import PairColumns
from shadowstream.joiner.accounting.row_writer import ComparisonResult, RowDetails
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.intake.side import EndedRecord
from shadowstream.joiner.intake.unread_records import UnreadableId
from shadowstream.joiner.matching.by_input import COMPARED_MAX, assign
from shadowstream.joiner.matching.matches import Decision, OutputGroup, Pair, PairBatch, ShedRule, Unmatched
from shadowstream.joiner.outcomes.compare_stage import COMPARE_AT, WARM_UP, CompareStage
from shadowstream.joiner.outcomes.corrections import Correction, FetchedCorrection
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.unmatched import UnmatchedOutcomes
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.protocol.outcomes import Outcome, Result
from shadowstream.records import Side

SHED = Result(Outcome.EVICTED, eviction_counts.SHED)


@dataclass(frozen=True, slots=True)
class OutcomeResolver:
    """Resolver of the matches of one task; `revision`: the joiner's own."""

    _revision: str
    _completeness: Completeness
    _unmatched: UnmatchedOutcomes
    _comparing: CompareStage
    _late: LateRecords
    _deferred: Backlog
    _counts: OutcomeCounts

    def end(self, side: Side, ended: Iterable[EndedRecord]) -> None:
        """Count records that end at intake. Shed ones that were read again are deferred: their number has no limit."""
        for row, id_, result, is_reread in ended:
            if result is not None:
                self._counts.unmatched(side, row, result)
            elif is_reread:
                self._deferred.evict(Unmatched(side, row, id_))
            else:
                self.evict(Unmatched(side, row, id_))

    def resolve(self, matches: Iterable[Decision | PairBatch]) -> None:
        """Gather pairs for the comparison; resolve all other matches at once."""
        unpaired: list[Unmatched | OutputGroup] = []
        for match in matches:
            if isinstance(match, PairBatch):
                self._comparing.gather_batch(match)
            elif isinstance(match, Pair):
                self._comparing.gather((match,))
            else:
                unpaired.append(match)
        for one in unpaired:
            try:
                if isinstance(one, Unmatched):
                    self._resolve_unmatched(one)
                else:
                    self._resolve_group(one)
            except RegistryError:
                self._comparing.awaiting.add(one)
        self._comparing.compare_gathered(COMPARE_AT)

    def defer(self, matches: Iterable[Decision | PairBatch]) -> None:
        """Defer pairs with a record that was read again, because their number has no limit."""
        for match in matches:
            if isinstance(match, PairBatch):
                for i in range(len(match.ids)):
                    self._deferred.pair(match.pair(i))
            elif isinstance(match, Pair):
                self._deferred.pair(match)
            else:
                raise ShadowstreamBug(f"decided on arrival without a partner: {match}")

    def resume_deferred(self, limit: int) -> bool:
        """Resolve deferred matches and those whose schema is available now, about `limit` of each kind.

        Returns whether more matches may have a schema now. The length of `deferred` counts the rest.
        """
        if not (len(self._deferred) or len(self._comparing.awaiting) or len(self._comparing.rechecks)):
            return False
        corrections, due = self._late.corrections, self._deferred.take(limit)
        for end in due.evicted:
            self.evict(end)
        self.resolve(due.pairs)
        resumed = self._comparing.awaiting.take(limit)
        self.resolve(resumed.decisions)
        answered = self._comparing.rechecks.take(limit)
        self.resolve(answered)
        for earlier, pair, result in due.corrected:
            if result is not None and corrections.waits(earlier):  # a record shed at two levels is listed twice
                self._end_correction(earlier, pair, result)
        corrected = [one for one in due.corrected if one.result is None and corrections.waits(one.earlier)]
        if resumed.corrected or corrected:
            self._correct_all([*resumed.corrected, *corrected])
        return resumed.has_more or len(answered) >= limit

    def _resolve_group(self, group: OutputGroup) -> None:
        production, shadow = group.production, group.shadow
        if len(production) != len(shadow) and not self._comparing.in_warm_up(shadow[0]):
            fewer = Side.PRODUCTION if len(production) < len(shadow) else Side.SHADOW
            lacking = self._unmatched.lacking_in_group(fewer, production[0], abs(len(production) - len(shadow)))
            if lacking is not None:
                for side, rows in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
                    for row in rows:
                        self._counts.unmatched(side, row, lacking)
                return
            columns = self._comparing.columns([Pair(production[0], shadow[0])], [Result(Outcome.CARDINALITY)])
            self._counts.cardinality(production, shadow, group.id, columns)
            self._counts.slices.add(columns)
            return
        more = Side.PRODUCTION if len(production) > len(shadow) else Side.SHADOW
        surplus = [*production[len(shadow) :], *shadow[len(production) :]]
        production, shadow = production[: len(shadow)], shadow[: len(production)]
        partners, is_bounded = self._assigned(production, shadow)  # precedes the counting: it may raise
        for row in surplus:
            self._counts.unmatched(more, row, WARM_UP)
        matched = zip(production, partners, strict=True)
        self._comparing.gather(Pair(row, shadow[n], None, is_bounded, group.id) for row, n in matched)

    def _assigned(self, production: Sequence[PendingRecord], shadow: Sequence[PendingRecord]) -> tuple[list[int], bool]:
        """Choose a shadow record for each production record, so that as many pairs as possible agree.

        Returns the places of the shadow records, and whether there were too many records to compare each with each.
        """
        rows, columns = list(range(len(production))), list(range(len(shadow)))
        chosen: dict[int, int] = {}
        if len(rows) > COMPARED_MAX:  # pair equal contents first
            left: dict[Hashable, list[int]] = {}
            content = self._comparing.content
            for column in reversed(columns):
                left.setdefault(content(shadow[column]), []).append(column)
            chosen = {row: left[content(production[row])].pop() for row in rows if left.get(content(production[row]))}
            rows = [row for row in rows if row not in chosen]
            columns = sorted(column for same in left.values() for column in same)
        if (n := len(rows)) > COMPARED_MAX:
            order = list(range(n))
        elif n < 2:
            order = [0] * n
        else:
            each = [production[row] for row in rows for _ in columns], [shadow[column] for column in columns] * n
            agrees = self._comparing.agree(*each)
            order = assign([agrees[i * n : (i + 1) * n] for i in range(n)])
        chosen |= {row: columns[place] for row, place in zip(rows, order, strict=True)}
        return [chosen[row] for row in range(len(production))], n > COMPARED_MAX

    def _resolve_unmatched(self, end: Unmatched) -> None:
        row, counts = end.row, self._counts
        if end.side is Side.PRODUCTION:
            self._resolve_production(end)
            return
        in_warm_up = self._completeness.is_warm_up(row, end.side)
        if in_warm_up and not row.warm:
            counts.unmatched(end.side, row, WARM_UP)
        elif end.side is Side.TWIN:
            counts.unmatched(end.side, row, self._unmatched.lacking(end.side, row, Outcome.TWIN_EXTRA), self._revision)
        elif isinstance(end.id, UnreadableId):
            counts.unmatched(end.side, row, WARM_UP if in_warm_up else self._unmatched.unreadable(end.id))
        elif (earlier := self._late.take(Side.PRODUCTION, end)) is not None:
            self._late.corrections.add(Correction(earlier, row, end.id))
        elif in_warm_up:
            counts.unmatched(end.side, row, WARM_UP)
        else:
            result = self._unmatched.lacking(end.side, row, Outcome.EXTRA)
            counts.unmatched(end.side, row, result, None, RowDetails(end.ambiguous, None, end.id))

    def _resolve_production(self, end: Unmatched) -> None:
        row, result, revision = end.row, WARM_UP, self._revision
        compared: ComparisonResult | None = None
        if not self._completeness.is_warm_up(row):
            earlier = self._late.take(Side.SHADOW, end)
            if earlier is not None:
                self._late.corrections.add(Correction(earlier, row, end.id, end.twin))
                return
            if end.twin is not None:  # precedes the counting: it may raise
                compared = self._comparing.result_of_twin(row, end.twin)
            result, revision = self._unmatched.of_production(row)
        details = RowDetails(end.ambiguous, None, end.id, end.twin)
        self._counts.unmatched(Side.PRODUCTION, row, result, revision, details)
        self._counts.twin(row, revision, result.outcome, end.twin, compared)

    def shed(self, sheds: ShedRule, pending: Iterable[Unmatched]) -> int:
        """Defer the eviction of all pending records with a shed id; return their number.

        `pending`: the records that the store has removed. All gathered pairs must have been compared before.
        """
        corrections = self._late.corrections.shed(sheds)
        corrected = {(one.earlier.place, one.earlier.offset) for one in corrections}
        ends = [*pending, *self._comparing.awaiting.shed(sheds, corrected), *self._comparing.rechecks.shed(sheds)]
        for end in ends:
            self._deferred.evict(end)
        for one in corrections:
            self._deferred.correct(FetchedCorrection(one.earlier, one.pair(None), SHED))
        return len(ends) + len(corrections)

    def evict(self, end: Unmatched) -> None:
        """Count a shed record as evicted; correct an earlier missing or extra of its partner."""
        earlier = None if end.side is Side.TWIN else self._late.take(Side(1 - end.side), end)
        if earlier is None:
            self._counts.unmatched(end.side, end.row, SHED)
        else:
            self._take_back(earlier, Correction(earlier, end.row, end.id).pair(None), SHED)

    def _correct_all(self, corrected: Sequence[FetchedCorrection]) -> None:
        results: Results | None = None
        with suppress(RegistryError):
            results = self._comparing.results([one.pair for one in corrected], late=True)
        for place, (earlier, pair, _) in enumerate(corrected):
            try:
                if results is None:
                    self._correct(earlier, pair, self._comparing.results([pair], late=True), 0)
                else:
                    self._correct(earlier, pair, results, place)
            except RegistryError:
                self._comparing.awaiting.add_corrected(FetchedCorrection(earlier, pair))

    def _correct(self, earlier: CorrectableRow, pair: Pair, results: Results, place: int) -> None:
        if pair.shadow.warm:
            self._take_back(earlier, pair, WARM_UP)
            self._late.corrections.drop(earlier)
            return
        result = results[place]
        compared = None if pair.twin is None else self._comparing.result_of_twin(pair.production, pair.twin)
        columns = self._comparing.columns([pair], [result], earlier.revision if earlier.side is Side.SHADOW else None)
        scored = self._comparing.scoring.scored([pair], columns)
        self._take_back(earlier, pair, result, columns)
        self._comparing.compared([pair], late=True)
        self._comparing.rechecks.counted([result.outcome], lambda _: pair)
        self._counts.changes.update(results.changes.get(place, ()))
        self._counts.slices.add(columns)
        self._counts.writes += scored
        self._late.corrections.drop(earlier)
        if pair.twin is not None:
            self._counts.twin(pair.production, earlier.revision, result.outcome, pair.twin, compared)

    def _end_correction(self, earlier: CorrectableRow, pair: Pair, result: Result) -> None:
        """End a correction whose value is unavailable for good, and the twin's record that waited with it."""
        self._take_back(earlier, pair, result)
        self._late.corrections.drop(earlier)
        if pair.twin is not None:
            self._counts.unmatched(Side.TWIN, pair.twin, result)

    def _take_back(
        self, earlier: CorrectableRow, pair: Pair, result: ComparisonResult, columns: PairColumns | None = None
    ) -> None:
        self._counts.correct(earlier, pair, result, columns)
        self._unmatched.take_back(earlier)
