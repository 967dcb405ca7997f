"""Start of a trial: the start mark, written once for each revision and read back by every role.

The begin is pinned in a begin mark before any sample or wait. So inputs that arrive during the wait are part of the
trial, even if the process dies before it writes the start mark. The start mark holds the same begin and the results of
the wait.

The order of reading matters (design, join, part 1): C = production's committed offsets, *then* E0 = ends of its
outputs, *then* S = ends of the inputs. Outputs of inputs from C on may be below E0; outputs of inputs below C are never
at or after E0.
"""

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.future_dates import Ahead
from shadowstream.health import RoleHealth
from shadowstream.joiner.completeness.marks_log import TrialStart
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import GuardedWriter, Stoppable, bounded_consumer
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, ignore, quiet, read_spans
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.reading.topic_reader import offset_range
from shadowstream.kafka.trial import bound_topics, identity_sample, start_log, topic_admin
from shadowstream.kafka.trial.bound_topics import recorded_topics, refuse_other_topics, topics_by_side
from shadowstream.kafka.trial.partitioner_check import KeepsRunning, check, settle
from shadowstream.kafka.trial.topic_changes import (
    TopicChanges,
    TopicDescription,
    compared,
    describe,
    topics_field,
    topics_of,
)
from shadowstream.logs import get_logger
from shadowstream.protocol import marks
from shadowstream.records import Partition
from shadowstream.runner.partitioner_detection import INPUT, REPARTITION

log = get_logger("start")
QUIET_S = 1.0
NO_WARM_UP = -1  # in place of S: every pair counts


class Stopped(Exception):
    """Stop requested during the wait for production's first records; no start mark is written."""


@dataclass(frozen=True, slots=True)
class PinnedStart:
    """The start mark that counts, and its topics. `warm`: its warm-up is closed; `partitioners`: kinds by output."""

    start: TrialStart
    warm: bool
    partitioners: dict[str, str]
    topics: Mapping[str, TopicDescription] = field(default_factory=dict)

    @property
    def repartitioned(self) -> list[str]:
        return [topic for topic, kind in self.partitioners.items() if kind == REPARTITION]


def pin(
    config: Config,
    revision: str,
    client: AdminClient,
    writer: GuardedWriter,
    keeps_running: KeepsRunning = lambda: True,
) -> PinnedStart:
    """Return the start of this revision; write its mark if there is none. The first in `starts` counts.

    If production's partitioner is unknown, this waits for its first records. Each turn of the wait, and of reading the
    marks of an earlier release, calls `keeps_running`. Raises `Stopped` once that returns False. Raises `ConfigError`
    if production's outputs contradict the config or the start of this trial, or if only the config has `bounded`.
    """
    known = start_log.read(config, "runner")
    if not known.moved:
        moved = start_log.move(config, writer, keeps_running)
        if moved is None:
            raise Stopped
        known = moved
    refuse_other_topics(config, known, revision)
    # The first revision's description of a topic counts for all: a topic may change between a check and a new mark.
    first = {name: one for mark in reversed(known.of.values()) for name, one in topics_of(mark).items()}
    if first:
        TopicChanges(config, client, first).unchanged()
    record, warmed_by = known.of.get(revision), None
    if record is not None:
        check(config, client, _partitioners(config, record))
        if config.bounded and max((one["bound"] for one in record["begins"]), default=-1) < 0:
            raise ConfigError(
                "bounded: this trial began without it, so the end of its inputs is unknown and it would never end; "
                "remove the key, or start another trial under its own name"
            )
    else:
        seen = describe(client, compared(config))
        begun = _begin(config, revision, (client, writer), known)
        earlier = next((_partitioners(config, one) for one in reversed(known.of.values())), {})
        kinds = settle(config, client, earlier, keeps_running)
        if kinds is None:
            raise Stopped
        # Before the mark: its readers may subscribe to the copies at once.
        topic_admin.ensure(client, config, repartitioned=[t for t, kind in kinds.items() if kind == REPARTITION])
        identity_sample.warn(config, client)
        now = describe(client, compared(config))  # before any offset is read, so that a later change is detected
        new, warmed_by = warm_up_inherited(_completed(config, client, begun), known.of.values())
        new["partitioners"] = marks.partitioners_field(kinds)
        as_begun = {name: TopicDescription(seen.get(name, one).id, one.partitions) for name, one in now.items()}
        new["topics"] = topics_field(config, as_begun | first)
        start_log.write(config, writer, new)
        known = start_log.read(config, "runner")  # another process's mark may be first
        refuse_other_topics(config, known, revision)
        record = known.of.get(revision)
        if record is None:
            raise ConfigError(
                f"the start mark cannot be read back from {config.plan.of('starts')}; "
                "check retention and the right to write and read it"
            )
        log.info("trial_started", revision=revision, began=began_at(record), partitioners=_partitioners(config, record))
    if config.until is not None and REPARTITION in _partitioners(config, record).values():
        raise ConfigError(
            "until: no known partitioner explains production's outputs, so they are copied, and copies have no end "
            "while production continues; set candidate.partitioner, or end the trial by hand"
        )
    if revision not in known.announced:
        start_log.announce(config, writer, record)
    warm = revision in known.warm
    if not warm and warmed_by in known.warm:
        warm = close_warm_up_as(config, writer, revision, warmed_by)
    return PinnedStart(TrialStart.of(record), warm, _partitioners(config, record), topics_of(record))


