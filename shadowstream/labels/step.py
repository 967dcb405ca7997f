"""The step of the labels role: scored pairs and labels in; statistics and the waiting entries out.

A scored pair ends once. With its label it ends as one of four outcomes. It ends as unlabelled if it has no id, if the
same id is scored again before its label comes, or if the horizon passes it. The clock is event time and never passes an
unread record (`event_clock`). The ledger of each task is read = ended + waiting.

A labels task belongs to one task of the joiner and is always idle, because compared records close windows. A label that
comes days later counts as a correction of its window: as evidence, never as drift (`judge.windows.event_windows`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shadowstream.codecs.own import encode
from shadowstream.compare.hooks import Load, load
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.future_dates import Ahead
from shadowstream.labels.auc_blocks import ranked
from shadowstream.labels.correctness import UNLABELLED, differ, outcome
from shadowstream.labels.event_clock import EventClock
from shadowstream.labels.losses import LabelledLosses
from shadowstream.labels.parts import LabelledParts
from shadowstream.labels.quality import LabelledQuality
from shadowstream.labels.store import Kind, Store, WaitingEntry
from shadowstream.protocol.count_names import LABEL_DIFFER, LABEL_DIFFER_UNLABELLED, LABEL_RANKED
from shadowstream.protocol.key_buckets import NO_BUCKET, KeyOutcomes
from shadowstream.protocol.task_names import task_of
from shadowstream.records import Partition, Write

FOREVER = 2**63 - 1


@dataclass(slots=True)
class TaskCounts:
    """Cumulative counts of one task. `all_scored`: the joiner's task is complete; `complete`: the labels task too."""

    seq: int = 0
    read: int = 0
    ended: int = 0
    all_scored: bool = False
    complete: bool = False
    scored_ms: int | None = None  # event time of the last scored pair

    def record(self) -> dict[str, int]:
        return {name: int(value) for name, value in asdict(self).items() if value is not None}


