"""The commit of a task: its stats record, its state record, and the offsets of its sides with their metadata."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from shadowstream.codecs import commit_records, own
from shadowstream.config import Config
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.conservation import RouteLedger
from shadowstream.joiner.accounting.input_ledger import InputLedger
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.path_sightings import PathSightings
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import MarksLog, place_of
from shadowstream.joiner.intake.side import SideIntake
from shadowstream.joiner.offset_spans import Spans
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.outcomes.rechecks import Rechecks
from shadowstream.joiner.recovery import checkpoint, pending_log
from shadowstream.joiner.recovery.checkpoint import Checkpoint
from shadowstream.joiner.recovery.pending_log import LogRecords, PendingLog
from shadowstream.joiner.recovery.pending_records import PendingRecords
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.protocol.headers import COMMIT_HEADER
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.metadata_codec import overflows
from shadowstream.records import Commit, Side, Write

MARKS_AGAIN_MAX = 10_000
"""Marks after which an idle task commits, so that a restart reads them again in a fraction of a second."""
OF_MARKS = ("passed", "input_floor", "input_read", "input_ended")
"""Kinds of counts that are derived from marks; they are valid only with a snapshot of the marks."""


class Stage(Protocol):
    """A stage with counts in the state record. `TaskCommit` calls it at each commit and after a restart."""

    def snapshot(self) -> dict[str, int]:
        """Return the stage's counts under names of its own."""
        ...

    def restore(self, counts: Mapping[str, int]) -> None:
        """Restore from the counts of all stages."""
        ...


class CommitParts(NamedTuple):
    """The parts of a task that a commit reads. `stages`: all stages with counts in the state record."""

    config: Config
    revision: str
    sources: TaskTopics
    identity: Identity
    marks: MarksLog
    completeness: Completeness
    sides: Sequence[SideIntake]
    inputs: InputLedger
    routes: RouteLedger
    pending: PendingRecords
    late: LateRecords
    counts: OutcomeCounts
    paths: PathSightings
    scoring: LabelledPairs
    rechecks: Rechecks
    stages: Sequence[Stage]


