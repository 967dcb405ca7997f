"""Check that a trial still has the topics that it began with: its evidence is bound to them.

A trial's topics, groups and evidence carry its name. A config with the same name and other topics would count records
that do not belong to that evidence. So every role, and every command that shows evidence, refuses such a config before
it reads a record. The revision does not cover the topics, so that two trials of one candidate share it. Start marks of
earlier releases name inputs and outputs by their offsets, and no other topics.
"""

import contextlib
from typing import Any

from confluent_kafka.admin import AdminClient

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import ConfigError, RecordError
from shadowstream.kafka.client import offsets
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.kafka.trial import start_log
from shadowstream.kafka.trial.start_log import Starts
from shadowstream.protocol import marks

KEYS = {"input": "inputs", "production": "production.outputs", "candidate": "candidate.topic", "twin": "twin.topic"}
"""Config keys by side."""
TopicsBySide = dict[str, frozenset[str]]  # topics by side, without the sides of unknown topics


def topics_by_side(config: Config) -> TopicsBySide:
    candidate, twin = config.candidate.topic, config.twin
    return {
        "input": frozenset(config.inputs),
        "production": frozenset(config.production.outputs),
        "candidate": frozenset([candidate] if candidate is not None else []),
        "twin": frozenset([twin.topic] if twin is not None else []),
    }


def topics_field(config: Config) -> list[dict[str, Any]]:
    """Return the topics of a config in the form of a begin mark (schemas/mark.avsc), without topic ids."""
    unknown = {"id": "", "partitions": -1}
    return [
        {"side": side, "topic": topic, **unknown}
        for side, topics in topics_by_side(config).items()
        for topic in sorted(topics)
    ]


def recorded_topics(record: dict[str, Any]) -> TopicsBySide:
    if record["topics"]:
        return {side: frozenset(one["topic"] for one in record["topics"] if one["side"] == side) for side in KEYS}
    found = {
        "input": frozenset(one["topic"] for one in record["begins"]),
        "production": frozenset(marks.partitioners_of(record)) or frozenset(p.topic for p in marks.ends_of(record)),
    }
    return {side: topics for side, topics in found.items() if topics}


def refuse_other_topics(config: Config, known: Starts, revision: str | None = None) -> None:
    """Raise `ConfigError` if the trial began with other topics than those of the config.

    The start of `revision` decides, else the newest. A begin mark alone binds none: nothing has been counted yet.
    """
    record = known.of.get(revision or "") or next(reversed([*known.of.values()]), None)
    if record is None:
        return
    began, now = recorded_topics(record), topics_by_side(config)
    other = [side for side, topics in began.items() if topics != now[side]]
    if other:
        raise ConfigError(
            f"{KEYS[other[0]]}: trial {config.name!r} began with {_listed(began, other)}, and this config has "
            f"{_listed(now, other)}. Evidence is bound to its topics, so nothing was read. Give this trial another "
            "name, or restore those topics in the config"
        )


def check(config: Config, client: AdminClient) -> bool:
    """Check the topics by the marks on the cluster like `refuse_other_topics`; return whether a start mark exists."""
    if config.plan.of("starts") not in offsets.existing(client):
        return False
    known = start_log.read(config, "topics")
    refuse_other_topics(config, known)
    return bool(known.of)


def read_starts(config: Config, timeout_s: float) -> Starts:
    """Read `starts` for a command, which has no client of its own; return no starts if the topic is missing."""
    found = Starts()
    with contextlib.suppress(TopicMissing):
        for row in read_topic(config.kafka, config.plan.of("starts"), timeout_s):
            with contextlib.suppress(RecordError):  # the roles log it
                found.add(own.read("mark", row.value))
    return found


def _listed(bound: TopicsBySide, sides: list[str]) -> str:
    return ", ".join(f"{KEYS[side]} {', '.join(sorted(bound[side])) or 'none'}" for side in sides)
