"""The outcome of a record that no record of another side will meet: whose fault it is, as far as anybody can tell."""

from __future__ import annotations

from shadowstream.joiner.accounting.correctable import MAY_BE_GONE
from shadowstream.joiner.completeness.marks_log import Absent
from shadowstream.joiner.intake.unread_records import Unreadable
from shadowstream.joiner.pending_record import Row
from shadowstream.joiner.task_state import TaskState
from shadowstream.protocol.outcomes import BY_CAUSE, Outcome, Result
from shadowstream.protocol.reasons import PARTNER_UNREAD, WHOSE, WHY_UNREAD
from shadowstream.records import Place, Side

GONE = Result(Outcome.EVICTED, MAY_BE_GONE)
NEITHER_READ = Result(Outcome.EVICTED, "neither its identity nor that of a record of production could be read")


class Partnerless:
    """Outcomes of the records of one task that lack a partner."""

    def __init__(self, task: TaskState) -> None:
        self._task = task

    def lacking(self, side: Side, row: Row, outcome: Outcome) -> Result:
        """The outcome of a row of `side` that lacks its partner, or that nobody can tell."""
        task, awaited = self._task, Side.SHADOW if side is Side.PRODUCTION else Side.PRODUCTION
        if task.may_be_gone(awaited, row):
            return GONE
        if not task.unread.explains(awaited, side):
            return Result(outcome)
        whose, why = WHOSE[awaited is not Side.PRODUCTION], WHY_UNREAD[awaited in task.compacted]
        return Result(Outcome.EVICTED, PARTNER_UNREAD.format(whose, why))

    def unreadable(self, id_: Unreadable) -> Result:
        """The outcome of a candidate's record without a readable identity: production's may have been no better."""
        unread = self._task.unread
        if not unread.explains(Side.PRODUCTION, Side.SHADOW):
            return Result(Outcome.UNDECODABLE_SHADOW, id_.reason)
        unread.settled(Side.SHADOW)
        return NEITHER_READ

    def reason(self, row: Row) -> tuple[Result, str]:
        """The outcome of a production record that no shadow record will meet, and the revision that it speaks of."""
        task, progress = self._task, self._task.progress
        replay = task.clocks.replays.verdict(row.offset, row.at, task.config.inputs)
        if replay is not None:
            return Result(replay, "production replays: its committed offset went back"), task.revision
        absence: Absent | None = None
        if row.at is not None:
            place = Place(task.config.inputs[row.at.topic], row.at.partition)
            absence = progress.absence_of_input(place, row.at.offset)
            revision = progress.revision_at(place, row.at.offset)
        else:
            found = progress.absence_of_key(row.key) if row.key is not None else None
            # Under occurrence the key says nothing of which of its inputs that was: missing, rather than excused.
            if found is not None and not (found[0].reason == "warm_up" and task.config.identity.kind == "occurrence"):
                absence, revision = found[0], progress.revision_at(*found[1:])
            else:
                revision = progress.revision_at_time(task.places[Side.PRODUCTION].partition, row.time_ms)
        if absence is None:
            return self.lacking(Side.PRODUCTION, row, Outcome.MISSING), revision
        outcome = BY_CAUSE.get(absence.reason, Outcome.CANDIDATE_ERROR)
        return Result(outcome, absence.text or absence.reason), revision