class LabelStep:
    """The step of all labels tasks ("topic/partition" of production's outputs).

    `loads`: loader of the functions of losses.
    """

    def __init__(self, config: Config, revision: str, store: Store, tasks: Iterable[str], loads: Load = load) -> None:
        if config.labels is None:
            raise ConfigError("labels: the config names no topic of labels")
        self._config, self._labels, self._revision, self._store = config, config.labels, revision, store
        self.tasks = {task: TaskCounts() for task in sorted(tasks)}
        self._waiting = Counter(store.waiting())
        self._topic = config.plan.of("labels-state")
        self.sequence = 0
        self.clock, self._ahead = EventClock(self._labels.horizon_ms), Ahead(config.future_ms_max)
        self.ended_counts: Counter[str] = Counter()
        self._cells: dict[str, dict[tuple[int, str], Counter[str]]] = {}
        self._parts, self._losses, self._keyed = LabelledParts(config), LabelledLosses(config, loads), KeyOutcomes()
        self._quality = LabelledQuality(config)
        self._changed: dict[tuple[Kind, bytes], WaitingEntry | None] = {}
        self._moved: set[str] = set()

    def restore(self, sequence: int, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Restore the counts of the last commit, as `TaskCounts.record` returns them, by task."""
        self.sequence = sequence
        for task, fields in counts.items():
            flags = {name: bool(fields.get(name)) for name in ("all_scored", "complete")}
            seq, read, ended = (fields[name] for name in ("seq", "read", "ended"))
            self.tasks[task] = TaskCounts(seq, read, ended, **flags, scored_ms=fields.get("scored_ms"))

    def scored(self, record: Mapping[str, Any], now_ms: int) -> None:
        """Read a record of the topic scored (schemas/scored.avsc). One dated ahead moves no clock, nor does a label."""
        task = record["task"]
        counts = self.tasks.setdefault(task, TaskCounts())
        self._moved.add(task)
        if record["end"]:
            counts.all_scored = True
            return
        counts.read += 1
        time_ms = record["time_ms"]
        if time_ms <= self._ahead.limit_ms(now_ms):
            counts.scored_ms = time_ms if counts.scored_ms is None else max(counts.scored_ms, time_ms)
        id_, answers = record["id"], (record["production"], record["shadow"])
        parts, bucket = tuple(record.get("parts", ())), record.get("bucket", NO_BUCKET)
        entry = WaitingEntry(id_ or b"", time_ms, task, record["revision"], *answers, parts, bucket)
        if id_ is None:
            self._end(entry, UNLABELLED)
            return
        if (former := self._take("scored", id_)) is not None:
            self._end(former, UNLABELLED)
        if (label := self._take("label", id_)) is None:
            self._put("scored", entry)
        else:
            self._judge(entry, label)

    def label(self, place: Partition, id_: bytes | None, value: str | None, time_ms: int, now_ms: int) -> None:
        """Read a label: its value as JSON; None if it is empty or withdrawn. The last label of an id counts."""
        if time_ms <= self._ahead.limit_ms(now_ms):
            self.clock.label(place, time_ms)
        if id_ is None:
            return
        self._take("label", id_)
        if value is None:
            return
        label = WaitingEntry(id_, time_ms, shadow=value)
        if (entry := self._take("scored", id_)) is None:
            self._put("label", label)
        else:
            self._judge(entry, label)

    def _judge(self, entry: WaitingEntry, label: WaitingEntry) -> None:
        truth = label.shadow or "null"
        self._losses.add(self._window(entry), entry.production, entry.shadow, truth, entry.bucket)
        self._quality.add(self._window(entry), entry.production, entry.shadow, truth)
        kept = self._losses.ranks and ranked(entry.production, entry.shadow, truth) is not None
        self._end(entry, outcome(entry.production, entry.shadow, truth, self._labels.atol), kept=kept)
        if kept:
            self._put("labelled", entry._replace(truth=truth))

    def _window(self, entry: WaitingEntry) -> tuple[str, int, str]:
        return entry.task, entry.time_ms - entry.time_ms % self._config.judge.window_ms, entry.revision

    def _end(self, entry: WaitingEntry, outcome_name: str, *, kept: bool = False) -> None:
        self.tasks[entry.task].ended += 1
        self._moved.add(entry.task)
        window = self._window(entry)
        counts = self._cells.setdefault(entry.task, {}).setdefault(window[1:], Counter())
        counts[outcome_name] += 1
        if kept:
            counts[LABEL_RANKED] += 1
        if differ(entry.production, entry.shadow):
            counts[LABEL_DIFFER] += 1
            if outcome_name == UNLABELLED:
                counts[LABEL_DIFFER_UNLABELLED] += 1
        self._parts.add(window, entry.parts, labelled=outcome_name != UNLABELLED)
        self._keyed.add(window, outcome_name, entry.bucket)
        self.ended_counts[outcome_name] += 1

    def _take(self, kind: Kind, id_: bytes) -> WaitingEntry | None:
        entry = self._store.take(kind, id_)
        if entry is not None:
            self._changed[kind, id_] = None
            self._waiting[entry.task] -= kind == "scored"
        return entry

    def _put(self, kind: Kind, entry: WaitingEntry) -> None:
        self._store.put(kind, entry)
        self._changed[kind, entry.id] = entry
        self._waiting[entry.task] += kind == "scored"

    def _clock_ms(self) -> int | None:
        scored_ms = {task: counts.scored_ms for task, counts in self.tasks.items() if counts.scored_ms is not None}
        return self.clock.now_ms(scored_ms, {task: self._place(task) for task in scored_ms})

    def _place(self, task: str) -> Partition:
        return Partition(self._config.plan.of("scored"), int(task.rpartition("/")[2]))

    def _expire(self) -> None:
        """End all pairs that the horizon has passed; at the end of a bounded run all pairs."""
        unread = any(place.topic == self._labels.topic for place in self.clock.unread)
        done = self._config.bounded and not unread and all(one.all_scored for one in self.tasks.values())
        clock_ms = self._clock_ms()
        if clock_ms is None and not done:
            return
        horizon_ms = FOREVER if done else (clock_ms or 0) - self._labels.horizon_ms
        for entry in list(self._store.before("scored", horizon_ms)):
            self._take("scored", entry.id)
            self._end(entry, UNLABELLED)
        for entry in list(self._store.before("label", horizon_ms)):
            self._take("label", entry.id)
        self._rank(horizon_ms)
        if done:
            for task, counts in self.tasks.items():
                if not counts.complete:
                    counts.complete = True
                    self._moved.add(task)

    def _rank(self, horizon_ms: int) -> None:
        """Compare the labelled pairs of each window whose labels are complete, whatever their tasks."""
        complete_ms = horizon_ms - horizon_ms % self._config.judge.window_ms
        while (first := next(self._store.before("labelled", complete_ms), None)) is not None:
            _, start_ms, _ = self._window(first)
            by_revision: dict[str, list[WaitingEntry]] = {}
            for entry in list(self._store.before("labelled", start_ms + self._config.judge.window_ms)):
                self._take("labelled", entry.id)
                by_revision.setdefault(entry.revision, []).append(entry)
            for revision, entries in by_revision.items():
                task = min(entry.task for entry in entries)
                self._losses.rank((task, start_ms, revision), entries)
                self._cells.setdefault(task, {}).setdefault((start_ms, revision), Counter())
                self._moved.add(task)

    def prepare(self) -> list[Write]:
        """Return the writes of the next commit; empty without changes. `committed` confirms them."""
        self._expire()
        # A task without any record would hold every window open.
        self._moved |= {task for task, counts in self.tasks.items() if not counts.seq}
        if not (self._moved or self._changed):
            return []
        sequence = self.sequence + 1
        writes = [write for task in sorted(self._moved) for write in self._task_writes(task, sequence)]
        for (kind, id_), entry in self._changed.items():
            state: dict[str, Any] = {"kind": kind, "sequence": sequence, "counts": {}}
            value = None if entry is None else encode("label_state", state | entry._asdict())
            writes.append(Write(self._topic, 0, state_key(kind, id_), value))
        # Tombstones have no sequence number: this entry names the commit of the others.
        commit = {"kind": "commit", "sequence": sequence, "id": b""}
        return [*writes, Write(self._topic, 0, state_key("commit", b""), encode("label_state", commit))]

    def _task_writes(self, task: str, sequence: int) -> list[Write]:
        counts = self.tasks[task]
        place = self._place(task)
        committed = replace(counts, seq=counts.seq + 1)
        waiting = self._waiting[task]
        record = {
            "task": task_of(task),
            "seq": committed.seq,
            "revision": self._revision,
            "sources": [],
            "windows": [
                {
                    "start_ms": start_ms,
                    "revision": revision,
                    "outcomes": dict(outcomes),
                    "fields": {},
                    "values": self._parts.of((task, start_ms, revision)),
                    "means": self._losses.of((task, start_ms, revision)),
                    "quality": self._quality.of((task, start_ms, revision)),
                    "outcome_buckets": self._keyed.of((task, start_ms, revision)),
                }
                for (start_ms, revision), outcomes in sorted(self._cells.get(task, {}).items())
            ],
            "ledgers": [
                {"ledger": 3, "place": str(place), "expected": committed.read, "counted": committed.ended + waiting}
            ],
            "pending": waiting,
            "watermark_ms": self._labelled_ms(counts),
            "idle": True,
            "complete": committed.complete,
        }
        state = {"kind": "task", "sequence": sequence, "id": task.encode(), "counts": committed.record()}
        key = f"{task_of(task)}:{committed.seq}".encode()
        return [
            Write(self._config.plan.of("stats"), place.partition, key, encode("stats", record)),
            Write(self._topic, 0, state_key("task", task.encode()), encode("label_state", state)),
        ]

    def _labelled_ms(self, counts: TaskCounts) -> int | None:
        """Return the event time below which every scored pair has ended; None while it is unknown."""
        clock_ms = self._clock_ms()
        if clock_ms is None or counts.scored_ms is None:
            return None
        return min(clock_ms, counts.scored_ms) - self._labels.horizon_ms

    def committed(self) -> None:
        self.sequence += 1
        for task in self._moved:
            self.tasks[task].seq += 1
        self._moved.clear()
        self.ended_counts.clear()
        self._cells.clear()
        self._parts.clear()
        self._losses.clear()
        self._quality.clear()
        self._keyed.clear()
        self._changed.clear()

    @property
    def waiting(self) -> int:
        return self._waiting.total()

    @property
    def finished(self) -> bool:
        """Whether all pairs of a bounded run have ended and are committed."""
        return bool(self.tasks) and not self._moved and all(one.complete for one in self.tasks.values())


def state_key(kind: str, id_: bytes) -> bytes:
    return kind.encode() + b"/" + id_
