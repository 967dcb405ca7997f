"""Who goes on and who does not: how far the roles are, and when each was last heard of.

That a group has members proves nothing: what goes on says so in its topic.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.judge.windows.event_windows import iso
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, reading_consumer
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.client.messages import arrived, is_end, place_of
from shadowstream.records import Partition

READ_S = 10.0
BACK = 20
"""So many offsets before its end a place is read from: the last of them may be transaction markers."""
STILL_S = 60.0
"""A runner repeats its marks every ten seconds: silent for so long, it does not go on."""


class Turning(NamedTuple):
    """What the broker shows of a trial. `waiting`: inputs that the runner has not ended; `unjoined`: records of both
    sides that the joiner has not; times in ms since the epoch, None where there is no record."""

    waiting: int
    unjoined: int
    last_mark_ms: int | None
    last_stats_ms: int | None
    last_input_ms: int | None
    now_ms: int


def look(config: Config, waits: bool = False) -> list[str]:
    """What keeps the trial from going on, as sentences; nothing where it goes on. `waits`: for production's first
    outputs, and its runner writes no mark before they come."""
    try:
        return sentences(config, _seen(config, admin(config.kafka)), waits)
    except (BrokerError, ConfigError, KafkaException) as error:
        return [f"who goes on cannot be seen: {error}"]


def _seen(config: Config, client: AdminClient) -> Turning:
    counts = offsets.partition_counts(client, [*config.inputs, *config.production.outputs])
    inputs = offsets.places({topic: counts[topic] for topic in config.inputs})
    marks = offsets.ends(client, [Partition(config.plan.of("progress"), 0)])
    # On a broker where no group has ever committed the client ends this process when it is asked (SIGSEGV, 2.15.1).
    with translated_errors("list_topics"):
        known = client.list_topics(timeout=offsets.TIMEOUT_S).topics
    asks = any(marks.values()) or "__consumer_offsets" in known
    waiting, ends = _lag(config, client, "runner" if asks else None, inputs)
    outputs = offsets.places({topic: counts[topic] for topic in config.production.outputs})
    unjoined, _ = _lag(config, client, "joiner" if asks else None, outputs)
    # Outputs may have more partitions than when the topic of statistics was made.
    stats_topic = config.plan.of("stats")
    stats_partitions = known[stats_topic].partitions if stats_topic in known else {}
    stats = offsets.ends(client, [Partition(stats_topic, partition) for partition in stats_partitions])
    return Turning(
        waiting,
        unjoined,
        _newest_ms(config, marks),
        _newest_ms(config, stats) if unjoined else None,
        None if waiting else _newest_ms(config, ends),
        time.time_ns() // 1_000_000,
    )


def _lag(
    config: Config, client: AdminClient, role: str | None, places: Sequence[Partition]
) -> tuple[int, dict[Partition, int]]:
    """How many offsets a role's group is behind, all of them where it is None, and the ends."""
    ends, begins = offsets.ends(client, places), offsets.beginnings(client, places)
    done = offsets.committed(client, config.plan.group(role), places) if role is not None else {}
    return sum(max(0, end - max(done.get(place, 0), begins[place])) for place, end in ends.items()), ends


def _newest_ms(config: Config, ends: dict[Partition, int]) -> int | None:
    """Greatest timestamp among the last records of each place."""
    places = {place: end for place, end in ends.items() if end > 0}
    if not places:
        return None
    newest, open_places = -1, set(places)
    deadline = time.monotonic() + READ_S
    with contextlib.closing(reading_consumer(config.kafka, config.plan, "explain")) as consumer:
        consumer.assign([TopicPartition(p.topic, p.partition, max(0, end - BACK)) for p, end in places.items()])
        while open_places and time.monotonic() < deadline:
            for message in arrived(consumer, 1_000, 0.2):
                error = message.error()
                if error is None:
                    newest = max(newest, message.timestamp()[1])
                elif is_end(error):
                    open_places.discard(place_of(message))
    return newest if newest >= 0 else None


def sentences(config: Config, seen: Turning, waits: bool = False) -> list[str]:
    """What keeps the trial from going on, in words."""
    found = []
    waits = waits and not seen.unjoined
    if config.candidate.call is not None and not waits and not (config.bounded and seen.waiting == 0):
        found += _of_runner(config, seen)
    if seen.unjoined and _is_still(seen.last_stats_ms, seen.now_ms):
        last = _last("statistics", seen.last_stats_ms, seen.now_ms)
        found.append(
            f"the joiner does not run or does not go on ({last}; {seen.unjoined:,} records of production wait): start "
            "it, `shadowstream join CONFIG`, or read its log and /healthz"
        )
    return found


def _of_runner(config: Config, seen: Turning) -> list[str]:
    if _is_still(seen.last_mark_ms, seen.now_ms):
        last = _last("mark", seen.last_mark_ms, seen.now_ms)
        return [
            f"the runner does not run or does not go on ({last}; {seen.waiting:,} inputs wait): start it, "
            "`shadowstream run CONFIG`, or read its log and /healthz"
        ]
    if seen.waiting:
        return []
    topics = ", ".join(config.inputs)
    if seen.last_input_ms is None:
        return [f"no input yet: no record in {topics}"]
    return [f"no input since {iso(seen.last_input_ms)} (event time): all of {topics} is read"]


def _is_still(last_ms: int | None, now_ms: int) -> bool:
    return last_ms is None or now_ms - last_ms > STILL_S * 1000


def _last(what: str, last_ms: int | None, now_ms: int) -> str:
    return f"no {what} yet" if last_ms is None else f"last {what} {iso(last_ms)}, {_ago(now_ms - last_ms)} ago"


def _ago(ms: int) -> str:
    seconds = max(0, ms) / 1000
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
