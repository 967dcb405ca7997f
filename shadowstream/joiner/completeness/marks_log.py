"""What the marks of the progress topic say, gathered: start and warm-up, done and end marks, absences.

Offsets in marks are high watermarks. A done mark counts for a task once the task's own position on the shadow
side has passed the end that the mark names: `PassedMarks` does that per task, since each task reads another partition.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import islice, takewhile
from typing import Any, NamedTuple

from shadowstream.protocol.marks import Counters, ends_of, identity_hash, partitioners_of
from shadowstream.records import REVISION_BYTES, Partition
from shadowstream.thinned_queue import ThinnedQueue

MARKS_MAX = 10_000
ABSENCES_MAX = 300_000


class Done(NamedTuple):
    """Inputs of `input` below `offset` are done; their outputs lie below `ends`. `at`: the mark's own offset."""

    input: Partition
    offset: int
    ends: dict[Partition, int]
    counters: Counters | None
    at: int = 0


class Absent(NamedTuple):
    """An input without output: why (schemas/mark.avsc), and that in words. `at`: the mark's offset."""

    reason: str
    id: int | None
    at: int
    text: str = ""


class RevisionRange(NamedTuple):
    """From input offset `begin` on `revision` runs; what came before had event times up to `floor_ms`."""

    begin: int
    revision: str
    floor_ms: int | None


class Start(NamedTuple):
    """Where the trial began; see schemas/mark.avsc."""

    revision: str
    committed: dict[Partition, int]
    warm_below: dict[Partition, int]
    bounds: dict[Partition, int]
    floor_ms: int | None
    ends: dict[Partition, int]

    @classmethod
    def of(cls, record: dict[str, Any]) -> Start:
        """From a start mark."""
        begins = {Partition(b["topic"], b["partition"]): b for b in record["begins"]}
        return cls(
            record["revision"],
            {place: b["committed"] for place, b in begins.items()},
            {place: b["end"] for place, b in begins.items()},
            {place: b["bound"] for place, b in begins.items()},
            record["floor_ms"],
            ends_of(record),
        )

    @property
    def has_warm_up(self) -> bool:
        """Whether inputs before S are warm-up (S is -1 where every pair counts)."""
        return any(below >= 0 for below in self.warm_below.values())


def _plain(by_place: Mapping[Partition, int | None]) -> list[list[Any]]:
    return [[*place, offset] for place, offset in by_place.items()]


def _places(plain: Iterable[list[Any]]) -> dict[Partition, Any]:
    return {Partition(topic, partition): value for topic, partition, value in plain}


def place_of(text: str) -> Partition:
    """Return the place that is written as topic/partition."""
    topic, _, partition = text.rpartition("/")
    return Partition(topic, int(partition))


def position_of(snapshot: bytes) -> int:
    """Up to where marks had been read when this snapshot was taken."""
    position: int = json.loads(zlib.decompress(snapshot))["position"]
    return position


