"""Commands of people that steer the runner of a trial: pause, resume and the share of the inputs that it answers.

=========  ==========================================================================================================
command    effect
=========  ==========================================================================================================
pause      the runner reads no inputs until `resume`; nothing is left out, only its lag grows
resume     the runner reads on from where it paused
sample     the runner answers `share` of the keys from its next batch on; the others end as `sampled_out`
=========  ==========================================================================================================

The subject is the name of the trial, so a new revision stays paused. The last command counts. Runner and judge follow
the same records by the same rules; these commands change no evidence.
"""

from collections.abc import Mapping
from typing import Any

from shadowstream.config import Config
from shadowstream.judge.utc_text import utc_text

_KEPT = ("by", "reason", "at_ms")
_COMMANDS = ("pause", "resume", "sample")


class Steering:
    """Last commands that steer one trial. `paused`: the pause that holds; `sampled`: the last share, or none."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.paused: dict[str, Any] | None = None
        self.sampled: dict[str, Any] | None = None

    @property
    def share(self) -> float:
        """Share of the keys that the candidate is called on now; never above `candidate.sample`."""
        declared = self._config.candidate.sample
        return declared if self.sampled is None else min(declared, self.sampled["share"])

    def obey(self, record: Mapping[str, Any]) -> str | None:
        """Follow a record (schemas/command.avsc) if it steers this trial; return why a share is refused, if it is."""
        if record["subject"] != self._config.name or record["command"] not in _COMMANDS:
            return None
        command = {name: record[name] for name in _KEPT}
        if record["command"] == "sample":
            share = record.get("share")
            if (refusal := share_refusal(self._config, share)) is not None:
                return refusal
            self.sampled = {"share": share, **command}
        else:
            self.paused = command if record["command"] == "pause" else None
        return None

    def notes(self) -> list[str]:
        """Return what holds now, as sentences for verdict, `explain` and `status`."""
        notes = [] if self.paused is None else [f"the runner is {self.pause_text()}"]
        if self.sampled is not None:
            declared = self._config.candidate.sample
            notes.append(
                f"the candidate is called on {self.share:.4g} of the keys (candidate.sample: {declared:.4g}) since "
                f"{_who(self.sampled)}"
            )
        return notes

    def pause_text(self) -> str:
        """Describe the pause that holds: since when, by whom and why; empty without one."""
        if self.paused is None:
            return ""
        return f"paused since {_who(self.paused)}; inputs wait, and `shadowstream resume` ends it"

    def snapshot(self) -> list[Any]:
        """Return the state as JSON."""
        return [self.paused, self.sampled]

    def restore(self, snapshot: list[Any]) -> None:
        """Restore the state from a snapshot."""
        self.paused, self.sampled = snapshot


def pause_refusal(config: Config) -> str | None:
    """Return why the candidate of a trial cannot be steered here; None if it can."""
    if config.candidate.topic is None:
        return None
    return f"the candidate is a job of its own that writes {config.candidate.topic}: pause or sample it there"


def share_refusal(config: Config, share: float | None) -> str | None:
    """Return why a share may not hold for a trial; None if it may.

    A left-out input must be known by its place, or by a key that the outputs keep: the config has declared this if it
    leaves inputs out itself. A greater share than the config's would be another revision.
    """
    declared = config.candidate.sample
    if share is None or not 0.0 < share <= 1.0:
        return "a share is above 0 and at most 1, for example 0.05"
    if share > declared:
        return (
            f"share {share:g} is above candidate.sample {declared:g}, which is part of the revision: raise it in the "
            "config and start the new revision"
        )
    if config.delivery != "exactly_once":
        return (
            "delivery: at_least_once may call the candidate again on an input that it has answered, and the share may "
            "be another then: set candidate.sample in the config and start the new revision"
        )
    if config.identity.kind == "coordinate" or (config.identity.kind == "key" and config.candidate.leaves_out):
        return None
    return (
        "records of production whose inputs are left out must be known: use identity.kind coordinate, or "
        "identity.kind key in a config with candidate.sample below 1, and start the new revision"
    )


def _who(command: Mapping[str, Any]) -> str:
    return f"{utc_text(command['at_ms'])} by {command['by']}: {command['reason']}"
