"""The watcher: in the runner's place where the candidate is a job of its own, which writes a topic of its own.

It runs nothing and joins nothing: it looks at the commits of the candidate's group and says them as marks, so that the
joiner need not know who made a candidate's outputs. Order matters: the group's commits o, *then* the ends E of the
candidate's topic. A job that commits an input after its outputs are flushed (`candidate.commits: after_output`) has its
outputs of inputs below o below E; of another job the joiner waits the grace as well.

==========  ============================================================  =================================
mark        the runner's                                                  the watcher's
==========  ============================================================  =================================
start       pinned once per revision                                      the same
range       inside each transaction, with absences and counts             none: nobody tells us why there is
                                                                          no output, nor counts the inputs
done        after each commit and each second, with counters              each second where o has grown,
                                                                          without counters
warm        once production is done to S: ends of its outputs             once all are done to S: ends of
                                                                          the candidate's topic as well
==========  ============================================================  =================================

Where the candidate's topic and production's have other partition counts, or put a key into different partitions, no
pair would ever meet: both are then copied into topics of ours by identity, in the runner's group (`copying`). A mark
is said once what lies below its ends has been copied, with the ends of the copies. Where that shows only later, since
nothing could tell at the start, the process ends and says so (`sampling`).

A mark stays true whatever comes later, and the same mark twice says nothing new: two watchers do no harm, and a group
whose commits go back (a replay) takes nothing back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from shadowstream.codecs.decoder import Decoder
from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable, admin, plain_writer
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.role import RoleFigures
from shadowstream.kafka.roles.copier import CopyingRole, copy
from shadowstream.kafka.roles.copy_progress import Copies
from shadowstream.kafka.roles.mark_publishing import publish_marks
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial import bound_topics, start_log, start_mark, topic_admin
from shadowstream.kafka.trial.partitioner_check import PartitionerRechecks
from shadowstream.kafka.trial.topic_changes import TopicChanges
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.thinned_queue import ThinnedQueue

log = get_logger("watcher")
EVERY_S = 1.0
TURN_S = 0.1
FLUSH_S = 20.0
SHOWN_MAX = 10
LOOKS_MAX = 1_000


Translate = Callable[[Mapping[Partition, int]], "dict[Partition, int] | None"]
"""Ends of outputs in terms of what the joiner reads of them; None as long as that cannot be said."""


class Look(NamedTuple):
    """The job has committed `done`; its outputs of these lie below `ends`."""

    done: dict[Partition, int]
    ends: dict[Partition, int]


class Edge(NamedTuple):
    """What the watcher meets the broker through; `translate` where both sides are copied."""

    admin: AdminClient
    marks: GuardedWriter
    translate: Translate = dict


class Watcher:
    """Says the marks of a candidate that is a job of its own; see the head of this file."""

    def __init__(self, config: Config, revision: str, edge: Edge, pinned: start_mark.Pinned) -> None:
        client = edge.admin
        candidate = config.candidate
        if candidate.topic is None or candidate.group is None:
            raise ConfigError("candidate.topic: the watcher is for a candidate that writes a topic of its own")
        self._config, self._revision, self._client, self._writer = config, revision, client, edge.marks
        self._translate = edge.translate
        self._group = candidate.group
        counts = offsets.partition_counts(client, [*config.inputs, candidate.topic])
        self._outputs = offsets.places({candidate.topic: counts.pop(candidate.topic)})
        self._inputs = offsets.places(counts)
        self._below = pinned.start.warm_below
        self._warm = pinned.warm or not pinned.start.has_warm_up or config.production.group is None
        self._announced: dict[Partition, int] = {}
        self._last: dict[Partition, int] = {}
        self._without: list[Partition] = []
        self._commits = GroupCommits(config, client, "runner")
        self._topics = TopicChanges(config, client, pinned.topics)
        self._looks: ThinnedQueue[Look] = ThinnedQueue(LOOKS_MAX, _merged)
        self._looked: dict[Partition, int] = {}
        self._warm_ends: dict[Partition, int] | None = None
        self._first: dict[Partition, int] = {}

    @property
    def inputs_done(self) -> int:
        """Inputs that the job has got through since the first commits of it that we saw."""
        return sum(offset - self._first[place] for place, offset in self._announced.items())

    def say(self) -> int:
        """Look, and write the marks of what has changed; gives by how many inputs the job is behind.

        Raises `BrokerError`, retriable where the broker did not answer, with nothing taken for said.
        """
        # Commits before ends: see the head of this file.
        committed = self._commits.of(self._group, self._inputs)
        ends = offsets.ends(self._client, self._outputs)
        waiting = offsets.ends(self._client, self._inputs)
        self._commits.look(waiting)
        if not self._topics.unchanged():  # after the ends: what they say holds only if there was no other partition
            raise BrokerError("cannot tell whether the topics are as they were", retriable=True)
        self._notice(committed, waiting)
        grown = {place: offset for place, offset in committed.items() if offset > self._looked.get(place, -1)}
        if grown:
            self._looked |= grown
            self._looks.append(Look(grown, ends))
        done_marks: list[dict[str, Any]] = []
        looks: list[Look] = []
        for look in self._looks:
            translated = self._translate(look.ends)
            if translated is None:
                break
            looks.append(look)
            done_marks += [self._done(place, offset, translated) for place, offset in sorted(look.done.items())]
        warm = None if self._warm else self._warm_up_closed(committed)
        if done_marks:
            self._writer.write([marks.write(self._config.plan.of("progress"), record) for record in done_marks])
            self._writer.flush(FLUSH_S)
        if warm is not None:
            start_log.close_warm_up(self._config, self._writer, warm)
        for look in looks:
            self._announced |= look.done
            self._looks.popleft()
        if warm is not None:
            self._warm = True
            log.info("warm_up_closed", revision=self._revision)
        return sum(max(0, end - committed.get(place, 0)) for place, end in waiting.items())

    def _done(self, place: Partition, offset: int, ends: dict[Partition, int]) -> dict[str, Any]:
        return marks.mark(
            "done",
            self._revision,
            input_topic=place.topic,
            input_partition=place.partition,
            to_offset=offset,
            ends=marks.ends_field(ends),
        )

    def _warm_up_closed(self, committed: dict[Partition, int]) -> dict[str, Any] | None:
        """Once everybody is done to S: the ends of all outputs. What is unpaired below them is warm-up."""
        if self._warm_ends is None and not self._everybody_is_warm(committed):
            return None
        ends = self._translate(self._warm_ends or {})
        return None if ends is None else marks.mark("warm", self._revision, ends=marks.ends_field(ends))

    def _everybody_is_warm(self, committed: dict[Partition, int]) -> bool:
        """Whether production, the job and the twin are done to S; then the ends of their outputs are kept."""
        production, twin = self._config.production, self._config.twin
        topics = [*production.outputs, *([twin.topic] if twin and twin.group else [])]
        groups = [production.group, twin and twin.group]
        everybody = [committed, *(self._commits.of(group, self._inputs) for group in groups if group)]
        if not all(one.get(place, 0) >= end for one in everybody for place, end in self._below.items()):
            return False
        places = [*offsets.places(offsets.partition_counts(self._client, topics)), *self._outputs]
        self._warm_ends = offsets.ends(self._client, places)
        return True

    def _notice(self, committed: dict[Partition, int], waiting: dict[Partition, int]) -> None:
        """Tell once what explains why nothing, or nothing new, is decided."""
        for place, offset in committed.items():
            self._first.setdefault(place, offset)
            if offset < self._last.get(place, 0):
                log.warning("candidate_went_back", group=self._group, place=str(place), to_offset=offset)
        self._last |= committed
        without = sorted(place for place, end in waiting.items() if end > 0 and place not in committed)
        if without != self._without:
            self._without = without
            if without:
                log.warning(
                    "candidate_without_commits",
                    group=self._group,
                    places=[str(place) for place in without[:SHOWN_MAX]],
                    reason="nothing is said missing before the group has committed there; check candidate.group",
                )


def _merged(earlier: Look, later: Look) -> Look:
    return Look(earlier.done | later.done, later.ends)


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Watch the candidate's job until stopped; returns figures. Instances do not differ: each says the same."""
    figures = RoleFigures("watcher")
    client = admin(config.kafka)
    bound_topics.check(config, client)
    topic_admin.ensure(client, config)
    writer = plain_writer(config)

    def keeps_running() -> bool:
        watch.turned()
        return not stop.stopped

    try:
        pinned = start_mark.pin(config, revision, client, writer, keeps_running)
        log.info("watching", topic=config.candidate.topic, group=config.candidate.group, instance=instance)
        copies = Copies(config, client, pinned, Decoder(schema_source(config.schemas), names="last").decode_many)
        watcher = Watcher(config, revision, Edge(client, writer, copies.translated), pinned)
        rechecks = PartitionerRechecks(config, client, pinned.partitioners)
        if copies.topics:
            role = CopyingRole(copies, lambda at_ms: _turn(watcher, watch), watch)
            copy(config, role, client, stop, instance)
            _turn(watcher, watch)
        else:
            _watch(watcher, rechecks, stop, watch)
        figures.add(records=watcher.inputs_done)
    except start_mark.Stopped:
        pass  # before anybody had written anything
    return figures.ended()


def _watch(watcher: Watcher, rechecks: PartitionerRechecks, stop: Stoppable, watch: RoleHealth) -> None:
    next_s = 0.0
    stop.begin()
    while not stop.stopped:
        watch.turned()
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + EVERY_S
            _turn(watcher, watch)
            rechecks.turn(time.monotonic())
        time.sleep(TURN_S)
    _turn(watcher, watch)  # what the job has committed in the last second


def _turn(watcher: Watcher, watch: RoleHealth) -> None:
    lag = publish_marks(watcher.say)
    if lag is not None:
        watch.metrics.set("lag_records", lag, role=watch.role, side="input")
        watch.ready = True
