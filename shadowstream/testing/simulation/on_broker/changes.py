"""Play a history in the midst of which a topic gets more partitions, or is deleted and made again.

Nothing that was said may be wrong, before or after it: production's records lie where nobody reads from then on. Runner
and joiner must stop and the judge must say why.
"""

from collections.abc import Iterator
from functools import partial
from random import Random

from shadowstream.records import Partition
from shadowstream.testing.simulation.history import INPUT, History
from shadowstream.testing.simulation.logs import Label, Record
from shadowstream.testing.simulation.on_broker.judged import records
from shadowstream.testing.simulation.on_broker.play import BrokerTrial, quietly
from shadowstream.testing.simulation.run import Way

NOTICED_S = 8.0
OUTSIDE = ("arrive", "produce", "live", "replay", "retention", "crash_production", "revision", "commit_production")
"""What would write to a topic whose records are not those that it had."""


class ChangingTrial(BrokerTrial):
    """One trial being played."""

    cut_short = True

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.world.cut_short = True
        self._of_change = Random(f"change of {history.setup.seed}")
        self.topic = self._of_change.choice((INPUT, self.world.topics[0]))
        self.again = self._of_change.random() < 0.3

    def play(self) -> BrokerTrial:
        actions = self.history.actions
        at = self._of_change.randrange(len(actions) // 2, len(actions))
        with self._inside():
            for number, action in enumerate(actions):
                if number == at:
                    self._change()
                if number < at or not (self.again and action.name in OUTSIDE):
                    self.do(action)
                    self.on_broker.share()
                self._supervise(0.5)
            self._wait(0, 0)
            self.calm(NOTICED_S)
        self._take()
        return self

    def _change(self) -> None:
        broker, topic = self.broker, self.topic
        partitions = broker.counts[topic]
        self.befallen[f"{'input' if topic == INPUT else 'output'} {'made again' if self.again else 'grew'}"] += 1
        if self.again:
            settings = broker.settings[topic]
            broker.delete(topic)
            broker.create(topic, partitions, settings)
            return
        broker.add_partitions(topic, partitions + 1)
        if topic == INPUT:
            # Production has read an input from the new partition, and answers it where it always did.
            stray = Record(b"stray", b'{"n": 1, "cid": "stray"}', self.world.now_ms)
            self.world.logs.append(Partition(self.world.topics[0], 0), stray)
            return
        new = Partition(topic, partitions)
        self.world.logs.records[new] = []

        def moved(place: Partition, label: Label | None) -> Partition:
            return new if place.topic == topic and label is not None and label.number % 2 == 0 else place

        self.on_broker.on_broker.moved = moved

    def _is_started(self, revision: str) -> bool:
        """Whether a runner has begun the revision; where a trial begins is pinned before that."""
        return any(mark["kind"] != "begin" for mark in records(self.on_broker, revision, "starts"))

    def offences(self) -> Iterator[str]:
        """Roles that have not stopped for it, or stopped for something else, and a verdict that says nothing of it."""
        for service in self.services:
            others = [one for one in service.offences if "ConfigError" not in one]
            yield from others
            is_reported = len(service.offences) > len(others)
            if service.role == "joiner" and not self._is_started(service.revision):
                continue  # it waits for the start of a revision that no runner can begin any more
            stops = service.starts and service.wanted and service.role != "judge" and not service.finished
            if stops and not is_reported:
                yield f"{service.role} {service.instance} has not stopped, though {self.topic} has changed"
        verdicts = records(self.on_broker, self.judge.revision, "verdict") if self.judge.starts else []
        if self.judge.running and verdicts and not any(self.topic in reason for reason in verdicts[-1]["reasons"]):
            yield f"the last verdict does not say that {self.topic} has changed"


CHANGING = Way(partial(quietly, ChangingTrial), "sim-loop SIM_ARGS=--changes", everything=False)
