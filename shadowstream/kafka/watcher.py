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

Where the candidate's topic and production's have other partition counts, or put a key into different partitions, it is
refused at the start, and later as soon as that shows (`sampling`): no pair would ever meet, and that silently.

A mark stays true whatever comes later, and the same mark twice says nothing new: two watchers do no harm, and a group
whose commits go back (a replay) takes nothing back.
"""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka import offsets, own_topics, start
from shadowstream.kafka.clients import GuardedWriter, Stoppable, admin, plain_writer
from shadowstream.kafka.loop import now_ms, process_seconds
from shadowstream.kafka.sampling import Rechecks
from shadowstream.observe import get_logger
from shadowstream.records import Place
from shadowstream.runner import marks
from shadowstream.watch import Watch

log = get_logger("watcher")
EVERY_S = 1.0
TURN_S = 0.1
FLUSH_S = 20.0
SHOWN_MAX = 10


class Watcher:
    """Says the marks of a candidate that is a job of its own; see the head of this file."""

    def __init__(
        self, config: Config, revision: str, client: AdminClient, writer: GuardedWriter, pinned: start.Pinned
    ) -> None:
        candidate = config.candidate
        if candidate.topic is None or candidate.group is None:
            raise ConfigError("candidate.topic: the watcher is for a candidate that writes a topic of its own")
        self._config, self._revision, self._client, self._writer = config, revision, client, writer
        self._group = candidate.group
        counts = offsets.partition_counts(client, [*config.inputs, candidate.topic])
        self._outputs = offsets.places({candidate.topic: counts.pop(candidate.topic)})
        self._inputs = offsets.places(counts)
        self._below = pinned.start.warm_below
        self._warm = pinned.warm or not pinned.start.has_warm_up or config.production.group is None
        self._said: dict[Place, int] = {}
        self._last: dict[Place, int] = {}
        self._without: list[Place] = []
        self._first: dict[Place, int] = {}

    @property
    def inputs_done(self) -> int:
        """Inputs that the job has got through since the first commits of it that we saw."""
        return sum(offset - self._first[place] for place, offset in self._said.items())

    def say(self) -> int:
        """Look, and write the marks of what has changed; gives by how many inputs the job is behind.

        Raises `BrokerError`, retriable where the broker did not answer, with nothing taken for said.
        """
        # Commits before ends: see the head of this file.
        committed = offsets.committed(self._client, self._group, self._inputs)
        ends = offsets.ends(self._client, self._outputs)
        waiting = offsets.ends(self._client, self._inputs)
        self._notice(committed, waiting)
        grown = {place: offset for place, offset in committed.items() if offset > self._said.get(place, -1)}
        said = [self._done(place, offset, ends) for place, offset in sorted(grown.items())]
        warm = None if self._warm else self._warm_up_closed(committed)
        if warm is not None:
            said.append(warm)
        if said:
            self._writer.write([marks.write(self._config.plan.of("progress"), record) for record in said])
            self._writer.flush(FLUSH_S)
        self._said |= grown
        if warm is not None:
            self._warm = True
            log.info("warm_up_closed", revision=self._revision)
        return sum(max(0, end - committed.get(place, 0)) for place, end in waiting.items())

    def _done(self, place: Place, offset: int, ends: dict[Place, int]) -> dict[str, Any]:
        return marks.mark(
            "done",
            self._revision,
            input_topic=place.topic,
            input_partition=place.partition,
            to_offset=offset,
            ends=marks.ends_field(ends),
        )

    def _warm_up_closed(self, committed: dict[Place, int]) -> dict[str, Any] | None:
        """Once everybody is done to S: the ends of all outputs. What is unpaired below them is warm-up."""
        production, twin = self._config.production, self._config.twin
        topics = [*production.outputs, *([twin.topic] if twin and twin.group else [])]
        groups = [production.group, twin and twin.group]
        everybody = [committed, *(offsets.committed(self._client, group, self._below) for group in groups if group)]
        if not all(one.get(place, 0) >= end for one in everybody for place, end in self._below.items()):
            return None
        places = [*offsets.places(offsets.partition_counts(self._client, topics)), *self._outputs]
        return marks.mark("warm", self._revision, ends=marks.ends_field(offsets.ends(self._client, places)))

    def _notice(self, committed: dict[Place, int], waiting: dict[Place, int]) -> None:
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


def run(config: Config, revision: str, stop: Stoppable, watch: Watch, instance: str = "0") -> dict[str, Any]:
    """Watch the candidate's job until stopped; returns figures. Instances do not differ: each says the same."""
    began = time.monotonic()
    client = admin(config.kafka)
    own_topics.ensure(client, config)
    writer = plain_writer(config)

    def going() -> bool:
        watch.turned()
        return not stop.stopped

    done = 0
    try:
        pinned = start.pin(config, revision, client, writer, going)
        watcher = Watcher(config, revision, client, writer, pinned)
        log.info("watching", topic=config.candidate.topic, group=config.candidate.group, instance=instance)
        _watch(watcher, Rechecks(config, client, pinned.partitioners), stop, watch)
        done = watcher.inputs_done
    except start.Stopped:
        pass  # before anybody had written anything
    wall = time.monotonic() - began
    figures = {"role": "watcher", "records": done, "commits": 0, "wall_s": round(wall, 2)}
    return {**figures, "records_per_s": round(done / wall), **process_seconds()}


def _watch(watcher: Watcher, rechecks: Rechecks, stop: Stoppable, watch: Watch) -> None:
    next_s = 0.0
    while not stop.stopped:
        watch.turned()
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + EVERY_S
            _turn(watcher, watch)
            rechecks.turn(now_ms())
        time.sleep(TURN_S)
    _turn(watcher, watch)  # what the job has committed in the last second


def _turn(watcher: Watcher, watch: Watch) -> None:
    """Say the marks; a broker that does not answer now is asked again in a second: marks only come later."""
    try:
        behind = watcher.say()
    except BrokerError as error:
        if not error.retriable:
            raise
        log.warning("marks_put_off", error=str(error))
        return
    watch.metrics.set("lag_records", behind, role=watch.role, side="input")
    watch.ready = True
