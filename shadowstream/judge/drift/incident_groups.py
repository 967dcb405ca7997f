"""Incident groups: the monitors of one criterion, its fields and its slices share one incident at a time.

A unit error for one carrier raises the mismatch rate of the whole, of two fields, of the carrier, of the airports it
flies from and of later months. This is one cause, and the group reports it as one incident that names it. The rules:

- The first monitor that opens, opens the incident of the group. A monitor that opens while the incident is open is
  *absorbed*: it adds a flag and becomes a member of the incident.
- If several monitors open in the same window, the incident is named after the narrowest one: slice, then criterion,
  then field.
- The criterion often opens first, because it has more records. The incident is then named after the slice that holds
  the excess of the recent windows, if there is one (`slice_excess.listing`). Slices are known by window, so an
  incident that opens within a window is named by a later event.
- The incident closes when each member is quiet or gone. A member is gone after a season (the least duration) of event
  time without a unit; otherwise it would stay open for ever. This holds for slices and for criteria (with a twin, once
  neither side differs any more).

Two causes at the same time are one incident with two members. That is better than dozens of incidents with one cause.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shadowstream.config import Drift as Settings
from shadowstream.judge.drift.extent import counted_since
from shadowstream.judge.drift.rate_monitor import (
    FALSE_ALARMS,
    HORIZON_WINDOWS,
    REVISION_DIGITS,
    WINDOWS,
    RateMonitor,
    Subject,
)
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.evidence.slice_excess import listing
from shadowstream.judge.windows.sub_windows import ClosedSubWindow
from shadowstream.judge.windows.window_counts import Pair, Slice, plus, slice_name

FIELDS_MAX = 32
SLICES_MAX = 64
# Detectors of fields and slices keep a shorter history than those of criteria, because all share one state record.
HISTORY_MAX = 400
MEMBERS_MAX = 10

Events = list[dict[str, Any]]


@dataclass(slots=True)
class OpenIncident:
    """Open incident of a group.

    `members`: names of the bad monitors in the order in which they opened, at most `MEMBERS_MAX`. `absorbed`: openings
    after the first.
    """

    id: str
    subject: str
    opened_ms: int
    reason: str
    members: list[str]
    absorbed: int = 0
    unnamed: dict[str, Any] | None = None
    """Its opening event, if it opened in a window that is still open, whose slices are not known."""


@dataclass(slots=True)
class WindowParts:
    """Counts of a closed window for a group beside its criterion, on time only.

    `pairs`: all pairs. `fields`: differing pairs by field. `slices`: pairs and differing pairs by single-dimension
    slice. `excused`: bad records that the window excuses (`Measure.excused`).
    """

    pairs: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    slices: Mapping[Slice, Pair] = field(default_factory=dict)
    excused: int = 0


class IncidentGroup:
    """Monitors of one criterion, its fields and its slices, which share one incident.

    `season_ms`: event time without a unit after which a field, slice or criterion counts as gone.
    """

    def __init__(self, criterion_monitor: RateMonitor, settings: Settings, alpha: float, season_ms: int) -> None:
        self.criterion_monitor = criterion_monitor
        self.incident: OpenIncident | None = None
        self.field_monitors: dict[str, RateMonitor] = {}
        self.slice_monitors: dict[Slice, RateMonitor] = {}
        self.unwatched: set[str] = set()
        """Fields and slices without a monitor, because the limit was reached."""
        self._settings, self._alpha, self._season_ms = settings, alpha, season_ms
        # Slices of the last merged windows of the criterion; the last entry is still incomplete.
        self._recent_slices: deque[dict[Slice, Pair]] = deque([{}])
        # A record and the one that excuses it may be in different sub-windows, and seldom in different windows.
        self._excuses = False

    def feed(
        self, start_ms: int, end_ms: int, counts: tuple[int, float], counted: tuple[int, float], parts: WindowParts
    ) -> Events:
        """Feed the next closed window to all monitors and return the drift events of the group.

        `counts`: records and bad records. `counted`: the same as units of the criterion. `parts`: counts by field and
        slice.
        """
        self._excuses = parts.excused > 0
        for name, (n, s) in parts.slices.items():
            plus(self._recent_slices[-1], name, n, s)
        # Agreeing records before this window. A field that differs in this window has not agreed in it.
        agreed = self.criterion_monitor.past[1]
        rounds: list[tuple[int, RateMonitor, Events]] = []
        rounds += [
            (0, monitor, monitor.feed(start_ms, end_ms, *pair)) for monitor, pair in self._feed_slices(parts.slices)
        ]
        if counts[0] > 0:
            rounds.append((1, self.criterion_monitor, self.criterion_monitor.feed(start_ms, end_ms, *counts, counted)))
        else:
            rounds.append((1, self.criterion_monitor, self.criterion_monitor.absent(end_ms, self._season_ms)))
        rounds += [
            (2, monitor, monitor.feed(start_ms, end_ms, *pair)) for monitor, pair in self._feed_fields(parts, agreed)
        ]
        if counts[0] > 0 and self.criterion_monitor.merged:
            gone = [monitor for name, monitor in self.slice_monitors.items() if parts.slices.get(name, (0, 0))[0] <= 0]
            rounds += [(0, monitor, monitor.absent(end_ms, self._season_ms)) for monitor in gone]
        events = [*self._named(start_ms, end_ms), *self._merged(rounds)]
        if counts[0] > 0 and self.criterion_monitor.merged:
            self._recent_slices.append({})
            while len(self._recent_slices) > WINDOWS:
                self._recent_slices.popleft()
        return events

    def feed_sub_window(self, sub_window: ClosedSubWindow, counts: tuple[int, float], excused: int) -> Events:
        """Feed counts of a window that is still open to the monitor of the criterion and return drift events.

        From a bad record that is excused until a window without one, counts come with their windows only.
        """
        self._excuses |= excused > 0
        if self._excuses or counts[0] <= 0:
            return []
        events = self.criterion_monitor.feed_sub_window(sub_window.start_ms, sub_window.end_ms, *counts)
        return self._merged([(1, self.criterion_monitor, events)], whole=False) if events else []

    @property
    def monitors(self) -> Iterable[RateMonitor]:
        """All monitors of the group."""
        return (self.criterion_monitor, *self.field_monitors.values(), *self.slice_monitors.values())

    @property
    def unwatched_names(self) -> list[str]:
        """Names of the fields and slices without a monitor, as verdicts print them."""
        return [f"{self.criterion_monitor.subject.name}:{name}" for name in sorted(self.unwatched)]

    def _feed_slices(self, slices: Mapping[Slice, Pair]) -> Iterable[tuple[RateMonitor, Pair]]:
        for name, pair in sorted(slices.items()):
            if pair[0] <= 0 or not 0 <= pair[1] <= pair[0]:
                continue
            if name not in self.slice_monitors:
                if len(self.slice_monitors) >= SLICES_MAX:
                    self.unwatched.add(slice_name(name))
                    continue
                self.slice_monitors[name] = self._new_monitor(slice_name(name), SLICES_MAX)
            yield self.slice_monitors[name], pair

    def _feed_fields(self, parts: WindowParts, agreed: float) -> Iterable[tuple[RateMonitor, Pair]]:
        # A field that differed once is always fed: the windows in which it agrees are the baseline of its change.
        for path in sorted({*parts.fields, *self.field_monitors}):
            pair = (parts.pairs, parts.fields.get(path, 0))
            if pair[0] <= 0 or not 0 <= pair[1] <= pair[0]:
                continue
            if path not in self.field_monitors:
                if len(self.field_monitors) >= FIELDS_MAX:
                    self.unwatched.add(path)
                    continue
                self.field_monitors[path] = self._new_monitor(path, FIELDS_MAX)
                self.field_monitors[path].begin_after(self.criterion_monitor, agreed)
            yield self.field_monitors[path], pair

    def _new_monitor(self, name: str, detectors: int) -> RateMonitor:
        of_criterion = self.criterion_monitor.subject
        level = alarm_level(detectors, HORIZON_WINDOWS, FALSE_ALARMS)
        subject = Subject(f"{of_criterion.name}:{name}", of_criterion.units, of_criterion.limit)
        revision = self.criterion_monitor.revision
        return RateMonitor(subject, self._settings, revision, level, HISTORY_MAX, self._season_ms)

    def _merged(self, rounds: list[tuple[int, RateMonitor, Events]], *, whole: bool = True) -> Events:
        """Merge the events of all monitors in one window, or a part of it, into the events of the group."""
        opened = [
            (rank, -monitor.log_evidence, monitor.subject.name, monitor, event)
            for rank, monitor, events in rounds
            for event in events
            if event["event"] == "opened"
        ]
        merged_events: Events = []
        opener: dict[str, Any] | None = None
        if opened and self.incident is None:
            _, _, _, monitor, opener = min(opened, key=lambda item: item[:3])
            opener.update(self._open(monitor, opener, whole=whole))
        for rank, monitor, events in rounds:
            for event in events:
                merged_events += self._event_of(rank, monitor, event, event is opener)
        if self.incident is not None and all(monitor.incident is None for monitor in self.monitors):
            last = next(event for _, _, events in reversed(rounds) for event in events if event["event"] == "closed")
            merged_events.append(last | {"incident": self.incident.id, "subject": self.incident.subject})
            self.incident = None
        return merged_events

    def _open(self, monitor: RateMonitor, event: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
        """Open the incident; return what its event says of the slice that it is named after."""
        incident = OpenIncident("", monitor.subject.name, event["window_start_ms"], event["reason"], [])
        incident.unnamed = None if whole else dict(event)
        of_criterion = whole and monitor is self.criterion_monitor
        extent = self._name_excess(incident, event["since_ms"]) if of_criterion else {}
        incident.id = f"{incident.subject}-{incident.opened_ms}-{monitor.revision[:REVISION_DIGITS]}"
        self.incident = incident
        return {"subject": incident.subject, **extent}

    def _named(self, start_ms: int, end_ms: int) -> Events:
        """Name an incident that opened within a window after the slice that holds the excess, once windows show one."""
        incident, monitor = self.incident, self.criterion_monitor
        if incident is None or incident.unnamed is None or not monitor.merged:
            return []
        opening = incident.unnamed
        # Slices are known by window: they count from the begin of the window that holds the change.
        since_ms = max((row[0] for row in monitor.recent if row[0] <= opening["since_ms"]), default=incident.opened_ms)
        extent = self._name_excess(incident, since_ms)
        if not extent:
            if monitor.incident is None or monitor.incident.windows >= WINDOWS:
                incident.unnamed = None
            return []
        incident.unnamed = None
        place = {"incident": incident.id, "subject": incident.subject, "reason": incident.reason}
        return [opening | place | extent | {"event": "named", "window_start_ms": start_ms, "window_end_ms": end_ms}]

    def _name_excess(self, incident: OpenIncident, since_ms: int) -> dict[str, Any]:
        """Name an incident of the criterion after the slice that holds the excess of the recent windows, if any.

        Return the counts of the slice since then.
        """
        excess_slice = self._excess_slice()
        if excess_slice is None:
            return {}
        name = slice_name(excess_slice)
        incident.subject += f":{name}"
        incident.reason += f"; the excess is in {name}"
        return self._extent_of(excess_slice, since_ms)

    def _extent_of(self, name: Slice, since_ms: int) -> dict[str, Any]:
        """Return the counts of a slice in the recent windows of its criterion since then."""
        starts = [row[0] for row in self.criterion_monitor.recent]
        cells = [cells.get(name, (0, 0)) for cells in list(self._recent_slices)[-len(starts) :]]
        rows = [(start_ms, *pair) for start_ms, pair in zip(starts, cells, strict=True)]
        return counted_since(rows, since_ms)._asdict()

    def _excess_slice(self) -> Slice | None:
        """Return the slice that holds the excess of the recent windows, if there is one."""
        cells: dict[Slice, Pair] = {}
        for window_slices in self._recent_slices:
            for name, pair in window_slices.items():
                plus(cells, name, *pair)
        if not cells:
            return None
        dimension = min(name[0] for name in cells)
        of_one = [pair for name, pair in cells.items() if name[0] == dimension]
        everything = (sum(n for n, _ in of_one), sum(s for _, s in of_one))
        listed = listing(cells, everything, self.criterion_monitor.subject.limit, self._alpha)
        return listed[0].name if listed else None

    def _event_of(self, rank: int, monitor: RateMonitor, event: dict[str, Any], opens: bool) -> Events:
        incident = self.incident
        if event["event"] == "opened" and incident is not None:
            # A member that was quiet for a while and is bad again is already named.
            if monitor.subject.name not in incident.members and len(incident.members) < MEMBERS_MAX:
                incident.members.append(monitor.subject.name)
            if opens:
                return [event | {"incident": incident.id, "reason": incident.reason}]
            incident.absorbed += 1
            return []
        if event["event"] == "closed":
            return []
        if event["event"] == "flag":
            # Report flags of a field or slice only if the incident is named after it: a hundred detectors flag all the
            # time, and the verdict lists the other members.
            if monitor.incident is None:
                return [event] if rank == 1 else []
            if rank != 1 and (incident is None or incident.subject != monitor.subject.name):
                return []
            return [event | {"incident": incident.id if incident is not None else ""}]
        return [event]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "whole": self.criterion_monitor.snapshot(),
            "fields": [[path, monitor.snapshot()] for path, monitor in self.field_monitors.items()],
            "slices": [[*name, monitor.snapshot()] for name, monitor in self.slice_monitors.items()],
            "lately": [[[*name, *pair] for name, pair in sorted(cells.items())] for cells in self._recent_slices],
            "incident": asdict(self.incident) if self.incident is not None else None,
            "unwatched": sorted(self.unwatched),
            "excuses": self._excuses,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> Events:
        """Restore the state from a snapshot and return events as `RateMonitor.restore` does."""
        events = self.criterion_monitor.restore(snapshot["whole"])
        for path, state in snapshot["fields"]:
            self.field_monitors[path] = self._new_monitor(path, FIELDS_MAX)
            events += self.field_monitors[path].restore(state)
        for names, values, state in snapshot["slices"]:
            name = (tuple(names), tuple(values))
            self.slice_monitors[name] = self._new_monitor(slice_name(name), SLICES_MAX)
            events += self.slice_monitors[name].restore(state)
        self._recent_slices = deque(
            {(tuple(names), tuple(values)): (n, s) for names, values, n, s in cells} for cells in snapshot["lately"]
        )
        self.incident = OpenIncident(**snapshot["incident"]) if snapshot["incident"] is not None else None
        self.unwatched, self._excuses = set(snapshot["unwatched"]), snapshot["excuses"]
        return events
