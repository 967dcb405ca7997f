"""From decisions of a store to outcomes in the book: warm-up, absences, replays, corrections, comparison."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress

from shadowstream.compare.comparer import Comparing
from shadowstream.compare.result import Results
from shadowstream.errors import RegistryError, ShadowstreamBug
from shadowstream.joiner.accounting import eviction_counts
from shadowstream.joiner.accounting.correctable import MAY_BE_UNREAD, SaidRow
from shadowstream.joiner.accounting.outcome_counts import PLAIN, Compared, Plainly, Said
from shadowstream.joiner.accounting.part_counts import Values, fields_of, touched_of
from shadowstream.joiner.accounting.slice_counts import Columns, columns_of
from shadowstream.joiner.intake.production_failures import Failures
from shadowstream.joiner.intake.unread_records import Unreadable
from shadowstream.joiner.matching.by_input import COMPARED_MAX, assign
from shadowstream.joiner.matching.matches import Alone, Decision, Many, Met, Pair
from shadowstream.joiner.matching.same_millisecond import untied
from shadowstream.joiner.outcomes.corrections import Corrected, Correction
from shadowstream.joiner.outcomes.labelled_pairs import Scoring
from shadowstream.joiner.outcomes.unmatched import Partnerless
from shadowstream.joiner.pending_record import Row, Rows
from shadowstream.joiner.task_state import TaskState
from shadowstream.protocol.size_limits import too_long
from shadowstream.records import Side

COMPARE_AT = 8_192
WARM_UP = Plainly("warm_up")
SOME_GONE = Plainly("evicted", "outputs of its input may have been deleted before they were read")
SHED = Plainly("evicted", eviction_counts.SHED)
SOME_UNREAD = Plainly("evicted", "outputs of its input may be among those that could not be read")


class Deciding:
    """What one task makes of decisions. Pairs are gathered and compared as columns."""

    def __init__(self, task: TaskState, compare: Comparing) -> None:
        self._task = task
        self._partnerless = Partnerless(task)
        self._compare = compare
        self.scoring = Scoring(task.config, task.name, compare)
        self._failures = Failures(task.config, compare)
        self._fields = fields_of(task.config)
        compare.watch(self._fields)
        task.book.slices.values = Values(task.config, compare)
        self._pairs: list[Pair] = []
        self._met: list[Met] = []
        self._others: deque[Alone | Many] = deque()

    def take(self, decisions: Iterable[Decision | Met]) -> None:
        """Enter decisions, or gather them until it is worth comparing.

        What needs a schema that cannot be had now is set aside (`awaiting`) and tried at each `compare_pairs`.
        """
        for decision in decisions:
            if isinstance(decision, Met):
                self._met.append(decision)
            elif isinstance(decision, Pair):
                self._pairs.append(decision)
            else:
                self._others.append(decision)
        while self._others:
            first = self._others.popleft()
            try:
                if isinstance(first, Alone):
                    self._alone(first)
                else:
                    self._many(first)
            except RegistryError:
                self._task.awaiting.add(first)
        if self.gathered() >= 2 * COMPARE_AT:
            self.compare_pairs()

    def gathered(self) -> int:
        """Records of pairs that are to be compared."""
        return 2 * (len(self._pairs) + sum(len(met.ids) for met in self._met))

    # ---------------------------------------------------------------- both

    def compare_pairs(self) -> None:
        """Compare the pairs gathered so far and enter their outcomes."""
        if self._met:
            try:
                self._compare_met(self._met)
            except RegistryError:
                self._pairs += [met.pair(i) for met in self._met for i in range(len(met.ids))]
            self._met = []
        if self._pairs:
            try:
                self._compare_each()
            except RegistryError:
                self._set_aside()
                if self._pairs:
                    self._compare_each()

    def untied(self, decisions: list[Decision]) -> list[Decision]:
        """Decisions in which records of one time meet those that they agree with (`ties`)."""
        with suppress(RegistryError):  # what agrees cannot be known now: the order of the log stays
            return untied(decisions, self._agree)
        return decisions

    def _agree(self, production: Sequence[Row], shadow: Sequence[Row]) -> list[bool]:
        results = self._compare([row.value for row in production], [row.value for row in shadow])
        return [outcome in PLAIN for outcome in results.outcomes]

    def put_off(self, decisions: Iterable[Decision | Met]) -> None:
        """Pairs of which a record was read again: how many they are nothing bounds, so `go_on` takes them up."""
        for decision in decisions:
            if isinstance(decision, Met):
                for i in range(len(decision.ids)):
                    self._task.backlog.pair(decision.pair(i))
            elif isinstance(decision, Pair):
                self._task.backlog.pair(decision)
            else:
                raise ShadowstreamBug(f"decided on arrival without a partner: {decision}")

    def go_on(self, most: int) -> None:
        """Take up what is in the backlog, and what waited for a schema that can be had now; so much of each at most."""
        task = self._task
        due = task.backlog.take(most)
        for end in due.evicted:
            self.evict(end)
        self.take(due.pairs)
        decisions, corrected = task.awaiting.take(most)
        self.take(decisions)
        for said, pair, result in due.corrected:
            if result is not None and task.corrections.waits(said):  # shed at two levels it stands here twice
                self.end_correction(said, pair, result)
        corrected += [one for one in due.corrected if one.result is None and task.corrections.waits(one.said)]
        if corrected:
            self.correct(corrected)

    def _set_aside(self) -> None:
        """Of the pairs gathered those wait that need a schema which cannot be had now."""
        awaiting, pairs = self._task.awaiting, self._pairs
        self._pairs = []
        for pair in pairs:
            if awaiting.can_go_on(pair):
                self._pairs.append(pair)
            else:
                awaiting.add(pair)

    def _compare_met(self, parts: Sequence[Met]) -> None:
        """Pairs that came as columns: entered as columns, but for warm-up."""
        production, shadow = Rows.joined([met.production for met in parts]), Rows.joined([met.shadow for met in parts])
        met = Met(production, shadow, [id_ for one in parts for id_ in one.ids])
        if self._task.clocks.may_be_warm_up(shadow):
            self._pairs += map(met.pair, range(len(met.ids)))
            return
        # Compared before anything is entered: a schema that cannot be had now raises, and the pairs must not be lost.
        results, book = self._compare(production.values, shadow.values, production.times_ms), self._task.book
        outcomes, revisions = results.outcomes, book.revisions_of(shadow)
        columns = columns_of(self._task.config, production, shadow, self._compare, outcomes, revisions)
        columns = columns._replace(touched=touched_of(self._fields, results, outcomes))
        pairs = [met.pair(i) for i in range(len(met.ids))] if self._task.config.labels else []
        scored = self.scoring.scored(pairs, columns) if pairs else []
        self._task.occurring.look(self._compare, production.offsets, production.values, shadow.values)
        book.met(met, results, columns)
        book.changes.update(results.changed())
        book.slices.add(columns)
        book.writes += scored

    def _compare_each(self) -> None:
        counted: list[Pair] = []
        warm: list[Pair] = []
        for pair in self._pairs:
            (warm if self._is_warm(pair.shadow) else counted).append(pair)
        # Compared before anything is entered: a schema that cannot be had now raises, and the pairs must not be lost.
        results = self._results(counted)
        columns = self._columns(counted, results)
        scored = self.scoring.scored(counted, columns)
        if self._task.occurring.looks:
            offsets = [pair.production.offset for pair in counted]
            values = [pair.production.value for pair in counted], [pair.shadow.value for pair in counted]
            self._task.occurring.look(self._compare, offsets, *values)
        met = [pair for pair in counted if pair.twin is not None]
        twins = iter(self._compare.twin([p.production.value for p in met], [p.twin.value for p in met if p.twin]))
        self._pairs = []
        book = self._task.book
        for pair in warm:
            book.pair(pair, WARM_UP)
        for pair, result in zip(counted, results, strict=True):
            book.pair(pair, result, next(twins) if pair.twin is not None else None)
        book.changes.update(results.changed())
        book.slices.add(columns)
        book.writes += scored

    def _columns(
        self, pairs: Sequence[Pair], results: Results | Sequence[Compared], revision: str | None = None
    ) -> Columns:
        """Compared pairs as columns; `revision` where it is not that of the shadow's record."""
        book = self._task.book
        outcomes = results.outcomes if isinstance(results, Results) else [result.outcome for result in results]
        revisions = [revision or book.revision_of(pair.shadow) for pair in pairs]
        production, shadow = Rows.of([pair.production for pair in pairs]), Rows.of([pair.shadow for pair in pairs])
        columns = columns_of(self._task.config, production, shadow, self._compare, outcomes, revisions)
        return columns._replace(touched=touched_of(self._fields, results, outcomes))

    def _results(self, pairs: Sequence[Pair]) -> Results:
        production = [pair.production for pair in pairs]
        times_ms = [row.time_ms for row in production]
        return self._compare([row.value for row in production], [p.shadow.value for p in pairs], times_ms)

    def _is_warm(self, shadow: Row) -> bool:
        return shadow.warm or (shadow.at is not None and self._task.clocks.input_is_warm_up(shadow.at))

    def _many(self, group: Many) -> None:
        production, shadow = group.production, group.shadow
        if len(production) != len(shadow) and not self._is_warm(shadow[0]):
            fewer = Side.PRODUCTION if len(production) < len(shadow) else Side.SHADOW
            lacking = abs(len(production) - len(shadow))
            gone = self._task.may_be_gone(fewer, production[0])
            if gone or self._task.unread.explains(fewer, Side(1 - fewer), lacking):
                for side, rows in ((Side.PRODUCTION, production), (Side.SHADOW, shadow)):
                    for row in rows:
                        self._task.book.alone(side, row, SOME_GONE if gone else SOME_UNREAD)
                return
            told = self._columns([Pair(production[0], shadow[0])], [Plainly("cardinality")])
            self._task.book.cardinality(production, shadow, group.id)
            self._task.book.slices.add(told)
            return
        more = Side.PRODUCTION if len(production) > len(shadow) else Side.SHADOW
        left = [*production[len(shadow) :], *shadow[len(production) :]]
        production, shadow = production[: len(shadow)], shadow[: len(production)]
        columns, bounded = self._assigned(production, shadow)  # before anything is entered: it may raise
        for row in left:
            self._task.book.alone(more, row, WARM_UP)
        self._pairs += [
            Pair(one, shadow[column], None, bounded, group.id) for one, column in zip(production, columns, strict=True)
        ]

    def _assigned(self, production: Sequence[Row], shadow: Sequence[Row]) -> tuple[list[int], bool]:
        """Which shadow record each production record meets: as many as possible that agree; and whether there were too
        many to hold each against each."""
        rows, columns = list(range(len(production))), list(range(len(shadow)))
        found: dict[int, int] = {}
        if len(rows) > COMPARED_MAX:  # equal ones meet first
            left: dict[bytes | None, list[int]] = {}
            for column in reversed(columns):
                left.setdefault(shadow[column].value, []).append(column)
            found = {row: left[production[row].value].pop() for row in rows if left.get(production[row].value)}
            rows = [row for row in rows if row not in found]
            columns = sorted(column for same in left.values() for column in same)
        if (n := len(rows)) > COMPARED_MAX:
            order = list(range(n))
        elif n < 2:
            order = [0] * n
        else:
            plain = self._agree([production[row] for row in rows for _ in columns], [shadow[c] for c in columns] * n)
            order = assign([plain[i * n : (i + 1) * n] for i in range(n)])
        found |= {row: columns[place] for row, place in zip(rows, order, strict=True)}
        return [found[row] for row in range(len(production))], n > COMPARED_MAX

    # ---------------------------------------------------------------- one alone

    def _alone(self, end: Alone) -> None:
        task, row = self._task, end.row
        if end.side is Side.PRODUCTION:
            self._production_alone(end)
            return
        is_warm = task.clocks.is_warm_up(row, end.side)
        if is_warm and not row.warm:
            task.book.alone(end.side, row, WARM_UP)
        elif end.side is Side.TWIN:
            task.book.alone(end.side, row, self._partnerless.lacking(end.side, row, "twin_extra"), task.revision)
        elif isinstance(end.id, Unreadable):
            task.book.alone(end.side, row, WARM_UP if is_warm else self._partnerless.unreadable(end.id))
        elif (said := self._said(Side.PRODUCTION, end)) is not None:
            task.corrections.add(Correction(said, row, end.id))
        elif is_warm:
            task.book.alone(end.side, row, WARM_UP)
        else:
            result = self._partnerless.lacking(end.side, row, "extra")
            task.book.alone(end.side, row, result, None, Said(end.ambiguous, None, end.id))

    def _production_alone(self, end: Alone) -> None:
        task, row = self._task, end.row
        result, revision, compared = WARM_UP, task.revision, None
        if not task.clocks.is_warm_up(row):
            said = self._said(Side.SHADOW, end)
            if said is not None:
                task.corrections.add(Correction(said, row, end.id, end.twin))
                return
            if end.twin is not None:  # before anything is entered: it may raise
                (compared,) = self._compare.twin([row.value], [end.twin.value])
            result, revision = self._partnerless.reason(row)
            result = self._failures.judged(row, result)
        task.book.alone(Side.PRODUCTION, row, result, revision, Said(end.ambiguous, None, end.id, end.twin))
        task.book.twin(row.time_ms, revision, result.outcome, end.twin, compared)

    def _said(self, side: Side, end: Alone) -> SaidRow | None:
        identity = self._task.config.identity
        tolerance_ms = identity.tolerance_ms if identity.kind == "occurrence" else None
        shown, said = self._shown(end.id), self._task.said
        found = said.take(side, shown, end.row.time_ms, tolerance_ms)
        if found is None and tolerance_ms is None and identity.equal_ids == "meaning":
            return said.take_alike(side, shown, end.row.time_ms)
        return found

    def _shown(self, id_: Hashable) -> Hashable:
        """An id as diff shows it: what was said is known by that, for after a restart it comes back from there."""
        return self._task.redactor.key(id_) if isinstance(id_, bytes) else id_

    # ---------------------------------------------------------------- shed

    def shed(self) -> int:
        """Put all that waits with an id that is shed now into the backlog; how many records these are."""
        task, sheds = self._task, self._task.shedding.sheds
        self.compare_pairs()  # they have met: none of them waits, unless it is for a schema
        corrections = task.corrections.shed(sheds)
        corrected = {(one.said.place, one.said.offset) for one in corrections}
        ends = [*task.store.shed(sheds), *task.awaiting.shed(sheds, corrected)]
        for end in ends:
            task.backlog.evict(end)
        for one in corrections:
            task.backlog.correct(Corrected(one.said, one.pair(None), SHED))
        return len(ends) + len(corrections)

    def evict(self, end: Alone) -> None:
        """Enter a record that is shed. What was said of its partner is taken back: it is not missing, nor extra."""
        said = None if end.side is Side.TWIN else self._said(Side(1 - end.side), end)
        if said is None:
            self._task.book.alone(end.side, end.row, SHED)
        else:
            self._take_back(said, Correction(said, end.row, end.id).pair(None), SHED)

    # ---------------------------------------------------------------- what was said

    def correct(self, found: Sequence[Corrected]) -> None:
        """Compare and enter corrections whose values have come."""
        results: Results | None = None
        with suppress(RegistryError):
            results = self._results([one.pair for one in found])
        for place, (said, pair, _) in enumerate(found):
            try:
                if results is None:
                    self._correct(said, pair, self._results([pair]), 0)
                else:
                    self._correct(said, pair, results, place)
            except RegistryError:
                self._task.awaiting.add_corrected(Corrected(said, pair))

    def _correct(self, said: SaidRow, pair: Pair, results: Results, place: int) -> None:
        if pair.shadow.warm:
            self._take_back(said, pair, WARM_UP)
            self._task.corrections.drop(said)
            return
        result, compared = results[place], None
        if pair.twin is not None:
            (compared,) = self._compare.twin([pair.production.value], [pair.twin.value])
        revision = said.revision if said.side is Side.SHADOW else None
        columns = self._columns([pair], [result], revision)
        scored = self.scoring.scored([pair], columns)
        self._take_back(said, pair, result)
        self._task.book.changes.update(results.changes.get(place, ()))
        self._task.book.slices.add(columns)
        self._task.book.writes += scored
        self._task.corrections.drop(said)
        if pair.twin is not None:
            self._task.book.twin(pair.production.time_ms, said.revision, result.outcome, pair.twin, compared)

    def end_correction(self, said: SaidRow, pair: Pair, result: Plainly) -> None:
        """End a correction whose value will not come, and the twin's record that waited with it."""
        self._take_back(said, pair, result)
        self._task.corrections.drop(said)
        if pair.twin is not None:
            self._task.book.alone(Side.TWIN, pair.twin, result)

    def _take_back(self, said: SaidRow, pair: Pair, result: Compared) -> None:
        """Enter a correction; what could not be read explains another record in place of this one."""
        self._task.book.correct(said, pair, result)
        if said.unread:
            self._task.unread.take_back(said.side)

    def keep_said(self, floor: int) -> None:
        """What the book has said missing or extra is committed now, and correctable."""
        book, task = self._task.book, self._task
        for side, row, id_, revision, result in book.said:
            place, offset = book.own_place(side, row)
            pair_id = book.pair_id(side, row)
            key, shown = task.redactor.key(row.key), self._shown(id_)
            if too_long(key) or too_long(shown):  # it does not stand in diff, so no restart would know it
                task.said.dropped += 1
                continue
            said = (side, shown, place, offset, row.time_ms, key, row.at, revision, pair_id, floor, result.outcome)
            task.said.add(SaidRow(*said, result.reason in MAY_BE_UNREAD))
