"""What people say to the judge: records of the topic commands. They are shown beside the evidence and never change it.

=========  ==================================================================================================
command    what it does
=========  ==================================================================================================
ack        somebody acts on the incident; it stays open, and holds promote back, until its rate is quiet
mute       the incident's alerts rest until `until_ms`; likewise
override   the gate answers `decision` for the revision until `until_ms`, whatever the evidence says; an empty one
           takes it back
=========  ==================================================================================================

The last word on a subject counts. Commands of other revisions change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Incidents are few; who acknowledges more than this many of one revision loses the oldest words.
SUBJECTS_MAX = 200
_KEPT = ("by", "reason", "at_ms")


class OperatorCommands:
    """The last words of people about one revision and its incidents."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        self.acks: dict[str, dict[str, Any]] = {}
        self.mutes: dict[str, dict[str, Any]] = {}
        self.override: dict[str, Any] | None = None

    def take(self, record: Mapping[str, Any]) -> None:
        """Take a record as in schemas/command.avsc; commands that are not known are left to others."""
        subject = record["subject"]
        command = {name: record[name] for name in _KEPT}
        ending = {"until_ms": record.get("until_ms")}
        if record["command"] == "ack":
            _last(self.acks, subject, command)
        elif record["command"] == "mute":
            _last(self.mutes, subject, command | ending)
        elif record["command"] == "override" and subject == self._revision:
            decision = record.get("decision", "")
            self.override = {"decision": decision, **command, **ending} if decision else None

    def snapshot(self) -> list[Any]:
        """Everything as JSON."""
        return [self.acks, self.mutes, self.override]

    def restore(self, snapshot: list[Any]) -> None:
        """Take up a snapshot."""
        self.acks, self.mutes, self.override = snapshot


def _last(commands: dict[str, dict[str, Any]], subject: str, command: dict[str, Any]) -> None:
    commands.pop(subject, None)
    commands[subject] = command
    while len(commands) > SUBJECTS_MAX:
        commands.pop(next(iter(commands)))
