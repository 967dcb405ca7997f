"""Copies of production's outputs at the edge, and of an adopted candidate's: where copying begins, how far it is.

Order matters. What production has done is known in terms of its own topics; a reader of our copies needs it in terms of
these. So: production's commits, *then* the ends E of its outputs, then wait until the group has committed the copying
up to E, then the ends of our copies: the copies of all outputs below E lie below them.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from shadowstream.ahead import Ahead
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.client import offsets
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.trial.start_mark import Pinned
from shadowstream.logs import get_logger
from shadowstream.records import Partition, Side
from shadowstream.runner.copy_step import CopyStep, Route
from shadowstream.runner.identity_partitioner import DecodeMany, IdentityPartitioner

log = get_logger("runner")


class Copies:
    """Copies of those outputs of production whose partitioner nobody knows, and of the topic of a candidate that is a
    job of its own beside them; none in most trials."""

    def __init__(self, config: Config, client: AdminClient, pinned: Pinned, decode: DecodeMany) -> None:
        self._config, self._client, self._pinned = config, client, pinned
        if pinned.repartitioned and config.delivery == "at_least_once":
            raise ConfigError(
                f"delivery: at_least_once: {', '.join(pinned.repartitioned)} would be copied to be paired, since "
                "nobody knows its partitioner, and copies need transactions. Use exactly_once, or say "
                "candidate.partitioner"
            )
        counts = offsets.partition_counts(client, pinned.repartitioned) if pinned.repartitioned else {}
        self._routes = {t: Route(config.plan.repartition(t), n, Side.PRODUCTION) for t, n in counts.items()}
        if config.candidate.topic is not None:
            for topic, n in counts.items():  # one at most; ours has as many partitions as production's copy
                self._routes[config.candidate.topic] = Route(config.plan.out(topic), n, Side.SHADOW)
        self.topics = list(self._routes)
        self._originals = offsets.places(offsets.partition_counts(client, self.topics) if self.topics else {})
        self.step = CopyStep(IdentityPartitioner(config, decode), self._routes, ahead=Ahead(config.future_ms_max))
        self._goal: dict[Partition, int] | None = None
        self._commits = GroupCommits(config, client, "runner")

    def begin(self, one: Committed) -> int:
        """Take a place of production's output; returns the offset to copy from: E0 where nothing is committed."""
        if one.offset >= 0:
            self.step.assign(one.place, one.offset, one.metadata)
            return one.offset
        self._check_fresh(one.place)
        first = self._pinned.start.ends.get(one.place, -1)
        if first < 0:  # the mark pins the ends of production's outputs only
            first = offsets.beginnings(self._client, [one.place])[one.place]
        self.step.assign(one.place, first, None)
        return first

    def _check_fresh(self, place: Partition) -> None:
        """Without any commit of copying nothing may have been copied: it would be copied again."""
        group, begun = self._config.plan.group("runner"), self._pinned.start.committed
        if offsets.committed(self._client, group, self._originals):
            return
        if any(offset > begun[at] for at, offset in last_done(self._config, self._client, begun).items()):
            raise ConfigError(
                f"group {group} has no commit for {place} nor for any other partition of {', '.join(self.topics)}, but "
                "marks say that it was at work: the commits expired or were deleted. Refused to guess: remove the "
                "topics of this trial and start anew"
            )

    def translated(self, ends: Mapping[Partition, int]) -> dict[Partition, int] | None:
        """Ends of outputs in terms of what the joiner reads of them; None until all below them has been copied."""
        wanted = {place: end for place, end in ends.items() if place.topic in self._routes}
        if not wanted:
            return dict(ends)
        group = self._config.plan.group("runner")
        copied = offsets.committed(self._client, group, wanted)
        if any(copied.get(place, -1) < end for place, end in wanted.items()):
            return None
        own = {place: end for place, end in ends.items() if place not in wanted}
        routes = [self._routes[topic] for topic in {place.topic for place in wanted}]
        copies = offsets.places({route.topic: route.partitions for route in routes})
        return own | offsets.ends(self._client, copies)

    def committed(self, watch: RoleHealth) -> None:
        """The transaction of the last copies has been committed: count them."""
        for route in self._routes.values():
            n = sum(write.topic == route.topic for write in self.step.writes)
            watch.metrics.add("records_total", n, role="runner", side=route.side.word, outcome="copied")
        self.step.committed()

    def ended(self) -> bool:
        """In a bounded run: whether production is done and all of ours that it has written has been copied."""
        if not self.topics:
            return True
        if self._goal is None:
            bounds = self._pinned.start.bounds
            committed = self._commits.of(self._config.production.group or "", bounds)
            self._commits.look(bounds)
            if any(committed.get(place, 0) < end for place, end in bounds.items()):
                return False
            self._goal = offsets.ends(self._client, self._originals)
            log.info("production_is_done", to_copy={str(place): end for place, end in self._goal.items()})
        return self.step.reached(self._goal)
