"""Warnings before retention deletes records of the trial that a role has yet to read, or that corrections may need.

Offsets by time and the ends of partitions need only the right to describe a topic, so every reader may ask.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shadowstream.config import Config
from shadowstream.errors import BrokerError, ConfigError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.protocol.metadata_codec import opened, overflows
from shadowstream.protocol.varints import numbers_of
from shadowstream.records import Partition
from shadowstream.status.durations import ago
from shadowstream.topics import UNBOUNDED

SOON = 0.75
"""Share of the retention time at which a needed record is reported."""
NEAR = 0.25
"""Share of a partition's kept records from its beginning on: what a role needs there may be deleted soon."""


class Need(NamedTuple):
    """A role needs the records of a partition from `offset` on."""

    role: str
    place: Partition
    offset: int


class KeptRecords(NamedTuple):
    """Offsets of a partition: of its oldest record and its end, and of the first record after `SOON` of its bound, None
    without a bound by time; `correctable`: whether all kept records are younger than corrections may need."""

    low: int
    end: int
    soon: int | None = None
    correctable: bool = False


def expiring(config: Config) -> list[str]:
    """Return sentences about needed records that expire soon; none where the brokers do not show them."""
    try:
        return _expiring(config, admin(config.kafka))
    except (BrokerError, ConfigError, KafkaException):
        return []


def _expiring(config: Config, client: AdminClient) -> list[str]:
    existing = offsets.existing(client)
    if "__consumer_offsets" not in existing:
        return []
    needs = list(_needs(config, client, existing))
    by_event = [need.place for need in needs if not _is_by_clock(config, need.place)]
    by_clock = [need.place for need in needs if _is_by_clock(config, need.place)]
    lows, ends = (ask(client, [*by_event, *by_clock]) for ask in (offsets.beginnings, offsets.ends))
    now_ms = time.time_ns() // 1_000_000
    soon: dict[Partition, int] = {}
    for places, bound_ms in ((by_event, config.kept.event_ms), (by_clock, config.kept.ms)):
        if bound_ms != UNBOUNDED:
            soon |= offsets.at_time(client, places, now_ms - round(SOON * bound_ms))
    deleted = [place for place in by_event if lows[place] > 0]
    needed_from = offsets.at_time(client, deleted, now_ms - config.correctable_ms - config.grace_ms)
    kept = {
        place: KeptRecords(lows[place], ends[place], soon.get(place), needed_from.get(place, -1) == lows[place])
        for place in lows
    }
    return [*sentences(config, needs, kept)]


def _is_by_clock(config: Config, place: Partition) -> bool:
    return place.topic in (config.plan.of("progress"), config.plan.of("stats"))


def _needs(config: Config, client: AdminClient, existing: Mapping[str, int]) -> Iterator[Need]:
    plan = config.plan
    own = [topic(one) for one in config.production.outputs for topic in (plan.out, plan.repartition)]
    places = offsets.places({topic: existing[topic] for topic in own if topic in existing})
    production = offsets.places({topic: existing.get(topic, 0) for topic in config.production.outputs})
    marks_from = []
    for place, (offset, metadata) in offsets.commits(client, plan.group("joiner"), [*places, *production]).items():
        with contextlib.suppress(ConfigError):
            needed, progress = opened(metadata, _needed_by_joiner)
            marks_from.append(progress)
            if place in places:
                yield Need("joiner", place, offset if overflows(metadata) else needed)
    if marks_from:
        yield Need("joiner", Partition(plan.of("progress"), 0), min(marks_from))
    for role, kind in (("judge", "stats"), *((("labels", "scored"),) if config.labels is not None else ())):
        wanted = offsets.places({plan.of(kind): existing.get(plan.of(kind), 0)})
        for place, offset in offsets.committed(client, plan.group(role), wanted).items():
            yield Need(role, place, offset)


def _needed_by_joiner(body: bytes) -> tuple[int, int]:
    """Return the lowest pending offset of a checkpoint of the joiner (`joiner.recovery.checkpoint`), and the first mark
    that it needs. The dedupe span before that is read again as far as it is kept."""
    _, high, progress, _, runs, *pending = numbers_of(body)
    return (pending[0] if runs else high), progress


def sentences(config: Config, needs: Iterable[Need], kept: Mapping[Partition, KeptRecords]) -> Iterator[str]:
    """Yield a sentence for each partition whose needed records expire soon, or have expired."""
    for need in needs:
        found, key = kept[need.place], "ms" if _is_by_clock(config, need.place) else "event_ms"
        bound_ms = config.kept.ms if key == "ms" else config.kept.event_ms
        fix = f"keep it running, and raise retention.{key} or retention.bytes and the topic's setting (`topics plan`)"
        if found.low > need.offset:
            yield (
                f"{need.place}: retention has deleted {found.low - need.offset:,} offsets that the {need.role} needs "
                f"from {need.offset} on; {fix}"
            )
        elif need.offset < found.end and found.soon is not None and not 0 <= found.soon <= need.offset:
            age = f"{ago(round(SOON * bound_ms))} of the {ago(bound_ms)} that retention.{key} keeps"
            yield f"{need.place}: the {need.role} needs records older than {age}; {fix}"
        elif found.low > 0 and need.offset < found.end and need.offset - found.low < NEAR * (found.end - found.low):
            left = f"{need.offset - found.low:,} of {found.end - found.low:,} kept offsets"
            yield f"{need.place}: the {need.role} needs records that are {left} from deletion; {fix}"
        if found.correctable:
            yield (
                f"{need.place}: retention deletes records younger than correctable_ms and grace_ms, so late partners "
                "may not correct outcomes; raise retention.bytes and the topic's setting (`topics plan`)"
            )
