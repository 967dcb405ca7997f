"""Copier role: it copies both sides of an external candidate whose topic does not fit production's.

It copies exactly once, in the runner's group, with the loop of runner and joiner. Each second it publishes marks. A
runner whose production has an unknown partitioner copies too, with the same `CopyProgress`.

Production's progress is known in offsets of its own topics; readers of the copies need it in offsets of the copies.
Four readings translate it, in this order: production's commits; the ends E of its outputs; the group's commits of the
copying, until they reach E; the ends of the copies. All copies of outputs below E are below these ends.
"""

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.future_dates import Ahead
from shadowstream.health import RoleHealth
from shadowstream.joiner.recovery.restore import Committed
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import Stoppable, group_consumer, transactional_writer
from shadowstream.kafka.loop import Loop
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.reading.marks import last_done
from shadowstream.kafka.role import Role
from shadowstream.kafka.throttle import Throttle
from shadowstream.kafka.transaction import start_transactions
from shadowstream.kafka.trial.start_mark import PinnedStart
from shadowstream.logs import get_logger
from shadowstream.records import Batch, Partition, Prepared, Side
from shadowstream.runner.copy_step import CopyStep, Route
from shadowstream.runner.partitioner import DecodeMany, IdentityPartitioner

log = get_logger("runner")
EVERY_S = 1.0


class CopyProgress:
    """Copies of production's outputs with an unknown partitioner, and of an external candidate's topic beside them."""

    def __init__(self, config: Config, client: AdminClient, pinned: PinnedStart, decode: DecodeMany) -> None:
        self._config, self.client, self.pinned = config, client, pinned
        if pinned.repartitioned and config.delivery == "at_least_once":
            raise ConfigError(
                f"delivery: at_least_once: the partitioner of {', '.join(pinned.repartitioned)} is unknown, so both "
                "sides need copies, and copies need transactions. Use exactly_once, or set candidate.partitioner"
            )
        counts = offsets.partition_counts(client, pinned.repartitioned) if pinned.repartitioned else {}
        self._routes = {t: Route(config.plan.repartition(t), n, Side.PRODUCTION) for t, n in counts.items()}
        if config.candidate.topic is not None:
            for topic, n in counts.items():  # at most one; both copies have the same partition count
                self._routes[config.candidate.topic] = Route(config.plan.out(topic), n, Side.SHADOW)
        self.topics = list(self._routes)
        self._originals = offsets.places(offsets.partition_counts(client, self.topics) if self.topics else {})
        self.step = CopyStep(IdentityPartitioner(config, decode), self._routes, ahead=Ahead(config.future_ms_max))
        self._goal: dict[Partition, int] | None = None
        self._commits = GroupCommits(config, client, "runner")

    def begin(self, one: Committed) -> int:
        """Start a partition that is copied; return the offset to copy from: E0 without a commit."""
        if one.offset >= 0:
            self.step.assign(one.place, one.offset, one.metadata)
            return one.offset
        self._check_fresh(one.place)
        first = self.pinned.start.ends.get(one.place, -1)
        if first < 0:  # the mark pins the ends of production's outputs only
            first = offsets.beginnings(self.client, [one.place])[one.place]
        self.step.assign(one.place, first, None)
        return first

    def _check_fresh(self, place: Partition) -> None:
        """Raise `ConfigError` if marks show work of a group without commits: records would be copied twice."""
        group, begun = self._config.plan.group("runner"), self.pinned.start.committed
        if offsets.committed(self.client, group, self._originals):
            return
        if any(offset > begun[at] for at, offset in last_done(self._config, self.client, begun).items()):
            raise ConfigError(
                f"group {group} has no commit for {place} nor for any other partition of {', '.join(self.topics)}, but "
                "marks report its work: the commits expired or were deleted. Refused to guess: remove the topics of "
                "this trial and start anew"
            )

    def translated(self, ends: Mapping[Partition, int]) -> dict[Partition, int] | None:
        """Convert ends of outputs to ends of the topics that the joiner reads; None until all below is copied."""
        wanted = {place: end for place, end in ends.items() if place.topic in self._routes}
        if not wanted:
            return dict(ends)
        copied = offsets.committed(self.client, self._config.plan.group("runner"), wanted)
        if any(copied.get(place, -1) < end for place, end in wanted.items()):
            return None
        own = {place: end for place, end in ends.items() if place not in wanted}
        routes = [self._routes[topic] for topic in {place.topic for place in wanted}]
        copies = offsets.places({route.topic: route.partitions for route in routes})
        return own | offsets.ends(self.client, copies)

    def committed(self, watch: RoleHealth) -> None:
        for route in self._routes.values():
            n = sum(write.topic == route.topic for write in self.step.writes)
            watch.metrics.add("records_total", n, role="runner", side=route.side.word, outcome="copied")
        self.step.committed()

    def ended(self) -> bool:
        """Return whether, in a bounded run, production is done and all its outputs to be copied are copied."""
        if not self.topics:
            return True
        if self._goal is None:
            bounds = self.pinned.start.bounds
            committed = self._commits.of(self._config.production.group or "", bounds)
            self._commits.look(bounds)
            if any(committed.get(place, 0) < end for place, end in bounds.items()):
                return False
            self._goal = offsets.ends(self.client, self._originals)
            log.info("production_is_done", to_copy={str(place): end for place, end in self._goal.items()})
        return self.step.reached(self._goal)


class CopyingRole(Role):
    """Role that copies records and calls `each_second` with the wall time in ms."""

    def __init__(self, copies: CopyProgress, each_second: Callable[[int], None], watch: RoleHealth) -> None:
        self._copies, self._each_second, self.watch = copies, each_second, watch
        self._every = Throttle(EVERY_S)
        self.topics = copies.topics

    def wants_headers(self, topic: str) -> bool:
        """Return True: a copy has all headers of its original."""
        return True

    def side_word(self, topic: str) -> str:
        return self._copies.step.routes[topic].side.word

    def assigned(self, committed: Sequence[Committed]) -> dict[Partition, int]:
        return {one.place: self._copies.begin(one) for one in committed}

    def dropped(self) -> None:
        self._copies.step.drop()

    def consume(self, batch: Batch, now_ms: int) -> int:
        self._copies.step.copy(batch, now_ms)
        return len(batch)

    def end(self, place: Partition, offset: int, now_ms: int) -> None:
        self._copies.step.end(place, offset)

    def tick(self, now_ms: int) -> None:
        if self._every.is_due():
            self._each_second(now_ms)

    def prepare(self, now_ms: int, limit: int) -> Prepared:
        return Prepared(*self._copies.step.prepare())

    def committed(self, now_ms: int) -> None:
        self._copies.committed(self.watch)


def copy(config: Config, role: CopyingRole, client: AdminClient, stop: Stoppable, instance: str) -> None:
    writer = transactional_writer(config, "runner", instance)
    start_transactions(writer, role.watch)
    Loop(config, role, group_consumer(config, "runner", instance), writer, client, role.watch).run(role.topics, stop)
