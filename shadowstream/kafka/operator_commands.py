"""Commands of operators: records of the topic `commands`. The newest for a subject counts."""

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


def write_command(config: Config, record: dict[str, Any]) -> None:
    """Write a command (schemas/command.avsc) and wait for its delivery. Raises `BrokerError`."""
    writer = plain_writer(config)
    value = own.encode("command", record)
    writer.write([Write(config.plan.of("commands"), 0, record["subject"].encode(), value)])
    writer.flush(WRITE_S)


def muted(config: Config, incident: str, now_ms: int) -> bool:
    """Return whether an incident is muted at `now_ms`. The newest command counts."""
    mutes = [one for one in _commands(config) if one["command"] == "mute" and one["subject"] == incident]
    return bool(mutes) and (mutes[-1]["until_ms"] is None or mutes[-1]["until_ms"] > now_ms)


def is_acknowledged(config: Config, incident: str) -> bool:
    """Return whether a person has acknowledged an incident."""
    return any(one["command"] == "ack" and one["subject"] == incident for one in _commands(config))


def overrides(config: Config) -> dict[str, dict[str, Any]]:
    """Return the last override of each revision, expired ones too. An empty decision revokes an override."""
    found = {one["subject"]: one for one in _commands(config) if one["command"] == "override"}
    return {revision: record for revision, record in found.items() if record["decision"] in ("promote", "reject")}


def _commands(config: Config) -> Iterator[dict[str, Any]]:
    """Yield all commands in order, without unreadable ones: these neither open nor close a gate."""
    with contextlib.suppress(TopicMissing):
        for row in read_topic(config.kafka, config.plan.of("commands"), READ_TIMEOUT_S):
            with contextlib.suppress(RecordError):  # the judge logs it, once a kind; this function is called often
                yield own.read("command", row.value)
