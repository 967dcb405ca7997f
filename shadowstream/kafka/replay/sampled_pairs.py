"""A bounded sample of a trial's records of both sides, read outside any group: the newest that its statistics count."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shadowstream.codecs.side_formats import needs_headers
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.task_topics import topics_of
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, bounded_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.reading.bounded import quiet, read_spans
from shadowstream.kafka.refused_records import OwnRecord
from shadowstream.kafka.topic_pairs.read_topic import Range, spans_within
from shadowstream.protocol.headers import PACKED_HEADER, pack
from shadowstream.protocol.outcomes import PAIRS
from shadowstream.records import REVISION_BYTES, Batch, InputCoordinate, Partition, Side

QUIET_S = 60.0
RECORDS_MAX = 200_000
"""Records of each side at most, whatever the statistics promise."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The records of both sides of one output topic, and whether `RECORDS_MAX` cut the read short."""

    topic: str
    sides: tuple[Batch, Batch]
    cut: bool = False


def range_of(records: Iterable[OwnRecord], revision: str, pairs: int, window_ms: int) -> tuple[int, int]:
    """Return the event times [from, to) of the newest windows of a revision that hold so many pairs.

    Raises `ConfigError` if the statistics have no pair of it.
    """
    names, found = (revision, revision[: 2 * REVISION_BYTES]), dict[int, int]()
    for one in records:
        for window in one.record["windows"]:
            if window["revision"] in names:
                here = sum(window["outcomes"].get(name, 0) for name in PAIRS)
                found[window["start_ms"]] = found.get(window["start_ms"], 0) + here
    held, begin_ms = 0, None
    counted = sorted(start_ms for start_ms, n in found.items() if n > 0)
    for start_ms in reversed(counted):
        if held >= pairs:
            break
        held, begin_ms = held + found[start_ms], start_ms
    if begin_ms is None:
        raise ConfigError(
            f"revision {revision[:16]} has no compared pair yet, so there is nothing to plant differences in: let the "
            "trial run (`up`), and watch `status` until it counts pairs"
        )
    return begin_ms, counted[-1] + window_ms


def sampled(config: Config, topic: str, from_ms: int, to_ms: int) -> Sampled:
    """Read both sides of production's output `topic` in a range of event time.

    Raises `ConfigError` for an unknown topic, `BrokerError` if nothing comes for a minute.
    """
    margin_ms = config.identity.tolerance_ms if config.identity.kind == "occurrence" else config.grace_ms
    within, cut, sides = Range(from_ms, to_ms, margin_ms), False, list[Batch]()
    for side, name in ((Side.PRODUCTION, topic), (Side.SHADOW, topics_of(config, topic, ())[Side.SHADOW])):
        batch, is_cut = _read(config, name, side, within)
        sides.append(batch)
        cut |= is_cut
    return Sampled(topic, (sides[0], sides[1]), cut)


def _read(config: Config, topic: str, side: Side, within: Range) -> tuple[Batch, bool]:
    client = admin(config.kafka)
    spans = spans_within(client, offsets.places(offsets.partition_counts(client, [topic])), within)
    found, cut = list[Batch](), False
    headers = side is Side.SHADOW or needs_headers(config, side) or _named_by_header(config)
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, "reader")) as consumer:
        for polled in read_spans(consumer, spans, quiet(QUIET_S)):
            read = [columns(place, group, headers) for place, group in split(polled.records)[0].items()]
            is_placed = side is Side.PRODUCTION and config.production.answer is not None
            found += [with_places(one) if is_placed else one for one in read]
            if sum(map(len, found)) >= RECORDS_MAX:
                cut = True
                break
    return _joined(Partition(topic, 0), found, within), cut


def with_places(batch: Batch) -> Batch:
    """Return records that are inputs with their own place as the packed header, because a sample joins partitions."""
    partition, none = batch.place.partition, "00" * REVISION_BYTES
    named = [
        (PACKED_HEADER, pack(none, InputCoordinate(0, partition, offset, 0), time_ms, time_ms))
        for offset, time_ms in zip(batch.offsets, batch.times_ms, strict=True)
    ]
    headers = [[*(found or ()), one] for found, one in zip(batch.headers or [None] * len(batch), named, strict=True)]
    return replace(batch, headers=headers)


def _named_by_header(config: Config) -> bool:
    identity = config.identity
    return identity.kind == "coordinate" or identity.header is not None or config.compare.latency is not None


def _joined(place: Partition, batches: list[Batch], within: Range) -> Batch:
    """Return the records of all partitions in the range and its margin as one batch, as they came."""
    rows = [
        row
        for one in batches
        for row in zip(one.times_ms, one.keys, one.values, one.headers or [None] * len(one), strict=True)
        if within.reaches(row[0])
    ]
    times, keys, values, headers = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
    return Batch(place, list(range(len(rows))), times, keys, values, headers)
