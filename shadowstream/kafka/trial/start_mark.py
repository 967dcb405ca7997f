"""Pin where a trial begins: the start mark, written once per revision and read back by everybody.

The begin is pinned, and kept as a begin mark, before anything is sampled or waited for: what arrives meanwhile is part
of the trial, also where the process dies in between. The start mark says the same, with what the wait was for.

Order matters (design, join, part 1): C = production's committed offsets, *then* E0 = ends of its outputs, *then*
S = ends of the inputs. Outputs of inputs from C on may lie below E0, none of inputs below C at or after it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.ahead import Ahead
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.completeness.marks_log import TrialStart
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, reading_consumer
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, ignore, quiet, read_spans
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.kafka.trial import bound_topics, identity_sample, start_log, topic_admin, warm_up
from shadowstream.kafka.trial.bound_topics import bound_by, recorded, refuse_others
from shadowstream.kafka.trial.partitioner_check import KeepsRunning, check, settle
from shadowstream.kafka.trial.topic_changes import Known, TopicChanges, compared, describe, topics_field, topics_of
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.runner.partitioner_detection import INPUT, REPARTITION

log = get_logger("start")
QUIET_S = 1.0
NO_WARM_UP = -1  # in place of S: every pair counts


class Stopped(Exception):
    """The wait for production's first records was ended from outside; nothing has been pinned."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The start that counts, whether its warm-up has been closed, the kind of partitioner of each of production's
    output topics, and the topics as they were."""

    start: TrialStart
    warm: bool
    partitioners: dict[str, str]
    topics: Mapping[str, Known] = field(default_factory=dict)

    @property
    def repartitioned(self) -> list[str]:
        """Production's output topics of which we keep a copy by identity."""
        return [topic for topic, kind in self.partitioners.items() if kind == REPARTITION]


def _always() -> bool:
    return True


def pin(
    config: Config, revision: str, client: AdminClient, writer: GuardedWriter, keeps_running: KeepsRunning = _always
) -> Pinned:
    """The start mark of this revision; written now if nobody has. The first in `starts` is the one that counts.

    Where nothing says yet how production chooses partitions, this waits for its first records. Each turn of the wait,
    and of reading the marks of an earlier release, calls `keeps_running`; False ends it.

    Raises:
        Stopped: `keeps_running` ended the wait.
        ConfigError: production's outputs contradict what the config says or what this trial began with; or `bounded`
            is asked for, and the trial began without it.
    """
    known = start_log.read(config, "runner")
    if not known.moved:
        moved = start_log.move(config, writer, keeps_running)
        if moved is None:
            raise Stopped
        known = moved
    refuse_others(config, known, revision)
    # What the first revision saw of a topic counts for all: a change may fall between looking and the new mark.
    first = {name: one for mark in reversed(known.of.values()) for name, one in topics_of(mark).items()}
    if first:
        TopicChanges(config, client, first).unchanged()
    record, warmed_by = known.of.get(revision), None
    if record is not None:
        check(config, client, _partitioners(config, record))
        if config.bounded and max((one["bound"] for one in record["begins"]), default=-1) < 0:
            raise ConfigError(
                "bounded: this trial began without it, so no end of its inputs is known and it would never end; "
                "take it out again, or begin another trial under a name of its own"
            )
    else:
        seen = describe(client, compared(config))
        begun = _begin(config, revision, (client, writer), known)
        earlier = next((_partitioners(config, one) for one in reversed(known.of.values())), {})
        kinds = settle(config, client, earlier, keeps_running)
        if kinds is None:
            raise Stopped
        # Before the mark: who reads it may subscribe to the copies at once.
        topic_admin.ensure(client, config, repartitioned=[t for t, kind in kinds.items() if kind == REPARTITION])
        identity_sample.look(config, client)
        now = describe(client, compared(config))  # before any offset: those are of these topics, or that is noticed
        new, warmed_by = warm_up.inherited(_completed(config, client, begun), known.of.values())
        new["partitioners"] = marks.partitioners_field(kinds)
        as_begun = {name: Known(seen.get(name, one).id, one.partitions) for name, one in now.items()}
        new["topics"] = topics_field(config, as_begun | first)
        known = start_log.pinned(config, writer, new)
        refuse_others(config, known, revision)
        record = known.of.get(revision)
        if record is None:
            raise ConfigError(
                f"the start mark cannot be read back from {config.plan.of('starts')}; "
                "check retention and the right to write and read it"
            )
        log.info(
            "trial_started",
            revision=revision,
            began=began_at(record),
            partitioners=_partitioners(config, record),
        )
    if revision not in known.announced:
        start_log.say(config, writer, record)
    warm = revision in known.warm
    if not warm and warmed_by in known.warm:
        warm = warm_up.close_as(config, writer, revision, warmed_by)
    return Pinned(TrialStart.of(record), warm, _partitioners(config, record), topics_of(record))


