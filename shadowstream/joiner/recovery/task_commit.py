"""The commit of a task: its stats record, its state record, and the offsets of its sides with their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.accounting.conservation import Routes
from shadowstream.joiner.accounting.input_ledger import InputLedger
from shadowstream.joiner.accounting.outcome_counts import OutcomeCounts
from shadowstream.joiner.accounting.path_sightings import Occurring
from shadowstream.joiner.completeness.completeness import Completeness
from shadowstream.joiner.completeness.marks_log import MarksLog, place_of
from shadowstream.joiner.intake.side import SideIntake
from shadowstream.joiner.outcomes.labelled_pairs import LabelledPairs
from shadowstream.joiner.outcomes.late_records import LateRecords
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.recovery.pending_records import PendingRecords
from shadowstream.joiner.task_topics import TaskTopics
from shadowstream.protocol.headers import COMMIT_HEADER
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.metadata_codec import overflows
from shadowstream.records import Commit, Side, Write

MARKS_AGAIN_MAX = 10_000
"""So many marks a restart reads again for a task that has nothing to commit: a fraction of a second."""
OF_MARKS = ("passed", "input_floor", "input_read", "input_ended")
"""Kinds of counts that stand for marks; they count only beside a snapshot of the marks."""


class PreparedCommit(NamedTuple):
    """One transaction; nothing is written without offsets. `has_more`: more can be committed at once."""

    writes: list[Write]
    commits: list[Commit]
    has_more: bool


class Stage(Protocol):
    """A stage whose state a commit keeps."""

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record, by names of its own."""
        ...

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of a state record; names of other stages are among them."""
        ...


class CommitParts(NamedTuple):
    """What a commit of a task reads. `stages`: all those whose counts the state record keeps."""

    config: Config
    revision: str
    sources: TaskTopics
    identity: Identity
    marks: MarksLog
    completeness: Completeness
    sides: Sequence[SideIntake]
    inputs: InputLedger
    routes: Routes
    pending: PendingRecords
    late: LateRecords
    counts: OutcomeCounts
    paths: Occurring
    scoring: LabelledPairs
    stages: Sequence[Stage]


class TaskCommit:
    """The commits of one task. `sequence`: number of the last one; `closed`: it was the last of a bounded run."""

    def __init__(self, parts: CommitParts) -> None:
        self._parts = parts
        self.pending = parts.pending
        self.sequence = 0
        self.closed = False
        self._committed: tuple[Any, int] = (None, 0)
        self._prepared: tuple[Any, int] = (None, 0)

    def prepare(self, now_ms: int, *, complete: bool) -> tuple[list[Write], list[Commit]]:
        """Return everything of one transaction; nothing where there is nothing new to commit.

        `complete`: the task has ended everything. The commit holds once `committed` is called.
        """
        parts = self._parts
        statement = self._statement(now_ms, complete), parts.completeness.replays.snapshot(parts.config.inputs)
        moved = any(one.position.accounted_to != one.position.committed_to for one in parts.sides)
        marks_from = self._marks_from()
        # Others go on and an idle task does not: a restart would read again all the marks that were written since.
        late = marks_from - self._committed[1] >= MARKS_AGAIN_MAX
        if not moved and not late and not parts.counts.cells and statement == self._committed[0]:
            return [], []
        self._prepared = statement, marks_from
        sequence = self.sequence + 1
        offsets, overflow = self._offsets(sequence)
        ending = parts.scoring.end() if complete and not self.closed else []
        return [
            *(self._stamped(sequence, write) for write in parts.counts.writes),
            *ending,
            self._stats(sequence, statement[0]),
            self._state(sequence, overflow, offsets),
        ], offsets

    def committed(self) -> None:
        """The transaction of the last `prepare` has been committed: begin the next one."""
        parts = self._parts
        self.sequence += 1
        self._committed = self._prepared
        self.closed = bool(self._prepared[0][0]["complete"])
        for one in parts.sides:
            one.position.committed_to = one.position.accounted_to
        parts.late.remember(parts.counts)
        ahead = parts.completeness.ahead
        if ahead.noted:
            for side in parts.sources.sides:
                ahead.keep(side, self.pending.offsets(side).tolist())
        parts.counts.clear()
        parts.paths.clear()

    def restore(self, record: Mapping[str, Any]) -> None:
        """Take the state record of the last commit's sequence number (schemas/state.avsc)."""
        parts, counts = self._parts, record["counts"]
        for side in parts.sources.sides:
            text = record["overflow"].get(side.word)
            if text is not None:
                parts.sides[side].position.to_reread = set(checkpoint.pending_of(text))
            parts.counts.ended[side] = counts.get(f"ended:{side.word}", 0)
        parts.inputs.restore_counted(record["inputs_counted"])
        if not record["marks"]:
            counts = {name: n for name, n in counts.items() if name.partition(":")[0] not in OF_MARKS}
        for stage in parts.stages:
            stage.restore(counts)
        parts.late.diff_end = counts.get("diff_from", 0)

    # ---------------------------------------------------------------- event time

    def watermark(self, *, idle: bool = False) -> int | None:
        """Event time below which the task has ended everything; None while nobody can tell.

        `idle`: with what it takes from the partitions that go on.
        """
        parts = self._parts
        mark = parts.completeness.watermark_of_idle() if idle else parts.completeness.watermark()
        if mark is None or any(one.position.to_reread for one in parts.sides):
            return None
        floors = parts.inputs.floors_ms(parts.completeness.input_ends)
        return None if floors is None else min((mark, *self.pending.floors_ms(), *floors))

    def is_idle(self, now_ms: int) -> bool:
        """Whether the task has been at the end of all sides, with nothing waiting, for `idle_ms`."""
        parts = self._parts
        if not all(one.position.is_at_end for one in parts.sides) or self.pending.has_waiting():
            return False
        # A clock that was set back makes it idle: that costs one commit.
        return not 0 <= now_ms - parts.completeness.last_read_ms < parts.config.idle_ms

    # ---------------------------------------------------------------- records

    def _statement(self, now_ms: int, complete: bool) -> dict[str, Any]:
        """What a stats record says beside its deltas."""
        parts, places = self._parts, self._parts.sources.places
        pending, idle = [self.pending.count(side) for side in parts.sources.sides], self.is_idle(now_ms)
        positions = [one.position for one in parts.sides]
        read, lost = [one.records_read for one in positions], [one.lost for one in positions]
        lines = [
            *parts.inputs.lines(),
            *conservation.routes_lines(parts.routes, places[Side.SHADOW]),
            *conservation.records_lines(places, read, parts.counts.ended, pending),
            *conservation.lost_lines(places, lost),
        ]
        return {
            "ledgers": lines,
            "pending": sum(pending),
            "watermark_ms": self.watermark(idle=idle),
            "idle": idle,
            "complete": complete,
            "refused_marks": parts.marks.refused,
            "ahead": parts.completeness.ahead.records,
        }

    def _stats(self, sequence: int, statement: dict[str, Any]) -> Write:
        """The stats record (schemas/stats.avsc)."""
        parts, sources = self._parts, self._parts.sources
        ranges = [(one.position.committed_to, one.position.accounted_to) for one in parts.sides]
        record = {
            "task": sources.name,
            "seq": sequence,
            "revision": parts.revision,
            "sources": [
                {"topic": place.topic, "partition": place.partition, "from_offset": begin, "to_offset": end}
                for place, (begin, end) in zip(sources.places, ranges, strict=True)
            ],
            "windows": parts.counts.windows(),
            "incarnation": sources.incarnation,
            **statement,
            **parts.paths.record(),
        }
        topic, key = parts.config.plan.of("stats"), f"{sources.name}:{sequence}".encode()
        return Write(topic, sources.partition, key, own.encode("stats", record))

    def _stamped(self, sequence: int, write: Write) -> Write:
        """A row with the commit that it belongs to, where a crash may leave rows of commits that never were."""
        sources = self._parts.sources
        if not sources.incarnation or not write.topic.startswith(self._parts.config.plan.of("diff")):
            return write
        return write._replace(headers=[(COMMIT_HEADER, f"{sequence} {sources.incarnation} {sources.name}".encode())])

    def _state(self, sequence: int, overflow: dict[str, str], commits: Sequence[Commit]) -> Write:
        """The state record (schemas/state.avsc)."""
        parts, sources = self._parts, self._parts.sources
        counts = {f"ended:{side.word}": parts.counts.ended[side] for side in sources.sides}
        for stage in parts.stages:
            counts |= stage.snapshot()
        record = {
            "task": sources.name,
            "seq": sequence,
            "counts": counts,
            "inputs_counted": parts.inputs.counted(),
            "overflow": overflow,
            "marks": parts.marks.snapshot(),
            "incarnation": sources.incarnation,
            "commits": {},
        }
        topic, key = parts.config.plan.of("state"), sources.name
        if sources.incarnation:
            counts["diff_from"] = parts.late.diff_end
            record["commits"] = {str(one.place): f"{one.offset} {one.metadata}" for one in commits}
            # Compaction must not take the record of the last commit for one that a crash leaves undone.
            key = f"{sources.name} {sources.incarnation} {sequence % 2}"
        return Write(topic, sources.partition, key.encode(), own.encode("state", record))

    def _marks_from(self) -> int:
        """Offset of the progress topic from which on a restart must read, beside the snapshot of the state record."""
        waits_at, needed = self._parts.completeness.passed.first_at(), self._parts.marks.needed_from()
        return needed if waits_at is None else min(waits_at, needed)

    def _offsets(self, sequence: int) -> tuple[list[Commit], dict[str, str]]:
        """Offsets to commit with their metadata, and the pending sets that did not fit into it."""
        parts, commits, overflow = self._parts, [], {}
        marks_from, diff_from = self._marks_from(), parts.late.read_again_from(parts.counts)
        for side in parts.sources.sides:
            position, pending = parts.sides[side].position, self.pending.offsets(side)
            position.pending_from = low = int(pending[0]) if len(pending) else position.accounted_to
            if parts.identity.repeats(side):
                # What was seen within the span must be seen again after a restart.
                low = min(low, max(position.read_from, position.accounted_to - parts.config.identity.dedupe_span))
            again_from = 0 if diff_from is None or side is not Side.PRODUCTION else diff_from + 1
            point = checkpoint.Checkpoint(sequence, position.accounted_to, pending, marks_from, again_from)
            text = checkpoint.encode(point)
            if overflows(text):
                overflow[side.word] = checkpoint.pending_text(pending)
            commits.append(Commit(parts.sources.places[side], low, text))
        return commits, overflow


def is_usable(record: Mapping[str, Any]) -> bool:
    """Whether a state record can be restored: one that somebody else wrote must not end whoever tries to."""
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
    except Exception:  # noqa: BLE001 - whatever is raised in restoring it would be raised later
        return False
    return True