class TaskCommit:
    """The commits of one task. `sequence`: number of the last commit; `closed`: a bounded run has ended with it."""

    def __init__(self, parts: CommitParts) -> None:
        self._parts = parts
        sources, plan = parts.sources, parts.config.plan
        # Named once: a process may have hundreds of tasks, and each commits every second.
        self._name, self._partition, self._sides = sources.name, sources.partition, sources.sides
        self._place_names = [*map(str, sources.places)]
        self._ended_names = [f"ended:{side.word}" for side in sources.sides]
        self._span, self._compares_order = parts.config.identity.dedupe_span, parts.config.compare.order
        self._repeats = [parts.identity.repeats(side) for side in sources.sides]
        self._topics = {name: plan.of(name) for name in ("stats", "state", "diff")}
        self.pending = parts.pending
        self.sequence = 0
        self.closed = False
        self.logs = tuple(PendingLog(parts.sources.name, side, parts.pending) for side in self._sides)
        self._committed: tuple[Any, int] = (None, 0)
        self._prepared: tuple[Any, int] = (None, 0)

    def prepare(self, now_ms: int, *, complete: bool) -> tuple[list[Write], list[Commit]]:
        """Return the writes and offsets of one transaction, if any. `complete`: the task has ended all records."""
        parts = self._parts
        waiting = [self.pending.count(side) for side in self._sides]
        summary = self._summary(now_ms, complete, waiting), parts.completeness.replays.snapshot(parts.config.inputs)
        moved = any(one.position.accounted_to != one.position.committed_to for one in parts.sides)
        marks_from = self._marks_from()
        # While other tasks progress, an idle task must commit: a restart reads all marks since its last commit.
        late = marks_from - self._committed[1] >= MARKS_AGAIN_MAX
        new = parts.counts.cells or parts.counts.writes  # a restart may ask for second answers without a new record
        if not moved and not late and not new and summary == self._committed[0]:
            return [], []
        self._prepared = summary, marks_from
        sequence = self.sequence + 1
        offsets, overflow, logged = self._offsets(sequence, marks_from, waiting)
        ending = [*parts.scoring.end(), *parts.rechecks.end()] if complete and not self.closed else []
        rows = parts.counts.writes
        if parts.sources.incarnation:
            rows = [self._stamped(sequence, write) for write in rows]
        state = [*self._log_writes(sequence, logged), self._state(sequence, overflow, offsets)]
        return [*rows, *ending, self._stats(sequence, summary[0]), *state], offsets

    def committed(self) -> None:
        """Confirm the commit of the last `prepare` and begin the next one."""
        parts = self._parts
        self.sequence += 1
        self._committed = self._prepared
        self.closed = bool(self._prepared[0][0]["complete"])
        for one in parts.sides:
            one.position.committed_to = one.position.accounted_to
        for log in self.logs:
            log.committed()
        parts.late.remember(parts.counts)
        ahead = parts.completeness.ahead
        if ahead.noted:
            for side in self._sides:
                ahead.keep(side, self.pending.offsets(side))
        parts.counts.clear()
        parts.paths.clear()

    def restore(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore from state records by key (schemas/state.avsc): the last commit's, and those of the logs it names."""
        parts, name = self._parts, self._name
        record = records[name]
        counts = record["counts"]
        for side in self._sides:
            text, place = record["overflow"].get(side.word), self.logs[side].place
            if place is not None:
                parts.sides[side].position.to_reread = pending_log.restored(name, side, place, records)
            elif text is not None:
                parts.sides[side].position.to_reread = set(checkpoint.pending_of(text))
            parts.counts.ended[side] = counts.get(f"ended:{side.word}", 0)
        parts.inputs.restore_counted(record["inputs_counted"])
        if not record["marks"]:
            counts = {name: n for name, n in counts.items() if name.partition(":")[0] not in OF_MARKS}
        for stage in parts.stages:
            stage.restore(counts)
        parts.late.diff_end = counts.get("diff_from", 0)

    def watermark(self, *, idle: bool = False) -> int | None:
        """Return the time below which all records have ended, if known. `idle`: follow partitions that progress."""
        parts = self._parts
        mark = parts.completeness.watermark_of_idle() if idle else parts.completeness.watermark()
        if mark is None or any(one.position.to_reread for one in parts.sides):
            return None
        floors = parts.inputs.floors_ms(parts.completeness.input_ends)
        return None if floors is None else min([mark, *self.pending.floors_ms(), *floors])

    def is_idle(self, now_ms: int) -> bool:
        """Return whether the task has been at the end of all sides, without waiting records, for `idle_ms`."""
        parts = self._parts
        if not all(one.position.is_at_end for one in parts.sides) or self.pending.has_waiting():
            return False
        # A clock that was set back makes the task idle, which costs one commit.
        return not 0 <= now_ms - parts.completeness.last_read_ms < parts.config.idle_ms

    def _summary(self, now_ms: int, complete: bool, pending: list[int]) -> dict[str, Any]:
        """Return the fields of a stats record beside the counts since the last commit; `pending`: records by side."""
        parts, places, idle = self._parts, self._place_names, self.is_idle(now_ms)
        positions = [one.position for one in parts.sides]
        read = [one.records_read for one in positions]
        return {
            "ledgers": [
                *parts.inputs.lines(),
                *(conservation.routes_lines(parts.routes, places[Side.SHADOW]) if parts.routes.lines else ()),
                *conservation.records_lines(places, read, parts.counts.ended, pending),
                *conservation.lost_lines(places, [one.lost for one in positions]),
            ],
            "pending": sum(pending),
            "watermark_ms": self.watermark(idle=idle),
            "idle": idle,
            "complete": complete,
            "refused_marks": parts.marks.refused,
            "ahead": parts.completeness.ahead.records,
        }

    def _stats(self, sequence: int, summary: dict[str, Any]) -> Write:
        parts, sources = self._parts, self._parts.sources
        ranges = [(one.position.committed_to, one.position.accounted_to) for one in parts.sides]
        record = {
            "task": self._name,
            "seq": sequence,
            "revision": parts.revision,
            "sources": [
                {"topic": place.topic, "partition": place.partition, "from_offset": begin, "to_offset": end}
                for place, (begin, end) in zip(sources.places, ranges, strict=True)
            ],
            "windows": parts.counts.windows(),
            "incarnation": sources.incarnation,
            **summary,
            **parts.paths.record(),
        }
        key = f"{self._name}:{sequence}".encode()
        return Write(self._topics["stats"], self._partition, key, commit_records.encode_stats(record))

    def _stamped(self, sequence: int, write: Write) -> Write:
        """Add the commit to a row, because without transactions a crash may leave rows of a lost commit."""
        if not write.topic.startswith(self._topics["diff"]):
            return write
        text = f"{sequence} {self._parts.sources.incarnation} {self._name}"
        return write._replace(headers=[(COMMIT_HEADER, text.encode())])

    def _state(self, sequence: int, overflow: dict[str, str], commits: Sequence[Commit]) -> Write:
        parts, sources = self._parts, self._parts.sources
        counts = dict(zip(self._ended_names, parts.counts.ended, strict=True))
        for stage in parts.stages:
            counts.update(stage.snapshot())
        record = {
            "task": self._name,
            "seq": sequence,
            "counts": counts,
            "inputs_counted": parts.inputs.counted(),
            "overflow": overflow,
            "marks": parts.marks.snapshot(),
            "incarnation": sources.incarnation,
            "commits": {},
        }
        key = self._name
        if sources.incarnation:
            counts["diff_from"] = parts.late.diff_end
            record["commits"] = {str(one.place): f"{one.offset} {one.metadata}" for one in commits}
            # Two keys in turn: compaction must not replace the last commit's record by one of a lost commit.
            key = f"{self._name} {sources.incarnation} {sequence % 2}"
        return Write(self._topics["state"], self._partition, key.encode(), commit_records.encode_state(record))

    def _marks_from(self) -> int:
        """Return the offset of the progress topic from which a restart must read after the snapshot."""
        waits_at, needed = self._parts.completeness.passed.first_at(), self._parts.marks.needed_from()
        return needed if waits_at is None else min(waits_at, needed)

    def _log_writes(self, sequence: int, logged: LogRecords) -> list[Write]:
        writes = []
        for key, texts in logged.items():
            record = {"task": key, "seq": sequence, "counts": {}, "inputs_counted": {}, "overflow": texts}
            value = own.encode("state", record) if texts else None
            writes.append(Write(self._topics["state"], self._partition, key.encode(), value))
        return writes

    def _offsets(
        self, sequence: int, marks_from: int, waiting: Sequence[int]
    ) -> tuple[list[Commit], dict[str, str], LogRecords]:
        """Return the commits of all sides, the pending sets that do not fit into their metadata, and log records.

        `waiting`: the number of pending records by side.
        """
        parts, commits, overflow = self._parts, [], {}
        logged: LogRecords = {}
        diff_from = parts.late.read_again_from(parts.counts)
        for side in self._sides:
            position, delta = parts.sides[side].position, self.logs[side].delta()
            pending = Spans() if delta or not waiting[side] else self.pending.offsets(side)
            lowest = delta.lowest if delta else pending.lowest
            position.pending_from = low = position.accounted_to if lowest is None else lowest
            if self._repeats[side]:
                # After a restart, duplicate detection needs the ids of the whole span.
                low = min(low, max(position.read_from, position.accounted_to - self._span))
            if self._compares_order:
                # Each pending record needs its neighbours, and their partners the whole span.
                first = min(position.pending_from, position.accounted_to) - self._span
                low = min(low, max(position.read_from, first))
            again_from = 0 if diff_from is None or side is not Side.PRODUCTION else diff_from + 1
            log = None if delta is None else delta.place
            point = Checkpoint(sequence, position.accounted_to, pending, marks_from, again_from, log=log)
            text = checkpoint.encode(point)
            if delta is not None:
                logged |= delta.records
            elif overflows(text) and len(pending) > pending_log.LOG_ABOVE and not parts.sources.incarnation:
                place, records = self.logs[side].base(sequence, pending)
                text = checkpoint.encode(point._replace(log=place))
                logged |= records
            else:
                if overflows(text):
                    overflow[side.word] = checkpoint.pending_text(pending)
                if not parts.sources.incarnation and self.logs[side].place is not None:
                    logged |= self.logs[side].end()
            commits.append(Commit(parts.sources.places[side], low, text))
        return commits, overflow, logged


def is_usable(record: Mapping[str, Any]) -> bool:
    """Return whether a state record can be restored; a record of another program must not end the joiner."""
    counts: Mapping[str, int] = record["counts"]
    try:
        if record["marks"]:
            MarksLog("").restore(record["marks"])
        for text in record["overflow"].values():
            checkpoint.pending_of(text)
        for kind, _, text in (name.partition(":") for name in counts):
            if kind in ("passed", "input_floor", "input_read"):
                place_of(text)
            if kind == "input_read" and f"input_ended:{text}" not in counts:
                return False
        for text in record["inputs_counted"]:
            place_of(text)
    except Exception:  # noqa: BLE001 - any error here would recur in the restoration
        return False
    return True
