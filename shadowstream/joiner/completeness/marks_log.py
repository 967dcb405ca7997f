"""The content of the marks read so far: start and warm-up, done and end marks, absences.

Offsets in marks are high watermarks. A done mark counts for a task once the task's position on the shadow side has
passed the end that the mark names. Each task reads another partition, so each has its own `PassedMarks`.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import islice, takewhile
from typing import Any, NamedTuple

from shadowstream.codecs import json_values
from shadowstream.errors import ConfigError, RecordError
from shadowstream.protocol.marks import Counters, ends_of, identity_hash, partitioners_of
from shadowstream.protocol.metadata_codec import inflated
from shadowstream.records import REVISION_BYTES, Partition
from shadowstream.thinned_queue import ThinnedQueue

MARKS_MAX = 10_000
ABSENCES_MAX = 300_000


class DoneMark(NamedTuple):
    """Inputs of `input` below `offset` are done, and their outputs lie below `ends`. `at` is the mark's offset."""

    input: Partition
    offset: int
    ends: dict[Partition, int]
    counters: Counters | None
    at: int = 0


class Absence(NamedTuple):
    """The absence of an input's output: reason (schemas/mark.avsc) and text. `at` is the mark's offset."""

    reason: str
    id: int | None
    at: int
    text: str = ""


class RevisionRange(NamedTuple):
    """The inputs from offset `begin` on, on which `revision` ran; earlier inputs have event times up to `floor_ms`."""

    begin: int
    revision: str
    floor_ms: int | None


class TrialStart(NamedTuple):
    """The beginning of the trial (schemas/mark.avsc)."""

    revision: str
    committed: dict[Partition, int]
    warm_below: dict[Partition, int]
    bounds: dict[Partition, int]
    floor_ms: int | None
    ends: dict[Partition, int]

    @classmethod
    def of(cls, record: dict[str, Any]) -> TrialStart:
        begins = {Partition(b["topic"], b["partition"]): b for b in record["begins"]}
        committed, warm_below, bounds = (
            {place: b[name] for place, b in begins.items()} for name in ("committed", "end", "bound")
        )
        return cls(record["revision"], committed, warm_below, bounds, record["floor_ms"], ends_of(record))

    @property
    def has_warm_up(self) -> bool:
        """Whether any inputs are warm-up; `warm_below` is -1 if every pair counts."""
        return any(below >= 0 for below in self.warm_below.values())


def _plain(by_place: Mapping[Partition, int | None]) -> list[list[Any]]:
    return [[*place, offset] for place, offset in by_place.items()]


def _places(plain: Iterable[list[Any]]) -> dict[Partition, Any]:
    return {Partition(topic, partition): value for topic, partition, value in plain}


def place_of(text: str) -> Partition:
    topic, _, partition = text.rpartition("/")
    return Partition(topic, int(partition))


def of_kind(counts: Mapping[str, int], kind: str) -> dict[str, int]:
    """Return the counts ``kind:name`` of a state record by their names."""
    return {name.removeprefix(f"{kind}:"): n for name, n in counts.items() if name.startswith(f"{kind}:")}


def position_of(snapshot: bytes) -> int:
    """Return the offset of the progress topic at which a snapshot was taken."""
    position: int = _opened(snapshot)["position"]
    return position


def _opened(snapshot: bytes) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json_values.read(inflated(snapshot))
    except (RecordError, ValueError, zlib.error) as error:
        raise ConfigError(
            f"the joiner's state record has marks that cannot be read: {error}; did another program write it?"
        ) from error
    return body


