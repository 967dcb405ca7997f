"""Whose incidents are one: a criterion with its fields and slices is a family, and a family has one incident at a time.

A unit error for one carrier makes the mismatch rate rise, that of two fields, of the carrier, of the airports it flies
from and of the months after. That is one cause, and it shall be one incident that names it. So:

- the first member that opens, opens the family's incident; what opens while it is open is *absorbed*: it is a flag of
  that incident, and becomes a member of it;
- of those that open in one closing the most narrow that is bad speaks: a slice before the criterion before a field;
- where the criterion speaks first (it has more records, so it often does), the incident is named after the slice that
  holds the excess of the windows the criterion looks back on, if there is one (`slices.listing`);
- it closes when all members that were bad are quiet, or gone: what has had no unit for a season (the least duration) of
  event time would stay as it was for ever, be it a slice or a criterion (with a twin, once neither differs any more).

Two causes at once are one incident, then, that lists both as members: better than dozens that are one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shadowstream.config import Drift as Settings
from shadowstream.judge.drift.rate_monitor import (
    FALSE_ALARMS,
    HORIZON_WINDOWS,
    REVISION_DIGITS,
    WINDOWS,
    Subject,
    Watch,
)
from shadowstream.judge.drift.shiryaev_roberts import alarm_level
from shadowstream.judge.evidence.slice_excess import listing, slice_name
from shadowstream.judge.windows.window_counts import Pair, Slice, plus

FIELDS_MAX = 32
SLICES_MAX = 64
# A field's or a slice's detector remembers less than a criterion's: there are many, and all go into one record.
HISTORY_MAX = 400
MEMBERS_MAX = 10

Events = list[dict[str, Any]]


@dataclass(slots=True)
class OpenIncident:
    """A family's incident. `members`: who was bad, in order, the first `MEMBERS_MAX`; `absorbed`: openings beside the
    first."""

    id: str
    subject: str
    opened_ms: int
    reason: str
    members: list[str]
    absorbed: int = 0


@dataclass(slots=True)
class Parts:
    """What a closed window holds for a family beside its criterion, on time: all pairs, those that differ by field, and
    both by slice (singles)."""

    pairs: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    slices: Mapping[Slice, Pair] = field(default_factory=dict)


class Family:
    """A criterion's watch with those of its fields and slices. `whole`: the watch of the criterion itself; `season_ms`:
    event time after which what has no unit any more is gone."""

    def __init__(self, whole: Watch, settings: Settings, alpha: float, season_ms: int) -> None:
        self.whole = whole
        self.incident: OpenIncident | None = None
        self.fields: dict[str, Watch] = {}
        self.slices: dict[Slice, Watch] = {}
        self.unwatched: set[str] = set()
        """Fields and slices for which there was no room."""
        self._settings, self._alpha, self._season_ms = settings, alpha, season_ms
        # Slices of the merged windows that the criterion looks back on; the last is not complete yet.
        self._lately: deque[dict[Slice, Pair]] = deque([{}])

    def feed(
        self, start_ms: int, end_ms: int, counts: tuple[int, float], counted: tuple[int, float], parts: Parts
    ) -> Events:
        """Take the next closed window: records and bad ones, the same as units, and its parts."""
        for name, (n, s) in parts.slices.items():
            plus(self._lately[-1], name, n, s)
        # Before this window: a field that differs in it has not agreed in it.
        agreed = self.whole.past[1]
        rounds: list[tuple[int, Watch, Events]] = []
        rounds += [(0, watch, watch.feed(start_ms, end_ms, *pair)) for watch, pair in self._slices_of(parts.slices)]
        if counts[0] > 0:
            rounds.append((1, self.whole, self.whole.feed(start_ms, end_ms, *counts, counted)))
        else:
            rounds.append((1, self.whole, self.whole.absent(end_ms, self._season_ms)))
        rounds += [(2, watch, watch.feed(start_ms, end_ms, *pair)) for watch, pair in self._fields_of(parts, agreed)]
        if counts[0] > 0 and self.whole.merged:
            gone = [watch for name, watch in self.slices.items() if parts.slices.get(name, (0, 0))[0] <= 0]
            rounds += [(0, watch, watch.absent(end_ms, self._season_ms)) for watch in gone]
        events = self._united(rounds)
        if counts[0] > 0 and self.whole.merged:
            self._lately.append({})
            while len(self._lately) > WINDOWS:
                self._lately.popleft()
        return events

    @property
    def watches(self) -> Iterable[Watch]:
        """All of them."""
        return (self.whole, *self.fields.values(), *self.slices.values())

    @property
    def told_unwatched(self) -> list[str]:
        """Names of the fields and slices for which there was no room, as a verdict calls them."""
        return [f"{self.whole.subject.name}:{name}" for name in sorted(self.unwatched)]

    def _slices_of(self, slices: Mapping[Slice, Pair]) -> Iterable[tuple[Watch, Pair]]:
        for name, pair in sorted(slices.items()):
            if pair[0] <= 0 or not 0 <= pair[1] <= pair[0]:
                continue
            if name not in self.slices:
                if len(self.slices) >= SLICES_MAX:
                    self.unwatched.add(slice_name(name))
                    continue
                self.slices[name] = self._part(slice_name(name), SLICES_MAX)
            yield self.slices[name], pair

    def _fields_of(self, parts: Parts, agreed: float) -> Iterable[tuple[Watch, Pair]]:
        # A field that once differed is fed ever after: windows in which it agrees are what its change stands against.
        for path in sorted({*parts.fields, *self.fields}):
            pair = (parts.pairs, parts.fields.get(path, 0))
            if pair[0] <= 0 or not 0 <= pair[1] <= pair[0]:
                continue
            if path not in self.fields:
                if len(self.fields) >= FIELDS_MAX:
                    self.unwatched.add(path)
                    continue
                self.fields[path] = self._part(path, FIELDS_MAX)
                self.fields[path].begin_after(self.whole.past[0], agreed)
            yield self.fields[path], pair

    def _part(self, name: str, detectors: int) -> Watch:
        whole = self.whole.subject
        level = alarm_level(detectors, HORIZON_WINDOWS, FALSE_ALARMS)
        subject = Subject(f"{whole.name}:{name}", whole.units, whole.limit)
        return Watch(subject, self._settings, self.whole.revision, level, HISTORY_MAX)

    def _united(self, rounds: list[tuple[int, Watch, Events]]) -> Events:
        """Events of one closing as those of the family."""
        opened = [
            (rank, -watch.log_evidence, watch.subject.name, watch, event)
            for rank, watch, events in rounds
            for event in events
            if event["event"] == "opened"
        ]
        said: Events = []
        opener: dict[str, Any] | None = None
        if opened and self.incident is None:
            _, _, _, watch, opener = min(opened, key=lambda one: one[:3])
            self._open(watch, opener)
        for rank, watch, events in rounds:
            for event in events:
                said += self._told(rank, watch, event, event is opener)
        if self.incident is not None and all(watch.incident is None for watch in self.watches):
            last = next(event for _, _, events in reversed(rounds) for event in events if event["event"] == "closed")
            said.append(last | {"incident": self.incident.id})
            self.incident = None
        return said

    def _open(self, watch: Watch, event: Mapping[str, Any]) -> None:
        subject, reason = watch.subject.name, event["reason"]
        if watch is self.whole:
            where = self._where()
            if where is not None:
                subject, reason = f"{subject}:{where}", f"{reason}; the excess is in {where}"
        start_ms = event["window_start_ms"]
        name = f"{subject}-{start_ms}-{watch.revision[:REVISION_DIGITS]}"
        self.incident = OpenIncident(name, subject, start_ms, reason, [])

    def _where(self) -> str | None:
        """The slice that holds the excess of the windows that the criterion looks back on."""
        cells: dict[Slice, Pair] = {}
        for lately in self._lately:
            for name, pair in lately.items():
                plus(cells, name, *pair)
        if not cells:
            return None
        dimension = min(name[0] for name in cells)
        of_one = [pair for name, pair in cells.items() if name[0] == dimension]
        everything = (sum(n for n, _ in of_one), sum(s for _, s in of_one))
        found = listing(cells, everything, self.whole.subject.limit, self._alpha)
        return slice_name(found[0].name) if found else None

    def _told(self, rank: int, watch: Watch, event: dict[str, Any], opens: bool) -> Events:
        incident = self.incident
        if event["event"] == "opened" and incident is not None:
            # One that was quiet for a while and is bad again has been named already.
            if watch.subject.name not in incident.members and len(incident.members) < MEMBERS_MAX:
                incident.members.append(watch.subject.name)
            if opens:
                return [event | {"incident": incident.id, "reason": incident.reason}]
            incident.absorbed += 1
            return []
        if event["event"] == "closed":
            return []
        if event["event"] == "flag":
            # Of fields and slices only the one that the incident is about is told: a hundred detectors flag all the
            # time, and whom an incident holds besides stands in the verdict.
            if watch.incident is None:
                return [event] if rank == 1 else []
            if rank != 1 and (incident is None or incident.subject != watch.subject.name):
                return []
            return [event | {"incident": incident.id if incident is not None else ""}]
        return [event]

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "whole": self.whole.snapshot(),
            "fields": [[path, watch.snapshot()] for path, watch in self.fields.items()],
            "slices": [[*name, watch.snapshot()] for name, watch in self.slices.items()],
            "lately": [[[*name, *pair] for name, pair in sorted(cells.items())] for cells in self._lately],
            "incident": asdict(self.incident) if self.incident is not None else None,
            "unwatched": sorted(self.unwatched),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> Events:
        """Take up a snapshot; events as `Watch.restore`."""
        events = self.whole.restore(snapshot["whole"])
        for path, state in snapshot["fields"]:
            self.fields[path] = self._part(path, FIELDS_MAX)
            events += self.fields[path].restore(state)
        for names, values, state in snapshot["slices"]:
            name = (tuple(names), tuple(values))
            self.slices[name] = self._part(slice_name(name), SLICES_MAX)
            events += self.slices[name].restore(state)
        self._lately = deque(
            {(tuple(names), tuple(values)): (n, s) for names, values, n, s in cells} for cells in snapshot["lately"]
        )
        self.incident = OpenIncident(**snapshot["incident"]) if snapshot["incident"] is not None else None
        self.unwatched = set(snapshot["unwatched"])
        return events