def _partitioners(config: Config, record: dict[str, Any]) -> dict[str, str]:
    """What a start mark pins; one that says nothing of a topic is of a release that took every output to lie as its
    input."""
    return dict.fromkeys(config.production.outputs, INPUT) | marks.partitioners_of(record)


def began_at(record: dict[str, Any]) -> list[str]:
    """Where each input partition begins, by a begin or start mark.

    >>> began_at({"begins": [{"topic": "payments", "partition": 0, "committed": 998}]})
    ['payments/0@998']
    """
    return [f"{one['topic']}/{one['partition']}@{one['committed']}" for one in record["begins"]]


def _begin(
    config: Config, revision: str, clients: tuple[AdminClient, GuardedWriter], known: start_log.Starts
) -> dict[str, Any]:
    """The begin mark of a revision without a start mark: that of an earlier attempt, or a new one."""
    client, writer = clients
    begun = known.begun.get(revision)
    if begun is not None and recorded(begun) == bound_by(config):
        gone = _gone(client, begun)
        if not gone:
            return begun
        log.warning("begin_deleted", places=gone, reason="retention was faster; the trial begins anew")
    begun = _new(config, revision, client)
    start_log.write(config, writer, begun)
    log.info("trial_begins", revision=revision, at=began_at(begun))
    return begun


def _gone(client: AdminClient, begun: dict[str, Any]) -> list[str]:
    """Input partitions whose records from the begin on are no longer there."""
    begins = {Partition(one["topic"], one["partition"]): one["committed"] for one in begun["begins"]}
    lows = offsets.beginnings(client, begins)
    return [str(place) for place, begin in sorted(begins.items()) if begin < lows[place]]


def _completed(config: Config, client: AdminClient, begun: dict[str, Any]) -> dict[str, Any]:
    """The start mark of a begin: with partitions that were added meanwhile, whole, and with the end of a bounded run,
    which is where the inputs end now."""
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs = offsets.places({topic: counts[topic] for topic in config.inputs})
    outputs = offsets.places({topic: counts[topic] for topic in config.production.outputs})
    bounds = offsets.ends(client, inputs) if config.bounded else {}
    known = {Partition(one["topic"], one["partition"]): one for one in begun["begins"]}
    warm = any(one["end"] != NO_WARM_UP for one in known.values())
    added = {"committed": 0, "end": 0 if warm else NO_WARM_UP}
    begins = [
        {"topic": p.topic, "partition": p.partition, **added, **known.get(p, {}), "bound": bounds.get(p, -1)}
        for p in sorted(inputs)
    ]
    ends = dict.fromkeys(outputs, 0) | marks.ends_of(begun)
    return {**begun, "kind": "start", "begins": begins, "ends": marks.ends_field(ends)}


