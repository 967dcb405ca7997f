"""One task: an output partition of production and the same of the candidate, from reading to outcome.

Pure: batches, marks, observations and time come in; writes and offsets go out. Each stage owns its data, and no stage
knows the task. The order of the stages stands here and nowhere else:

1. admit (`intake.side`): a batch becomes columns of records with an id;
2. match (a store of `matching`): on arrival or, by the rules of `completeness`, once a partner can no longer come;
3. resolve (`outcomes.resolve`): unmatched records and groups become outcomes;
4. compare (`outcomes.compare_stage`): pairs become outcomes, column by column;
5. count (`accounting`): each outcome is counted once, in its window;
6. commit (`recovery.task_commit`): `prepare` gives everything of one transaction, `committed` says that it holds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from shadowstream.ahead import Ahead
from shadowstream.compare.comparer import Comparing
from shadowstream.config import Config
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.input_ledger import InputLedger
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.part_counts import Values
from shadowstream.joiner.accounting.path_sightings import Occurring
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import PassedMarks, Progress
from shadowstream.joiner.intake.equal_ids import meeting
from shadowstream.joiner.intake.header_fields import HeaderReader
from shadowstream.joiner.intake.production_failures import Failures
from shadowstream.joiner.intake.side import IntakeParts, SideIntake
from shadowstream.joiner.intake.unread_records import Unread
from shadowstream.joiner.matching.by_unique_id import UniqueIdStore
from shadowstream.joiner.matching.choice import store_of
from shadowstream.joiner.matching.load_shedding import LoadShedder
from shadowstream.joiner.matching.spilled_values import Spill
from shadowstream.joiner.outcomes.awaited_schemas import AwaitedSchemas
from shadowstream.joiner.outcomes.compare_stage import CompareStage
from shadowstream.joiner.outcomes.deferred import Backlog
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.resolve import OutcomeResolver
from shadowstream.joiner.outcomes.unmatched import Partnerless
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.joiner.recovery.pending_records import PendingRecords
from shadowstream.joiner.recovery.task_commit import CommitParts, PreparedCommit, Stage, TaskCommit
from shadowstream.joiner.task_topics import Sources
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Batch, Partition, Side


class Task:
    """The stages of one task; see the head of this file."""

    def __init__(self, config: Config, revision: str, sources: Sources, marks: Progress, comparer: Comparing) -> None:
        places, ahead, unread = sources.places, Ahead(config.future_ms_max), Unread()
        passed, fields, paths = PassedMarks(places[Side.SHADOW]), HeaderReader(config, sources.topic), Occurring(config)
        output, once = Partition(sources.topic, sources.partition), config.delivery == "exactly_once"
        self.sources = sources
        self.identity = Identity(config, comparer.decode)
        self.shedding = LoadShedder()
        self.clocks = Completeness(config, marks, passed, places, ahead, sources.copied)
        self.routes = conservation.Routes(config.inputs, output, once=once)
        shared = (config, sources, self.identity, fields, marks, self.clocks, ahead, unread, self.shedding)
        self.sides = tuple(SideIntake(side, IntakeParts(*shared, self.routes.count)) for side in sources.sides)
        self.store = store_of(config, len(places), ahead)
        self.deferred = Backlog(config.judge.window_ms)
        self.late = LateRecords(config, self.identity, fields)
        self.book = OutcomeCounts(config, revision, sources.name, places, marks)
        self.book.slices.values = Values(config, comparer)
        self.inputs = InputLedger(sources.own_inputs, marks, self.book)
        scoring, awaiting = LabelledPairs(config, sources.name, comparer), AwaitedSchemas(self.store.held, comparer)
        self.comparing = CompareStage(config, comparer, self.clocks, self.book, paths, scoring, awaiting)
        positions, failures = [one.position for one in self.sides], Failures(config, comparer)
        unmatched = Partnerless(config, sources, positions, self.clocks, marks, unread, failures)
        stages = (self.clocks, unmatched, self.comparing, self.late, self.deferred, self.book)
        self.resolver = OutcomeResolver(revision, *stages)
        pending = PendingRecords(self.store, self.late.corrections, awaiting, self.deferred, self.sides)
        kept: tuple[Stage, ...] = (*self.sides, self.routes, self.clocks, self.inputs, unread, self.shedding, ahead)
        parts = CommitParts(
            config=config,
            revision=revision,
            sources=sources,
            identity=self.identity,
            marks=marks,
            completeness=self.clocks,
            sides=self.sides,
            inputs=self.inputs,
            routes=self.routes,
            pending=pending,
            late=self.late,
            counts=self.book,
            paths=paths,
            scoring=scoring,
            stages=kept,
        )
        self.commit = TaskCommit(parts)

    @property
    def name(self) -> str:
        """Production's output topic and the partition."""
        return self.sources.name

    @property
    def places(self) -> tuple[Partition, ...]:
        """The places of the task, by side."""
        return self.sources.places

    # ---------------------------------------------------------------- reading

    def read(self, side: Side, batch: Batch, now_ms: int) -> set[str]:
        """Take a batch of one side; return the revisions that no mark has announced yet.

        In that case, or if a `RegistryError` is raised, the batch has not been taken and can be offered again.
        """
        admitted = self.sides[side].admit(batch, now_ms)
        if admitted.unknown_revisions:
            return set(admitted.unknown_revisions)
        if admitted.redelivered:
            self.book.records[side.word, "repeated"] += admitted.redelivered
        self.resolver.end(side, admitted.ended)
        if admitted.columns is not None:
            matches = self.store.match_columns(side, admitted.ids, admitted.columns)
            # Nothing bounds how many records read again have their partners at once.
            (self.resolver.defer if admitted.has_reread else self.resolver.resolve)(matches)
        return set()

    def fetched(self, place: Partition, batch: Batch | None, gone: Iterable[int]) -> None:
        """Take values that corrections needed, read again; `gone` are offsets that retention has deleted."""
        for corrected in self.late.fetched(place, batch, gone):
            self.deferred.correct(corrected)

    # ---------------------------------------------------------------- deciding

    def settle(self, limit: int = sys.maxsize) -> bool:
        """Decide what can no longer find a partner; of all that may end at once about `limit` records at most.

        Returns whether the next call can decide more at once.
        """
        for done in self.clocks.passed.advance(self.clocks.positions[Side.SHADOW]):
            self.routes.check(done)
        self.clocks.advance()
        for side in self.sources.sides:
            self.resolver.end(side, self.sides[side].take_deleted(limit))
        has_more = False
        if not any(one.position.to_reread for one in self.sides):
            matches, has_more = self.store.take_decidable(self.clocks, limit)
            self.resolver.resolve(meeting(matches) if self.identity.has_meanings else self.comparing.untied(matches))
        has_more |= self.resolver.resume_deferred(limit)
        self.comparing.compare_gathered()
        if (watermark_ms := self.clocks.watermark()) is not None:
            self.late.expire(watermark_ms)
        return has_more or any(one.has_deleted for one in self.sides) or len(self.deferred) > 0

    def shed_more(self) -> int:
        """Shed half of the identities that are left, from now on and of all that waits; how many records that ends.

        The next commit keeps the level, so that with the records it holds or is forgotten.
        """
        if not self.shedding.step():
            return 0
        self.comparing.compare_gathered()
        return self.resolver.shed(self.shedding.sheds, self.store.shed(self.shedding.sheds))

    def spill(self, to: Spill, down_to: int) -> int:
        """Spill values of pending records until `down_to` bytes are left in memory; how many bytes that were."""
        return self.store.spill(to, down_to) if isinstance(self.store, UniqueIdStore) else 0

    # ---------------------------------------------------------------- committing and restarting

    def entered(self) -> int:
        """Count the records that have ended since the last commit, and those of pairs to be compared."""
        return self.book.records.total() + self.comparing.records_to_compare()

    def prepare(self, now_ms: int, limit: int = sys.maxsize) -> PreparedCommit:
        """Return everything of one transaction; empty where there is nothing new to commit. `limit`: see `settle`."""
        has_more = self.settle(limit)
        pending = sum(self.commit.pending.count(side) for side in self.sources.sides)
        complete = self.clocks.finished() and not pending and self.inputs.is_complete()
        return PreparedCommit(*self.commit.prepare(now_ms, complete=complete), has_more)

    def restore(self, side: Side, point: Checkpoint | None, start: int) -> None:
        """Begin a side at offset `start`, with the checkpoint of its commit (None: nothing committed yet)."""
        if point is None:
            self.sides[side].begin(start)
            return
        self.sides[side].begin(start, point.high, point.pending)
        self.commit.sequence = max(self.commit.sequence, point.sequence)
        if side is Side.PRODUCTION and point.correctable_floor:
            self.late.correctable_from = point.correctable_floor - 1

    def is_reread(self) -> bool:
        """Whether all that was read before a restart has been read again, and nothing awaits a schema."""
        return all(one.position.is_reread for one in self.sides) and not len(self.comparing.awaiting)

    def sides_that_must_progress(self) -> frozenset[Side]:
        """Sides that must not all be paused (`Completeness`); a side that is read again answers nothing yet."""
        rereading = [side for side in self.sources.sides if not self.sides[side].position.is_reread]
        return self.clocks.sides_that_must_progress(rereading)
