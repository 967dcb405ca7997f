"""The topics that a trial's evidence is bound to: those that it began with, by what they are to it.

The name of a trial is the name of its topics, groups and evidence. A config with the same name and other topics would
count what has nothing to do with that evidence, so every role and every command that speaks of evidence refuses it
before it reads a record. The revision does not hold the topics: two trials of one candidate would otherwise differ in
it. Start marks of earlier releases name inputs and outputs by their offsets; of the others they say nothing.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.client.errors import translated_errors
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.kafka.trial import start_log
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.protocol import marks

KEYS = {
    "input": "inputs",
    "production": "production.outputs",
    "candidate": "candidate.topic",
    "twin": "twin.topic",
}
"""Keys of the config by what their topics are to the trial."""
Bound = dict[str, frozenset[str]]
"""Topics by side; a side of which nothing is known is left out."""


def bound_by(config: Config) -> Bound:
    """The topics of a config."""
    candidate, twin = config.candidate.topic, config.twin
    return {
        "input": frozenset(config.inputs),
        "production": frozenset(config.production.outputs),
        "candidate": frozenset([candidate] if candidate is not None else []),
        "twin": frozenset([twin.topic] if twin is not None else []),
    }


def topics_field(config: Config) -> list[dict[str, Any]]:
    """The topics of a config in the form of a begin mark (schemas/mark.avsc), which knows no ids."""
    unknown = {"id": "", "partitions": -1}
    return [
        {"side": side, "topic": topic, **unknown}
        for side, topics in bound_by(config).items()
        for topic in sorted(topics)
    ]


def recorded(record: dict[str, Any]) -> Bound:
    """The topics that a begin or start mark names."""
    if record["topics"]:
        return {side: frozenset(one["topic"] for one in record["topics"] if one["side"] == side) for side in KEYS}
    found = {
        "input": frozenset(one["topic"] for one in record["begins"]),
        "production": frozenset(marks.partitioners_of(record)) or frozenset(p.topic for p in marks.ends_of(record)),
    }
    return {side: topics for side, topics in found.items() if topics}


def refuse_others(config: Config, known: Starts, revision: str | None = None) -> None:
    """Raise `ConfigError` where the trial has begun with other topics than the config names.

    `revision`: whose start counts first; else that of the newest. A begin mark alone binds nobody: nothing has been
    counted yet.
    """
    record = known.of.get(revision or "") or next(reversed([*known.of.values()]), None)
    if record is None:
        return
    began, now = recorded(record), bound_by(config)
    other = [side for side, topics in began.items() if topics != now[side]]
    if other:
        raise ConfigError(
            f"{KEYS[other[0]]}: trial {config.name!r} began with {_listed(began, other)}, and this config has "
            f"{_listed(now, other)}. Evidence is bound to its topics, so nothing was read. Give this trial another "
            "name, or put those topics back"
        )


def check(config: Config, client: AdminClient) -> bool:
    """Raise `ConfigError` as `refuse_others` does, by what stands on the cluster; whether a start stands there."""
    with translated_errors("list_topics"):
        existing = client.list_topics(timeout=offsets.TIMEOUT_S).topics
    if config.plan.of("starts") not in existing:
        return False
    known = start_log.read(config, "topics")
    refuse_others(config, known)
    return bool(known.of)


def read_starts(config: Config, timeout_s: float) -> Starts:
    """What stands in `starts`, for commands, which have no client of their own; nothing where there is no topic."""
    found = Starts()
    try:
        rows = read_topic(config.kafka, config.plan.of("starts"), timeout_s)
    except TopicMissing:
        return found
    for row in rows:
        try:
            name, record = own.decode(row.value or b"")
        except RecordError:
            continue  # the roles say so
        if name == "mark":
            found.add(record)
    return found


def _listed(bound: Bound, sides: list[str]) -> str:
    return ", ".join(f"{KEYS[side]} {', '.join(sorted(bound[side])) or 'none'}" for side in sides)
