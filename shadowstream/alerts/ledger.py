"""Incidents with their history, from the topics drift, commands and deliveries; acknowledgements and mutes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from shadowstream.alerts.acknowledged_writer import AcknowledgedWriter
from shadowstream.alerts.messages import State, follow_up_id, incident_alert_id
from shadowstream.config import Config
from shadowstream.config.alerting import LOG
from shadowstream.errors import ConfigError
from shadowstream.kafka.loop import now_ms
from shadowstream.kafka.operator_commands import command_write, commands
from shadowstream.kafka.reading.topic_reader import TopicMissing, read_topic
from shadowstream.kafka.refused_records import usable

READ_TIMEOUT_S = 30.0
Records = Iterable[dict[str, Any]]
_NAMES = {"commands": "command", "deliveries": "delivery"}


class LedgerRow(NamedTuple):
    """An incident with its history; None for events that have not occurred."""

    incident: str
    revision: str
    criterion: str
    state: str
    since_ms: int
    closed_ms: int | None
    before: float
    after: float
    text: str
    acknowledged_by: str | None
    acknowledged_at_ms: int | None
    ack_reason: str | None
    muted_by: str | None
    muted_until_ms: int | None
    delivered_to: str | None
    delivered_at_ms: int | None


def incidents(drift: Records, commands: Records, deliveries: Records) -> list[LedgerRow]:
    """Return incidents in the order of their opening, each with its last acknowledgement and its last mute."""
    opened: dict[tuple[str, str], dict[str, Any]] = {}
    closed: dict[tuple[str, str], int] = {}
    for event in drift:
        name = (event["revision"], event["incident"])
        if event["event"] == "opened":
            opened.setdefault(name, event)
        elif event["event"] == "closed":
            closed[name] = event["window_end_ms"]
    last_commands: dict[str, dict[str, dict[str, Any]]] = {"ack": {}, "mute": {}}
    for command in commands:
        last_commands.get(command["command"], {})[command["subject"]] = command
    delivered: dict[str, dict[str, int]] = {}
    for delivery in deliveries:
        delivered.setdefault(delivery["alert"], {})[delivery["target"]] = delivery["delivered_at_ms"]
    rows = []
    for (revision, incident), event in opened.items():
        ack, mute = last_commands["ack"].get(incident, {}), last_commands["mute"].get(incident, {})
        opening = incident_alert_id(revision, incident)
        by_target = delivered.get(follow_up_id(State.ESCALATED, opening), {}) | delivered.get(opening, {})
        targets = [target for target in by_target if target != LOG] or [*by_target]
        row = LedgerRow(
            incident=incident,
            revision=revision,
            criterion=event["criterion"],
            state="closed" if (revision, incident) in closed else "open",
            since_ms=event["window_start_ms"],
            closed_ms=closed.get((revision, incident)),
            before=event["before"],
            after=event["after"],
            text=event["reason"],
            acknowledged_by=ack.get("by"),
            acknowledged_at_ms=ack.get("at_ms"),
            ack_reason=ack.get("reason"),
            muted_by=mute.get("by"),
            muted_until_ms=mute.get("until_ms"),
            delivered_to=", ".join(sorted(targets)) or None,
            delivered_at_ms=min((by_target[target] for target in targets), default=None),
        )
        rows.append(row)
    return rows


def rows_of(config: Config) -> list[LedgerRow]:
    """Return all incidents of a trial, without foreign records; raise `BrokerError` if drift cannot be read."""
    return incidents(_records(config, "drift"), commands(config).taken, _if_there(config, "deliveries"))


def acknowledge(config: Config, incident: str, by: str, reason: str) -> dict[str, Any]:
    """Write the command that acknowledges an incident; return it once the broker has it. Raises `ConfigError` for an
    unknown incident, or for an empty `by`."""
    record = {"command": "ack", "subject": incident, "by": by, "reason": reason, "at_ms": now_ms()}
    return _write_command(config, record)


def mute(config: Config, incident: str, by: str, reason: str, lasting_ms: int | None) -> dict[str, Any]:
    """Write the command that mutes an incident's alerts; raise like `acknowledge`. None: until the incident closes."""
    at_ms = now_ms()
    record = {"command": "mute", "subject": incident, "by": by, "reason": reason, "at_ms": at_ms}
    return _write_command(config, record | {"until_ms": None if lasting_ms is None else at_ms + lasting_ms})


def _write_command(config: Config, record: dict[str, Any]) -> dict[str, Any]:
    incident = record["subject"]
    if not record["by"].strip():
        raise ConfigError("--by: must not be empty; give your name")
    rows = rows_of(config)
    if incident not in {row.incident for row in rows}:
        still = [row.incident for row in rows if row.state == "open"]
        raise ConfigError(f"no incident {incident!r}; open are: {', '.join(still) or 'none'}; see `alerts list`")
    AcknowledgedWriter(config).write(command_write(config, record))
    return record


def _records(config: Config, kind: str) -> list[dict[str, Any]]:
    topic = config.plan.of(kind)
    rows = read_topic(config.kafka, topic, READ_TIMEOUT_S)
    return [row.record for row in usable(rows, topic, _NAMES.get(kind, kind))]


def _if_there(config: Config, kind: str) -> list[dict[str, Any]]:
    try:
        return _records(config, kind)
    except TopicMissing:
        return []
