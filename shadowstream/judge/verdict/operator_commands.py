"""Commands of operators: records of the topic commands. Verdicts show them; they never change the evidence.

=========  ==================================================================================================
command    effect
=========  ==================================================================================================
ack        names who works on the incident; it stays open and blocks promote until its rate is quiet
mute       the incident's alerts are muted until `until_ms`; it stays open and blocks promote as well
override   the gate answers `decision` for the revision until `until_ms`, whatever the evidence shows; an empty
           decision takes the override back
approve    the promote that the command names is approved, where the trial asks for it (`approval`)
handover   names who let the candidate take over production's group, and at which offsets
pause, resume, sample: see `judge.steering`
=========  ==================================================================================================

The last command on a subject counts. Commands for other revisions have no effect.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.steering import Steering
from shadowstream.judge.verdict.approval import PromoteApproval

# Incidents are few; above this limit the oldest commands of a revision are dropped.
SUBJECTS_MAX = 200
_KEPT = ("by", "reason", "at_ms")


class OperatorCommands:
    """Last commands of operators on one revision and its incidents."""

    def __init__(self, config: Config, revision: str) -> None:
        self._revision = revision
        self.steering = Steering(config)
        self.approval = PromoteApproval(config)
        self.acks: dict[str, dict[str, Any]] = {}
        self.mutes: dict[str, dict[str, Any]] = {}
        self.override: dict[str, Any] | None = None
        self.handover: dict[str, Any] | None = None

    def take(self, record: Mapping[str, Any]) -> None:
        """Take a record (schemas/command.avsc); ignore unknown commands."""
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
        elif record["command"] == "approve" and subject == self._revision:
            self.approval.command = command | {"promote_since_ms": record.get("promote_since_ms")}
        elif record["command"] == "handover" and subject == self._revision:
            self.handover = {**command, "group": record["group"], "offsets": record["offsets"]}
        else:
            self.steering.obey(record)

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        states = self.steering.snapshot(), self.approval.snapshot(), self.handover
        return [self.acks, self.mutes, self.override, *states]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self.acks, self.mutes, self.override, *later = snapshot
        restored = (self.steering.restore, self.approval.restore)
        for restore, state in zip(restored, later, strict=False):  # an earlier release has fewer
            restore(state)
        self.handover = later[2] if len(later) > 2 else None


def _last(commands: dict[str, dict[str, Any]], subject: str, command: dict[str, Any]) -> None:
    commands.pop(subject, None)
    commands[subject] = command
    while len(commands) > SUBJECTS_MAX:
        commands.pop(next(iter(commands)))