def _new(config: Config, revision: str, client: AdminClient) -> dict[str, Any]:
    """A begin mark as of now."""
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs = offsets.places({topic: counts[topic] for topic in config.inputs})
    outputs = offsets.places({topic: counts[topic] for topic in config.production.outputs})
    own = offsets.committed(client, config.plan.group("runner"), inputs)
    no_warm_up = dict.fromkeys(inputs, NO_WARM_UP)
    if own:
        # A new revision in a running trial goes on where the last one stood; nothing before that counts for it.
        begin = offsets.beginnings(client, inputs)
        committed = {place: own.get(place, begin[place]) for place in inputs}
        ends, warm = offsets.ends(client, outputs), no_warm_up
    elif config.starts == "earliest":
        begin = _whole_beginnings(config, client, [*inputs, *outputs])
        committed = {place: begin[place] for place in inputs}
        ends, warm = {place: begin[place] for place in outputs}, no_warm_up
    else:
        committed = {}
        if config.production.group:
            committed = offsets.committed(client, config.production.group, inputs)
        ends = offsets.ends(client, outputs)
        warm = offsets.ends(client, inputs)
        if config.starts == "latest":
            committed = dict(warm)
        missing = [str(place) for place in inputs if place not in committed and warm[place] > 0]
        if missing:
            raise ConfigError(
                f"start: production-group, but group {config.production.group!r} has committed nothing for "
                f"{', '.join(missing)}; check the group's name, or use start: latest"
            )
        committed = {place: committed.get(place, 0) for place in inputs}
    floor = None if warm is no_warm_up else _floor_ms(config, warm)
    begins = [
        {
            "topic": place.topic,
            "partition": place.partition,
            "committed": committed[place],
            "end": warm[place],
            "bound": -1,
        }
        for place in sorted(inputs)
    ]
    fields = {
        "ends": marks.ends_field(ends),
        "begins": begins,
        "floor_ms": floor,
        "topics": bound_topics.topics_field(config),
    }
    return marks.mark("begin", revision, **fields)


def _whole_beginnings(config: Config, client: AdminClient, places: list[Partition]) -> dict[Partition, int]:
    """The log start offsets of `places`.

    ConfigError where the beginning of one of them, or of an adopted candidate's or the twin's topic, has been deleted.

    The candidate alone would answer an input whose production output is gone, and the other way round: extra and
    missing, and no fault of the candidate.
    """
    beside = [topic for topic, kind in topic_admin.sources_of(config).items() if kind in ("candidate", "twin")]
    partitions = {topic: known.partitions for topic, known in describe(client, beside).items()} if beside else {}
    begin = offsets.beginnings(client, [*places, *offsets.places(partitions)])
    gone = [str(place) for place, offset in sorted(begin.items()) if offset > 0]
    if gone:
        raise ConfigError(
            "start: earliest needs complete inputs and outputs, but retention has deleted the beginning of "
            f"{', '.join(gone)}; use start: production-group or latest"
        )
    return begin


def _floor_ms(config: Config, ends: dict[Partition, int]) -> int | None:
    """Greatest event time of the last records below `ends` that is not dated ahead: before it plus grace, unpaired is
    warm-up."""
    limit_ms = Ahead(config.future_ms_max).limit_ms(time.time_ns() // 1_000_000)
    consumer = reading_consumer(config.kafka, config.plan, "runner.start")
    try:
        times = [_last_time(consumer, place, end, limit_ms) for place, end in ends.items() if end > 0]
    finally:
        consumer.close()
    return max((time_ms for time_ms in times if time_ms is not None), default=None)


def _last_time(consumer: Consumer, place: Partition, end: int, limit_ms: int) -> int | None:
    """Greatest timestamp of the last records of `place` below `end`; None where there is none near up to the limit."""
    low, _ = offset_range(consumer, TopicPartition(place.topic, place.partition))
    for back in (1, 10, 1_000):
        begin = max(low, end - back)
        time_ms = _greatest_time(consumer, place, (begin, end), limit_ms)
        if time_ms is not None or begin == low:
            return time_ms
    return None


def _greatest_time(consumer: Consumer, place: Partition, span: Span, limit_ms: int) -> int | None:
    """Greatest timestamp up to the limit of the records of a span, as far as they come."""
    times: list[int] = []
    with contextlib.suppress(NotReadToEnd):
        for turn in read_spans(consumer, {place: span}, quiet(QUIET_S), ignore, short=True):
            times += [at for message in turn.records if (at := message.timestamp()[1]) <= limit_ms]
    return max(*times, 0) if times else None
