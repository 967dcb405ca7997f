"""Which topics the sides of a task are, by config and by what the start mark says of the partitioner."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from shadowstream.config import Config
from shadowstream.records import Partition, Side


class Sources(NamedTuple):
    """What a task reads and whose commits it makes.

    `places` by `Side`; `inputs`: those of the task's partition where partitions follow the inputs, `own_inputs`: those
    of them that this task counts; `copied`: sides whose topic is a copy of ours;
    `compacted`: sides whose topic is compacted, so that a gap in their offsets may be records that nobody has read;
    `incarnation` of the joiner under at_least_once, else empty.
    """

    topic: str
    places: tuple[Partition, ...]
    inputs: frozenset[Partition] = frozenset()
    own_inputs: frozenset[Partition] = frozenset()
    copied: frozenset[Side] = frozenset()
    compacted: frozenset[Side] = frozenset()
    incarnation: str = ""

    @property
    def partition(self) -> int:
        """Number of the partition on production's side, and of what is written for the task."""
        return self.places[Side.PRODUCTION].partition

    @property
    def name(self) -> str:
        """Production's output topic and the partition."""
        return f"{self.topic}/{self.partition}"

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides of the task: two, or three with a twin."""
        return tuple(Side(n) for n in range(len(self.places)))


def topics_of(config: Config, topic: str, repartitioned: Collection[str]) -> tuple[str, ...]:
    """Topics of production, shadow and, where there is one, twin for production's output `topic`, indexed by `Side`.

    `repartitioned` are the output topics whose partitioner nobody knows: both sides then go through topics of ours.

    >>> from shadowstream.config import Config
    >>> config = Config.model_validate(
    ...     {"name": "t", "inputs": ["in"], "production": {"outputs": ["out"]}, "candidate": {"call": "a:b"}})
    >>> topics_of(config, "out", ()), topics_of(config, "out", ("out",))
    (('out', 'shadow.t.out.out'), ('shadow.t.repartition.out', 'shadow.t.out.out'))
    """
    moved = topic in repartitioned
    production = config.plan.repartition(topic) if moved else topic
    adopted = config.candidate.topic
    shadow = adopted if adopted and not moved else config.plan.out(topic)
    return (production, shadow) if config.twin is None else (production, shadow, config.twin.topic)


def places_of(config: Config, topic: str, partition: int, repartitioned: Collection[str]) -> tuple[Partition, ...]:
    """The places of a task, indexed by `Side`."""
    return tuple(Partition(name, partition) for name in topics_of(config, topic, repartitioned))


def side_of(config: Config, topic: str) -> Side:
    """The side that a topic read by the joiner belongs to."""
    if config.twin is not None and topic == config.twin.topic:
        return Side.TWIN
    shadow = topic == config.candidate.topic or topic.startswith(config.plan.out(""))
    return Side.SHADOW if shadow else Side.PRODUCTION
