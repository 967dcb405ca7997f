"""Which topics the sides of a task are, by config and by what the start mark says of the partitioner."""

from __future__ import annotations

from collections.abc import Collection

from shadowstream.config import Config
from shadowstream.records import Place, Side


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


def places_of(config: Config, topic: str, partition: int, repartitioned: Collection[str]) -> tuple[Place, ...]:
    """The places of a task, indexed by `Side`."""
    return tuple(Place(name, partition) for name in topics_of(config, topic, repartitioned))


def side_of(config: Config, topic: str) -> Side:
    """The side that a topic read by the joiner belongs to."""
    if config.twin is not None and topic == config.twin.topic:
        return Side.TWIN
    shadow = topic == config.candidate.topic or topic.startswith(config.plan.out(""))
    return Side.SHADOW if shadow else Side.PRODUCTION
