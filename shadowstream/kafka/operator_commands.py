"""Commands of operators: records of the topic `commands`. The newest for a subject counts."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from shadowstream.codecs import own
from shadowstream.config import Config
from shadowstream.errors import RecordError
from shadowstream.kafka.client.consumers import plain_writer
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.protocol.command_signatures import CommandCheck, signature_of
from shadowstream.records import Write

READ_TIMEOUT_S = 30.0
WRITE_S = 10.0


def write_command(config: Config, record: dict[str, Any]) -> None:
    """Write a command (schemas/command.avsc) and wait for its delivery. Raises `BrokerError`."""
    writer = plain_writer(config)
    writer.write([command_write(config, record)])
    writer.flush(WRITE_S)


def command_write(config: Config, record: dict[str, Any]) -> Write:
    """Return the record of a command, signed if the trial has a key of commands. Raises `ConfigError`."""
    key = config.commands_key
    signature = {} if key is None else {"signature": signature_of(record, config.name, key)}
    value = own.encode("command", record | signature)
    return Write(config.plan.of("commands"), 0, record["subject"].encode(), value)


def muted(config: Config, incident: str, now_ms: int) -> bool:
    """Return whether an incident is muted at `now_ms`. The newest command counts."""
    mutes = [one for one in commands(config).taken if one["command"] == "mute" and one["subject"] == incident]
    return bool(mutes) and (mutes[-1]["until_ms"] is None or mutes[-1]["until_ms"] > now_ms)


def is_acknowledged(config: Config, incident: str) -> bool:
    """Return whether a person has acknowledged an incident."""
    return any(one["command"] == "ack" and one["subject"] == incident for one in commands(config).taken)


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands of a trial in order: those that count, and those that do not, each with the reason."""

    check: CommandCheck
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def take(self, record: dict[str, Any]) -> None:
        """Add the next command of the topic."""
        if (refusal := self.check.refusal(record)) is None:
            self.taken.append(record)
        else:
            self.refused.append((record, refusal))

    def overrides(self) -> dict[str, dict[str, Any]]:
        """Return the last override of each revision, expired ones too. An empty decision revokes an override."""
        found = {one["subject"]: one for one in self.taken if one["command"] == "override"}
        return {revision: record for revision, record in found.items() if record["decision"] in ("promote", "reject")}

    def approvals(self) -> dict[str, dict[str, Any]]:
        """Return the last approval of each revision, whatever promote it names."""
        return {one["subject"]: one for one in self.taken if one["command"] == "approve"}


def commands(config: Config) -> Commands:
    """Read all commands, without unreadable ones: these neither open nor close a gate. Raises `ConfigError`."""
    found = Commands(CommandCheck(config.name, config.commands_key))
    with contextlib.suppress(TopicMissing):
        for row in read_topic(config.kafka, config.plan.of("commands"), READ_TIMEOUT_S):
            with contextlib.suppress(RecordError):  # the judge logs it, once a kind; this function is called often
                found.take(own.read("command", row.value))
    return found
