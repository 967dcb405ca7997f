"""Event-time windows over the statistics of all tasks: when a window closes, and its counts.

Theory of operation. Each task (output topic, partition) writes numbered stats records. A record holds counts to add to
windows, and a watermark: the task has resolved all records below it. A window closes when the watermark of every task
has reached its end. Windows close in time order and never open again.

A task's counts for a window are final once its own watermark passes the window; nothing else makes them final. A task
without input has a watermark too: the joiner derives it from the active partitions (`joiner.completeness.idleness`). So
the stats alone determine which counts are late, in the same way live, after a restart and in `replay`. If the judge
closed windows without waiting for idle tasks, the order in which it reads stats partitions would matter: with B idle, A
at 03:00, then B active again at 00:00, B's records would be late if the judge read A first, and on time if it read B
first.

The trap is lateness. A correction (a `missing` record that arrives after all) belongs to a window that its task has
already passed. If "late" meant "the window is closed", lateness would depend on how fast the judge reads the *other*
tasks. Let A and B be at 12:00, and let A correct 10:00-11:00: the correction would be on time if the judge read A
first, and late if it read B first. Therefore a delta is late if the watermark of *its own task* had passed the window
before the record. Late deltas are evidence and never reach a detector. The judge adds a late delta when the window
closes in which the task was when it wrote the delta, or at once after the last window. So the evidence after each
closing is the same for every interleaving (test_the_arrival_order_across_tasks_changes_nothing).

Labels are always late, in any order of reading. Counts of a task of the labels role are always corrections. They close
with their own window, or with the next one if it is closed.

========================  =========================================================
state of a task           windows that it holds open
========================  =========================================================
no record read yet        all
read, idle or not         those that end after its watermark
of the labels role        none
complete                  none; if all are complete, all windows close
========================  =========================================================
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shadowstream.codecs.plausible import SUM_MAX, units
from shadowstream.judge.criteria import FIELD, bound_reasons, by_prefix, ended, figures_of, outcomes_of
from shadowstream.judge.label_quality import quality_figures
from shadowstream.judge.part_figures import of_topic
from shadowstream.judge.utc_text import utc_text
from shadowstream.judge.windows.closed_window import END, ClosedWindow
from shadowstream.judge.windows.covered_time import CoveredTime
from shadowstream.judge.windows.expected_tasks import counts_labels
from shadowstream.judge.windows.sequence_numbers import Sequence
from shadowstream.judge.windows.sub_windows import ClosedSubWindow, SubWindows
from shadowstream.judge.windows.task_state import NEVER, Task
from shadowstream.judge.windows.window_counts import WindowCounts, without_keys
from shadowstream.protocol.outcomes import IN_RATES, LOWERS_COVERAGE
from shadowstream.records import REVISION_BYTES

STRANGERS_MAX, OTHERS = 20, "others"  # unexpected tasks that are named, and the name of the rest


@dataclass(slots=True)
class _OpenWindow:
    """Open window: its counts on time, and the late deltas that close with it, by the window that they correct."""

    on_time: WindowCounts = field(default_factory=WindowCounts)
    late: dict[int, WindowCounts] = field(default_factory=dict)


class Windows:
    """Sums of the statistics of one revision, by window.

    `expected`: the tasks ("topic/partition") that hold windows open. `least_ms`: the duration that must be covered.
    Counted separately: `duplicates` (records read before), `foreign` (records or windows of other revisions),
    `strangers` (records of unexpected tasks), `late` (units that came late), `added_late` (compared records that came
    late and correct nothing), `refused` (implausible records, by the reason of their `RecordError`).

    >>> windows = Windows("ab", 1000, ["t/0"])
    >>> cell = {"start_ms": 0, "revision": "ab", "outcomes": {"match": 2}, "fields": {}}
    >>> record = {"task": "t/0", "seq": 1, "revision": "ab", "sources": [], "windows": [cell], "ledgers": [],
    ...           "pending": 0, "watermark_ms": 1000, "idle": False, "complete": False}
    >>> [(window.start_ms, window.outcomes, window.totals) for window in windows.add(record)]
    [(0, {'match': 2}, {'match': 2})]
    """

    def __init__(self, revision: str, window_ms: int, expected: Iterable[str], least_ms: int = 0) -> None:
        self.revision = revision
        self.window_ms = window_ms
        self.tasks = {task: Task() for task in sorted(expected)}
        self.figures: Counter[str] = Counter()
        self.sources: dict[tuple[str, int], tuple[int, int]] = {}
        self.closed = 0
        self.from_ms: int | None = None
        self.to_ms: int | None = None
        self.duplicates = 0
        self.foreign = 0
        self.late = 0
        self.added_late = 0
        self.covered = CoveredTime(window_ms, least_ms)
        self.strangers: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.held = 0
        """Units of all accepted records without their signs: an upper bound of every total."""
        self.topics: frozenset[str] = frozenset()
        """Output topics that a criterion counts separately."""
        self.outputs: frozenset[str] = frozenset()  # each is a part of the trial (`part_guard`)
        self.lost: Counter[str] = Counter()
        """Records that lower coverage by outcome, of all windows with records, open ones included."""
        self.quality: Counter[str] = Counter()
        """Labelled pairs by answer of all windows (`label_quality`), open ones included."""
        self._closed_to_ms = NEVER
        self._cells: dict[int, _OpenWindow] = {}
        self._correcting: set[int] = set()
        """Start of each open window that holds corrections of others."""
        self._sub_windows = SubWindows(window_ms)

    @property
    def outcomes(self) -> Counter[str]:
        """Outcomes of the closed windows, corrections included."""
        return Counter(outcomes_of(self.figures))

    @property
    def fields(self) -> Counter[str]:
        """Mismatching pairs of the closed windows by path."""
        return Counter(by_prefix(FIELD, self.figures))

    @property
    def open(self) -> int:
        """Number of windows with counts that are still open."""
        return len(self.open_figures())

    @property
    def all_complete(self) -> bool:
        """Whether every expected task is complete; then every window is closed."""
        return bool(self.tasks) and all(task.complete for task in self.tasks.values())

    def open_figures(self) -> dict[int, Counter[str]]:
        """Return the figures on time of each open window that has any, by its start."""
        return {at_ms: found for at_ms, cell in sorted(self._cells.items()) if (found := +cell.on_time.figures)}

    def holding(self) -> str:
        """Name the task that holds the next window open, as a part of a sentence."""
        tasks = {name: task for name, task in self.tasks.items() if not (task.complete or counts_labels(name))}
        if not tasks:
            return "all has been read to its end" if self.all_complete else "no task continues: all are at their end"
        if all(task.idle for task in tasks.values()):
            return "no task continues: all are idle or at their end"
        silent = [name for name, task in tasks.items() if task.watermark_ms == NEVER]
        ahead = [name for name in silent if tasks[name].ahead]
        if ahead:
            return (
                f"all {tasks[ahead[0]].ahead} records of {ahead[0]} that tell a time are dated further ahead of the "
                "joiner's clock than future_ms_max; set the clocks right, or raise future_ms_max"
            )
        if silent:
            return f"nothing is known yet of {', '.join(silent[:5])}{' and others' if silent[5:] else ''}"
        watermark_ms, name = min((task.watermark_ms, name) for name, task in tasks.items())
        return f"{name} is the slowest, at {utc_text(watermark_ms)}"

    def waiting_late(self) -> dict[int, int]:
        """Return the late compared records that are not counted yet, by the window with which they close."""
        cells = sorted(self._cells.items())
        waiting = {at_ms: sum(_compared(late.figures) for late in cell.late.values()) for at_ms, cell in cells}
        return {at_ms: records for at_ms, records in waiting.items() if records > 0}

    def add(self, record: Mapping[str, Any]) -> list[ClosedWindow | ClosedSubWindow]:
        """Add one stats record (schemas/stats.avsc) and return the windows that it closes, in time order, each after
        its sub-windows.

        The records of a task come in the order of their `seq`; repeated ones are ignored. A skipped number leaves a
        gap.
        """
        task = self.tasks.get(record["task"])
        if task is None:
            known = record["task"] in self.strangers or len(self.strangers) < STRANGERS_MAX
            self.strangers[record["task"] if known else OTHERS] += 1
            return []
        if (held := self.held + units(record)) > SUM_MAX:
            self.refused["refused"] += 1
            return []
        if not task.numbers.take(record["seq"]):
            self.duplicates += 1
            return []
        self.held = held
        topic = record["task"].rpartition("/")[0]
        labels = counts_labels(record["task"])
        self._take_deltas(task, record["windows"], topic, labels=labels)
        if record["revision"] == self.revision:
            self._take_place(task, record)
        else:  # the watermark belongs to the joiner of another revision
            self.foreign += 1
        return self._close()

    def _take_deltas(self, task: Task, deltas: Iterable[Mapping[str, Any]], topic: str, *, labels: bool) -> None:
        # The watermark of labels does not say where the judge is.
        passed_ms = self._closed_to_ms if labels else max(task.watermark_ms, self._closed_to_ms)
        for delta in deltas:
            # A joiner that has not read a mark of the revision knows only its short name from the packed header.
            if delta["revision"] not in (self.revision, self.revision[: 2 * REVISION_BYTES]):
                self.foreign += 1
                continue
            start_ms, figures = delta["start_ms"], figures_of(delta)
            if (output_topic := delta.get("topic", topic)) in self.topics:
                figures |= of_topic(output_topic, figures)
            elif output_topic in self.outputs:
                figures |= of_topic(output_topic, ended(figures))
            self.quality.update(quality_figures(delta))
            self.lost.update({one.value: figures[one] for one in LOWERS_COVERAGE if one in figures})
            if start_ms + self.window_ms > passed_ms and not labels:
                self._cells.setdefault(start_ms, _OpenWindow()).on_time.add(delta, figures)
                self._sub_windows.add(delta, passed_ms)
                continue
            self.late += sum(abs(units) for units in delta["outcomes"].values())
            speaks_in_ms = END if passed_ms == END else passed_ms // self.window_ms * self.window_ms
            if labels:
                speaks_in_ms = max(speaks_in_ms, start_ms)
                # By its own watermark: how far other tasks have been read must not decide what is a unit.
                delta = without_keys(delta) if start_ms + self.window_ms <= task.watermark_ms else delta
            cell = self._cells.setdefault(speaks_in_ms, _OpenWindow())
            cell.late.setdefault(start_ms, WindowCounts()).add(delta, figures)
            self._correcting.add(speaks_in_ms)

    def _take_place(self, task: Task, record: Mapping[str, Any]) -> None:
        if record["watermark_ms"] is not None:
            task.watermark_ms = max(task.watermark_ms, record["watermark_ms"])
        task.refused_marks = max(task.refused_marks, record.get("refused_marks", 0))
        task.idle = record["idle"]
        task.pending = record["pending"]
        task.ahead = record.get("ahead", 0)
        if record["complete"]:
            task.complete = True
            task.watermark_ms = END
        for line in record["ledgers"]:
            task.ledgers[line["ledger"], line["place"]] = (line["expected"], line["counted"])
        for source in record["sources"]:
            place = (source["topic"], source["partition"])
            low, high = self.sources.get(place, (source["from_offset"], source["to_offset"]))
            self.sources[place] = (min(low, source["from_offset"]), max(high, source["to_offset"]))

    def _boundary_ms(self) -> int:
        """Return the event time below which windows close (see the table above)."""
        if all(task.complete for task in self.tasks.values()):
            return END if self.tasks else self._closed_to_ms
        marks = (task.watermark_ms for name, task in self.tasks.items() if not (task.complete or counts_labels(name)))
        return min(marks, default=self._closed_to_ms)

    def _close(self) -> list[ClosedWindow | ClosedSubWindow]:
        boundary_ms = self._boundary_ms()
        # After the end only corrections come, and they count at once.
        if boundary_ms <= self._closed_to_ms and boundary_ms != END:
            return []
        self._closed_to_ms = boundary_ms
        due = sorted(
            start_ms for start_ms in self._cells if boundary_ms == END or start_ms + self.window_ms <= boundary_ms
        )
        self._correcting.difference_update(due)
        windows = [self._close_one(start_ms, self._cells.pop(start_ms)) for start_ms in due]
        return sorted([*self._sub_windows.due(boundary_ms), *windows], key=lambda closed: closed.end_ms)

    def _close_one(self, start_ms: int, cell: _OpenWindow) -> ClosedWindow:
        on_time = _nonzero(cell.on_time.figures)
        if any(name in IN_RATES for name in on_time):
            self.closed += 1
            self.from_ms = start_ms if self.from_ms is None else self.from_ms
            self.to_ms = start_ms + self.window_ms
        self.covered.add(start_ms, _compared(on_time))
        self.figures.update(on_time)
        late = dict(sorted(cell.late.items()))
        for at_ms, correction in late.items():
            self.figures.update(correction.figures)
            self.added_late += _compared(correction.figures)
            self.covered.add(at_ms, _compared(correction.figures))
        bound_reasons(self.figures)
        return ClosedWindow(
            start_ms,
            start_ms + self.window_ms,
            on_time,
            {at_ms: _nonzero(correction.figures) for at_ms, correction in late.items()},
            _nonzero(self.figures),
            dict(cell.on_time.buckets),
            {at_ms: dict(correction.buckets) for at_ms, correction in late.items() if correction.buckets},
            dict(cell.on_time.slices),
            WindowCounts.sum_of_slices(late.values()),
            self._labelled_ms(),
            cell.on_time.outcome_buckets,
            {at_ms: correction.outcome_buckets for at_ms, correction in late.items() if correction.outcome_buckets},
            cell.on_time.bins,
        )

    def _labelled_ms(self) -> int:
        return min((task.watermark_ms for name, task in self.tasks.items() if counts_labels(name)), default=END)

    @property
    def settled_ms(self) -> int:
        """Event time below which every label has come and counts: the windows are closed, and no delta waits."""
        waiting = (at_ms for start_ms in self._correcting for at_ms in self._cells[start_ms].late)
        return min(self._labelled_ms(), self._closed_to_ms, min(waiting, default=END))

    def remainders(self) -> list[dict[str, Any]]:
        """Return the ledger lines that do not balance, as in schemas/verdict.avsc, by ledger and place."""
        lines = [
            {"ledger": ledger, "place": place, "expected": expected, "counted": counted}
            for task in self.tasks.values()
            for (ledger, place), (expected, counted) in task.ledgers.items()
            if expected != counted
        ]
        return sorted(lines, key=lambda line: (line["ledger"], line["place"]))

    @property
    def gaps(self) -> int:
        """Number of skipped stats records."""
        return sum(task.numbers.missing for task in self.tasks.values())

    @property
    def remainder(self) -> int:
        """Remainder of conservation: the absolute ledger differences, and the skipped stats records."""
        lines = (line for task in self.tasks.values() for line in task.ledgers.values())
        return min(SUM_MAX, self.gaps + sum(abs(expected - counted) for expected, counted in lines))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "tasks": {
                name: asdict(task) | {"ledgers": [[*line, *counted] for line, counted in sorted(task.ledgers.items())]}
                for name, task in self.tasks.items()
            },
            "figures": dict(self.figures),
            "sources": [[*place, *span] for place, span in sorted(self.sources.items())],
            "closed": [self.closed, self.from_ms, self.to_ms, self._closed_to_ms],
            "counted": [self.duplicates, self.foreign, self.late, dict(self.strangers), self.added_late],
            "covered": self.covered.snapshot(),
            "refused": [dict(self.refused), self.held],
            "lost": dict(self.lost),
            "quality": dict(self.quality),
            "sub_windows": self._sub_windows.snapshot(),
            "cells": [
                [start_ms, cell.on_time.snapshot(), [[at_ms, late.snapshot()] for at_ms, late in cell.late.items()]]
                for start_ms, cell in sorted(self._cells.items())
            ],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Restore the state from a snapshot. Missing tasks start anew; unexpected ones are dropped."""
        for name in self.tasks:
            fields = dict(snapshot["tasks"].get(name, asdict(Task()) | {"ledgers": []}))
            lines, numbers = fields.pop("ledgers"), Sequence.of(fields)
            self.tasks[name] = Task(
                numbers, **fields, ledgers={(line[0], line[1]): (line[2], line[3]) for line in lines}
            )
        self.figures = Counter(snapshot["figures"])
        self.sources = {(topic, partition): (low, high) for topic, partition, low, high in snapshot["sources"]}
        self.closed, self.from_ms, self.to_ms, self._closed_to_ms = snapshot["closed"]
        self.duplicates, self.foreign, self.late, strangers, self.added_late = snapshot["counted"]
        self.covered.restore(snapshot["covered"])
        self.strangers = Counter(strangers)
        refused, self.held = snapshot["refused"]
        self.refused = Counter(refused)
        self.lost = Counter(snapshot["lost"])
        self.quality = Counter(snapshot["quality"])
        self._sub_windows.restore(snapshot["sub_windows"])
        self._cells = {
            start_ms: _OpenWindow(WindowCounts.of(on_time), {at_ms: WindowCounts.of(late) for at_ms, late in lates})
            for start_ms, on_time, lates in snapshot["cells"]
        }
        self._correcting = {start_ms for start_ms, _, lates in snapshot["cells"] if lates}


def _compared(figures: Mapping[str, int]) -> int:
    """Count the compared records among the figures of a window. A correction that moves records counts 0."""
    return sum(figures.get(name, 0) for name in IN_RATES)


def _nonzero(counter: Mapping[str, int]) -> dict[str, int]:
    return {name: counter[name] for name in sorted(counter) if counter[name]}
