"""The judge's step: statistics in; drift events, verdicts and its own state out. Pure: no client, no clock.

Decisions happen only as windows close, one by one in time order. So the drift events and the evidence do not depend on
how often `evaluate` is called: after each record, or once at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shadowstream.codecs.own import encode
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.judge.coverage.coverage import RecentOutcomes
from shadowstream.judge.coverage.criterion_coverage import FULL_COVERAGE, Measurable, coverage_of
from shadowstream.judge.coverage.path_sightings import Paths, is_blind
from shadowstream.judge.criteria import FIELD, by_prefix
from shadowstream.judge.distributions.watch import DistributionWatch
from shadowstream.judge.drift.incident_groups import IncidentGroup, WindowParts
from shadowstream.judge.drift.rate_monitor import (
    FALSE_ALARMS,
    HISTORY_MAX,
    HISTORY_MIN,
    HORIZON_WINDOWS,
    WINDOWS,
    RateMonitor,
    Subject,
)
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.evidence.slice_excess import SliceEvidence
from shadowstream.judge.judge_state import VERSION, packed, unpacked
from shadowstream.judge.part_figures import folded
from shadowstream.judge.verdict.alpha_spending import at_attempt
from shadowstream.judge.verdict.criterion_status import CriterionStatus, status_of
from shadowstream.judge.verdict.criterion_units import Measure
from shadowstream.judge.verdict.guard_criteria import declared
from shadowstream.judge.verdict.key_evidence import KeyEvidence
from shadowstream.judge.verdict.label_selection import LabelCourse, Selection, selection
from shadowstream.judge.verdict.operator_commands import OperatorCommands
from shadowstream.judge.verdict.planned_looks import latch_of
from shadowstream.judge.verdict.quantile_units import measure_of
from shadowstream.judge.verdict.recent_windows import RecentWindows
from shadowstream.judge.verdict.reject_latch import LastingIncident, RejectLatch
from shadowstream.judge.verdict.slice_guard import SliceFindings, guard
from shadowstream.judge.verdict.verdict import NO_SLICES, SliceSummary, VerdictInput, build, criteria_hash, digest
from shadowstream.judge.windows.closed_window import ClosedWindow, labels_only
from shadowstream.judge.windows.event_windows import Windows
from shadowstream.judge.windows.expected_tasks import counts_labels
from shadowstream.judge.windows.sub_windows import ClosedSubWindow
from shadowstream.judge.windows.window_counts import Pair, Slice
from shadowstream.records import Write

STATE_BYTES_MAX = 1_000_000
"""A broker accepts messages of 1 MiB by default. Many open windows with all their buckets may be larger."""
_ALWAYS_NEW = ("evaluated_at_ms", "sources")


@dataclass(frozen=True, slots=True)
class Effects:
    """Writes of one evaluation, in order, for one transaction with `JudgeStep.offsets`.

    `verdict`: the present verdict record, written or not. `changed`: whether it differs from the last one in more than
    wall clock and offset ranges. `unsaved`: bytes of a state that is too large to be written, else 0. The last written
    state then stays; after a restart the judge reads the stats since then again and repeats their drift events.
    """

    writes: list[Write]
    verdict: dict[str, Any]
    changed: bool
    unsaved: int = 0


class JudgeStep:
    """Judge of one revision. It owns every stats partition of the trial.

    `expected_tasks`: all "topic/partition" of production's outputs. `attempt`: the number of the revision among those
    of its release (`alpha_spending.attempt_of`). The caller calls `restore` once, seeks each stats partition to
    `offsets` (to the beginning if it is not in there), then calls `step` for each record and `evaluate` at each commit.
    """

    def __init__(self, config: Config, revision: str, expected_tasks: Iterable[str], attempt: int = 1) -> None:
        self.config = at_attempt(declared(config), attempt)
        self.revision = revision
        self._attempt = attempt
        self._hash = criteria_hash(config)
        self.paths = Paths()
        # Only the criteria use the smaller level of a later attempt; reasons against promote use the full one.
        self._guard_alpha = config.judge.alpha
        dimensions = [dimension.name for dimension in config.compare.dimensions]
        self._dimensions = (dimensions, config.compare.values_max) if dimensions else None
        judge = self.config.judge
        self.windows = Windows(revision, judge.window_ms, expected_tasks, judge.min_duration_ms)
        self.windows.topics = frozenset(
            criterion.topic for criterion in config.judge.criteria if criterion.topic is not None
        )
        self.windows.outputs = frozenset(config.production.outputs if len(config.production.outputs) > 1 else ())
        self.measures: list[Measure] = [measure_of(criterion, self.config) for criterion in judge.criteria]
        self.recent_windows: dict[str, RecentWindows] = {
            measure.id: RecentWindows(measure) for measure in self.measures
        }
        self.reject_latches: dict[str, RejectLatch] = {
            measure.id: latch_of(measure, self.config) for measure in self.measures
        }
        self.recent_outcomes = RecentOutcomes(self.config)
        self.label_course = LabelCourse(judge.window_ms)
        self.incident_groups: dict[str, IncidentGroup] = {
            measure.id: self._new_incident_group(measure) for measure in self.measures if measure.is_watched
        }
        self.slice_evidence = self._new_slice_evidence()
        self.distributions = DistributionWatch(config, revision)
        self.commands = OperatorCommands(config, revision)
        self.topics: list[str] = []
        """Changes of the trial's topics as sentences; set by the caller, and no part of the state."""
        self.confined: list[str] = []
        """How the candidate's process was confined; set by the caller too."""
        self._keys = KeyEvidence(self.measures, judge.min_duration_ms)
        self._offsets: dict[int, int] = {}
        self._commands_offset = 0
        self._events: list[dict[str, Any]] = []
        self._evaluation: tuple[list[CriterionStatus], SliceSummary, SliceFindings, Selection] | None = None
        self._written = ""
        self._stepped = False

    def _new_incident_group(self, measure: Measure) -> IncidentGroup:
        level = alarm_level(len(self.measures), HORIZON_WINDOWS, FALSE_ALARMS)
        subject = Subject(measure.id, measure.rate.units, measure.limit)
        judge = self.config.judge
        # All histories together are at most twice as long as that of a single criterion.
        history_max = max(HISTORY_MIN, 2 * HISTORY_MAX // max(2, len(self.measures)))
        season_ms = judge.min_duration_ms
        criterion_monitor = RateMonitor(subject, judge.drift, self.revision, level, history_max, season_ms)
        return IncidentGroup(criterion_monitor, judge.drift, measure.alpha, season_ms)

    def _new_slice_evidence(self) -> SliceEvidence | None:
        mismatch = next((measure for measure in self.measures if measure.id == "mismatch"), None)
        compare = self.config.compare
        if mismatch is None or not compare.dimensions:
            return None
        return SliceEvidence(mismatch.limit, mismatch.alpha, compare.values_max)

    @property
    def finished(self) -> bool:
        """Whether every task is complete, so that every window is closed (a bounded run)."""
        return self.windows.all_complete

    def offsets(self) -> dict[int, int]:
        """Return the next offset of the stats topic by partition; `evaluate` writes a state as of these offsets."""
        return dict(self._offsets)

    def step(self, partition: int, offset: int, record: Mapping[str, Any]) -> None:
        """Read one decoded stats record (schemas/stats.avsc) from its position in the stats topic."""
        if offset < self._offsets.get(partition, 0):
            return
        self._offsets[partition] = offset + 1
        self._stepped = True
        if record["revision"] == self.revision:
            self.paths.add(record)
        if counts_labels(record["task"]) or record["complete"]:
            self._evaluation = None  # the watermark of labels, or the end, may have come although no window closes
        closed = self.windows.add(record)
        for latch in self.reject_latches.values():
            latch.excuse(self.windows.lost)
        for window in closed:
            if isinstance(window, ClosedWindow):
                self._close(window)
            else:
                self._watch(window)
        for start_ms, measure, due in self._keys.settle(self.windows.settled_ms - self.config.judge.window_ms + 1):
            self._evaluation = None
            self.recent_windows[measure.id].correct(start_ms, measure.raw({}, due))
            self.reject_latches[measure.id].close(labels_only(start_ms, due), None)

    def refuse(self, partition: int, offset: int, reason: str) -> None:
        """Count an implausible record of the stats topic, by the reason of its `RecordError`."""
        if offset < self._offsets.get(partition, 0):
            return
        self._offsets[partition] = offset + 1
        self._stepped = True
        self.windows.refused[reason] += 1

    def command(self, offset: int, record: Mapping[str, Any]) -> None:
        """Read one decoded record of the topic commands (schemas/command.avsc) from its offset there."""
        if offset < self._commands_offset:
            return
        self._commands_offset = offset + 1
        self._stepped = True
        self.commands.take(record)

    @property
    def commands_offset(self) -> int:
        """Next offset of the topic commands."""
        return self._commands_offset

    def _close(self, window: ClosedWindow) -> None:
        self._evaluation = None
        self.recent_outcomes.close(window.start_ms, window.outcomes, window.corrections)
        for start_ms, figures in ((window.start_ms, window.outcomes), *window.corrections.items()):
            self.label_course.add(start_ms, figures)
        self._keys.close(window)
        if self._dimensions:
            self.windows.figures = folded(self.windows.figures, *self._dimensions) or self.windows.figures
        singles = (
            self.slice_evidence.close(window.start_ms, window.slices, window.late_slices) if self.slice_evidence else {}
        )
        for measure in self.measures:
            recent, group = self.recent_windows[measure.id], self.incident_groups.get(measure.id)
            counted = self._keys.due(measure, window)
            raw = measure.raw(counted.outcomes, counted.buckets)
            for start_ms, figures in counted.corrections.items():
                recent.correct(start_ms, measure.raw(figures, counted.late_buckets.get(start_ms, {})))
            recent.close(window.start_ms, raw, counted.labelled_ms)
            # A window with corrections only exists because of their time of arrival.
            if group is not None and window.outcomes:
                self._feed_monitors(measure, group, window, singles)
            by_key = self._keys.effect(measure, window.totals)
            self.reject_latches[measure.id].close(counted, _lasting(group, window), by_key)
        self._events += self.distributions.close(window)

    def _watch(self, sub_window: ClosedSubWindow) -> None:
        for measure in self.measures:
            if (group := self.incident_groups.get(measure.id)) is not None and measure.has_sub_windows:
                counts, excused = measure.watched(sub_window.outcomes, {})[0], measure.excused(sub_window.outcomes)
                self._events += group.feed_sub_window(sub_window, counts, excused)

    def _feed_monitors(
        self, measure: Measure, group: IncidentGroup, window: ClosedWindow, singles: Mapping[Slice, Pair]
    ) -> None:
        counts, units = measure.watched(window.outcomes, self._keys.watched(measure, window))
        parts = WindowParts(excused=measure.excused(window.outcomes))
        if measure.id == "mismatch":
            # A field with a criterion of its own has its monitor there.
            own = {measure.criterion.path for measure in self.measures if measure.criterion.rate == "field"}
            fields = {path: s for path, s in by_prefix(FIELD, window.outcomes).items() if path not in own}
            parts = WindowParts(int(counts[0]), fields, singles, parts.excused)
        self._events += group.feed(window.start_ms, window.end_ms, counts, units, parts)

    def evaluate(self, now_ms: int, *, force: bool = False) -> Effects:
        """Return the present verdict and the records to write. `now_ms`: wall clock, ms since the epoch.

        The verdict is written if it changed, and with `force`, so that the gate sees that it is not stale. Only a
        changed one is written to audit. The state is written if any record was read or any event is written.
        """
        verdict = self.verdict(now_ms)
        content = digest({name: item for name, item in verdict.items() if name not in _ALWAYS_NEW})
        changed = content != self._written
        self._written = content
        plan = self.config.plan
        key = self.revision.encode()
        writes = [
            Write(
                plan.of("drift"), 0, event["criterion"].encode(), encode("drift", event), time_ms=event["window_end_ms"]
            )
            for event in self._events
        ]
        if changed or force:
            value = encode("verdict", verdict)
            writes.append(Write(plan.of("verdict"), 0, key, value, time_ms=now_ms))
            if changed:
                writes.append(Write(plan.of("audit"), 0, None, value, time_ms=now_ms))
        unsaved = 0
        if changed or self._stepped or self._events:
            state = encode("judge_state", self.state())
            if len(state) <= STATE_BYTES_MAX:
                writes.append(Write(plan.of("judge-state"), 0, key, state, time_ms=now_ms))
            else:
                unsaved = len(state)
        self._events, self._stepped = [], False
        return Effects(writes, verdict, changed, unsaved)

    def verdict(self, now_ms: int) -> dict[str, Any]:
        """Return the present verdict. Nothing is to be written for it."""
        return self.commands.approval.noted(build(self._verdict_input(), now_ms))

    def _verdict_input(self) -> VerdictInput:
        if self._evaluation is None:
            statuses = [self._status(measure) for measure in self.measures]
            statuses = [
                status.without_field if is_blind(status.measure.criterion, self.paths) else status
                for status in statuses
            ]
            findings = guard(self.config, self._guard_alpha, self.measures, self.windows.figures)
            labels = selection(
                self.config, self._guard_alpha, self.label_course, self.windows.tasks, self.windows.figures
            )
            statuses = [
                status.blocked_by(labels.blockers) if status.measure.criterion.is_labelled else status
                for status in statuses
            ]
            self._evaluation = (statuses, self._slices(), findings, labels)
        rejected = {name: latch.reason for name, latch in self.reject_latches.items() if latch.reason is not None}
        return VerdictInput(
            config=self.config,
            revision=self.revision,
            windows=self.windows,
            recent_outcomes=self.recent_outcomes.outcomes,
            keys=self._keys.keys,
            statuses=self._evaluation[0],
            rejected=rejected,
            incidents=[group.incident for group in self.incident_groups.values() if group.incident is not None],
            withdrawn=[latch.undone for latch in self.reject_latches.values() if latch.undone is not None],
            slices=self._evaluation[1],
            guarded=self._evaluation[2],
            labels=self._evaluation[3],
            paths=self.paths,
            monitors=[group.criterion_monitor for group in self.incident_groups.values()],
            unwatched=[name for group in self.incident_groups.values() for name in group.unwatched_names],
            commands=self.commands,
            hash=self._hash,
            attempt=self._attempt,
            topics=self.topics,
            distributions=self.distributions.rows(),
            confined=self.confined,
        )

    def _status(self, measure: Measure) -> CriterionStatus:
        blind = is_blind(measure.criterion, self.paths)  # a blind criterion is reported as such, not with its few units
        figures = self.windows.figures
        keyed = Measurable(self._keys.units(measure), measure.counts(figures).n, by_key=measure.rate.units)
        coverage = FULL_COVERAGE if blind else coverage_of(measure.criterion, self.config, figures, keyed)
        latch, recent = self.reject_latches[measure.id], self.recent_windows[measure.id]
        keys = self._keys.view(measure, figures)
        return status_of(latch, recent, keys, coverage, ended=self.windows.all_complete)

    def _slices(self) -> SliceSummary:
        if self.slice_evidence is None:
            return NO_SLICES
        n, s = self.reject_latches["mismatch"].counts
        return SliceSummary(
            self.slice_evidence.listing((n, s)),
            self.slice_evidence.latched,
            len(self.slice_evidence.cells),
            self.slice_evidence.dropped,
        )

    def state(self) -> dict[str, Any]:
        """Return the present judge-state record (schemas/judge_state.avsc), without events not yet written."""
        body = {
            "criteria": self._hash,
            "attempt": self._attempt,
            "windows": self.windows.snapshot(),
            "trailing": {rate: recent.snapshot() for rate, recent in self.recent_windows.items()},
            "families": {name: group.snapshot() for name, group in self.incident_groups.items()},
            "cells": self.slice_evidence.snapshot() if self.slice_evidence is not None else None,
            "commands": [self._commands_offset, self.commands.snapshot()],
            "levels": {rate: latch.snapshot() for rate, latch in self.reject_latches.items()},
            "lately": self.recent_outcomes.snapshot(),
            "labels": self.label_course.snapshot(),
            "keys": self._keys.snapshot(),
            "paths": self.paths.snapshot(),
            "distributions": self.distributions.snapshot(),
            "written": self._written,
        }
        return {
            "version": VERSION,
            "revision": self.revision,
            "offsets": {str(partition): offset for partition, offset in sorted(self._offsets.items())},
            "snapshot": packed(body),
        }

    def restore(self, snapshot: Mapping[str, Any] | None) -> None:
        """Restore the last judge-state record of this revision; None starts anew.

        A record of another version of the format cannot be read, and the judge starts anew as well. The stats topic
        keeps everything, so it reaches the same verdict and writes its drift events a second time.
        """
        if snapshot is None or snapshot["version"] != VERSION:
            return
        if snapshot["revision"] != self.revision:
            raise ShadowstreamBug(f"judge of revision {self.revision} was given the state of {snapshot['revision']}")
        body = unpacked(snapshot["snapshot"])
        if body["criteria"] != self._hash:
            raise ShadowstreamBug(f"criteria or rules changed and the revision did not: {self.revision}")
        self.windows.restore(body["windows"])
        for rate, recent in self.recent_windows.items():
            recent.restore(body["trailing"][rate])
        for name, group in self.incident_groups.items():
            self._events += group.restore(body["families"][name])
        if self.slice_evidence is not None:
            self.slice_evidence.restore(body["cells"])
        self._commands_offset, operator_commands = body["commands"]
        self.commands.restore(operator_commands)
        for rate, latch in self.reject_latches.items():
            latch.restore(body["levels"][rate])
        self.recent_outcomes.restore(body["lately"])
        self.label_course.restore(body["labels"])
        self._keys.restore(body["keys"])
        self.paths.restore(body["paths"])
        self.distributions.restore(body["distributions"])
        self._written = body["written"]
        self._offsets = {int(partition): offset for partition, offset in snapshot["offsets"].items()}


def _lasting(group: IncidentGroup | None, window: ClosedWindow) -> LastingIncident | None:
    """Return the lasting incident of a group whose criterion itself stayed bad; only that may reject."""
    if group is None or group.criterion_monitor.incident is None or group.criterion_monitor.lasting is None:
        return None
    why = group.criterion_monitor.lasting
    if group.incident is not None and group.incident.subject != group.criterion_monitor.subject.name:
        why = f"{group.incident.reason}; it has not gone away in {WINDOWS} windows"
    return LastingIncident(why, group.criterion_monitor.incident.opened_ms, window.end_ms)
