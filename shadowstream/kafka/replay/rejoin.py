"""Pairs compared once more, under the rules of this config: from the topics as they stand, and nothing is written.

The joiner's own step reads production's outputs and the candidate's again from where the trial began, with all marks
that there are, and says its statistics to us instead of the broker. Observations are the joiner's; they only look.
What retention has deleted since then cannot be compared again: its partner is missing or extra, and that is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from confluent_kafka import Consumer

from shadowstream.codecs import own
from shadowstream.compare.comparer import comparer_of
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.intake.header_fields import asks_headers
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, reading_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.joining.broker_observer import Observer
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.joining.task_partitions import TaskPartitions, repartitioned_of
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.reading.bounded import Turn, quiet, read_spans
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.reading.refetch import Fetcher
from shadowstream.kafka.replay.stored_stats import Stored
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial import start_log
from shadowstream.logs import get_logger
from shadowstream.protocol.join_id import Identity
from shadowstream.records import Partition, Side

log = get_logger("replay")
QUIET_S = 60.0
PREPARE_AT = 50_000


def rejoined(config: Config, revision: str) -> Iterator[Stored]:
    """Statistics of everything that the trial of `revision` has read, under this config's rules and identity.

    Raises `ConfigError` where that revision never began here, `BrokerError` where nothing comes for a minute.
    """
    client = admin(config.kafka)
    known = _starts(config)
    start = known.of.get(revision) if known else None
    if known is None or start is None:
        raise ConfigError(f"the progress topic has no beginning of revision {revision[:16]}: its marks are gone")
    families = TaskPartitions(config, repartitioned_of(start), client)
    # As the joiner calls them, so that both say the same.
    compare = comparer_of(schema_source(config.schemas), config, HookProcess(config).load)
    inputs = offsets.places(offsets.partition_counts(client, config.inputs))
    step = JoinerStep(config, revision, compare, families.counts, inputs, families.repartitioned)
    # As the joiner: not where this revision began, for an earlier one may have answered what this one pairs with.
    read_from = _assigned(step, families, known.ends(), offsets.beginnings(client, _all_places(families)))
    with contextlib.closing(MarksReader(config, "replay")) as reader:
        for mark in reader.to_end():
            step.mark(mark.record, mark.at)
    if step.progress.start is None:
        # It stands in `starts`; whoever wrote it there has died before it said so in `progress`.
        step.progress.begin(start)
    # Before anything is read: what is observed holds once it has been read to there.
    Observer(config, step, client, families).turn(now_ms())
    consumer = reading_consumer(config.kafka, config.plan, "replay")
    with contextlib.closing(consumer):
        yield from _Reading(config, step, families, consumer).to_the_end(read_from)
    fetcher = Fetcher(config, client)
    while step.wanted():
        for place, batch, gone in fetcher.turn(step.wanted):
            step.fetched(place, batch, gone)
        yield from stored_rows(step)
    yield from stored_rows(step)


def _starts(config: Config) -> start_log.Starts | None:
    """Where each revision of the trial began; of a trial that only an earlier release has run from `progress`."""
    known = None
    with contextlib.suppress(ConfigError):  # such a trial has no `starts`
        offsets.partition_counts(admin(config.kafka), [config.plan.of("starts")])
        known = start_log.read(config, "replay")
    return known if known is not None and known.moved else start_log.in_progress(config, "replay")


def _all_places(families: TaskPartitions) -> list[Partition]:
    return [place for side in Side for place in families.places(side)]


def _assigned(
    step: JoinerStep, families: TaskPartitions, begins: dict[Partition, int], lows: dict[Partition, int]
) -> dict[Partition, int]:
    """Take every task from its beginning; where each place is read from."""
    starts: dict[Partition, int] = {}
    for topic, partition in families.tasks_in(lows):
        task = step.assign(topic, partition)
        for side in task.sources.sides:
            place = task.places[side]
            starts[place] = max(begins.get(place, 0), lows[place])
            task.restore(side, None, starts[place])
            if lows[place] > begins.get(place, 0):
                log.warning("source_records_gone", place=str(place), to=lows[place])
    return starts


def stored_rows(step: JoinerStep) -> Iterator[Stored]:
    """What the step says now, as if it had been committed."""
    writes, commits, _ = step.prepare(now_ms())
    topic = step.config.plan.of("stats")
    for write in writes:
        if write.topic == topic:
            record = own.read("stats", write.value)
            # A place of its own for each: the judge goes by the order of a partition's offsets.
            yield Stored(write.partition, -1, record)
    if commits:
        step.committed()


class _Reading:
    """Reads all places side by side, as the joiner does."""

    def __init__(self, config: Config, step: JoinerStep, families: TaskPartitions, consumer: Consumer) -> None:
        self._step, self._families, self._consumer = step, families, consumer
        self._identity, self._copies = Identity(config), config.plan.repartition("")

    def to_the_end(self, read_from: dict[Partition, int]) -> Iterator[Stored]:
        """Statistics as they come, until each place has been read to its end."""
        since = 0
        for turn in read_spans(self._consumer, {p: (at, None) for p, at in read_from.items()}, quiet(QUIET_S)):
            since += len(turn.records)
            self._take(turn)
            if since >= PREPARE_AT:
                since = 0
                yield from stored_rows(self._step)
        yield from stored_rows(self._step)

    def _take(self, turn: Turn) -> None:
        """Give the step what has come."""
        for place, group in split(turn.records)[0].items():
            side = self._families.side_of(place.topic)
            headers = self._identity.needs_headers(side) or asks_headers(self._step.config, side)
            headers = headers or place.topic.startswith(self._copies)
            batch = columns(place, group, headers)
            unnamed = self._step.read(batch, now_ms())
            if unnamed:  # all marks there are have been read
                self._step.progress.take_as_named(unnamed)
                self._step.read(batch, now_ms())
        for place, offset in turn.ended.items():
            self._step.end(place, offset, now_ms())
