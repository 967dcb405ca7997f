"""What one commit of a task says: the statement of its stats record, its state record, its offsets with metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shadowstream.codecs import own
from shadowstream.joiner.accounting import conservation
from shadowstream.joiner.completeness.marks_log import Progress
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.task_state import TaskState
from shadowstream.protocol.headers import COMMIT_HEADER
from shadowstream.protocol.metadata_codec import overflows
from shadowstream.records import Commit, Place, Side, Write


def watermark(task: TaskState, *, idle: bool = False) -> int | None:
    """Event time below which the task has ended everything; None while nobody can tell. `idle`: with what it takes
    from the partitions that go on."""
    mark = task.clocks.watermark_of_idle() if idle else task.clocks.watermark()
    if mark is None or any(state.announced for state in task.sides):
        return None
    floors = [mark, task.store.held.floor_ms(), task.backlog.held.floor_ms()]
    for place in task.own_inputs:
        # Inputs are counted from marks, on a path of their own; a window must not close before its inputs are in.
        end = task.clocks.input_ends.get(place)
        if end is None or task.counted_to(place) < end:
            floor = task.input_floors.get(place)
            if floor is None:
                return None
            floors.append(floor)
    return min(floor for floor in floors if floor is not None)


def is_idle(task: TaskState, now_ms: int) -> bool:
    """At the end of all sides, with nothing waiting, for `idle_ms`."""
    at_end = all(state.ended_at is not None and state.ended_at >= state.read_to for state in task.sides)
    waits = any(task.store.held.records) or len(task.corrections) or len(task.backlog)
    # A clock that was set back makes it idle: that costs one commit.
    return at_end and not waits and not 0 <= now_ms - task.last_read_ms < task.config.idle_ms


def statement(task: TaskState, now_ms: int) -> dict[str, Any]:
    """What a stats record says beside its deltas."""
    pending, idle = [task.pending_count(side) for side in task.used_sides], is_idle(task, now_ms)
    lines = [
        *(one for place in sorted(task.input_lines) for one in task.input_lines[place]),
        *conservation.routes_lines(task.routes, task.places[Side.SHADOW]),
        *conservation.records_lines(task.places, [state.read for state in task.sides], task.book.ended, pending),
        *conservation.lost_lines(task.places, [state.lost for state in task.sides]),
    ]
    return {
        "ledgers": lines,
        "pending": sum(pending),
        "watermark_ms": watermark(task, idle=idle),
        "idle": idle,
        "complete": task.complete,
        "refused_marks": task.progress.refused,
        "ahead": task.ahead.records,
    }


def stats(task: TaskState, sequence: int, words: dict[str, Any]) -> Write:
    """The stats record (schemas/stats.avsc)."""
    record = {
        "task": task.name,
        "seq": sequence,
        "revision": task.revision,
        "sources": [
            {"topic": p.topic, "partition": p.partition, "from_offset": s.committed_high, "to_offset": s.high}
            for p, s in zip(task.places, task.sides, strict=True)
        ],
        "windows": task.book.windows(),
        "incarnation": task.incarnation,
        **words,
        **task.occurring.record(),
    }
    topic = task.config.plan.of("stats")
    return Write(topic, _partition(task), f"{task.name}:{sequence}".encode(), own.encode("stats", record))


def stamped(task: TaskState, sequence: int, write: Write) -> Write:
    """A row with the commit that it belongs to, where a crash may leave rows of commits that never were."""
    if not task.incarnation or not write.topic.startswith(task.config.plan.of("diff")):
        return write
    return write._replace(headers=[(COMMIT_HEADER, f"{sequence} {task.incarnation} {task.name}".encode())])


def state(task: TaskState, sequence: int, overflow: dict[str, str], commits: Sequence[Commit]) -> Write:
    """The state record (schemas/state.avsc)."""
    counts = task.routes.snapshot() | task.clocks.replays.snapshot(task.config.inputs)
    counts |= {f"inputs:{name}": n for name, n in task.inputs_read.items()}
    counts |= _of_marks(task) | task.unread.snapshot()
    if task.ahead.records:
        counts["ahead"] = task.ahead.records
    if task.shedding.level:
        counts["shed_level"] = task.shedding.level
    for side in task.used_sides:
        counts[f"read:{side.word}"] = task.sides[side].read
        counts[f"ended:{side.word}"] = task.book.ended[side]
        if task.sides[side].lost:
            counts[f"lost:{side.word}"] = task.sides[side].lost
        gone_ms = task.sides[side].gone_ms
        if gone_ms is not None:
            counts[f"gone_ms:{side.word}"] = gone_ms
        watermarks = [t for t in (task.clocks.watermarks[side], task.sides[side].watermark_ms) if t is not None]
        if watermarks:
            counts[f"watermark_ms:{side.word}"] = max(watermarks)
    record = {
        "task": task.name,
        "seq": sequence,
        "counts": counts,
        "inputs_counted": {str(p): offset for p, offset in sorted(task.inputs_counted.items())},
        "overflow": overflow,
        "marks": task.progress.snapshot(),
        "incarnation": task.incarnation,
        "commits": {},
    }
    topic, key = task.config.plan.of("state"), task.name
    if task.incarnation:
        counts["diff_from"] = task.diff_end
        record["commits"] = {str(one.place): f"{one.offset} {one.metadata}" for one in commits}
        # Compaction must not take the record of the last commit for one that a crash leaves undone.
        key = f"{task.name} {task.incarnation} {sequence % 2}"
    return Write(topic, _partition(task), key.encode(), own.encode("state", record))


def _of_marks(task: TaskState) -> dict[str, int]:
    """What marks that will not be read again have said to this task: how far the shadow side is done, and of the inputs
    that it counts the first ledger and the event time reached."""
    counts = {f"passed:{place}": offset for place, offset in task.passed.offsets.items()}
    for place, lines in task.input_lines.items():
        counts |= {f"input_read:{place}": lines[0]["expected"], f"input_ended:{place}": lines[0]["counted"]}
    counts |= {f"input_floor:{place}": floor for place, floor in task.input_floors.items() if floor is not None}
    return counts


def _restore_marks(task: TaskState, counts: Mapping[str, int]) -> None:
    for name, value in counts.items():
        kind, _, text = name.partition(":")
        if kind == "passed":
            task.passed.offsets[_place(text)] = value
        elif kind == "input_floor":
            task.input_floors[_place(text)] = value
        elif kind == "input_read":
            ended = counts[f"input_ended:{text}"]
            task.input_lines[_place(text)] = conservation.inputs_lines(text, value, ended, task.inputs_read[text])


def _place(text: str) -> Place:
    topic, _, partition = text.rpartition("/")
    return Place(topic, int(partition))


def restore_counts(task: TaskState, record: dict[str, Any]) -> None:
    """Take up the state record of the commit's sequence number."""
    counts: dict[str, int] = record["counts"]
    for side in task.used_sides:
        task.sides[side].read = counts.get(f"read:{side.word}", 0)
        task.book.ended[side] = counts.get(f"ended:{side.word}", 0)
        task.sides[side].lost += counts.get(f"lost:{side.word}", 0)
        task.sides[side].watermark_ms = mark = counts.get(f"watermark_ms:{side.word}")
        if mark is not None:
            task.ahead.reached(mark)
        text = record["overflow"].get(side.word)
        if text is not None:
            task.sides[side].announced = set(checkpoint.pending_of(text))
        task.sides[side].gone_ms = counts.get(f"gone_ms:{side.word}")
        task.sides[side].note_gone()
    task.shedding.level = counts.get("shed_level", 0)
    task.ahead.records = counts.get("ahead", 0)
    task.routes.restore(counts)
    task.unread.restore(counts)
    task.clocks.replays.restore(counts, task.config.inputs)
    for name, value in counts.items():
        if name.startswith("inputs:"):
            task.inputs_read[name.removeprefix("inputs:")] = value
    for text, offset in record["inputs_counted"].items():
        task.inputs_counted[_place(text)] = offset
    if record["marks"]:
        _restore_marks(task, counts)


