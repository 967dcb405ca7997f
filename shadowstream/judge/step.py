"""The judge's step: statistics in; drift events, verdicts and its own state out. Pure: no client, no clock.

Everything that decides happens as windows close, one by one in time order, so it does not matter how often
`evaluate` is called: after each record or once at the end, the drift events and the evidence are the same.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shadowstream.codecs.own import encode
from shadowstream.config import Config
from shadowstream.errors import ShadowstreamBug
from shadowstream.judge.coverage.coverage import Lately
from shadowstream.judge.coverage.criterion_coverage import least_of, measurable_of
from shadowstream.judge.coverage.path_sightings import Paths, is_blind
from shadowstream.judge.criteria import FIELD, behind, declared
from shadowstream.judge.drift.incident_groups import Family, Parts
from shadowstream.judge.drift.rate_monitor import (
    FALSE_ALARMS,
    HISTORY_MAX,
    HISTORY_MIN,
    HORIZON_WINDOWS,
    WINDOWS,
    Subject,
    Watch,
)
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.evidence.slice_excess import Cells
from shadowstream.judge.verdict.alpha_spending import at_attempt
from shadowstream.judge.verdict.criterion_status import Seen, Standing, standing_of
from shadowstream.judge.verdict.criterion_units import Measure, measure_of
from shadowstream.judge.verdict.label_selection import LabelCourse, Selection, selection
from shadowstream.judge.verdict.operator_commands import Said
from shadowstream.judge.verdict.part_figures import folded
from shadowstream.judge.verdict.recent_windows import Trailing
from shadowstream.judge.verdict.reject_latch import Lasting, Level
from shadowstream.judge.verdict.slice_guard import Found, guard
from shadowstream.judge.verdict.verdict import NO_SLICES, Case, Slices, build, criteria_hash, digest
from shadowstream.judge.windows.event_windows import Closed, Windows
from shadowstream.judge.windows.expected_tasks import counts_labels
from shadowstream.judge.windows.window_counts import Pair, Slice, plus
from shadowstream.records import Write

VERSION = 5
STATE_BYTES_MAX = 1_000_000
"""A broker takes a message of 1 MiB by default. Many open windows with all their buckets may be more than that."""
_ALWAYS_NEW = ("evaluated_at_ms", "sources")


@dataclass(frozen=True, slots=True)
class Effects:
    """What one evaluation wants written, in this order, in one transaction with `JudgeStep.offsets`.

    `verdict` is the present verdict record whether or not it is written; `changed` says whether it differs from the
    last one in more than wall clock and offset ranges. `unsaved`: bytes of a state too large to be written, else 0; the
    last one that was written stands, and a restart goes on from there, reading stats and telling drift once more.
    """

    writes: list[Write]
    verdict: dict[str, Any]
    changed: bool
    unsaved: int = 0


class JudgeStep:
    """Judges one revision. One owner: every stats partition of the trial comes here.

    `expected_tasks` are all "topic/partition" of production's outputs. Call `restore` once, seek each stats partition
    to `offsets` (to the beginning where it is not named), then `step` for each record and `evaluate` at each commit.
    `attempt` is the revision's number among those of its release (`attempts.attempt_of`).
    """

    def __init__(self, config: Config, revision: str, expected_tasks: Iterable[str], attempt: int = 1) -> None:
        self.config = at_attempt(declared(config), attempt)
        self.revision = revision
        self._attempt = attempt
        self._hash = criteria_hash(config)
        self.paths = Paths()
        # A later attempt is judged at a smaller level; what holds it back is not.
        self._guard_alpha = config.judge.alpha
        dimensions = [one.name for one in config.compare.dimensions]
        self._dimensions = (dimensions, config.compare.values_max) if dimensions else None
        judge = self.config.judge
        self.windows = Windows(revision, judge.window_ms, expected_tasks, judge.min_duration_ms)
        self.windows.topics = frozenset(one.topic for one in config.judge.criteria if one.topic is not None)
        self.windows.outputs = frozenset(config.production.outputs if len(config.production.outputs) > 1 else ())
        self.measures: list[Measure] = [measure_of(one, self.config) for one in judge.criteria]
        self.trailing: dict[str, Trailing] = {one.id: Trailing(one) for one in self.measures}
        self.levels: dict[str, Level] = {one.id: Level(one, self.config) for one in self.measures}
        self.lately = Lately(self.config)
        self.label_course = LabelCourse(judge.window_ms)
        self.families: dict[str, Family] = {
            one.id: self._family(one) for one in self.measures if not one.criterion.muted
        }
        self.cells = self._cells()
        self.said = Said(revision)
        self.topics: list[str] = []
        """What has happened to topics of the trial, as sentences; set from outside, and no part of the state."""
        self._buckets: dict[int, Pair] = {}
        self._offsets: dict[int, int] = {}
        self._commands = 0
        self._events: list[dict[str, Any]] = []
        self._found: tuple[list[Standing], Slices, Found, Selection] | None = None
        self._written = ""
        self._stepped = False

    def _family(self, measure: Measure) -> Family:
        level = alarm_level(len(self.measures), HORIZON_WINDOWS, FALSE_ALARMS)
        subject = Subject(measure.id, measure.rate.units, measure.limit)
        judge = self.config.judge
        settings = judge.drift
        # All histories together stay within what one criterion may remember, twice over.
        history_max = max(HISTORY_MIN, 2 * HISTORY_MAX // max(2, len(self.measures)))
        whole = Watch(subject, settings, self.revision, level, history_max)
        return Family(whole, settings, measure.alpha, judge.min_duration_ms)

    def _cells(self) -> Cells | None:
        mismatch = next((one for one in self.measures if one.id == "mismatch"), None)
        compare = self.config.compare
        return Cells(mismatch.limit, mismatch.alpha, compare.values_max) if mismatch and compare.dimensions else None

    @property
    def finished(self) -> bool:
        """Whether every task is complete, so that every window is closed (a bounded run)."""
        return self.windows.all_complete

    def offsets(self) -> dict[int, int]:
        """Next offset of the stats topic by partition; what the last `evaluate` holds unless `step` came after it."""
        return dict(self._offsets)

    def step(self, partition: int, offset: int, record: Mapping[str, Any]) -> None:
        """Take one decoded stats record (schemas/stats.avsc) and its place in the stats topic."""
        if offset < self._offsets.get(partition, 0):
            return
        self._offsets[partition] = offset + 1
        self._stepped = True
        if record["revision"] == self.revision:
            self.paths.add(record)
        if counts_labels(record["task"]):
            self._found = None  # how far labels have come may have changed, though no window closes
        closed = self.windows.add(record)
        for level in self.levels.values():
            level.excuse(self.windows.lost)
        for window in closed:
            self._close(window)

    def refuse(self, partition: int, offset: int, reason: str) -> None:
        """Count a record of the stats topic that cannot be one, by the reason of its `RecordError`."""
        if offset < self._offsets.get(partition, 0):
            return
        self._offsets[partition] = offset + 1
        self._stepped = True
        self.windows.refused[reason] += 1

    def command(self, offset: int, record: Mapping[str, Any]) -> None:
        """Take one decoded record of the topic commands (schemas/command.avsc) and its offset there."""
        if offset < self._commands:
            return
        self._commands = offset + 1
        self._stepped = True
        self.said.take(record)

    @property
    def commands_offset(self) -> int:
        """Next offset of the topic commands."""
        return self._commands

    def _close(self, window: Closed) -> None:
        self._found = None
        self.lately.close(window.start_ms, window.outcomes, window.corrections)
        for start_ms, figures in ((window.start_ms, window.outcomes), *window.corrections.items()):
            self.label_course.add(start_ms, figures)
        for buckets in (window.buckets, *window.late_buckets.values()):
            for bucket, (n, s) in buckets.items():
                plus(self._buckets, bucket, n, s)
        if self._dimensions:
            self.windows.figures = folded(self.windows.figures, *self._dimensions) or self.windows.figures
        singles = self.cells.close(window.start_ms, window.slices, window.late_slices) if self.cells else {}
        for measure in self.measures:
            trailing, family = self.trailing[measure.id], self.families.get(measure.id)
            raw = measure.raw(window.outcomes, window.buckets)
            for start_ms, figures in window.corrections.items():
                trailing.correct(start_ms, measure.raw(figures, window.late_buckets.get(start_ms, {})))
            trailing.close(window.start_ms, raw, window.labelled_ms)
            # A window of corrections alone is there because of when they came.
            if family is not None and window.outcomes:
                self._watch(measure, family, window, singles)
            self.levels[measure.id].close(window, _lasting(family, window))

    def _watch(self, measure: Measure, family: Family, window: Closed, singles: Mapping[Slice, Pair]) -> None:
        counts, units = measure.watched(window.outcomes, window.buckets)
        parts = Parts()
        if measure.id == "mismatch":
            # What has a criterion of its own is watched there.
            own = {one.criterion.path for one in self.measures if one.criterion.rate == "field"}
            fields = {path: s for path, s in behind(FIELD, window.outcomes).items() if path not in own}
            parts = Parts(int(counts[0]), fields, singles)
        self._events += family.feed(window.start_ms, window.end_ms, counts, units, parts)

    def evaluate(self, now_ms: int, *, force: bool = False) -> Effects:
        """The present verdict, and what is to be written. `now_ms` is the wall clock, ms since the epoch.

        The verdict is written when it changed, and with `force` (so that the gate sees that it is not stale); only a
        changed one goes to audit. State is written when anything was taken in or said.
        """
        verdict = build(self._case(), now_ms)
        said = digest({name: item for name, item in verdict.items() if name not in _ALWAYS_NEW})
        changed = said != self._written
        self._written = said
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

    def _case(self) -> Case:
        if self._found is None:
            standings = [self._standing(one) for one in self.measures]
            standings = [one.blind if is_blind(one.measure.criterion, self.paths) else one for one in standings]
            found = guard(self.config, self._guard_alpha, self.measures, self.windows.figures)
            labels = selection(
                self.config, self._guard_alpha, self.label_course, self.windows.tasks, self.windows.figures
            )
            standings = [
                one.held(labels.blockers) if one.measure.criterion.rate == "labels" else one for one in standings
            ]
            self._found = (standings, self._slices(), found, labels)
        rejected = {name: level.reason for name, level in self.levels.items() if level.reason is not None}
        return Case(
            config=self.config,
            revision=self.revision,
            windows=self.windows,
            lately=self.lately.outcomes,
            keys=sum(1 for n, _ in self._buckets.values() if n),
            standings=self._found[0],
            rejected=rejected,
            incidents=[one.incident for one in self.families.values() if one.incident is not None],
            withdrawn=[one.undone for one in self.levels.values() if one.undone is not None],
            slices=self._found[1],
            guarded=self._found[2],
            labels=self._found[3],
            paths=self.paths,
            watches=[one.whole for one in self.families.values()],
            unwatched=[name for one in self.families.values() for name in one.told_unwatched],
            said=self.said,
            hash=self._hash,
            attempt=self._attempt,
            topics=self.topics,
        )

    def _standing(self, measure: Measure) -> Standing:
        keyed = sum(pair[0] for pair in self._buckets.values()) if measure.criterion.unit == "key" else 0
        blind = is_blind(measure.criterion, self.paths)  # then that is said, and not how few units it saw
        found = None if blind else measurable_of(measure.criterion, self.windows.figures, keyed)
        seen = Seen(found, least_of(measure.criterion, self.config))
        return standing_of(self.levels[measure.id], self.trailing[measure.id], self._buckets, seen)

    def _slices(self) -> Slices:
        if self.cells is None:
            return NO_SLICES
        n, s = self.levels["mismatch"].counts
        return Slices(self.cells.listing((n, s)), self.cells.latched, len(self.cells.cells), self.cells.dropped)

    def state(self) -> dict[str, Any]:
        """The judge-state record (schemas/judge_state.avsc) as of now; events not yet given out are not in it."""
        body = {
            "criteria": self._hash,
            "attempt": self._attempt,
            "windows": self.windows.snapshot(),
            "trailing": {rate: trailing.snapshot() for rate, trailing in self.trailing.items()},
            "families": {name: family.snapshot() for name, family in self.families.items()},
            "cells": self.cells.snapshot() if self.cells is not None else None,
            "commands": [self._commands, self.said.snapshot()],
            "levels": {rate: level.snapshot() for rate, level in self.levels.items()},
            "lately": self.lately.snapshot(),
            "labels": self.label_course.snapshot(),
            "buckets": [[bucket, *pair] for bucket, pair in sorted(self._buckets.items())],
            "paths": self.paths.snapshot(),
            "written": self._written,
        }
        return {
            "version": VERSION,
            "revision": self.revision,
            "offsets": {str(partition): offset for partition, offset in sorted(self._offsets.items())},
            "snapshot": _packed(body),
        }

    def restore(self, snapshot: Mapping[str, Any] | None) -> None:
        """Take up the last judge-state record of this revision; None begins anew.

        A record of another version of the form cannot be read: the judge then begins anew as well, and since stats
        keep everything it comes to the same verdict, saying its drift events a second time.
        """
        if snapshot is None or snapshot["version"] != VERSION:
            return
        if snapshot["revision"] != self.revision:
            raise ShadowstreamBug(f"judge of revision {self.revision} was given the state of {snapshot['revision']}")
        body = _unpacked(snapshot["snapshot"])
        if body["criteria"] != self._hash:
            raise ShadowstreamBug(f"criteria or rules changed and the revision did not: {self.revision}")
        self.windows.restore(body["windows"])
        for rate, trailing in self.trailing.items():
            trailing.restore(body["trailing"][rate])
        for name, family in self.families.items():
            self._events += family.restore(body["families"][name])
        if self.cells is not None:
            self.cells.restore(body["cells"])
        self._commands, said = body["commands"]
        self.said.restore(said)
        for rate, level in self.levels.items():
            level.restore(body["levels"][rate])
        self.lately.restore(body["lately"])
        self.label_course.restore(body["labels"])
        self._buckets = {bucket: (n, s) for bucket, n, s in body["buckets"]}
        self.paths.restore(body["paths"])
        self._written = body["written"]
        self._offsets = {int(partition): offset for partition, offset in snapshot["offsets"].items()}


def _lasting(family: Family | None, window: Closed) -> Lasting | None:
    """The incident of a family whose criterion itself has stayed bad, as what may reject."""
    if family is None or family.whole.incident is None or family.whole.lasting is None:
        return None
    why = family.whole.lasting
    if family.incident is not None and family.incident.subject != family.whole.subject.name:
        why = f"{family.incident.reason}; it has not gone away in {WINDOWS} windows"
    return Lasting(why, family.whole.incident.opened_ms, window.end_ms)


def _packed(body: Mapping[str, Any]) -> str:
    # A year of open hours is a megabyte of JSON, more than a broker takes; deflated it is a tenth of that.
    return base64.b85encode(zlib.compress(json.dumps(body, separators=(",", ":")).encode())).decode()


def _unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b85decode(text)))
