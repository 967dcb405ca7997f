"""Repeated comparison of a trial's pairs under the rules of this config, read-only and from the present topics.

The joiner's own step re-reads production's and the candidate's outputs from the beginning of the trial, with all marks.
It yields its statistics here and does not write them. The observations are the joiner's, and only read. Records that
retention has deleted cannot be compared again: their partners become missing or extra, and a warning is logged.
"""

import contextlib
from collections.abc import Iterator, Sequence

from shadowstream.codecs import own
from shadowstream.compare.comparer import comparer_of
from shadowstream.config import Config
from shadowstream.errors import ConfigError
from shadowstream.joiner.intake.header_fields import asks_headers
from shadowstream.joiner.step import JoinerStep
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin, bounded_consumer
from shadowstream.kafka.client.messages import columns, split
from shadowstream.kafka.joining.broker_observer import BrokerObserver
from shadowstream.kafka.joining.hook_process import HookProcess
from shadowstream.kafka.joining.task_partitions import TaskPartitions, repartitioned_of
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.reading.bounded import Polled, quiet, read_spans
from shadowstream.kafka.reading.marks import MarksReader
from shadowstream.kafka.reading.refetch import SourceFetcher
from shadowstream.kafka.refused_records import OwnRecord
from shadowstream.kafka.schemas.registry import schema_source
from shadowstream.kafka.trial import hash_key, start_log
from shadowstream.logs import get_logger
from shadowstream.protocol.join_id import Identity
from shadowstream.protocol.task_names import task_of
from shadowstream.records import Partition, Side

log = get_logger("replay")
QUIET_S = 60.0
PREPARE_AT = 50_000
LABELS = task_of("")


def rejoined(config: Config, revision: str) -> Iterator[OwnRecord]:
    """Yield statistics of all records that the trial of `revision` has read, under this config's rules and identity.

    Raises `ConfigError` if that revision never began here, `BrokerError` if nothing comes for a minute.
    """
    client = admin(config.kafka)
    config = hash_key.keyed(config, client)
    known = _starts(config)
    start = known.of.get(revision) if known else None
    if known is None or start is None:
        raise ConfigError(f"the progress topic has no beginning of revision {revision[:16]}: its marks are gone")
    families = TaskPartitions(config, repartitioned_of(start), client)
    # As the joiner calls them, so that both give the same results.
    compare = comparer_of(schema_source(config.schemas), config, HookProcess(config).load)
    inputs = offsets.places(offsets.partition_counts(client, config.inputs))
    step = JoinerStep(config, revision, compare, families.counts, inputs, families.repartitioned)
    # As the joiner: not from the start of this revision, because it may pair outputs of an earlier one.
    places = [place for side in Side for place in families.places(side)]
    read_from = _assigned(step, families, known.ends(), offsets.beginnings(client, places))
    with contextlib.closing(MarksReader(config, "replay", once=True)) as reader:
        for mark in reader.to_end():
            step.mark(mark.record, mark.at)
    if config.candidate.rechecks:
        with contextlib.closing(MarksReader(config, "replay.answers", "second-answers", once=True)) as reader:
            for mark in reader.to_end():
                if mark.record is not None:
                    step.answer(mark.record)
    if step.progress.start is None:
        # The mark is only in `starts`: its writer died before it wrote the mark to `progress`.
        step.progress.begin(start)
    # Before any record is read: an observation holds once the records up to it have been read.
    BrokerObserver(config, step, client, families).turn(now_ms())
    with contextlib.closing(bounded_consumer(config.kafka, config.plan, "replay")) as consumer:
        since, identity = 0, Identity(config)
        for polled in read_spans(consumer, {p: (at, None) for p, at in read_from.items()}, quiet(QUIET_S)):
            since += len(polled.records)
            _take(step, families, identity, polled)
            if since >= PREPARE_AT:
                since = 0
                yield from stored_rows(step)
        yield from stored_rows(step)
    fetcher = SourceFetcher(config, client)
    while step.wanted():
        for place, batch, gone in fetcher.turn(step.wanted):
            step.fetched(place, batch, gone)
        yield from stored_rows(step)
    yield from stored_rows(step)


def compared_again(config: Config, revision: str, stored: Sequence[OwnRecord]) -> list[OwnRecord]:
    """Return the statistics of `rejoined`, and the stored ones of labels, which are not compared again."""
    labelled = [row for row in stored if row.record["task"].startswith(LABELS)]
    return [*rejoined(config, revision), *labelled]


def _starts(config: Config) -> start_log.Starts | None:
    """Return the beginning of each revision of the trial; from `progress` if only an earlier release has run it."""
    known = None
    with contextlib.suppress(ConfigError):  # such a trial has no `starts`
        offsets.partition_counts(admin(config.kafka), [config.plan.of("starts")])
        known = start_log.read(config, "replay")
    return known if known is not None and known.moved else start_log.in_progress(config, "replay")


def _assigned(
    step: JoinerStep, families: TaskPartitions, begins: dict[Partition, int], lows: dict[Partition, int]
) -> dict[Partition, int]:
    """Assign every task from its beginning; return the first offset of each partition."""
    starts: dict[Partition, int] = {}
    for topic, partition in families.tasks_in(lows):
        task = step.assign(topic, partition)
        task.comparing.rechecks.asks = False  # the answers that the runner gave then are among the marks
        for side in task.sources.sides:
            place = task.sources.places[side]
            starts[place] = max(begins.get(place, 0), lows[place])
            task.restore(side, None, starts[place])
            if lows[place] > begins.get(place, 0):
                log.warning("source_records_gone", place=str(place), to=lows[place])
    return starts


def stored_rows(step: JoinerStep) -> Iterator[OwnRecord]:
    """Yield the step's present statistics, as if they were committed."""
    writes, commits, _ = step.prepare(now_ms())
    topic = step.config.plan.of("stats")
    for write in writes:
        if write.topic == topic:
            record = own.read("stats", write.value)
            yield OwnRecord(write.partition, -1, record)
    if commits:
        step.committed()


def _take(step: JoinerStep, families: TaskPartitions, identity: Identity, polled: Polled) -> None:
    copies = step.config.plan.repartition("")
    for place, group in split(polled.records)[0].items():
        side = families.side_of(place.topic)
        headers = identity.needs_headers(side) or asks_headers(step.config, side) or place.topic.startswith(copies)
        batch = columns(place, group, headers)
        if unnamed := step.read(batch, now_ms()):  # all existing marks have been read
            step.progress.take_as_named(unnamed)
            step.read(batch, now_ms())
    for place, offset in polled.ended.items():
        step.end(place, offset, now_ms())
