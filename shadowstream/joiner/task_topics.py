"""The topics of a task's sides, by the config and by the partitioner that the start mark names."""

from collections.abc import Collection
from typing import NamedTuple

from shadowstream.config import Config
from shadowstream.records import Partition, Side

_SIDES = tuple(Side)


class TaskTopics(NamedTuple):
    """The topics that a task reads, and the name under which it commits. `places` are the partitions by `Side`.

    `inputs` are those of the task's partition where partitions follow the inputs; `own_inputs` are the inputs that this
    task counts. The copier writes the topics of the `copied` sides. In the topic of a `compacted` side, an offset gap
    may stand for records never read. `incarnation` is the joiner's under at_least_once, else empty.
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
        """The number of production's partition; the task writes to partitions of the same number."""
        return self.places[Side.PRODUCTION].partition

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    @property
    def sides(self) -> tuple[Side, ...]:
        return _SIDES[: len(self.places)]


def topics_of(config: Config, topic: str, repartitioned: Collection[str]) -> tuple[str, ...]:
    """Return the topics of a task for production's output `topic`, indexed by `Side`.

    `repartitioned` are the output topics with an unknown partitioner: the copier copies both sides of them.

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
    return tuple(Partition(name, partition) for name in topics_of(config, topic, repartitioned))


def side_of(config: Config, topic: str) -> Side:
    if config.twin is not None and topic == config.twin.topic:
        return Side.TWIN
    shadow = topic == config.candidate.topic or topic.startswith(config.plan.out(""))
    return Side.SHADOW if shadow else Side.PRODUCTION
