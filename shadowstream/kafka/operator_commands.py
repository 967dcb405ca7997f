"""What people say, as records of commands: written so that the broker has it, read as the last word on a revision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.client.consumers import plain_writer
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.records import Write

READ_TIMEOUT_S = 30.0
WRITE_S = 10.0


def say_command(config: Config, record: dict[str, Any]) -> None:
    """Write a command (schemas/command.avsc); returns once the broker has it, raises `BrokerError` where it has not."""
    writer = plain_writer(config)
    value = own.encode("command", record)
    writer.write([Write(config.plan.of("commands"), 0, record["subject"].encode(), value)])
    writer.flush(WRITE_S)


def muted(config: Config, incident: str, now_ms: int) -> bool:
    """Whether somebody has muted an incident, and not only up to before `now_ms`. The last word counts."""
    found: dict[str, Any] | None = None
    with contextlib.suppress(TopicMissing):
        for record in _commands(config):
            if record["command"] == "mute" and record["subject"] == incident:
                found = record
    return found is not None and (found["until_ms"] is None or found["until_ms"] > now_ms)


def overrides(config: Config) -> dict[str, dict[str, Any]]:
    """The last override of each revision that has one, ended or not; an empty decision has taken it back."""
    found: dict[str, dict[str, Any]] = {}
    with contextlib.suppress(TopicMissing):
        for record in _commands(config):
            if record["command"] == "override":
                found[record["subject"]] = record
    return {revision: record for revision, record in found.items() if record["decision"] in ("promote", "reject")}


def _commands(config: Config) -> Iterator[dict[str, Any]]:
    """What has been said, in order. What cannot be read says nothing: it neither opens nor closes a gate."""
    for row in read_topic(config.kafka, config.plan.of("commands"), READ_TIMEOUT_S):
        with contextlib.suppress(RecordError):  # logged by the judge, once a kind; this is asked again and again
            yield own.read("command", row.value)
