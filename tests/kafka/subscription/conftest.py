"""A trial's topics on a real broker, filled with rows that the real joiner step has written."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.records import Write as JoinerWrite
from shadowstream.testing.choice import Broker
from shadowstream.testing.topics import Read, Write, create_topics, produce_all, read_all
from shadowstream.topics import TopicPlan
from tests.alerts.alerts_trial import drift
from tests.joiner.joiner_world import config
from tests.joiner.whole_trial import KINDS, RULES, Trial

PARTITIONS = 2
EVERY_KIND = [sorted(KINDS), sorted(KINDS, reverse=True)]
"""Two input partitions, each with an input of every kind: all outcomes that the joiner has."""


class Joined(Trial):
    """A trial in memory that keeps what the joiner wants written."""

    def __init__(self, settings: Config) -> None:
        super().__init__(settings, EVERY_KIND, PARTITIONS)
        self.transactions: list[list[JoinerWrite]] = []

    def commit(self) -> None:
        writes = self.joiner.prepare(self.now_ms).writes
        self.transactions.append(writes)
        self.joiner.committed()


def joined(name: str, *, diff_json: bool = False) -> list[list[JoinerWrite]]:
    """Everything that the joiner's transactions of such a trial write."""
    compare = {"match_sample": 1, "rules": RULES, "diff_json": diff_json}
    trial = Joined(config(name=name, bounded=True, compare=compare))
    trial.start()
    trial.start_runner()
    trial.start_joiner()
    trial.finish()
    return [writes for writes in trial.transactions if writes]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The broker, and a trial of the test's own on it."""

    bootstrap: str
    name: str
    folder: Path

    def topic(self, kind: str) -> str:
        """One of the trial's topics."""
        return TopicPlan(self.name).of(kind)

    def store(self, kind: str, *records: dict[str, Any], schema: str | None = None) -> None:
        """Write records of a topic in one transaction, spread over its partitions."""
        topic = self.topic(kind)
        writes = [Write(own.encode(schema or kind, one), partition=i % PARTITIONS) for i, one in enumerate(records)]
        self._write(topic, writes)

    def _write(self, topic: str, writes: list[Write]) -> None:
        """A commit returns before its markers have landed: wait until no end is held back by an open transaction."""
        produce_all(self.bootstrap, topic, writes, transactional_id=f"{topic}.test")
        while self._ends(topic, IsolationLevel.READ_COMMITTED) != self._ends(topic, IsolationLevel.READ_UNCOMMITTED):
            time.sleep(0.02)

    def _ends(self, topic: str, isolation: IsolationLevel) -> list[int]:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        places = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(PARTITIONS)}
        return [one.result(30).offset for one in admin.list_offsets(places, isolation_level=isolation).values()]

    def join(self, *, diff_json: bool = False) -> None:
        """Write what the joiner writes to diff, and to diff.json."""
        wanted = [self.topic("diff"), self.topic("diff.json")]
        by_topic: dict[str, list[Write]] = defaultdict(list)
        for one in (write for writes in joined(self.name, diff_json=diff_json) for write in writes):
            if one.topic in wanted:
                by_topic[one.topic].append(Write(one.value, one.key, one.partition, one.time_ms))
        for topic, writes in by_topic.items():
            self._write(topic, writes)

    def stored(self, kind: str) -> Sequence[Read]:
        """What stands in a topic, by the tests' own reader."""
        return read_all(self.bootstrap, self.topic(kind))

    def write_config(self, extra: str = "") -> Path:
        """trial.yaml of this trial."""
        path = self.folder / "trial.yaml"
        path.write_text(
            f"name: {self.name}\nkafka: {{bootstrap: '{self.bootstrap}'}}\ninputs: [in]\n"
            f"production: {{outputs: [out], group: prod}}\ncandidate: {{call: 'fraud:score'}}\n{extra}"
        )
        return path


def event(number: int) -> dict[str, Any]:
    """A drift event; `after` tells them apart."""
    window = {"window_start_ms": 0, "window_end_ms": 9, "before": 0.0, "after": number / 10, "width": 1}
    return drift("opened", f"i{number}", revision="ab", estimation=0.5, reason="it rose", **window)


@pytest.fixture
def cluster(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    name = topic_prefix.rstrip(".").lower()[-24:].strip("-_")
    made = Cluster(kafka.bootstrap, name, tmp_path)
    topics = {made.topic(kind): PARTITIONS for kind in ("diff", "diff.json", "drift", "verdict")}
    create_topics(kafka.bootstrap, topics)
    # The controller has made them; the broker shows them a moment later.
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    while not topics.keys() <= admin.list_topics(timeout=30).topics.keys():
        time.sleep(0.02)
    return made
