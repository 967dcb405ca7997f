"""Stored statistics for another judgement: read outside any group, without committing, creating or writing."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.judge.replay import check_width, widened
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows.expected_tasks import counts_labels, expected_tasks
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_topic
from shadowstream.kafka.refused_records import OwnRecord, Refusals, refuse
from shadowstream.kafka.roles.judge import attempt_at
from shadowstream.kafka.trial import bound_topics
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.records import REVISION_BYTES
from shadowstream.revision import revision_of

READ_TIMEOUT_S = 30.0


class Stored(NamedTuple):
    """All stored statistics of a trial, the revision that is asked for, and where the trial's revisions began."""

    records: list[OwnRecord]
    revision: str
    starts: Starts


def stored(config: Config, wanted: str | None, refusals: Refusals) -> Stored:
    """Read the statistics of the trial and choose the revision of `wanted`; count refused records.

    Raises `ConfigError`: there are none, none of that revision, or they are of other topics than the config's.
    """
    starts = bound_topics.read_starts(config, READ_TIMEOUT_S)
    bound_topics.refuse_other_topics(config, starts)
    records = statistics(config, refusals)
    return Stored(records, revision_in(records, wanted, revision_of(config)), starts)


def revision_in(records: list[OwnRecord], wanted: str | None, local: str) -> str:
    """Return the revision of `wanted`, else the local one if it has statistics, else the last. Raises `ConfigError`."""
    known: dict[str, None] = {one.record["revision"]: None for one in records}
    if wanted is None:
        if local in known:
            return local
        if not known:
            raise ConfigError("there are no statistics: has the joiner run with this config?")
        return list(known)[-1]
    fitting = [revision for revision in known if revision.startswith(wanted)]
    if len(fitting) != 1:
        others = ", ".join(sorted(revision[:16] for revision in known)) or "none"
        fits = f"--revision {wanted!r} fits {len(fitting)} revisions that have statistics"
        raise ConfigError(f"{fits}; there are: {others}")
    return fitting[0]


def within(records: Iterable[OwnRecord], from_ms: int | None, to_ms: int | None) -> Iterator[OwnRecord]:
    """Yield the records with only those windows that begin in [from_ms, to_ms)."""
    low, high = -(2**63) if from_ms is None else from_ms, 2**63 if to_ms is None else to_ms
    for one in records:
        kept = [window for window in one.record["windows"] if low <= window["start_ms"] < high]
        yield OwnRecord(one.partition, one.offset, {**one.record, "windows": kept})


def judged(config: Config, records: list[OwnRecord], revision: str, refusals: Refusals) -> JudgeStep:
    """Return a judge of `revision` by the config's criteria that has taken these statistics and refusals, in order."""
    of_revision = (revision, revision[: 2 * REVISION_BYTES])
    windows = (window for one in records for window in one.record["windows"])
    check_width({one["start_ms"] for one in windows if one["revision"] in of_revision}, config.judge.window_ms)
    if config.labels is None:
        # This config does not score by labels: statistics of the labels role are no task of it.
        records = [one for one in records if not counts_labels(one.record["task"])]
    tasks = expected_tasks(config, offsets.partition_counts(admin(config.kafka), config.production.outputs))
    step = JudgeStep(config, revision, tasks, attempt_at(config, revision))
    moved = widened((one.record for one in records), config.judge.window_ms)
    for number, (one, record) in enumerate(zip(records, moved, strict=True)):
        step.step(one.partition, number, record)
    step.windows.refused.update(refusals.counts)
    return step


def statistics(config: Config, refusals: Refusals) -> list[OwnRecord]:
    """Return all stored statistics; count refused records. Raises `ConfigError` if there are none."""
    topic, found = config.plan.of("stats"), list[OwnRecord]()
    try:
        for row in stream_topic(config.kafka, topic, READ_TIMEOUT_S):
            try:
                found.append(OwnRecord(row.partition, row.offset, own.read("stats", row.value)))
            except RecordError as error:
                refuse(refusals, error, topic, row)
    except TopicMissing as error:
        raise ConfigError(f"nothing to replay: {error}") from error
    return found
