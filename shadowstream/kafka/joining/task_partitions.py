"""Topics and partitions of the joiner's tasks: each production output with the same partitions of the other sides."""

import time
from collections.abc import Collection, Iterable
from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.task_topics import places_of, side_of, topics_of
from shadowstream.kafka.client import offsets
from shadowstream.protocol.marks import partitioners_of
from shadowstream.records import Partition, Side
from shadowstream.runner.partitioner_detection import REPARTITION

FOUND_WITHIN_S = 5.0  # time that brokers may take to know a topic that another role has just created


def repartitioned_of(start: dict[str, Any]) -> frozenset[str]:
    """Return production's output topics that the runner copies, by the start mark."""
    return frozenset(topic for topic, kind in partitioners_of(start).items() if kind == REPARTITION)


class TaskPartitions:
    """The partitions of all tasks. `counts` holds partition counts by production's logical output topic."""

    def __init__(self, config: Config, repartitioned: Collection[str], client: AdminClient) -> None:
        self._config = config
        self.repartitioned = frozenset(repartitioned)
        if config.twin is not None and self.repartitioned:
            raise ConfigError(
                f"twin: the partitioner of {', '.join(sorted(self.repartitioned))} is not known, so both sides are "
                "copied to other partitions, where a twin's records would never match. Remove twin, or let production "
                "choose partitions by murmur2, CRC32 or as its input's"
            )
        self._of = {topic: topics_of(config, topic, repartitioned) for topic in config.production.outputs}
        self.counts = self._counted(client)
        self.copied = offsets.places(_counts(client, sorted(self.repartitioned)))
        """Partitions of production's original topics that the joiner reads as copies; as many as production has."""
        adopted = config.candidate.topic if self.repartitioned else None
        adopted_places = offsets.places(_counts(client, [adopted])) if adopted else []
        self.originals: dict[tuple[Side, str], list[Partition]] = {}
        """Partitions of every copied topic, by side and topic."""
        for side, places in ((Side.PRODUCTION, self.copied), (Side.SHADOW, adopted_places)):
            for place in places:
                self.originals.setdefault((side, place.topic), []).append(place)
        self._tasks = {
            topic: [places_of(config, topic, partition, repartitioned) for partition in range(count)]
            for topic, count in self.counts.items()
        }
        numbered = [(topic, n, task) for topic, tasks in self._tasks.items() for n, task in enumerate(tasks)]
        self._task_of = {place: one for one in numbered for place in one[2]}

    def _counted(self, client: AdminClient) -> dict[str, int]:
        """Return partition counts; refuse topics of one task that differ, because their pairs would never match."""
        found = _counts(client, self.topics)
        for topics in self._of.values():
            for other in topics[1:]:
                if found[other] != found[topics[0]]:
                    raise ConfigError(
                        f"topic {topics[0]} has {found[topics[0]]} partitions and {other} has {found[other]}: the "
                        "records of a pair would be in different partitions and never match. Give "
                        f"{other} {found[topics[0]]} partitions, or, if production's count has changed, remove "
                        "the topics of this trial and start anew"
                    )
        return {topic: found[topics[0]] for topic, topics in self._of.items()}

    @property
    def topics(self) -> list[str]:
        return [name for topics in self._of.values() for name in topics]

    def places(self, side: Side) -> list[Partition]:
        """Return all partitions of a side; none for a twin that does not exist."""
        return [task[side] for tasks in self._tasks.values() for task in tasks if side < len(task)]

    def side_of(self, topic: str) -> Side:
        return side_of(self._config, topic)

    def whole(self, places: Collection[Partition]) -> list[Partition]:
        known = set(places)
        return [place for place in places if known.issuperset(self._task(place)[2])]

    def tasks_in(self, places: Collection[Partition]) -> list[tuple[str, int]]:
        """Return the tasks of these partitions, as (production's logical output topic, partition).

        Raises `ConfigError` for an incomplete task, and for a topic that has got more partitions since the process
        began.
        """
        tasks = set()
        for place in places:
            topic, partition, task = self._task(place)
            lacking = [other for other in task if other not in places]
            if lacking:
                raise ConfigError(
                    f"assigned {place} without {', '.join(map(str, lacking))}: the group's assignor splits tasks; "
                    "every member must use partition.assignment.strategy=range and subscribe to the same topics"
                )
            tasks.add((topic, partition))
        return sorted(tasks)

    def _task(self, place: Partition) -> tuple[str, int, tuple[Partition, ...]]:
        if place not in self._task_of:
            raise ConfigError(
                f"{place} did not exist when this process started: the topic has got more partitions. Keys may be in "
                "others from now on, so that pairs would never match. Remove the topics of this trial and start anew"
            )
        return self._task_of[place]


def _counts(client: AdminClient, topics: Iterable[str]) -> dict[str, int]:
    deadline = time.monotonic() + FOUND_WITHIN_S
    while True:
        try:
            return offsets.partition_counts(client, topics)
        except ConfigError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
