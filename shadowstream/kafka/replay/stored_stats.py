"""Stored statistics for another judgement: read outside any group, nothing is committed, created or written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.judge.replay import check_width, widened
from shadowstream.judge.step import JudgeStep
from shadowstream.judge.windows.expected_tasks import counts_labels, expected_tasks
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.consumers import admin
from shadowstream.kafka.reading.topic_reader import TopicMissing, stream_topic
from shadowstream.kafka.refused_records import Refusals, tell
from shadowstream.kafka.roles.judge import attempt_at
from shadowstream.records import REVISION_BYTES

READ_TIMEOUT_S = 30.0


class Stored(NamedTuple):
    """A decoded record and where it lies."""

    partition: int
    offset: int
    record: dict[str, Any]


def stored(config: Config, kind: str, refusals: Refusals) -> Iterator[Stored]:
    """Records of one of the trial's own topics; what is refused is left out, and counted among `refusals`."""
    for row in stream_topic(config.kafka, config.plan.of(kind), READ_TIMEOUT_S):
        try:
            yield Stored(row.partition, row.offset, own.read(kind, row.value))
        except RecordError as error:
            tell(refusals, error, config.plan.of(kind), row)


def tasks_of(config: Config) -> set[str]:
    """The tasks that a judge of this trial waits for."""
    return expected_tasks(config, offsets.partition_counts(admin(config.kafka), config.production.outputs))


def revision_in(records: list[Stored], wanted: str | None, local: str) -> str:
    """The revision to judge: `wanted` or what begins so, else the local one where it has statistics, else the last.

    Raises `ConfigError` where none fits or several do.
    """
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
        raise ConfigError(
            f"--revision {wanted!r} fits {len(fitting)} revisions that have statistics; there are: {others}"
        )
    return fitting[0]


def within(records: Iterable[Stored], from_ms: int | None, to_ms: int | None) -> Iterator[Stored]:
    """The records with the windows only that begin in [from_ms, to_ms)."""
    low, high = -(2**63) if from_ms is None else from_ms, 2**63 if to_ms is None else to_ms
    for one in records:
        kept = [window for window in one.record["windows"] if low <= window["start_ms"] < high]
        yield Stored(one.partition, one.offset, {**one.record, "windows": kept})


def judged(config: Config, records: list[Stored], revision: str, refusals: Refusals) -> JudgeStep:
    """A judge of `revision` under the config's criteria, at its attempt at the release, that has taken all of these
    statistics, in this order, and has met with these refusals."""
    of_revision = (revision, revision[: 2 * REVISION_BYTES])
    check_width(
        {w["start_ms"] for one in records for w in one.record["windows"] if w["revision"] in of_revision},
        config.judge.window_ms,
    )
    if config.labels is None:
        # This config does not ask who was right: what the labels role has said is no task of it.
        records = [one for one in records if not counts_labels(one.record["task"])]
    step = JudgeStep(config, revision, tasks_of(config), attempt_at(config, revision))
    moved = widened((one.record for one in records), config.judge.window_ms)
    for number, (one, record) in enumerate(zip(records, moved, strict=True)):
        step.step(one.partition, number, record)
    step.windows.refused.update(refusals.counts)
    return step


def statistics(config: Config, refusals: Refusals) -> list[Stored]:
    """All stored statistics; what is refused is counted. Raises `ConfigError` where there are none."""
    try:
        return list(stored(config, "stats", refusals))
    except TopicMissing as error:
        raise ConfigError(f"nothing to replay: {error}") from error
