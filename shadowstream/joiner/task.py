"""One task of the joiner: a partition of production's output and the same partition of the other sides.

Pure: batches, marks, observations and time come in; writes and offsets go out. Each stage owns its data, and no stage
knows the task. Only this module defines the order of the stages:

1. admit (`intake.side`): a batch becomes columns of records, each with an id;
2. match (a store of `matching`): on arrival, or once `completeness` shows that no partner can come any more;
3. resolve (`outcomes.resolve`): unmatched records and groups become outcomes;
4. compare (`outcomes.compare_stage`): pairs become outcomes, column by column;
5. count (`accounting`): each outcome is counted once, in its window;
6. commit (`recovery.task_commit`): `prepare` returns the content of one transaction, `committed` confirms it.
"""

import sys
from collections.abc import Iterable

from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.future_dates import Ahead
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.input_ledger import InputLedger
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.part_counts import DimensionReader
from shadowstream.joiner.accounting.path_sightings import PathSightings
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import MarksLog, PassedMarks
from shadowstream.joiner.intake.equivalent_ids import pair_equal_ids
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.intake.production_failures import ProductionFailures
from shadowstream.joiner.intake.side import IntakeParts, SideIntake
from shadowstream.joiner.intake.unread_records import UnreadRecords
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.choice import store_of
from shadowstream.joiner.matching.key_order import KeyOrder
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.matching.spilled_values import SpillStore
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.compare_stage import CompareStage
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.rechecks import Rechecks
from shadowstream.joiner.outcomes.resolve import OutcomeResolver
from shadowstream.joiner.outcomes.unmatched import UnmatchedOutcomes
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.joiner.recovery.pending_records import PendingRecords
from shadowstream.joiner.recovery.task_commit import CommitParts, TaskCommit
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Commit, Partition, Side, Write


