"""Progress of a trial's roles, and the obstacles that stop them.

Members of a group prove nothing; a role that makes progress writes to its topic.
"""

import contextlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError, RecordError
from shadowstream.judge.utc_text import utc_text
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, bounded_consumer
from shadowstream.kafka.reading.bounded import NotReadToEnd, Span, ignore, read_spans, within
from shadowstream.records import Partition
from shadowstream.status.durations import STILL_MS, ago

READ_S = 10.0
BACK = 20  # offsets to read before the end of a partition: the last of them may be transaction markers


class TrialProgress(NamedTuple):
    """Progress of a trial as the broker shows it.

    `waiting` counts inputs that the runner has not done, `unjoined` records of both sides that the joiner has not.
    Times are in ms since the epoch, None if there is no record.
    """

    waiting: int
    unjoined: int
    last_mark_ms: int | None
    last_stats_ms: int | None
    last_input_ms: int | None
    now_ms: int
    held: str = ""
    """Why the runner waits, by its newest done mark."""


def find_obstacles(config: Config, waits: bool = False) -> list[str]:
    """Return the obstacles to the trial's progress as sentences; `waits`: the runner awaits production's outputs."""
    try:
        return obstacles(config, _seen(config, admin(config.kafka)), waits)
    except (BrokerError, ConfigError, KafkaException) as error:
        return [f"cannot read the progress of the roles: {error}"]


def _seen(config: Config, client: AdminClient) -> TrialProgress:
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs = offsets.places({topic: counts[topic] for topic in config.inputs})
    known, progress = offsets.existing(client), config.plan.of("progress")
    marks = offsets.ends(client, [Partition(progress, 0)] if progress in known else [])
    # Asked for commits on a broker where no group has ever committed, the client ends this process (SIGSEGV, 2.15.1).
    asks = any(marks.values()) or "__consumer_offsets" in known
    waiting, ends = _lag(config, client, "runner" if asks else None, inputs)
    outputs = offsets.places({topic: counts[topic] for topic in config.production.outputs})
    unjoined, _ = _lag(config, client, "joiner" if asks else None, outputs)
    # Outputs may have more partitions than at the creation of the topic of statistics.
    stats_topic = config.plan.of("stats")
    stats = offsets.ends(client, offsets.places({stats_topic: known.get(stats_topic, 0)}))
    stats_ms = _newest_ms(config, stats) if unjoined else None
    input_ms = None if waiting else _newest_ms(config, ends)
    newest = _newest(config, marks)
    times = _time_of(newest), stats_ms, input_ms, time.time_ns() // 1_000_000
    return TrialProgress(waiting, unjoined, *times, _held(newest))


def _lag(
    config: Config, client: AdminClient, role: str | None, places: Sequence[Partition]
) -> tuple[int, dict[Partition, int]]:
    """Return the number of offsets that a role's group is behind (all if `role` is None), and the ends."""
    ends, begins = offsets.ends(client, places), offsets.beginnings(client, places)
    done = offsets.committed(client, config.plan.group(role), places) if role is not None else {}
    return sum(max(0, end - max(done.get(place, 0), begins[place])) for place, end in ends.items()), ends


def _newest_ms(config: Config, ends: dict[Partition, int]) -> int | None:
    return _time_of(_newest(config, ends))


def _time_of(newest: Sequence[Message]) -> int | None:
    times_ms = (message.timestamp()[1] for message in newest)
    return max((time_ms for time_ms in times_ms if time_ms >= 0), default=None)


def _held(newest: Sequence[Message]) -> str:
    held = ""
    for message in newest:
        with contextlib.suppress(RecordError):  # the joiner logs it
            record = own.read("mark", message.value())
            if record["kind"] == "done":
                held = next(iter(record["texts"]), "")
    return held


def _newest(config: Config, ends: dict[Partition, int]) -> list[Message]:
    """Return the newest records of partitions."""
    spans: dict[Partition, Span] = {place: (max(0, end - BACK), end) for place, end in ends.items() if end > 0}
    newest: list[Message] = []
    with (
        contextlib.closing(bounded_consumer(config.kafka, config.plan, "explain")) as consumer,
        contextlib.suppress(NotReadToEnd),
    ):
        for polled in read_spans(consumer, spans, within(READ_S), ignore, short=True):
            newest += polled.records
    return newest


def obstacles(config: Config, seen: TrialProgress, waits: bool = False) -> list[str]:
    found = []
    waits = waits and not seen.unjoined
    if config.candidate.topic is None and not waits and not (config.ends_itself and seen.waiting == 0):
        found += _of_runner(config, seen)
    if seen.unjoined and _is_still(seen.last_stats_ms, seen.now_ms):
        last = _last("statistics", seen.last_stats_ms, seen.now_ms)
        found.append(_still("joiner", "join", f"{last}; {seen.unjoined:,} records of production wait"))
    return found


def _of_runner(config: Config, seen: TrialProgress) -> list[str]:
    if _is_still(seen.last_mark_ms, seen.now_ms):
        last = _last("mark", seen.last_mark_ms, seen.now_ms)
        return [_still("runner", "run", f"{last}; {seen.waiting:,} inputs wait")]
    if seen.waiting:
        return [f"the runner pauses, and {seen.waiting:,} inputs wait: {seen.held}"] if seen.held else []
    topics = ", ".join(config.inputs)
    if seen.last_input_ms is None:
        return [f"no input yet: no record in {topics}"]
    return [f"no input since {utc_text(seen.last_input_ms)} (event time): all of {topics} is read"]


def _still(role: str, command: str, evidence: str) -> str:
    start = f"start it, `shadowstream {command} CONFIG`, or read its log and /healthz"
    return f"the {role} does not run or makes no progress ({evidence}): {start}"


def _is_still(last_ms: int | None, now_ms: int) -> bool:
    return last_ms is None or now_ms - last_ms > STILL_MS


def _last(what: str, last_ms: int | None, now_ms: int) -> str:
    return f"no {what} yet" if last_ms is None else f"last {what} {utc_text(last_ms)}, {ago(now_ms - last_ms)} ago"