def pin_until_stopped(
    config: Config, revision: str, clients: tuple[AdminClient, GuardedWriter], stop: Stoppable, watch: RoleHealth
) -> PinnedStart | None:
    """Pin the start of the trial; return None if stopped while waiting for production's first records."""

    def keeps_running() -> bool:
        watch.turned()
        return not stop.stopped

    try:
        return pin(config, revision, *clients, keeps_running)
    except Stopped:
        return None


def warm_up_inherited(record: dict[str, Any], earlier: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], str | None]:
    """Return a start mark with the warm-up that it inherits, and the revision that it inherits from, or None.

    Inputs below S of the trial's start are warm-up for every revision: production's outputs of them may be before the
    offsets that are read. A later revision continues at the runner's position. If that is below S, its warm-up ends at
    the same S, the same event time, and the same ends of production's outputs (E1).

    >>> begins = lambda committed, end: [{"topic": "in", "partition": 0, "committed": committed, "end": end}]
    >>> new = {"revision": "b", "begins": begins(4, -1), "floor_ms": None}
    >>> found, source = warm_up_inherited(new, [{"revision": "a", "begins": begins(0, 9), "floor_ms": 7}])
    >>> found["begins"][0]["end"], found["floor_ms"], source
    (9, 7, 'a')
    """
    begins, source, floors = [dict(one) for one in record["begins"]], None, [record["floor_ms"]]
    for start in earlier:
        ends = {(one["topic"], one["partition"]): one["end"] for one in start["begins"]}
        for one in begins:
            end = ends.get((one["topic"], one["partition"]), -1)
            if one["committed"] < end and one["end"] < end:
                one["end"], source = end, start["revision"]
        floors.append(start["floor_ms"])
    if source is None:
        return record, None
    known = [floor_ms for floor_ms in floors if floor_ms is not None]
    return {**record, "begins": begins, "floor_ms": max(known, default=None)}, source


def close_warm_up_as(config: Config, writer: GuardedWriter, revision: str, earlier: str) -> bool:
    """Close a revision's warm-up with the ends of an earlier revision's; return whether its warm mark was found."""
    with contextlib.closing(MarksReader(config, "runner", keys=frozenset((b"warm",)), once=True)) as reader:
        read = [record for _, record in reader.to_end() if record is not None]
    found = [record for record in read if record["kind"] == "warm" and record["revision"] == earlier]
    if not found:
        return False
    start_log.announce(config, writer, marks.mark("warm", revision, ends=found[0]["ends"]))
    return True


def _partitioners(config: Config, record: dict[str, Any]) -> dict[str, str]:
    """Return the pinned kinds; early releases pinned none and put every output into its input's partition."""
    return dict.fromkeys(config.production.outputs, INPUT) | marks.partitioners_of(record)


def began_at(record: dict[str, Any]) -> list[str]:
    """Return the first offset of each input partition, by a begin or start mark.

    >>> began_at({"begins": [{"topic": "payments", "partition": 0, "committed": 998}]})
    ['payments/0@998']
    """
    return [f"{one['topic']}/{one['partition']}@{one['committed']}" for one in record["begins"]]


def _begin(
    config: Config, revision: str, clients: tuple[AdminClient, GuardedWriter], known: start_log.Starts
) -> dict[str, Any]:
    """Return the begin mark of a revision without a start mark: an earlier process's, or a new one."""
    client, writer = clients
    begun = known.begun.get(revision)
    if begun is not None and recorded_topics(begun) == topics_by_side(config):
        gone = _deleted_begins(client, begun)
        if not gone:
            return begun
        log.warning("begin_deleted", places=gone, reason="retention deleted the begin; a new one is pinned")
    begun = _begin_mark(config, revision, client, has_begun=bool(known.of))
    start_log.write(config, writer, begun)
    log.info("trial_begins", revision=revision, at=began_at(begun))
    return begun


