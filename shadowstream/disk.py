"""Bytes of a trial's topics on the brokers' disks, from their settings. Pure.

Brokers delete or compact whole segments, and never the one that is written. So a partition holds up to one segment more
than its bound, and of a compacted topic twice what its newest records take.
"""

from collections.abc import Iterable

from shadowstream.topics import UNBOUNDED, TopicSpec

COMPACTED_TIMES = 2.0
"""Brokers compact once half of a partition is superseded (min.cleanable.dirty.ratio)."""


def topic_bytes(spec: TopicSpec, written: float, newest: float = 0.0) -> float:
    """Return the most bytes that one copy of a topic takes.

    `written`: bytes that the trial writes to all its partitions, which share them evenly. `newest`: bytes of the newest
    record of each key, for a compacted topic. Divide by the share of the fullest partition where it gets more.

    >>> bounded = TopicSpec("t", 2, (("retention.bytes", "1000"), ("segment.bytes", "100")))
    >>> topic_bytes(bounded, 500), topic_bytes(bounded, 1e9)
    (500, 2200)
    """
    settings = dict(spec.config)
    segment, kept = int(settings.get("segment.bytes", 0)), int(settings.get("retention.bytes", UNBOUNDED))
    bounds: list[float] = []
    if kept != UNBOUNDED:
        bounds.append(spec.partitions * (kept + segment))
    if settings.get("cleanup.policy") == "compact":
        bounds.append(COMPACTED_TIMES * newest + spec.partitions * segment)
    return min([written, *bounds])


def unbounded_topics(specs: Iterable[TopicSpec]) -> list[str]:
    """Return the topics whose size no setting bounds: they grow with the trial."""
    return [spec.name for spec in specs if topic_bytes(spec, float("inf")) == float("inf")]