class Progress:
    """All that the marks have said so far. One per joiner process, fed in the order of the topic."""

    def __init__(self, revision: str, inputs: Iterable[str]) -> None:
        self.revision = revision
        self._inputs = list(inputs)
        self.start: Start | None = None
        self.warm_ends: dict[Partition, int] | None = None
        self.ends: dict[Partition, Done] = {}
        self.latest: dict[Partition, Done] = {}
        self.absences_dropped = 0
        self.position = 0
        """Marks below this offset of the progress topic are known."""
        self.refused = 0
        """Records of the progress topic that cannot be marks."""
        self._start_record: dict[str, Any] | None = None
        self._absent: dict[tuple[Partition, int], Absent] = {}
        self._absent_times: deque[tuple[int, int]] = deque()
        self._kept = -1, b""
        self._by_hash: dict[int, tuple[Partition, int]] = {}
        self._forgotten: dict[Partition, int] = {}
        self._reigns: dict[Partition, list[RevisionRange]] = {}
        self._floors: dict[Partition, int | None] = {}
        self._whole = {revision[: 2 * REVISION_BYTES]: revision}

    def add(self, record: dict[str, Any], at: int | None = None) -> Done | None:
        """Take one mark, at offset `at` of the topic; returns it as a `Done` where it is one (done and end marks).

        One below the position of a snapshot is read again for what the snapshot leaves out: absences, and marks that
        a task has not passed yet.
        """
        kind = record["kind"]
        at = self.position if at is None else at
        again = at < self.position
        self.position = max(self.position, at + 1)
        if kind in ("done", "end"):
            return self._done(record, at, again)
        if kind == "range":
            if not again:
                self._reign(record, record["from_offset"])
            self._absences(record, at)
        elif kind not in ("start", "warm"):
            return None  # of the topic starts, or of a newer release: it says nothing that is asked here
        self._whole[record["revision"][: 2 * REVISION_BYTES]] = record["revision"]
        if record["revision"] != self.revision:
            return None
        if kind == "start" and self.start is None:
            # Two runners may have raced at the very beginning: the first start mark of a revision is the one.
            self.begin(record)
        elif kind == "warm" and self.warm_ends is None:
            self.warm_ends = ends_of(record)
        return None

    def refuse(self, at: int) -> None:
        """Count a record at offset `at` that cannot be a mark; one below the position has been counted."""
        self.refused += at >= self.position
        self.position = max(self.position, at + 1)

    def begin(self, record: dict[str, Any]) -> None:
        """Take the start mark."""
        self._start_record, self.start = record, Start.of(record)

    def _done(self, record: dict[str, Any], at: int, again: bool) -> Done:
        place = Partition(record["input_topic"], record["input_partition"])
        counters = None if record["counters"] is None else Counters.of(record["counters"])
        self._whole[record["revision"][: 2 * REVISION_BYTES]] = record["revision"]
        if counters is None and not again:
            self._reign(record, self.latest[place].offset if place in self.latest else 0)
        done = Done(place, record["to_offset"], ends_of(record), counters, at)
        if not again:
            self.latest[place] = done
        if record["kind"] == "end":
            self.ends[place] = done
        return done

    # ---------------------------------------------------------------- what a restart need not read again

    def needed_from(self) -> int:
        """Offset of the topic from which on a restart must read, beside a `snapshot`: that of the oldest absence whose
        production record may still come, and of the end marks."""
        first = next(iter(self._absent.values()), None)
        ends = (done.at for done in self.ends.values())
        return min((*ends, self.position if first is None else first.at), default=self.position)

    def snapshot(self) -> bytes:
        """Everything else that the marks below `position` have said."""
        if self._kept[0] != self.position:
            body = {
                "position": self.position,
                "refused": self.refused,
                "start": self._start_record,
                "warm": None if self.warm_ends is None else _plain(self.warm_ends),
                "latest": _plain({place: done.offset for place, done in self.latest.items()}),
                "floors": _plain(self._floors),
                "reigns": [[*place, [list(reign) for reign in reigns]] for place, reigns in self._reigns.items()],
                "revisions": list(self._whole.values()),
            }
            self._kept = self.position, zlib.compress(json.dumps(body, separators=(",", ":")).encode())
        return self._kept[1]

    def restore(self, snapshot: bytes) -> None:
        """Take up a snapshot; marks from `needed_from` of its time on are to follow."""
        body = json.loads(zlib.decompress(snapshot))
        self.position, self.refused = body["position"], body.get("refused", 0)
        if body["start"] is not None:
            self.begin(body["start"])
        self.warm_ends = None if body["warm"] is None else _places(body["warm"])
        self.latest = {place: Done(place, offset, {}, None) for place, offset in _places(body["latest"]).items()}
        self._floors = _places(body["floors"])
        self._reigns = {
            Partition(topic, n): [RevisionRange(*one) for one in reigns] for topic, n, reigns in body["reigns"]
        }
        self._whole |= {revision[: 2 * REVISION_BYTES]: revision for revision in body["revisions"]}

    def _reign(self, record: dict[str, Any], begin: int) -> None:
        """A mark of inputs from offset `begin` on: its revision reigns there."""
        place = Partition(record["input_topic"], record["input_partition"])
        reigns = self._reigns.setdefault(place, [])
        if not reigns or reigns[-1].revision != record["revision"]:
            reigns.append(RevisionRange(begin, record["revision"], self._floors.get(place)))
        if record["floor_ms"] is not None:
            self._floors[place] = record["floor_ms"]

    def whole(self, short: str) -> str:
        """The revision that a packed header means, as far as marks have named it."""
        return self._whole.get(short, short)

    def unnamed(self, shorts: Iterable[str]) -> set[str]:
        """Revisions of packed headers that no mark has named yet. Their start mark came before any output of theirs."""
        return {short for short in shorts if short not in self._whole}

    def take_as_named(self, shorts: Iterable[str]) -> None:
        """No mark names these: they go by what the header says."""
        for short in shorts:
            self._whole.setdefault(short, short)

    def revision_at(self, place: Partition, offset: int) -> str:
        """The revision that ran on an input."""
        reigns = [one for one in self._reigns.get(place, ()) if one.begin <= offset]
        return reigns[-1].revision if reigns else self.revision

    def revision_at_time(self, topic: str, inputs: Collection[Partition], time_ms: int) -> str:
        """The revision in charge at an event time, for a record of output `topic` that does not name its input.

        By `inputs`, those of its partition, where partitions of the topic follow the inputs; by a key any input may
        have come to it. Where several revisions may be meant it is the newest: a record that is missing must not be
        put down to a candidate that has gone.
        """
        follows = self._start_record is not None and partitioners_of(self._start_record).get(topic) == "input"
        found = [reigns for place, reigns in self._reigns.items() if follows and place in inputs]
        newest: tuple[int | None, str] | None = None
        for reigns in found or list(self._reigns.values()):
            reign = [one for one in reigns if one.floor_ms is None or one.floor_ms < time_ms][-1:]
            for one in reign:
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
            # The newest are the ones that may be asked for; no walk is as long as a mark may say.
            skipped = max(0, run["count"] - ABSENCES_MAX)
            self.absences_dropped += skipped
            for i in range(skipped, run["count"]):
                if len(self._absent) >= ABSENCES_MAX:
                    self._drop(list(islice(self._absent, ABSENCES_MAX // 10)))
                    self.absences_dropped += ABSENCES_MAX // 10
                which = (place, run["offset"] + i)
                self._absent[which] = Absent(run["reason"], run["ids"][i] if named else None, at, text)
                if named:
                    self._by_hash[run["ids"][i]] = which

    def absence_of_key(self, key: bytes) -> tuple[Absent, Partition, int] | None:
        """Why the input with this key has no output, if a mark said so, and which input that is."""
        at = self._by_hash.get(identity_hash(key)) if self._by_hash else None
        return (self._absent[at], *at) if at is not None else None

    def absence_of_input(self, place: Partition, offset: int) -> Absent | None:
        """Why this input has no output, if a mark said so."""
        return self._absent.get((place, offset))

    def forget_absences(self, production_ended: dict[Partition, int]) -> None:
        """Drop absences of inputs below these offsets: all production outputs of them have ended, none asks again.

        Ended, not only read: an output that was read long ago may still wait for a candidate that is behind.
        """
        if production_ended != self._forgotten:
            self._forgotten = dict(production_ended)
            self._drop([at for at in self._absent if at[1] < production_ended.get(at[0], 0)])

    def forget_absences_before(self, time_ms: int) -> None:
        """Drop absences of inputs whose windows begin before this event time: no record of theirs is awaited any more,
        and one that comes all the same is missing without a reason."""
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

    def all_ended(self) -> bool:
        """Every input partition has its end mark (bounded runs only)."""
        if self.start is None or not self.start.bounds:
            return False
        # An end mark of an earlier revision may lie below the bound of this one.
        return all(place in self.ends and self.ends[place].offset >= end for place, end in self.start.bounds.items())


class PassedMarks:
    """Which done marks one task has passed, per input partition."""

    def __init__(self, shadow: Partition) -> None:
        self._shadow = shadow
        self._waiting: dict[Partition, ThinnedQueue[Done]] = {}
        self.offsets: dict[Partition, int] = {}

    def add(self, done: Done) -> None:
        """Add a new mark; one that does not name our place says nothing about it."""
        if self._shadow in done.ends:
            self._waiting.setdefault(done.input, ThinnedQueue(MARKS_MAX)).append(done)

    def snapshot(self) -> dict[str, int]:
        """Counts for the state record: marks that will not be read again have said how far the shadow side is done."""
        return {f"passed:{place}": offset for place, offset in self.offsets.items()}

    def restore(self, counts: Mapping[str, int]) -> None:
        """Take the counts of the state record."""
        for name, offset in counts.items():
            if name.startswith("passed:"):
                self.offsets[place_of(name.removeprefix("passed:"))] = offset

    def first_at(self) -> int | None:
        """Offset in the topic of the oldest mark that waits; None where none does."""
        return min((waiting[0].at for waiting in self._waiting.values() if waiting), default=None)

    def advance(self, position: int) -> list[Done]:
        """Marks that the shadow position has now passed; updates `offsets`."""
        passed = []
        for place, waiting in self._waiting.items():
            while waiting and waiting[0].ends[self._shadow] <= position:
                done = waiting.popleft()
                passed.append(done)
                self.offsets[place] = max(self.offsets.get(place, 0), done.offset)
        return passed
