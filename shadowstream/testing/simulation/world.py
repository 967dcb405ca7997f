"""The trial's world: inputs that arrive, everybody who handles them, the progress topic, and the clock."""

from random import Random
from typing import Any

from shadowstream.codecs import own
from shadowstream.protocol import marks
from shadowstream.protocol.rechecks import ASK, Request
from shadowstream.records import Partition, Side, Write
from shadowstream.testing.simulation.candidate import input_value
from shadowstream.testing.simulation.history import (
    BEGIN_MS,
    CORRELATION,
    DISORDER_MS,
    INPUT,
    JOB,
    OUTPUTS,
    REVISIONS,
    TWIN,
    History,
    Input,
)
from shadowstream.testing.simulation.logs import Logs, Record
from shadowstream.testing.simulation.producers import Producer
from shadowstream.testing.simulation.running import Running


class World:
    """Everything but the joiner. `cut_short`: inputs may be left that the candidate has not handled."""

    cut_short = False

    def __init__(self, history: History) -> None:
        setup = self.setup = history.setup
        self.history = history
        self.config = setup.config()
        self.topics = OUTPUTS[: setup.topics]
        self.inputs = [Partition(INPUT, p) for p in range(setup.inputs)]
        shadow = [JOB] if setup.adopted else [self.config.plan.out(topic) for topic in self.topics]
        names = [*self.topics, *shadow, *([TWIN] if setup.twin else [])]
        outputs = [Partition(topic, p) for topic in names for p in range(setup.outputs)]
        self.logs = self._logs([*self.inputs, *outputs])
        lost = {(one.number, side) for one in history.inputs for side in one.lost}
        (self.logs.removed if setup.compacted else self.logs.lost).update(lost)
        self.at: dict[tuple[Partition, int], Input] = {}
        self.coming = {place: [o for o in history.inputs if o.partition == place.partition] for place in self.inputs}
        self.now_ms = BEGIN_MS
        self.progress: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.answering = Random(f"second answers of {setup.seed}")
        self.revision = REVISIONS[0]
        self.warm_below = dict.fromkeys(self.inputs, -1)
        self.warm_ends: dict[Partition, int] | None = None
        self.first: dict[Partition, int] = dict.fromkeys(self.inputs, 0)
        self.first_output: dict[Partition, int] = {}
        self.production = Producer(setup, Side.PRODUCTION, self.topics, self.logs)
        self.twin = Producer(setup, Side.TWIN, (TWIN,), self.logs) if setup.twin else None
        self.job = Producer(setup, Side.SHADOW, (JOB,), self.logs) if setup.adopted else None
        self.running = None if setup.adopted else self._runner()
        self._begin()

    def _logs(self, places: list[Partition]) -> Logs:
        return Logs(places)

    def _runner(self) -> Running:
        return Running(self.setup, self.config, self.logs, self.at, self.say)

    def move_to(self, now_ms: int) -> None:
        """Time passes, if it is not as late already."""
        self.now_ms = max(self.now_ms, now_ms)

    def _begin(self) -> None:
        """What happens before the trial, and its start mark: C, then E0, then S."""
        setup = self.setup
        if setup.bounded:
            for place in self.inputs:
                self.arrive(place, len(self.history.inputs) + 1)
        for place in self.inputs:
            before = min(setup.warm, self.logs.end(place))
            self.production.handle(place, self.at, before // 2)
            self.production.committed[place] = before // 2
            self.production.handle(place, self.at, before * 3 // 4)
        if setup.warm:
            self.first = dict(self.production.committed)
            self.first_output = self.logs.ends(self.production.places)
            self.warm_below = {place: min(setup.warm, self.logs.end(place)) for place in self.inputs}
        self._pin(dict.fromkeys(self.inputs, 0) if not setup.warm else self.first)

    def _pin(self, committed: dict[Partition, int]) -> None:
        bounded = self.setup.bounded
        begins: list[dict[str, Any]] = [
            {"topic": place.topic, "partition": place.partition, "committed": committed[place],
             "end": self.warm_below[place] if self.revision == REVISIONS[0] else -1,
             "bound": self.logs.end(place) if bounded else -1}
            for place in self.inputs
        ]  # fmt: skip
        kinds = marks.partitioners_field(dict.fromkeys(self.topics, self.setup.partitioner))
        self._mark("start", begins=begins, ends=marks.ends_field(self.first_output), partitioners=kinds)
        if self.running is not None:
            self.running.begins = {Partition(b["topic"], b["partition"]): b for b in begins}
            self.running.start(self.revision)

    def say(self, write: Write) -> None:
        self.progress.append(own.decode(write.value or b"")[1])

    def _mark(self, kind: str, **fields: Any) -> None:
        self.say(marks.write(self.config.plan.of("progress"), marks.mark(kind, self.revision, **fields)))

    def watch(self) -> None:
        """What the watcher says of a candidate that is a job of its own: its commits, then its topic's ends."""
        assert self.job is not None
        committed = dict(self.job.committed)
        ends = marks.ends_field(self.logs.ends(self.job.places))
        for place, offset in committed.items():
            self._mark("done", input_topic=place.topic, input_partition=place.partition, to_offset=offset, ends=ends)

    def end_warm_up(self) -> None:
        """Once production is done to S, pin E1."""
        done = self.production.committed
        if self.setup.warm and self.warm_ends is None and all(done[p] >= s for p, s in self.warm_below.items()):
            self.warm_ends = self.logs.ends(self.production.places)
            self._mark("warm", ends=marks.ends_field(self.warm_ends))

    def arrive(self, place: Partition, n: int, sentinels: int = 0) -> None:
        """The next n inputs of a partition, up to the given round of sentinels; a transaction's marker follows."""
        coming, arrived = self.coming[place], 0
        while coming and arrived < n and coming[0].round <= sentinels:
            one = coming.pop(0)
            # The runner carries the id on to its outputs.
            headers = [] if Side.SHADOW in one.blind else [(CORRELATION, one.id)]
            offset = self.logs.append(place, Record(one.key.encode(), input_value(one), one.time_ms, headers))
            self.at[place, offset] = one
            arrived += 1
            if not one.poison:
                self.move_to(one.time_ms + abs(one.jitter_ms))
        if arrived:
            self.logs.marker(place)
        if self.running is not None:
            self.running.now_ms = self.now_ms

    def allowed(self, positions: dict[Partition, int], place: Partition, n: int) -> int:
        """To which offset a side may go: within the strict order of time no partition runs ahead of another."""
        to = min(positions[place] + n, self.logs.end(place))
        if not self.setup.strict:
            return to
        others = [self._next_ms(other, positions[other]) for other in self.inputs if other != place]
        maximum = min((ms for ms in others if ms is not None), default=None)
        for offset in range(positions[place], to):
            one = self.at.get((place, offset))
            if one is not None and maximum is not None and one.time_ms > maximum + DISORDER_MS:
                return offset
        return to

    def _next_ms(self, place: Partition, position: int) -> int | None:
        ahead = [self.at[place, o].time_ms for o in range(position, self.logs.end(place)) if (place, o) in self.at]
        return min([*ahead, *(one.time_ms for one in self.coming[place])], default=None)

    def produce(self, producer: Producer, place: Partition, n: int) -> None:
        producer.handle(place, self.at, self.allowed(producer.position, place, n))

    def run(self, place: Partition, n: int) -> None:
        if self.job is not None:
            self.produce(self.job, place, n)
        elif self.running is not None:
            self.running.handle(place, self.allowed(self.running.position, place, n) - self.running.position[place])

    def positions(self) -> list[dict[Partition, int]]:
        handling = [self.production, self.twin, self.job, self.running]
        return [dict(one.position) for one in handling if one is not None]

    def commit_candidate(self) -> None:
        """The candidate commits, and its marks are said."""
        if self.job is not None:
            self.job.commit()
            self.watch()
        elif self.running is not None:
            self.running.commit()
            self.answer(0.3)

    def answer(self, share: float = 1.0) -> None:
        """The runner answers about a share of the requests, some of them twice, in any order."""
        left, self.requests = self.requests, []
        self.answering.shuffle(left)
        for record in left:
            if self.answering.random() >= share:
                self.requests.append(record)
            elif record["kind"] == ASK and record["revision"] == self.revision and self.running is not None:
                for _ in range(self.answering.choice((1, 1, 2))):
                    self.running.answer(Request.of(record))

    def switch(self) -> None:
        """A new revision of the candidate takes over from what the old one has committed."""
        if self.running is None or self.revision == REVISIONS[1]:
            return
        self.running.crash()
        self.revision = REVISIONS[1]
        self._pin({place: self.running.position[place] for place in self.inputs})

    def freeze(self, place: Partition) -> None:
        """The markers of what is written from now on do not land; or they land."""
        if self.logs.frozen.pop(place, None) is None:
            self.logs.frozen[place] = self.logs.end(place)