def _deleted_begins(client: AdminClient, begun: dict[str, Any]) -> list[str]:
    begins = TrialStart.of(begun).committed
    lows = offsets.beginnings(client, begins)
    return [str(place) for place, begin in sorted(begins.items()) if begin < lows[place]]


def _completed(config: Config, client: AdminClient, begun: dict[str, Any]) -> dict[str, Any]:
    """Return the start mark of a begin mark: added partitions begin at 0, a bounded run ends at the present ends."""
    inputs, outputs = _partitions(config, client)
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


def _partitions(config: Config, client: AdminClient) -> tuple[list[Partition], list[Partition]]:
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs, outputs = config.inputs, config.production.outputs
    return offsets.places({t: counts[t] for t in inputs}), offsets.places({t: counts[t] for t in outputs})


def _begin_mark(config: Config, revision: str, client: AdminClient, *, has_begun: bool) -> dict[str, Any]:
    """Return a begin mark of the present offsets. `has_begun`: an earlier revision has started, with nothing done."""
    inputs, outputs = _partitions(config, client)
    own = offsets.committed(client, config.plan.group("runner"), inputs)
    no_warm_up = dict.fromkeys(inputs, NO_WARM_UP)
    if own:
        # A new revision in a running trial continues at the last one's commits; earlier inputs do not count for it.
        begin = offsets.beginnings(client, inputs)
        committed = {place: own.get(place, begin[place]) for place in inputs}
        ends, warm = offsets.ends(client, outputs), no_warm_up
    elif config.starts == "earliest":
        begin = _beginnings(config, client, inputs, outputs, has_begun=has_begun)
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
        {"topic": p.topic, "partition": p.partition, "committed": committed[p], "end": warm[p], "bound": -1}
        for p in sorted(inputs)
    ]
    topics = bound_topics.topics_field(config)
    return marks.mark("begin", revision, ends=marks.ends_field(ends), begins=begins, floor_ms=floor, topics=topics)


def _beginnings(
    config: Config, client: AdminClient, inputs: list[Partition], outputs: list[Partition], *, has_begun: bool
) -> dict[Partition, int]:
    """Return the log start offsets of inputs and outputs.

    Raises `ConfigError` if retention deleted the beginning of an input or, before the trial has begun, of any output:
    one without the other would count as extra or missing. Later the joiner counts the outputs that retention deletes.
    """
    kinds = topic_admin.sources_of(config)
    others = [] if has_begun else [topic for topic, kind in kinds.items() if kind in ("candidate", "twin")]
    partitions = {topic: known.partitions for topic, known in describe(client, others).items()} if others else {}
    begin = offsets.beginnings(client, [*inputs, *outputs, *offsets.places(partitions)])
    gone = [str(place) for place in sorted(inputs if has_begun else begin) if begin[place] > 0]
    if gone:
        raise ConfigError(
            "start: earliest needs complete inputs and outputs, but retention has deleted the beginning of "
            f"{', '.join(gone)}; use start: production-group or latest"
        )
    return begin


def _floor_ms(config: Config, ends: dict[Partition, int]) -> int | None:
    """Return the greatest time below `ends` not dated ahead: up to it plus grace, unpaired records are warm-up."""
    limit_ms = Ahead(config.future_ms_max).limit_ms(time.time_ns() // 1_000_000)
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, "runner.start")) as consumer:
        times = [_last_time(consumer, place, end, limit_ms) for place, end in ends.items() if end > 0]
    return max((time_ms for time_ms in times if time_ms is not None), default=None)


def _last_time(consumer: Consumer, place: Partition, end: int, limit_ms: int) -> int | None:
    """Return the greatest time up to the limit of the last records below `end`; None if there is none near."""
    low, _ = offset_range(consumer, TopicPartition(place.topic, place.partition))
    for back in (1, 10, 1_000):
        begin = max(low, end - back)
        time_ms = _greatest_time(consumer, place, (begin, end), limit_ms)
        if time_ms is not None or begin == low:
            return time_ms
    return None


def _greatest_time(consumer: Consumer, place: Partition, span: Span, limit_ms: int) -> int | None:
    """Return the greatest timestamp up to the limit of the records of a span that arrive in time."""
    times: list[int] = []
    with contextlib.suppress(NotReadToEnd):
        for turn in read_spans(consumer, {place: span}, quiet(QUIET_S), ignore, short=True):
            times += [at for message in turn.records if (at := message.timestamp()[1]) <= limit_ms]
    return max(*times, 0) if times else None