class MarksLog:
    """The marks that one joiner process has read, in the order of the topic."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.start: TrialStart | None = None
        self.warm_ends: dict[Partition, int] | None = None
        self._untils: dict[str, dict[Partition, int]] = {}  # by revision: a later one may join the same trial
        self.ends: dict[Partition, DoneMark] = {}
        self.latest: dict[Partition, DoneMark] = {}
        self.absences_dropped = 0
        self.position = 0  # the offset of the progress topic below which all marks are known
        self.refused = 0  # the number of records of the progress topic that are no marks
        self._start_record: dict[str, Any] | None = None
        self._absent: dict[tuple[Partition, int], Absence] = {}
        self._absent_times: deque[tuple[int, int]] = deque()
        self._kept = -1, b""
        self._by_hash: dict[int, tuple[Partition, int]] = {}
        self._forgotten: dict[Partition, int] = {}
        self._ranges: dict[Partition, list[RevisionRange]] = {}
        self._floors: dict[Partition, int | None] = {}
        self._full = {revision[: 2 * REVISION_BYTES]: revision}

    def add(self, record: dict[str, Any], at: int | None = None) -> DoneMark | None:
        """Add the mark at offset `at` of the topic; return it if it is a done or end mark.

        A mark below a restored snapshot is read for what that omits: absences, and done marks not passed by a task.
        """
        kind = record["kind"]
        at = self.position if at is None else at
        again = at < self.position
        self.position = max(self.position, at + 1)
        if kind not in ("done", "end", "range", "start", "warm", "until"):
            return None  # a mark of the topic starts or of a newer release, without content for the joiner
        self._full[record["revision"][: 2 * REVISION_BYTES]] = record["revision"]
        if kind in ("done", "end"):
            return self._done(record, at, again)
        if kind == "until":
            self._untils.setdefault(record["revision"], TrialStart.of(record).bounds)
        elif kind == "range":
            if not again:
                self._extend_ranges(record, record["from_offset"])
            self._absences(record, at)
        elif record["revision"] == self.revision:
            if kind == "start" and self.start is None:
                # Two runners may have raced at the beginning: the first start mark of a revision is valid.
                self.begin(record)
            elif kind == "warm" and self.warm_ends is None:
                self.warm_ends = ends_of(record)
        return None

    def refuse(self, at: int) -> None:
        """Count a record at offset `at` that is no mark, unless it is below the position and so has been counted."""
        self.refused += at >= self.position
        self.position = max(self.position, at + 1)

    def begin(self, record: dict[str, Any]) -> None:
        self._start_record, self.start = record, TrialStart.of(record)

    def _done(self, record: dict[str, Any], at: int, again: bool) -> DoneMark:
        place = Partition(record["input_topic"], record["input_partition"])
        counters = None if record["counters"] is None else Counters.of(record["counters"])
        if counters is None and not again:
            self._extend_ranges(record, self.latest[place].offset if place in self.latest else 0)
        done = DoneMark(place, record["to_offset"], ends_of(record), counters, at)
        if not again:
            self.latest[place] = done
        # A restart needs the end marks again, so those of earlier revisions must not outlive their retention.
        if record["kind"] == "end" and record["revision"] == self.revision:
            self.ends[place] = done
        return done

    def needed_from(self) -> int:
        """Return the offset of the oldest kept absence or end mark: a restart reads from it, beside a `snapshot`."""
        if not (self._absent or self.ends):
            return self.position
        oldest = next(iter(self._absent.values()), None)
        return min([self.position if oldest is None else oldest.at, *(done.at for done in self.ends.values())])

    def snapshot(self) -> bytes:
        """Return all other content of the marks below `position`."""
        if self._kept[0] != self.position:
            body = {
                "position": self.position,
                "refused": self.refused,
                "start": self._start_record,
                "warm": None if self.warm_ends is None else _plain(self.warm_ends),
                "untils": {revision: _plain(bounds) for revision, bounds in self._untils.items()},
                "latest": _plain({place: done.offset for place, done in self.latest.items()}),
                "floors": _plain(self._floors),
                "reigns": [[*place, [list(one) for one in ranges]] for place, ranges in self._ranges.items()],
                "revisions": list(self._full.values()),
            }
            self._kept = self.position, zlib.compress(json.dumps(body, separators=(",", ":")).encode())
        return self._kept[1]

    def restore(self, snapshot: bytes) -> None:
        """Restore a snapshot; the marks from its `needed_from` on must be added next."""
        body = _opened(snapshot)
        self.position, self.refused = body["position"], body.get("refused", 0)
        if body["start"] is not None:
            self.begin(body["start"])
        self.warm_ends = None if body["warm"] is None else _places(body["warm"])
        self._untils = {revision: _places(bounds) for revision, bounds in body.get("untils", {}).items()}
        self.latest = {place: DoneMark(place, offset, {}, None) for place, offset in _places(body["latest"]).items()}
        self._floors = _places(body["floors"])
        ranges = _places(body["reigns"])
        self._ranges = {place: [RevisionRange(*one) for one in plain] for place, plain in ranges.items()}
        self._full |= {revision[: 2 * REVISION_BYTES]: revision for revision in body["revisions"]}

    def _extend_ranges(self, record: dict[str, Any], begin: int) -> None:
        """Add a range of the mark's revision from input offset `begin` on, unless the last range is of it already."""
        place = Partition(record["input_topic"], record["input_partition"])
        ranges = self._ranges.setdefault(place, [])
        if not ranges or ranges[-1].revision != record["revision"]:
            ranges.append(RevisionRange(begin, record["revision"], self._floors.get(place)))
        if record["floor_ms"] is not None:
            self._floors[place] = record["floor_ms"]

    def full_revision(self, short: str) -> str:
        """Return the full revision of a packed header's short one, as far as marks have named it."""
        return self._full.get(short, short)

    def unnamed(self, shorts: Iterable[str]) -> set[str]:
        """Return the short revisions that no mark has named yet; their start marks came before their outputs."""
        return {short for short in shorts if short not in self._full}

    def take_as_named(self, shorts: Iterable[str]) -> None:
        """Use these short revisions as full ones, since no mark names them."""
        for short in shorts:
            self._full.setdefault(short, short)

    def revision_at(self, place: Partition, offset: int) -> str:
        ranges = [one for one in self._ranges.get(place, ()) if one.begin <= offset]
        return ranges[-1].revision if ranges else self.revision

    def revision_at_time(self, topic: str, inputs: Collection[Partition], time_ms: int) -> str:
        """Return the revision that ran at an event time, for a record of output `topic` that does not name its input.

        Where partitions of the topic follow the inputs, `inputs` decide, those of its partition; otherwise all inputs
        do. If several revisions are possible, the newest is returned: a missing record must not count against a
        replaced candidate.
        """
        follows = self._start_record is not None and partitioners_of(self._start_record).get(topic) == "input"
        found = [ranges for place, ranges in self._ranges.items() if follows and place in inputs]
        newest: tuple[int | None, str] | None = None
        for ranges in found or self._ranges.values():
            for one in [one for one in ranges if one.floor_ms is None or one.floor_ms < time_ms][-1:]:
                if newest is None or (one.floor_ms is not None and (newest[0] is None or one.floor_ms > newest[0])):
                    newest = one.floor_ms, one.revision
        return newest[1] if newest else self.revision

    def _absences(self, record: dict[str, Any], at: int) -> None:
        if record["absences"]:
            self._absent_times.append((at, max((one["start_ms"] for one in record["windows"]), default=0)))
        place = Partition(record["input_topic"], record["input_partition"])
        for run in record["absences"]:
            named = len(run["ids"]) == run["count"]
            text = record["texts"][why] if 0 <= (why := run.get("why", -1)) < len(record.get("texts", ())) else ""
            # Only the newest can be needed. The bound also limits the work for a mark with an arbitrary count.
            skipped = max(0, run["count"] - ABSENCES_MAX)
            self.absences_dropped += skipped
            for i in range(skipped, run["count"]):
                if len(self._absent) >= ABSENCES_MAX:
                    self._drop(list(islice(self._absent, ABSENCES_MAX // 10)))
                    self.absences_dropped += ABSENCES_MAX // 10
                which = (place, run["offset"] + i)
                self._absent[which] = Absence(run["reason"], run["ids"][i] if named else None, at, text)
                if named:
                    self._by_hash[run["ids"][i]] = which

    def absence_of_key(self, key: bytes, secret: bytes = b"") -> tuple[Absence, Partition, int] | None:
        """Return the absence of the input with this key, if a mark reported one, and the input's coordinate.

        `secret`: the key of the hashes, if any. Marks of older releases have hashes without it.
        """
        if not self._by_hash:
            return None
        at = self._by_hash.get(identity_hash(key, secret))
        if at is None and secret:
            at = self._by_hash.get(identity_hash(key))
        return (self._absent[at], *at) if at is not None else None

    @property
    def absences(self) -> int:
        """The number of absences that are kept."""
        return len(self._absent)

    def absence_of_input(self, place: Partition, offset: int) -> Absence | None:
        return self._absent.get((place, offset))

    def forget_absences(self, production_ended: dict[Partition, int]) -> None:
        """Drop the absences of inputs below these offsets, whose production outputs have all ended.

        Reading these outputs is not enough: one that was read long ago may still wait for a slow candidate.
        """
        if production_ended != self._forgotten:
            self._forgotten = dict(production_ended)
            self._drop([at for at in self._absent if at[1] < production_ended.get(at[0], 0)])

    def forget_absences_before(self, time_ms: int) -> None:
        """Drop absences of windows that begin before this time: a record that comes now is missing without a reason."""
        to = -1
        while self._absent_times and self._absent_times[0][1] < time_ms:
            to = self._absent_times.popleft()[0]
        if to >= 0:
            self._drop(list(takewhile(lambda which: self._absent[which].at <= to, self._absent)))

    def _drop(self, gone: list[tuple[Partition, int]]) -> None:
        for at in gone:
            named = self._absent.pop(at).id
            if named is not None and self._by_hash.get(named) == at:
                del self._by_hash[named]

    @property
    def until(self) -> dict[Partition, int] | None:
        """Where the inputs of this revision end by `until`, once that is fixed; the runner may have committed more."""
        return self._untils.get(self.revision)

    @property
    def bounds(self) -> dict[Partition, int]:
        """Where the inputs end: -1 where that is unknown. Beyond `until`, what the runner committed counts too."""
        if self.until is None:
            return self.start.bounds if self.start is not None else {}
        ended = {place: done.offset for place, done in self.ends.items()}
        return {place: max(bound, ended.get(place, bound)) for place, bound in self.until.items()}

    def all_ended(self) -> bool:
        """Return whether every input partition has its end mark; in runs with an end only."""
        bounds = self.bounds
        return bool(bounds) and all(p in self.ends and self.ends[p].offset >= end for p, end in bounds.items())


class PassedMarks:
    """The done marks that one task has passed, by input partition."""

    def __init__(self, shadow: Partition) -> None:
        self._shadow = shadow
        self._waiting: dict[Partition, ThinnedQueue[DoneMark]] = {}
        self.offsets: dict[Partition, int] = {}

    def add(self, done: DoneMark) -> None:
        if self._shadow in done.ends:
            self._waiting.setdefault(done.input, ThinnedQueue(MARKS_MAX)).append(done)

    def snapshot(self) -> dict[str, int]:
        """Return counts for the state record: the offsets of passed marks, which are not read again."""
        return {f"passed:{place}": offset for place, offset in self.offsets.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        self.offsets |= {place_of(text): offset for text, offset in of_kind(counts, "passed").items()}

    def first_at(self) -> int | None:
        """Return the offset in the topic of the oldest mark that has not been passed; None if there is none."""
        return min([waiting[0].at for waiting in self._waiting.values() if waiting], default=None)

    def advance(self, position: int) -> list[DoneMark]:
        """Return the marks that the shadow position has now passed, and update `offsets`."""
        passed = []
        for place, waiting in self._waiting.items():
            while waiting and waiting[0].ends[self._shadow] <= position:
                done = waiting.popleft()
                passed.append(done)
                self.offsets[place] = max(self.offsets.get(place, 0), done.offset)
        if passed:  # each commit walks what waits, so an input without a mark is left out
            self._waiting = {place: waiting for place, waiting in self._waiting.items() if waiting}
        return passed
