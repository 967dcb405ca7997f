"""A Kafka in memory with the real joiner step on it: logs with gaps, committed offsets, a restart at will.

Logs hold None where Kafka has something that no reader sees: markers of transactions, aborted records. A log can be
frozen: what lies beyond is committed, and its high watermark counts it, but its markers have not landed yet.
"""

import sys
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from itertools import takewhile
from typing import Any, NamedTuple, Self

from shadowstream.codecs import own
from shadowstream.codecs.schemas import NoSchemas
from shadowstream.compare.comparer import Comparing, comparer
from shadowstream.config import Config
from shadowstream.joiner.recovery import checkpoint
from shadowstream.joiner.step import JoinerStep
from shadowstream.joiner.task_topics import topics_of
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.records import Batch, Headers, InputCoordinate, Partition, Side, Write
from tests.least_config import shown

REVISION = "00112233445566778899aabbccddeeff"
WINDOW_MS = 1_000
NOW_MS = 1_000_000
BROKEN = "the client cannot decompress it"


class Record(NamedTuple):
    """One record of a log."""

    key: bytes | None
    value: bytes | None
    time_ms: int
    headers: Headers = None


def config(**more: Any) -> Config:
    """Input topic ``in``, output topic ``out``, every outcome shown in diff; `more` as in the YAML file."""
    sections: dict[str, Any] = {
        "name": "t",
        "inputs": ["in"],
        "production": {"outputs": ["out"], "group": "prod", "commits": "after_output"},
        "candidate": {"call": "tests.joiner.whole_trial:candidate", "trusted": True, "partitioner": "input"},
        "compare": {"match_sample": 1, "rules": []},
        "judge": {"window_ms": WINDOW_MS},
        "start": "earliest",
    }
    return Config.model_validate(shown(sections | more))


