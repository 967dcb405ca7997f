"""The trial's world on the broker: production, its twin and a job write from outside; the runner is a role."""

from typing import Any

from shadowstream.codecs import own
from shadowstream.kafka.trial.topic_changes import TopicDescription, compared, topics_field
from shadowstream.protocol import marks
from shadowstream.protocol.headers import PACKED_HEADER, unpack
from shadowstream.records import Partition, Side, Write
from shadowstream.testing.memory.broker import MemoryBroker
from shadowstream.testing.memory.log import Entry
from shadowstream.testing.simulation.history import INPUT, REVISIONS, History
from shadowstream.testing.simulation.logs import Label
from shadowstream.testing.simulation.on_broker.logs import BrokerLogs
from shadowstream.testing.simulation.producers import Producer
from shadowstream.testing.simulation.running import Running
from shadowstream.testing.simulation.world import World

GROUPS = {Side.PRODUCTION: "prod", Side.TWIN: "prod-twin", Side.SHADOW: "job"}


class RunnerElsewhere(Running):
    """The runner is a process of its own: nothing is run here. `position` is what its consumer says."""

    def start(self, revision: str) -> None:
        """Its process is started by whoever plays."""
        self.revision = revision

    def handle(self, place: Partition, n: int) -> None:
        """Its loop does."""

    def commit(self) -> None:
        """Its loop does."""

    def crash(self) -> None:
        """Its process does."""


class BrokerWorld(World):
    """Everything but the roles."""

    def __init__(self, history: History, broker: MemoryBroker) -> None:
        self.broker = broker
        self.written = not (history.setup.bounded and (history.setup.late or history.setup.replays))
        """Whether production's commit of its last input may be seen: it ends a bounded trial, and what production still
        writes after it, buffered or again, would be of no trial."""
        broker.create(history.setup.config().plan.of("progress"), 1)
        super().__init__(history)
        self.share()

    def _logs(self, places: list[Partition]) -> BrokerLogs:
        self.on_broker = BrokerLogs(self.broker, places)
        if not self.written and self.setup.at_least_once:
            # A commit that only markers follow is as good as the end, which is not to be seen yet.
            self.on_broker.unmarked = INPUT
        return self.on_broker

    def _runner(self) -> Running:
        return RunnerElsewhere(self.setup, self.config, self.logs, self.at, self.say)

    def move_to(self, now_ms: int) -> None:
        """The broker's clock is the world's."""
        self.broker.clock.advance(max(0, now_ms - self.broker.clock.now_ms) / 1000)
        super().move_to(self.broker.clock.now_ms)

    def say(self, write: Write) -> None:
        """A mark of the world's: the first start mark."""
        place = Partition(write.topic, write.partition)
        self.broker.logs[place].append(Entry(write.key, write.value, self.broker.clock.now_ms))

    def _mark(self, kind: str, **fields: Any) -> None:
        if kind == "start":
            known = {name: TopicDescription(self.broker.ids[name], count) for name, count in self.broker.counts.items()}
            topics = {name: known[name] for name in compared(self.config) if name in known}
            fields["topics"] = topics_field(self.config, topics)
        super()._mark(kind, **fields)

    def watch(self) -> None:
        """The watcher is a role of its own."""

    def end_warm_up(self) -> None:
        """The runner says it."""

    def switch(self) -> None:
        """A new revision: its runner pins where it begins."""
        self.revision = REVISIONS[1]

    def share(self) -> None:
        """What production, the twin and the job have committed stands in their groups."""
        for producer in (self.production, self.twin, self.job):
            if producer is not None:
                self.commit_for(producer, producer.committed)

    def commit_for(self, producer: Producer, offsets: dict[Partition, int]) -> None:
        group = self.broker.groups.of(GROUPS[producer.side])
        if not self.written and self.setup.replays:  # what is answered again must have been seen committed before
            offsets = {place: min(offset, self.logs.end(place) - 1) for place, offset in offsets.items()}
        elif not self.written:  # before the last record, for a commit that only markers follow is as good as the end
            offsets = {place: min(offset, self._last_record(place)) for place, offset in offsets.items()}
        group.set_back({place: min(offset, self.logs.end(place)) for place, offset in offsets.items()})

    def _last_record(self, place: Partition) -> int:
        """Where the last record of a place lies that is no marker; 0 where there is none."""
        return max((offset for offset, _ in self.broker.logs[place].records()), default=0)

    def take(self) -> None:
        """What the oracle asks of the world, from what stands on the broker."""
        self.on_broker.take()
        entries = self.broker.logs[Partition(self.config.plan.of("progress"), 0)].records()
        self.progress = [own.decode(entry.value or b"")[1] for _, entry in entries]
        for record in self.progress:
            if record["kind"] == "warm" and self.warm_ends is None and record["revision"] == REVISIONS[0]:
                self.warm_ends = marks.ends_of(record)
        if self.running is not None:
            self._take_runner(self.running)

    def _take_runner(self, running: Running) -> None:
        """Which revision has handled an input, by the ranges that were committed; which output a record is, by its
        header."""
        for record in self.progress:
            if record["kind"] == "range":
                place = Partition(record["input_topic"], record["input_partition"])
                for offset in range(record["from_offset"], record["to_offset"]):
                    if (place, offset) in self.at:
                        running.handled[self.at[place, offset].number] = record["revision"]
        for place in running.places:
            for offset, entry in self.broker.logs[place].records():
                at = unpack(dict(entry.headers or ())[PACKED_HEADER]).coordinate
                label = Label(self.at[Partition(INPUT, at.partition), at.offset].number, Side.SHADOW, at.k)
                if self.setup.at_least_once and label in self.logs.offsets:
                    self.logs.records[place][offset] = None  # repeated after a crash: nobody counts it
                    continue
                while label in self.logs.offsets:
                    label = label._replace(copy=label.copy + 1)
                self.logs.labels[place, offset] = label
                self.logs.values[place, offset] = entry.value
                self.logs.offsets[label] = place, offset