class Task:
    """The stages of one task, and the order in which records pass them."""

    def __init__(
        self, config: Config, revision: str, sources: TaskTopics, marks: MarksLog, comparer: Comparing
    ) -> None:
        self.sources = sources
        places, ahead, unread = sources.places, Ahead(config.future_ms_max), UnreadRecords()
        passed, paths = PassedMarks(places[Side.SHADOW]), PathSightings(config)
        fields = HeaderReader(config, sources.topic)
        output, once = Partition(sources.topic, sources.partition), config.delivery == "exactly_once"
        self.identity = Identity(config, comparer.decode)
        self.shedding = LoadShedder()
        self.completeness = Completeness(config, marks, passed, places, ahead, sources.copied)
        self.routes = conservation.RouteLedger(config.inputs, output, once=once)
        self.order = KeyOrder(config.identity.dedupe_span) if config.compare.order else None
        shared = (config, sources, self.identity, fields, marks, self.completeness, ahead, unread, self.shedding)
        self.sides = tuple(
            SideIntake(side, IntakeParts(*shared, self.routes.count, self.order)) for side in sources.sides
        )
        self._by_side = tuple(zip(sources.sides, self.sides, strict=True))
        self.store = store_of(config, len(places), ahead)
        self.deferred = Backlog(config.judge.window_ms)
        self.late = LateRecords(config, self.identity, fields)
        self.counts = OutcomeCounts(config, revision, sources.name, places, marks)
        self.counts.slices.values = DimensionReader(config, comparer)
        self.inputs = InputLedger(sources.own_inputs, marks, self.counts)
        scoring, awaiting = LabelledPairs(config, sources.name, comparer), AwaitedSchemas(self.store.held, comparer)
        rechecks = Rechecks(config, revision, sources, self.store.held, comparer, self.counts)
        waiting = awaiting, rechecks
        self.comparing = CompareStage(config, comparer, self.completeness, self.counts, paths, scoring, waiting)
        self.comparing.order = self.order
        positions, failures = [one.position for one in self.sides], ProductionFailures(config, comparer)
        unmatched = UnmatchedOutcomes(config, sources, positions, self.completeness, marks, unread, failures)
        stages = (self.completeness, unmatched, self.comparing, self.late, self.deferred, self.counts)
        self.resolver = OutcomeResolver(revision, *stages)
        pending = PendingRecords(self.store, self.late.corrections, awaiting, self.deferred, rechecks, self.sides)
        parts = CommitParts(
            config=config,
            revision=revision,
            sources=sources,
            identity=self.identity,
            marks=marks,
            completeness=self.completeness,
            sides=self.sides,
            inputs=self.inputs,
            routes=self.routes,
            pending=pending,
            late=self.late,
            counts=self.counts,
            paths=paths,
            scoring=scoring,
            rechecks=rechecks,
            stages=(*self.sides, self.routes, self.completeness, self.inputs, unread, self.shedding, ahead, rechecks),
        )
        self.commit = TaskCommit(parts)

    @property
    def name(self) -> str:
        """Output topic and partition."""
        return self.sources.name

    def read(self, side: Side, batch: Batch, now_ms: int) -> set[str]:
        """Read a batch of one side; return the revisions that no mark has announced yet.

        In that case, or if `RegistryError` is raised, the batch is not consumed and can be offered again.
        """
        if self.completeness.has_ended_early:  # only what was read before a restart is read again
            batch = batch.below(self.sides[side].position.accounted_to)
            if not len(batch):
                return set()
        admitted = self.sides[side].admit(batch, now_ms)
        if admitted.unknown_revisions:
            return set(admitted.unknown_revisions)
        if admitted.redelivered:
            self.counts.records[side.word, "repeated"] += admitted.redelivered
        self.resolver.end(side, admitted.ended)
        if admitted.columns is not None:
            self._match_dated(side, now_ms)
            matches = self.store.match_columns(side, admitted.ids, admitted.columns)
            # After a restart, any number of records can find their partners at once.
            waits = admitted.has_reread or not self._knows_order
            (self.resolver.defer if waits else self.resolver.resolve)(matches)
        return set()

    @property
    def _knows_order(self) -> bool:
        """Whether the order of keys is known again after a restart, where it is compared: only then pairs may be."""
        return self.order is None or all(one.position.is_reread for one in self.sides)

    def _match_dated(self, side: Side, now_ms: int | None = None) -> None:
        for rows, ids in self.sides[side].take_dated(now_ms):  # none of them finds a partner
            self.store.match_columns(side, ids, rows)

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int]) -> None:
        """Pass values that were read again to the corrections; retention has deleted the offsets `gone`."""
        for corrected in self.late.fetched(place, batch, gone):
            self.deferred.correct(corrected)

    def decide(self, limit: int = sys.maxsize) -> bool:
        """Decide about `limit` records that need not wait any more; return whether the next call can decide more.

        The pairs among them are gathered, and compared by `compare_together` or `prepare`.
        """
        for done in self.completeness.passed.advance(self.completeness.positions[Side.SHADOW]):
            self.routes.check(done)
        self.completeness.advance()
        for side, one in self._by_side:
            if one.has_deleted:
                self.resolver.end(side, one.take_deleted(limit))
            self._match_dated(side)
        has_more, knows_order = False, self._knows_order
        if knows_order and not any(one.position.to_reread for one in self.sides):
            matches, has_more = self.store.take_decidable(self.completeness, limit)
            pair_up = pair_equal_ids if self.identity.has_meanings else self.comparing.untied
            if matches:
                self.resolver.resolve(pair_up(matches))
        if knows_order:
            has_more |= self.resolver.resume_deferred(limit)
        return has_more or any(one.has_deleted for one in self.sides) or (knows_order and len(self.deferred) > 0)

    def shed_more(self) -> int:
        """Shed half of the remaining identities, pending ones included; return the number of records that ended.

        The next commit stores the new level together with the outcomes of these records.
        """
        if not self.shedding.step():
            return 0
        self.comparing.compare_gathered()
        return self.resolver.shed(self.shedding.sheds, self.store.shed(self.shedding.sheds))

    def spill(self, to: SpillStore, down_to: int) -> int:
        """Spill values of pending records until `down_to` bytes are left in memory; return the bytes spilled."""
        return self.store.spill(to, down_to) if isinstance(self.store, UniqueIdStore) else 0

    def ended_records(self) -> int:
        """Count the records that have ended since the last commit, pairs that wait for comparison included."""
        return self.counts.records.total() + self.comparing.records_to_compare()

    def prepare(self, now_ms: int) -> tuple[list[Write], list[Commit]]:
        """Compare the pairs that are still gathered; return the content of one transaction, empty if nothing is new."""
        self.comparing.compare_gathered()
        if (watermark_ms := self.completeness.watermark()) is not None:
            self.late.expire(watermark_ms)
        complete = self.completeness.finished and not self._waits() and self.inputs.is_complete()
        prepared = self.commit.prepare(now_ms, complete=complete)
        if self.order is not None and self._knows_order:
            self.order.all_read_again()
            self.order.forget(self.sides[Side.PRODUCTION].position.pending_from - self.order.span)
        return prepared

    def _waits(self) -> bool:
        return any(self.commit.pending.count(side) for side in self.sources.sides)

    def restore(self, side: Side, point: Checkpoint | None, start: int) -> None:
        """Begin a side at offset `start`, with the checkpoint of its commit; None if it has none."""
        if point is None:
            self.sides[side].begin(start)
            return
        self.commit.logs[side].restore(point.log)
        self.sides[side].begin(start, point.high, point.pending)
        self.commit.sequence = max(self.commit.sequence, point.sequence)
        if side is Side.PRODUCTION and point.correctable_floor:
            self.late.correctable_from = point.correctable_floor - 1

    def is_reread(self) -> bool:
        """Return whether all records from before a restart have been read again, and none awaits a schema."""
        return all(one.position.is_reread for one in self.sides) and not len(self.comparing.awaiting)

    def sides_that_must_progress(self) -> frozenset[Side]:
        """Return the sides that must not all be paused; a side that is still being re-read is one of them."""
        rereading = [side for side in self.sources.sides if not self.sides[side].position.is_reread]
        return self.completeness.sides_that_must_progress(rereading)
