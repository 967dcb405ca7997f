"""Watcher: the role in the runner's place if the candidate is an external job that writes a topic of its own.

The watcher calls no candidate and matches no records. It reads the commits of the candidate's group and publishes them
as marks, so the joiner treats both kinds of candidate alike. The order of reading matters: first the group's commits
o, *then* the ends E of the candidate's topic. A job that commits an input after its outputs are flushed
(`candidate.commits: after_output`) has its outputs of inputs below o below E. For another job the joiner waits the
grace too.

==========  ============================================================  =================================
mark        the runner's                                                  the watcher's
==========  ============================================================  =================================
start       pinned once per revision                                      the same
range       inside each transaction, with absences and counts             none: the job reports neither why it
                                                                          has no output, nor counts of inputs
done        after each commit and each second, with counters              each second where o has grown,
                                                                          without counters
warm        once production is done to S: ends of its outputs             once all are done to S: ends of
                                                                          the candidate's topic as well
==========  ============================================================  =================================

Topics that differ in partition count or partitioner are copied by identity, in the runner's group
(`repartition_copier`). A mark is then written once everything below its ends has been copied, with the ends of the
copies. If only a later sample shows the difference, the process ends with a message (`partitioner_check`).

A mark stays true whatever follows, and a repeated mark adds nothing. So two watchers do no harm, and commits of the
group that go back (a replay) revoke nothing.
"""

import time
from typing import Any, NamedTuple

from shadowstream.codecs.decoder import Decoder, decoded_bounds
from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.health import RoleHealth
from shadowstream.kafka import role_report
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable, admin, plain_writer
from shadowstream.kafka.doctor import start_check
from shadowstream.kafka.reading.control_records import GroupCommits
from shadowstream.kafka.role import RoleFigures
from shadowstream.kafka.roles.mark_publishing import publish_marks
from shadowstream.kafka.roles.repartition_copier import CopyingRole, CopyProgress, copy
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.throttle import Throttle
from shadowstream.kafka.trial import bound_topics, start_log, start_mark
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
UNWRITTEN_MAX = 1_000


class JobProgress(NamedTuple):
    """The commits `done` of the job; its outputs of these inputs lie below `ends`."""

    done: dict[Partition, int]
    ends: dict[Partition, int]


