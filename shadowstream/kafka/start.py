"""Pin where a trial begins: the start mark, written once per revision and read back by everybody.

Order matters (design, join, part 1): C = production's committed offsets, *then* E0 = ends of its outputs, *then*
S = ends of the inputs. Outputs of inputs from C on may lie below E0, none of inputs below C at or after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.progress import Start
from shadowstream.kafka import offsets, own_topics, starts
from shadowstream.kafka.clients import GuardedWriter, reading_consumer
from shadowstream.kafka.messages import arrived, is_end, offset_of
from shadowstream.kafka.reading import extent
from shadowstream.kafka.sampling import Going, check, settle
from shadowstream.kafka.topic_changes import Known, TopicChanges, compared, describe, topics_field, topics_of
from shadowstream.observe import get_logger
from shadowstream.records import Place
from shadowstream.runner import marks
from shadowstream.runner.detect import INPUT, REPARTITION

log = get_logger("start")
NO_WARM_UP = -1  # in place of S: every pair counts


class Stopped(Exception):
    """The wait for production's first records was ended from outside; nothing has been pinned."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The start that counts, whether its warm-up has been closed, the kind of partitioner of each of production's
    output topics, and the topics as they were."""

    start: Start
    warm: bool
    partitioners: dict[str, str]
    topics: Mapping[str, Known] = field(default_factory=dict)

    @property
    def repartitioned(self) -> list[str]:
        """Production's output topics of which we keep a copy by identity."""
        return [topic for topic, kind in self.partitioners.items() if kind == REPARTITION]


def _always() -> bool:
    return True


def pin(config: Config, revision: str, client: AdminClient, writer: GuardedWriter, going: Going = _always) -> Pinned:
    """The start mark of this revision; written now if nobody has. The first in `starts` is the one that counts.

    Where nothing says yet how production chooses partitions, its first records are waited for: `going` is called each
    turn of that, and of reading what an earlier release has left, and ends it by False.

    Raises:
        Stopped: `going` ended the wait.
        ConfigError: production's outputs contradict what the config says or what this trial began with; or `bounded`
            is asked for, and the trial began without it.
    """
    known = starts.read(config, "runner")
    if not known.moved:
        moved = starts.move(config, writer, going)
        if moved is None:
            raise Stopped
        known = moved
    # What the first revision saw of a topic counts for all: a change may fall between looking and the new mark.
    begun = {name: one for mark in reversed(known.of.values()) for name, one in topics_of(mark).items()}
    if begun:
        TopicChanges(config, client, begun).unchanged()
    record = known.of.get(revision)
    if record is not None:
        check(config, client, _partitioners(config, record))
        if config.bounded and max((one["bound"] for one in record["begins"]), default=-1) < 0:
            raise ConfigError(
                "bounded: this trial began without it, so no end of its inputs is known and it would never end; "
                "take it out again, or begin another trial under a name of its own"
            )
    else:
        earlier = next((_partitioners(config, one) for one in reversed(known.of.values())), {})
        kinds = settle(config, client, earlier, going)
        if kinds is None:
            raise Stopped
        # Before the mark: who reads it may subscribe to the copies at once.
        own_topics.ensure(client, config, repartitioned=[t for t, kind in kinds.items() if kind == REPARTITION])
        now = describe(client, compared(config))  # before any offset: those are of these topics, or that is noticed
        new = _new(config, revision, client)
        new["partitioners"] = marks.partitioners_field(kinds)
        new["topics"] = topics_field(now | begun)
        known = starts.pinned(config, writer, new)
        record = known.of.get(revision)
        if record is None:
            raise ConfigError(
                f"the start mark cannot be read back from {config.plan.of('starts')}; "
                "check retention and the right to write and read it"
            )
        log.info(
            "trial_started",
            revision=revision,
            begins=len(record["begins"]),
            partitioners=_partitioners(config, record),
        )
    if revision not in known.said:
        starts.say(config, writer, record)
    return Pinned(Start.of(record), revision in known.warm, _partitioners(config, record), topics_of(record))


def _partitioners(config: Config, record: dict[str, Any]) -> dict[str, str]:
    """What a start mark pins; one that says nothing of a topic is of a release that took every output to lie as its
    input."""
    return dict.fromkeys(config.production.outputs, INPUT) | marks.partitioners_of(record)


def _new(config: Config, revision: str, client: AdminClient) -> dict[str, Any]:
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs = offsets.places({topic: counts[topic] for topic in config.inputs})
    outputs = offsets.places({topic: counts[topic] for topic in config.production.outputs})
    ours = offsets.committed(client, config.plan.group("runner"), inputs)
    no_warm_up = dict.fromkeys(inputs, NO_WARM_UP)
    if ours:
        # A new revision in a running trial goes on where the last one stood; nothing before that counts for it.
        begin = offsets.beginnings(client, inputs)
        committed = {place: ours.get(place, begin[place]) for place in inputs}
        ends, warm = offsets.ends(client, outputs), no_warm_up
    elif config.starts == "earliest":
        committed = offsets.beginnings(client, inputs)
        gone = [str(place) for place, offset in committed.items() if offset > 0]
        if gone:
            raise ConfigError(
                f"start: earliest needs complete inputs, but retention has deleted the beginning of {', '.join(gone)}; "
                "use start: production-group or latest"
            )
        ends, warm = offsets.beginnings(client, outputs), no_warm_up
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
    bounds = offsets.ends(client, inputs) if config.bounded else {}
    floor = None if warm is no_warm_up else _floor_ms(config, warm)
    begins = [
        {
            "topic": place.topic,
            "partition": place.partition,
            "committed": committed[place],
            "end": warm[place],
            "bound": bounds.get(place, -1),
        }
        for place in sorted(inputs)
    ]
    return marks.mark("start", revision, ends=marks.ends_field(ends), begins=begins, floor_ms=floor)


def _floor_ms(config: Config, ends: dict[Place, int]) -> int | None:
    """Greatest event time of the last records below `ends`: before it plus grace, unpaired is warm-up."""
    consumer = reading_consumer(config.kafka, config.plan, "runner.start")
    try:
        times = [_last_time(consumer, place, end) for place, end in ends.items() if end > 0]
    finally:
        consumer.close()
    return max((time for time in times if time is not None), default=None)


def _last_time(consumer: Consumer, place: Place, end: int) -> int | None:
    """Timestamp of the last record of `place` below `end`, past control records; None where there is none near."""
    low, _ = extent(consumer, TopicPartition(place.topic, place.partition))
    for back in (1, 10, 1_000):
        begin = max(low, end - back)
        consumer.assign([TopicPartition(place.topic, place.partition, begin)])
        time_ms = _greatest_time(consumer, end)
        if time_ms is not None or begin == low:
            return time_ms
    return None


def _greatest_time(consumer: Consumer, end: int) -> int | None:
    """Greatest timestamp of the records from where the consumer stands up to `end`."""
    found: int | None = None
    while messages := arrived(consumer, 1_000, 1.0):
        for message in messages:
            error = message.error()
            if error is None and offset_of(message) < end:
                found = max(message.timestamp()[1], found or 0)
            elif error is None or is_end(error):
                return found
    return found
