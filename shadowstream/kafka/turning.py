"""Who goes on and who does not: the roles' groups, how far they are, and when each was last heard of."""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.judge.windows import iso
from shadowstream.kafka import offsets
from shadowstream.kafka.clients import admin
from shadowstream.records import Place

STILL_S = 60.0
"""A runner repeats its marks every ten seconds: silent for so long, it does not go on."""


class Turning(NamedTuple):
    """What the broker shows of a trial. `members` of the role's group; `waiting` inputs that the runner has not ended;
    times in ms since the epoch, None where there is no record."""

    runner_members: int
    joiner_members: int
    waiting: int
    last_mark_ms: int | None
    last_input_ms: int | None
    now_ms: int


def look(config: Config) -> list[str]:
    """What keeps the trial from going on, as sentences; nothing where it goes on."""
    try:
        return sentences(config, _seen(config, admin(config.kafka)))
    except (BrokerError, ConfigError, KafkaException) as error:
        return [f"who goes on cannot be seen: {error}"]


def _seen(config: Config, client: AdminClient) -> Turning:
    inputs = offsets.places(offsets.partition_counts(client, config.inputs))
    ends, group = offsets.ends(client, inputs), config.plan.group("runner")
    done = offsets.committed(client, group, inputs)
    starts = offsets.beginnings(client, inputs)
    waiting = sum(max(0, end - max(done.get(place, 0), starts[place])) for place, end in ends.items())
    runners, joiners = (_members(client, config.plan.group(role)) for role in ("runner", "joiner"))
    mark = offsets.newest_times(client, [Place(config.plan.of("progress"), 0)])
    newest = offsets.newest_times(client, inputs)
    now_ms = time.time_ns() // 1_000_000
    last_mark, last_input = (max(times.values(), default=None) for times in (mark, newest))
    return Turning(runners, joiners, waiting, last_mark, last_input, now_ms)


def _members(client: AdminClient, group: str) -> int:
    found = client.describe_consumer_groups([group], request_timeout=offsets.TIMEOUT_S)[group]
    try:
        return len(found.result(offsets.TIMEOUT_S).members)
    except KafkaException:  # a group that never was
        return 0


def sentences(config: Config, seen: Turning) -> list[str]:
    """What keeps the trial from going on, in words."""
    said = []
    called = config.candidate.call is not None
    ended = config.bounded and seen.waiting == 0
    if called and not ended:
        said += _of_runner(config, seen)
    if not seen.joiner_members and not ended:
        said.append(f"no joiner runs (group {config.plan.group('joiner')}): start it, `shadowstream join CONFIG`")
    return said


def _of_runner(config: Config, seen: Turning) -> list[str]:
    last = "no mark of it yet"
    if seen.last_mark_ms is not None:
        last = f"its last mark is of {iso(seen.last_mark_ms)}, {_ago(seen.now_ms - seen.last_mark_ms)} ago"
    behind = f"{seen.waiting:,} inputs wait"
    if not seen.runner_members:
        group = config.plan.group("runner")
        return [f"no runner runs (group {group}; {last}; {behind}): start it, `shadowstream run CONFIG`"]
    if seen.last_mark_ms is None or seen.now_ms - seen.last_mark_ms > STILL_S * 1000:
        return [f"the runner does not go on ({last}; {behind}): read its log and /healthz"]
    if seen.waiting:
        return []
    topics = ", ".join(config.inputs)
    if seen.last_input_ms is None:
        return [f"no input yet: no record in {topics}"]
    return [f"no input since {iso(seen.last_input_ms)} (event time): all of {topics} is read"]


def _ago(ms: int) -> str:
    seconds = max(0, ms) / 1000
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