class World:
    """One trial with `inputs` and `outputs` partitions."""

    def __init__(self, settings: Config, inputs: int = 1, outputs: int = 1) -> None:
        self.config, self.partitions = settings, outputs
        self.compare: Comparing = comparer(NoSchemas(), settings.compare)
        self.inputs = [Partition("in", p) for p in range(inputs)]
        (self.output,) = settings.production.outputs  # the inputs, where they hold production's answer
        topics = topics_of(settings, self.output, ())
        self.sides = tuple([Partition(topic, p) for p in range(outputs)] for topic in topics)
        places = [*self.inputs, *(place for side in self.sides for place in side)]
        self.logs: dict[Partition, list[Record | None]] = {place: [] for place in places}
        self.frozen: dict[Partition, int] = {}
        self.maximum = sys.maxsize
        self.has_more = False
        self.hidden: set[tuple[Partition, int]] = set()
        self.broken: set[tuple[Partition, int]] = set()
        """Records that the client cannot decompress."""
        self.compacted: frozenset[str] = frozenset()
        self.lows: dict[Partition, int] = {}
        self.tamper: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        self.progress: list[dict[str, Any]] = []
        self.production_committed: dict[Partition, int] = {}
        self.twin_committed: dict[Partition, int] = {}
        self.commits: dict[Partition, tuple[int, str]] = {}
        self.stats: list[dict[str, Any]] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.diff: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        """What the joiner asks the runner for, and the second answers of the candidate."""
        self.changes: Counter[str] = Counter()
        self.now_ms = NOW_MS

    # ---------------------------------------------------------------- logs

    def end(self, place: Partition) -> int:
        """The high watermark."""
        return len(self.logs[place])

    def production(self, key: str | None, value: str | None, time_ms: int = 0, **headers: str) -> None:
        """A production output; `headers` as ``origin="in/0/3"``."""
        own = [(name, value.encode()) for name, value in headers.items()] or None
        self.logs[self.sides[Side.PRODUCTION][0]].append(Record(_bytes(key), _bytes(value), time_ms, own))

    def shadow(
        self, key: str | None, value: str | None, of: int | None = None, time_ms: int = 0, k: int = 0, **more: str
    ) -> None:
        """A candidate output of input `of` of partition 0; None for one without the packed header.

        `more`: the `revision` that wrote it; `warm` where it had not got its state together; any other is a header with
        its value.
        """
        headers = [(name, value.encode()) for name, value in more.items() if name not in ("revision", "warm")]
        if of is not None:
            revision = more.get("revision", REVISION)
            packed = pack(revision, InputCoordinate(0, 0, of, k), time_ms, self.now_ms, warm="warm" in more)
            headers.append((PACKED_HEADER, packed))
        self.logs[self.sides[Side.SHADOW][0]].append(Record(_bytes(key), _bytes(value), time_ms, headers or None))

    def twin(self, key: str | None, value: str | None, time_ms: int = 0) -> None:
        """An output of the twin."""
        self.logs[self.sides[Side.TWIN][0]].append(Record(_bytes(key), _bytes(value), time_ms))

    def pair(self, partition: int, key: bytes, time_ms: int, *, differs: bool = False) -> None:
        """Both sides of one pair, of input 0."""
        packed = pack(REVISION, InputCoordinate(0, 0, 0, 0), time_ms, self.now_ms)
        production, shadow = (self.logs[side[partition]] for side in self.sides[:2])
        production.append(Record(key, b"1", time_ms))
        shadow.append(Record(key, b"2" if differs else b"1", time_ms, [(PACKED_HEADER, packed)]))

    def marker(self, place: Partition) -> None:
        """A record that no reader sees."""
        self.logs[place].append(None)

    def _stable(self, place: Partition) -> int:
        return self.frozen.get(place, self.end(place))

    def batch(self, place: Partition, position: int, n: int) -> tuple[Batch | None, bool]:
        """At most n places of a log from `position` on as a batch, and whether they reach its present end."""
        to = min(position + n, self._stable(place))
        found = [(o, r) for o in range(position, to) if (r := self.logs[place][o]) and (place, o) not in self.hidden]
        if not found:
            return None, to == self._stable(place)
        if (place, found[0][0]) in self.broken:
            return Batch(place, [found[0][0]], [self.now_ms], [None], [None], [None], BROKEN), False
        found = list(takewhile(lambda one: (place, one[0]) not in self.broken, found))
        to = min(to, found[-1][0] + 1) if any((place, o) in self.broken for o in range(position, to)) else to
        offsets, records = zip(*found, strict=True)
        columns = zip(*((r.time_ms, r.key, r.value, r.headers) for r in records), strict=True)
        return Batch(place, offsets, *map(list, columns)), to == self._stable(place)

    # ---------------------------------------------------------------- marks

    def mark(self, kind: str, **fields: Any) -> None:
        """A mark of the progress topic, encoded and decoded as on its way through Kafka."""
        record = marks.mark(kind, fields.pop("revision", REVISION), **fields)
        self.say(marks.write(self.config.plan.of("progress"), record))

    def say(self, write: Write) -> None:
        """A mark as the runner wants it written."""
        self.progress.append(own.decode(write.value or b"")[1])

    def start(self, warm_below: int = -1, committed: int = 0, floor_ms: int | None = None) -> None:
        """The start mark, as of now; S is `warm_below` in every partition."""
        bound = self.config.bounded
        begins = [
            {"topic": p.topic, "partition": p.partition, "committed": committed, "end": warm_below,
             "bound": self.end(p) if bound else -1}
            for p in self.inputs
        ]  # fmt: skip
        self.mark("start", begins=begins, ends=[], floor_ms=floor_ms)

    def shadow_ends(self) -> dict[Partition, int]:
        """High watermarks of the candidate's outputs."""
        return {place: self.end(place) for place in self.sides[1]}

    def done(self, to: int, kind: str = "done", **fields: Any) -> None:
        """A hand-made done or end mark of input partition 0, with the present ends; a watcher's has no counters."""
        counters = None if self.config.candidate.topic else marks.Counters().record()
        ends = marks.ends_field(self.shadow_ends())
        mark_fields: dict[str, Any] = {"to_offset": to, "ends": ends, "counters": counters, "floor_ms": 0}
        self.mark(kind, input_topic="in", input_partition=0, **mark_fields | fields)

    # ---------------------------------------------------------------- the joiner

    def begin(self, **pinned: Any) -> Self:
        """A start mark (`pinned` as of `start`), and a joiner."""
        self.start(**pinned)
        self.start_joiner()
        return self

    def start_joiner(self, revision: str = REVISION) -> None:
        """A new joiner from what is committed, as its edge does it: offsets, state, then every mark so far."""
        self.joiner = JoinerStep(self.config, revision, self.compare, {self.output: self.partitions}, self.inputs)
        self.joiner.compacted = self.compacted
        self.positions: dict[Partition, int] = {}
        begins: dict[str, int] = {}
        for partition in range(self.partitions):
            task = self.joiner.assign(self.output, partition)
            for side in task.sources.sides:
                place = task.sources.places[side]
                offset, metadata = self.commits.get(place, (0, ""))
                start = self.positions[place] = max(offset, self.lows.get(place, 0))
                point = checkpoint.decode(metadata) if metadata else None
                begins[task.name] = point.progress if point else 0
                task.restore(side, point, start)
            state = self.states.get(f"{self.output}/{partition}")
            if state is not None:
                assert state["seq"] == task.commit.sequence
                task.commit.restore(self.states)
            if task.late.correctable_from is not None:
                task.late.restore([row for row in self.diff[task.late.correctable_from :] if row["task"] == task.name])
        self.marks_read = self.joiner.resume_marks(self.states, begins)
        self.answers_read = len(self.answers)
        self.poll(len(self.progress))

    def poll(self, n: int) -> None:
        """The joiner reads up to n marks."""
        for at in range(self.marks_read, min(self.marks_read + n, len(self.progress))):
            record = self.progress[at]
            self.joiner.mark(record if self.tamper is None else self.tamper(deepcopy(record)), at)
        self.marks_read = min(len(self.progress), self.marks_read + n)
        for answer in self.answers[self.answers_read :]:
            self.joiner.answer(answer)
        self.answers_read = len(self.answers)

    def read(self, side: Side, partition: int, n: int) -> None:
        """The joiner reads up to n places of one side."""
        place = self.sides[side][partition]
        batch, at_end = self.batch(place, self.positions[place], n)
        if batch:
            while unnamed := self.joiner.read(batch, self.now_ms):
                self.poll(len(self.progress))
                self.joiner.progress.take_as_named(unnamed)
        if batch and self.broken:
            self.positions[place] = batch.offsets[-1] + 1
            self.read(side, partition, n)
            return
        self.positions[place] = min(self.positions[place] + n, self._stable(place))
        if at_end:
            self.joiner.end(place, self._stable(place), self.now_ms)

    def observe(self) -> None:
        """Production's commits, then the ends of its outputs, then the ends of the inputs."""
        committed = dict(self.production_committed)
        if self.config.production.answer is not None:
            committed = {place: self.end(place) for place in self.inputs}
        ends = {place: self.end(place) for side in self.sides for place in side}
        self.joiner.observe_born(ends, {place: self.end(place) for place in self.inputs})
        if self.config.production.has_marks:
            self.joiner.observe_production(committed, ends)
        if self.config.twin is not None and self.config.twin.group:
            self.joiner.observe_twin(
                dict(self.twin_committed), {place: self.end(place) for place in self.sides[Side.TWIN]}
            )
        ends = {place: self.end(place) for side in self.sides for place in side}
        self.joiner.observe_times(ends, {place: self._time_ms(place) for place in ends}, self.now_ms)

    def _time_ms(self, place: Partition) -> int:
        """The greatest event time of a log that is not dated ahead."""
        known = [record.time_ms for record in self.logs[place] if record]
        return max((at for at in known if at <= self.joiner.limit_ms(self.now_ms)), default=-1)

    def commit(self) -> None:
        """One transaction of the joiner, after what it wants to read again."""
        self.joiner.observe_diff(dict.fromkeys(range(self.partitions), len(self.diff)))
        for place, offsets in self.joiner.wanted().items():
            for offset in offsets:
                batch, _ = self.batch(place, offset, 1)
                self.joiner.fetched(place, batch, () if batch else (offset,))
        writes, commits, self.has_more = self.joiner.prepare(self.now_ms, self.maximum)
        for write in writes:
            if write.topic == self.config.plan.dead_letter("joiner"):
                continue  # no record of ours: what could not be read, as it was
            if write.value is None:
                self.states.pop((write.key or b"").decode(), None)
                continue
            name, record = own.decode(write.value)
            if name == "state":
                self.states[record["task"]] = record
            else:
                {"stats": self.stats, "recheck": self.requests}.get(name, self.diff).append(record)
        self.commits |= {commit.place: (commit.offset, commit.metadata) for commit in commits}
        for book in self.joiner.prepared_counts():
            self.changes.update(book.changes)
        self.joiner.committed()

    def read_all(self) -> None:
        """The joiner observes, and reads everything that there is."""
        self.observe()
        for side, places in enumerate(self.sides):
            for place in places:
                self.read(Side(side), place.partition, len(self.logs[place]) + 1)
        self.poll(len(self.progress))

    def turn(self, times: int = 1) -> None:
        """The joiner reads everything that there is, observes, and commits."""
        for _ in range(times):
            self.read_all()
            self.commit()

    # ---------------------------------------------------------------- what was said

    def outcomes(self, since: int = 0) -> dict[str, int]:
        """Counts by outcome in the stats records from number `since` on, those of inputs left out."""
        total: Counter[str] = Counter()
        for record in self.stats[since:]:
            for window in record["windows"]:
                total.update(window["outcomes"])
        return {name: n for name, n in total.items() if n and not name.startswith("input")}

    def last_words(self) -> dict[str, dict[str, Any]]:
        """The last diff row of each pair id."""
        return {row["pair_id"]: row for row in self.diff}

    def evicted_reasons(self) -> set[str | None]:
        return {row["reason"] for row in self.last_words().values() if row["outcome"] == "evicted"}

    def remainders(self) -> list[tuple[int, str, int]]:
        """Ledger lines of the last stats record of each task that do not balance: ledger, place, expected − counted."""
        lines = {(x["ledger"], x["place"]): x["expected"] - x["counted"] for s in self.stats for x in s["ledgers"]}
        return [(*line, rest) for line, rest in sorted(lines.items()) if rest]


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
