"""Outcomes of unmatched records: missing, extra, or the cause that explains the missing partner."""

from collections.abc import Sequence
from dataclasses import dataclass

from shadowstream.config import Config
from shadowstream.joiner.accounting.correctable import MAY_BE_GONE, CorrectableRow
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import Absence, MarksLog
from shadowstream.joiner.intake.production_failures import ProductionFailures
from shadowstream.joiner.intake.side_position import SidePosition
from shadowstream.joiner.intake.unread_records import UnreadableId, UnreadRecords
from shadowstream.joiner.pending_record import PendingRecord
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.protocol.outcomes import BY_CAUSE, Outcome, Result
from shadowstream.protocol.reasons import PARTNER_UNREAD, WHOSE, WHY_UNREAD
from shadowstream.records import Partition, Side

GONE = Result(Outcome.EVICTED, MAY_BE_GONE)
BEYOND = Result(Outcome.SAMPLED_OUT, "beyond the end of the trial (until)")
NEITHER_READ = Result(Outcome.EVICTED, "neither its identity nor that of a record of production could be read")
SOME_GONE = Result(Outcome.EVICTED, "outputs of its input may have been deleted before they were read")
SOME_UNREAD = Result(Outcome.EVICTED, "outputs of its input may be among those that could not be read")


@dataclass(frozen=True, slots=True)
class UnmatchedOutcomes:
    """The rules for unmatched records of one task."""

    _config: Config
    _sources: TaskTopics
    _positions: Sequence[SidePosition]
    _completeness: Completeness
    _marks: MarksLog
    _unread: UnreadRecords
    _failures: ProductionFailures

    def lacking(self, side: Side, row: PendingRecord, outcome: Outcome) -> Result:
        """Return the outcome of an unmatched record of `side`: `outcome`, or evicted if the partner may be lost."""
        awaited = Side.SHADOW if side is Side.PRODUCTION else Side.PRODUCTION
        if self._may_be_gone(awaited, row):
            return GONE
        if not self._unread.explains(awaited, side):
            return Result(outcome)
        whose, why = WHOSE[awaited is not Side.PRODUCTION], WHY_UNREAD[awaited in self._sources.compacted]
        return Result(Outcome.EVICTED, PARTNER_UNREAD.format(whose, why))

    def lacking_in_group(self, side: Side, row: PendingRecord, records: int) -> Result | None:
        """Return the outcome of a group that lacks `records` outputs of `side`; None if they cannot have been lost."""
        if self._may_be_gone(side, row):
            return SOME_GONE
        return SOME_UNREAD if self._unread.explains(side, Side(1 - side), records) else None

    def _may_be_gone(self, side: Side, row: PendingRecord) -> bool:
        until_ms = self._positions[side].retention_gap_until_ms
        return until_ms is not None and row.time_ms <= until_ms + self._config.grace_ms

    def unreadable(self, id_: UnreadableId) -> Result:
        """Return the outcome of a record without readable id: evicted if production has such a record too."""
        if not self._unread.explains(Side.PRODUCTION, Side.SHADOW):
            return Result(Outcome.UNDECODABLE_SHADOW, id_.reason)
        self._unread.settled(Side.SHADOW)
        return NEITHER_READ

    def take_back(self, earlier: CorrectableRow) -> None:
        """Free the unread record that explained a missing partner, because that partner has arrived."""
        if earlier.unread:
            self._unread.take_back(earlier.side)

    def of_production(self, row: PendingRecord) -> tuple[Result, str]:
        """Return the outcome of an unmatched production record, and the revision that it is evidence about.

        Raises a `RegistryError` if the schema of production's value is unavailable: the value may show an error.
        """
        result, revision = self._by_marks(row)
        return self._failures.judged(row, result), revision

    def _by_marks(self, row: PendingRecord) -> tuple[Result, str]:
        marks, inputs = self._marks, self._config.inputs
        replay = self._completeness.replays.outcome(row.offset, row.at, inputs)
        if replay is not None:
            return Result(replay, "production replays: its committed offset went back"), marks.revision
        absence: Absence | None = None
        if row.at is not None:
            place = Partition(inputs[row.at.topic], row.at.partition)
            absence = marks.absence_of_input(place, row.at.offset)
            revision = marks.revision_at(place, row.at.offset)
        else:
            found = marks.absence_of_key(row.key, self._config.compare.id_secret) if row.key is not None else None
            # Under occurrence a key has several inputs, so its absence may be another record's: no excuse.
            if found is not None and not (found[0].reason == "warm_up" and self._config.identity.kind == "occurrence"):
                absence, revision = found[0], marks.revision_at(*found[1:])
            else:
                revision = marks.revision_at_time(self._sources.topic, self._sources.inputs, row.time_ms)
        if absence is None and self._completeness.is_beyond_end(row):
            return BEYOND, revision
        if absence is None:
            return self.lacking(Side.PRODUCTION, row, Outcome.MISSING), revision
        outcome = BY_CAUSE.get(absence.reason, Outcome.CANDIDATE_ERROR)
        return Result(outcome, absence.text or absence.reason), revision