def is_usable(record: Mapping[str, Any]) -> bool:
    """Whether a state record can be taken up: one that somebody else wrote must not end whoever tries to."""
    counts: Mapping[str, int] = record["counts"]
    try:
        if record["marks"]:
            Progress("", ()).restore(record["marks"])
        for text in record["overflow"].values():
            checkpoint.pending_of(text)
        for kind, _, text in (name.partition(":") for name in counts):
            if kind in ("passed", "input_floor", "input_read"):
                _place(text)
            if kind == "input_read" and f"input_ended:{text}" not in counts:
                return False
        for text in record["inputs_counted"]:
            _place(text)
    except Exception:  # noqa: BLE001 - whatever is raised in taking it up would be raised later
        return False
    return True


def marks_from(task: TaskState) -> int:
    """Offset of the progress topic from which on a restart must read, beside the snapshot of the state record."""
    waits_at, needed = task.passed.first_at(), task.progress.needed_from()
    return needed if waits_at is None else min(waits_at, needed)


def offsets(task: TaskState, sequence: int) -> tuple[list[Commit], dict[str, str]]:
    """Offsets to commit with their metadata, and the pending sets that did not fit into it."""
    commits, overflow = [], {}
    needed = marks_from(task)
    # What waits for a value, and what this very commit says, is not in `said` (any more, or yet).
    floors = (task.said.said_from(), task.corrections.floor(), task.diff_end if task.book.said else None)
    said_from = min((floor for floor in floors if floor is not None), default=None)
    for side in task.used_sides:
        state, pending = task.sides[side], task.pending(side)
        state.low = int(pending[0]) if len(pending) else state.high
        low = state.low
        if task.identity.repeats(side):
            # What was seen within the span must be seen again after a restart.
            low = min(low, max(state.first, state.high - task.config.identity.dedupe_span))
        said = 0 if said_from is None or side is not Side.PRODUCTION else said_from + 1
        text = checkpoint.encode(checkpoint.Checkpoint(sequence, state.high, pending, needed, said))
        if overflows(text):
            overflow[side.word] = checkpoint.pending_text(pending)
        commits.append(Commit(task.places[side], low, text))
    return commits, overflow


def _partition(task: TaskState) -> int:
    return task.places[Side.PRODUCTION].partition