class Watcher:
    """Publisher of the marks of an external candidate."""

    def __init__(self, config: Config, revision: str, writer: GuardedWriter, copies: CopyProgress) -> None:
        candidate = config.candidate
        if candidate.topic is None or candidate.group is None:
            raise ConfigError("candidate.topic: the watcher is for a candidate that writes a topic of its own")
        self._config, self._revision, self._group = config, revision, candidate.group
        self._client, self._writer, self._translate = copies.client, writer, copies.translated
        counts = offsets.partition_counts(self._client, [*config.inputs, candidate.topic])
        self._outputs = offsets.places({candidate.topic: counts.pop(candidate.topic)})
        self._inputs = offsets.places(counts)
        pinned = copies.pinned
        self._below = pinned.start.warm_below
        self._warm = pinned.warm or not pinned.start.has_warm_up or config.production.group is None
        self._announced: dict[Partition, int] = {}
        self._last: dict[Partition, int] = {}
        self._without: list[Partition] = []
        self._commits = GroupCommits(config, self._client, "runner")
        self._topics = TopicChanges(config, self._client, pinned.topics)
        self._unwritten: ThinnedQueue[JobProgress] = ThinnedQueue(
            UNWRITTEN_MAX, lambda earlier, later: JobProgress(earlier.done | later.done, later.ends)
        )
        self._seen: dict[Partition, int] = {}
        self._warm_ends: dict[Partition, int] | None = None
        self._first: dict[Partition, int] = {}

    @property
    def inputs_done(self) -> int:
        """Number of inputs that the job has completed since the watcher first saw its commits."""
        return sum(offset - self._first[place] for place, offset in self._announced.items())

    def write_marks(self) -> int:
        """Read the job's progress and write marks of the changes; return the job's lag in inputs.

        Raises `BrokerError`, retriable if the broker does not answer; then the next call writes the same marks.
        """
        # Commits before ends: see the head of this file.
        committed = self._commits.of(self._group, self._inputs)
        ends = offsets.ends(self._client, self._outputs)
        waiting = offsets.ends(self._client, self._inputs)
        self._commits.look(waiting)
        if not self._topics.unchanged():  # after the ends: they are valid only if no partition was added
            raise BrokerError("cannot tell whether the topics of the trial have changed", retriable=True)
        self._warn(committed, waiting)
        grown = {place: offset for place, offset in committed.items() if offset > self._seen.get(place, -1)}
        if grown:
            self._seen |= grown
            self._unwritten.append(JobProgress(grown, ends))
        done_marks: list[dict[str, Any]] = []
        written: list[JobProgress] = []
        for progress in self._unwritten:
            translated = self._translate(progress.ends)
            if translated is None:
                break
            written.append(progress)
            done_marks += [self._done(place, offset, translated) for place, offset in sorted(progress.done.items())]
        warm = None if self._warm else self._warm_mark(committed)
        if done_marks:
            self._writer.write([marks.write(self._config.plan.of("progress"), record) for record in done_marks])
            self._writer.flush(FLUSH_S)
        if warm is not None:
            start_log.announce(self._config, self._writer, warm)
        for progress in written:
            self._announced |= progress.done
            self._unwritten.popleft()
        if warm is not None:
            self._warm = True
            log.info("warm_up_closed", revision=self._revision)
        return sum(max(0, end - committed.get(place, 0)) for place, end in waiting.items())

    def _done(self, place: Partition, offset: int, ends: dict[Partition, int]) -> dict[str, Any]:
        at = {"input_topic": place.topic, "input_partition": place.partition, "to_offset": offset}
        return marks.mark("done", self._revision, **at, ends=marks.ends_field(ends))

    def _warm_mark(self, committed: dict[Partition, int]) -> dict[str, Any] | None:
        """Return the mark with the ends of all outputs once all sides are done to S. Unpaired below: warm-up."""
        if self._warm_ends is None and not self._sides_are_warm(committed):
            return None
        ends = self._translate(self._warm_ends or {})
        return None if ends is None else marks.mark("warm", self._revision, ends=marks.ends_field(ends))

    def _sides_are_warm(self, committed: dict[Partition, int]) -> bool:
        """Return whether production, the job and the twin are done to S; if so, keep the ends of their outputs."""
        production, twin = self._config.production, self._config.twin
        topics = [*production.outputs, *([twin.topic] if twin and twin.group else [])]
        groups = [production.group, twin and twin.group]
        sides = [committed, *(self._commits.of(group, self._inputs) for group in groups if group)]
        if not all(one.get(place, 0) >= end for one in sides for place, end in self._below.items()):
            return False
        places = [*offsets.places(offsets.partition_counts(self._client, topics)), *self._outputs]
        self._warm_ends = offsets.ends(self._client, places)
        return True

    def _warn(self, committed: dict[Partition, int], waiting: dict[Partition, int]) -> None:
        """Log each change that explains why no outcome, or no new one, is decided."""
        for place, offset in committed.items():
            self._first.setdefault(place, offset)
            if offset < self._last.get(place, 0):
                log.warning("candidate_went_back", group=self._group, place=str(place), to_offset=offset)
        self._last |= committed
        without = sorted(place for place, end in waiting.items() if end > 0 and place not in committed)
        if without != self._without:
            self._without = without
            if without:
                places = [str(place) for place in without[:SHOWN_MAX]]
                reason = "no record becomes missing before the group has committed there; check candidate.group"
                log.warning("candidate_without_commits", group=self._group, places=places, reason=reason)


def run(config: Config, revision: str, stop: Stoppable, watch: RoleHealth, instance: str = "0") -> dict[str, Any]:
    """Watch the candidate's job until stopped; return figures. All instances write the same marks."""
    figures, client = RoleFigures("watcher"), admin(config.kafka)
    bound_topics.check(config, client)
    start_check.ensure_topics(client, config, "runner")
    writer = plain_writer(config)
    pinned = start_mark.pin_until_stopped(config, revision, (client, writer), stop, watch)
    if pinned is not None:
        log.info("watching", topic=config.candidate.topic, group=config.candidate.group, instance=instance)
        decode = Decoder(schema_source(config.schemas), bounds=decoded_bounds(config), names="last").decode_many
        copies = CopyProgress(config, client, pinned, decode)
        watcher = Watcher(config, revision, writer, copies)
        rechecks = PartitionerRechecks(config, client, pinned.partitioners)
        if copies.topics:
            role = CopyingRole(copies, lambda at_ms: _turn(watcher, watch), watch)
            copy(config, role, client, stop, instance)
        else:
            _watch(watcher, rechecks, stop, watch)
        _turn(watcher, watch)  # the job's commits of the last second
        figures.add(records=watcher.inputs_done)
    return figures.ended()


def _watch(watcher: Watcher, rechecks: PartitionerRechecks, stop: Stoppable, watch: RoleHealth) -> None:
    every = Throttle(EVERY_S)
    stop.begin()
    while not stop.stopped:
        watch.turned()
        if every.is_due():
            _turn(watcher, watch)
            rechecks.turn(time.monotonic())
        time.sleep(TURN_S)


def _turn(watcher: Watcher, watch: RoleHealth) -> None:
    lag = publish_marks(watcher.write_marks)
    if lag is not None:
        watch.metrics.set("lag_records", lag, role=watch.role, side="input")
        watch.ready = True
        role_report.send(role_report.Report.CAUGHT_UP)
